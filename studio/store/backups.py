"""Backups of a project's file: whole, checked before they count, thinned with age, restored without losing anything.

A copy of the open file made by hand would lack the write-ahead log; these go through SQLite.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from studio.store.database import APPLICATION_ID
from studio.store.errors import Backup, ProjectDamaged, project_error
from studio.store.migrations import REVISION
from studio.store.placing import move, put_in_place
from studio.words import tr

FILE = "project.sqlite"
FOLDER = "backups"
ASIDE = "set-aside"
BEFORE_UPDATE = "before-update"
BEFORE_REPAIR = "before-repair"

KEEP_NEWEST = 10
KEEP_DAYS = 14
KEEP_WEEKS = 8
KEEP_MONTHS = 12

_STAMP = "%Y-%m-%dT%H-%M-%S.%fZ"
_STAMP_LENGTH = len("2026-01-01T00-00-00.000000Z")


def back_up(raw: sqlite3.Connection, folder: Path, reason: str = "", *, now: datetime | None = None) -> Backup:
    """Copy the open file of the project in `folder` into its backups, and thin these.

    Raises ProjectDamaged, and leaves the older backups alone, where the copy does not pass its check; ProjectError
    where there is no room for it.
    """
    backups = folder / FOLDER
    partial = backups / f".partial-{os.getpid()}.sqlite"
    moment = now or datetime.now(UTC)
    try:
        backups.mkdir(exist_ok=True)
        partial.unlink(missing_ok=True)
        edits = copy_file(raw, partial, folder)
        path = _free_name(backups, moment, reason)
        put_in_place(partial, path)
        size = path.stat().st_size
    except sqlite3.Error as error:
        raise project_error(error, partial) or error from error
    finally:
        partial.unlink(missing_ok=True)
    _thin(backups, moment)
    return Backup(path, moment, edits, size, reason)


def list_backups(folder: Path) -> tuple[Backup, ...]:
    """The backups of the project in `folder` that can be read, newest first."""
    found = []
    for path in (folder / FOLDER).glob("*.sqlite"):
        created = _created(path)
        if created is None:
            continue
        try:
            edits = _count_edits(path)
            size = path.stat().st_size
        except (sqlite3.Error, OSError):
            continue  # a backup that cannot be read is none
        found.append(Backup(path, created, edits, size, _reason(path)))
    return tuple(sorted(found, key=lambda backup: (backup.created, backup.path.name), reverse=True))


def newest_revision(folder: Path) -> int | None:
    """The revision of the newest backup, or None where there is none that can be read."""
    for backup in list_backups(folder):
        connection = _open_read_only(backup.path)
        try:
            row = connection.execute("SELECT value FROM settings WHERE name = ?", (REVISION,)).fetchone()
            return int(json.loads(row[0])) if row else None
        finally:
            connection.close()
    return None


def restore(folder: Path, backup: Backup, *, now: datetime | None = None) -> Path:
    """Put `backup` in the place of the project's file, whose lock the caller holds; returns where that one is kept.

    Raises ProjectDamaged, and changes nothing, where the backup is damaged itself.
    """
    partial = folder / f"{FILE}.partial-{os.getpid()}"
    try:
        shutil.copyfile(backup.path, partial)
        check_copy(partial, backup.path)
        aside = _set_aside(folder, (now or datetime.now(UTC)).strftime(_STAMP))
        put_in_place(partial, folder / FILE)
    finally:
        partial.unlink(missing_ok=True)
    return aside


def check_copy(path: Path, source: Path) -> None:
    """Raise ProjectDamaged, speaking of `source`, unless the file at `path` is a whole project."""
    try:
        connection = _open_read_only(path)
        try:
            whole = integrity_problem(connection) is None
            ours = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        finally:
            connection.close()
    except sqlite3.Error:
        whole = ours = False
    if not (whole and ours):
        raise ProjectDamaged(tr("This copy is damaged: {source}", source=source), tr("Choose another backup."))


def integrity_problem(connection: sqlite3.Connection, *, thorough: bool = True) -> str | None:
    """The first thing that SQLite finds wrong with a file, or None."""
    pragma = "integrity_check" if thorough else "quick_check"
    first = str(connection.execute(f"PRAGMA {pragma}(1)").fetchone()[0])
    return None if first == "ok" else first


def thinned(moments: Sequence[datetime], now: datetime) -> set[datetime]:
    """Which of the backups made at `moments` to keep: the newest, then one a day, a week and a month."""
    newest_first = sorted(moments, reverse=True)
    keep = set(newest_first[:KEEP_NEWEST])
    for period, limit in (("%Y-%m-%d", timedelta(days=KEEP_DAYS)), ("%G-%V", timedelta(weeks=KEEP_WEEKS))):
        keep |= _last_of_each(newest_first, period, now - limit)
    return keep | _last_of_each(newest_first, "%Y-%m", now - timedelta(days=31 * KEEP_MONTHS))


def _last_of_each(newest_first: Sequence[datetime], period: str, since: datetime) -> set[datetime]:
    last: dict[str, datetime] = {}
    for moment in newest_first:
        if moment >= since:
            last.setdefault(moment.strftime(period), moment)
    return set(last.values())


def _thin(backups: Path, now: datetime) -> None:
    dated = {path: created for path in backups.glob("*.sqlite") if (created := _created(path)) is not None}
    # Those made before an update or a repair are few, and may be the way back from a mistake of ours.
    ordinary = {path: created for path, created in dated.items() if len(path.stem) <= _STAMP_LENGTH + len("-99")}
    keep = thinned(list(ordinary.values()), now)
    for path, created in ordinary.items():
        if created not in keep:
            path.unlink(missing_ok=True)


def copy_file(raw: sqlite3.Connection, partial: Path, folder: Path) -> int:
    """Copy the open file of the project in `folder` to `partial`, check the copy, and say how many edits it holds.

    Raises ProjectDamaged where the copy does not pass; sqlite3.Error where it cannot be written.
    """
    target = sqlite3.connect(partial, isolation_level=None)
    try:
        raw.backup(target)
        # One file, without a log beside it.
        target.execute("PRAGMA journal_mode=DELETE")
        problem = integrity_problem(target)
        if problem is not None:
            raise ProjectDamaged(
                tr(
                    "The project's file is damaged ({problem}), so no backup was made of it: {folder}",
                    problem=problem,
                    folder=folder / FILE,
                ),
                tr("Restore one of the older backups, which were kept."),
                folder=folder,
            )
        return int(target.execute("SELECT count(*) FROM edits").fetchone()[0])
    finally:
        target.close()


def _set_aside(folder: Path, stamp: str) -> Path:
    """Move the project's file with its log out of the way, and say where the file is now."""
    aside = folder / ASIDE / stamp
    attempt = 1
    while aside.exists():
        attempt += 1
        aside = folder / ASIDE / f"{stamp}-{attempt}"
    aside.mkdir(parents=True)
    # The log last and never left behind: beside the restored file it would be taken for its own.
    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
        if (folder / name).exists():
            move(folder / name, aside / name)
    return aside / FILE


def _free_name(backups: Path, moment: datetime, reason: str) -> Path:
    stem = moment.strftime(_STAMP) + (f"-{reason}" if reason else "")
    path = backups / f"{stem}.sqlite"
    attempt = 1
    while path.exists():
        attempt += 1
        path = backups / f"{stem}-{attempt}.sqlite"
    return path


def _created(path: Path) -> datetime | None:
    try:
        return datetime.strptime(path.stem[:_STAMP_LENGTH], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def _reason(path: Path) -> str:
    rest = path.stem[_STAMP_LENGTH:].strip("-")
    return next((reason for reason in (BEFORE_UPDATE, BEFORE_REPAIR) if rest.startswith(reason)), "")


def _open_read_only(path: Path) -> sqlite3.Connection:
    # immutable: a backup is never written, so reading it must not leave lock or log files beside it.
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)


def _count_edits(path: Path) -> int:
    connection = _open_read_only(path)
    try:
        return int(connection.execute("SELECT count(*) FROM edits").fetchone()[0])
    finally:
        connection.close()
