"""A project: a folder that holds everything one person works on.

    project.sqlite   the truth: edits, relations, history, settings
    runs/            one folder a run
    backups/         checked copies of project.sqlite
    set-aside/       files that a backup was restored over
    lock             held while the project is open
    open.json        says which computer has it open

A project belongs to the thread that opened it.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from engine.edits import Relation, check_text
from engine.runs import Cancel, ProgressBoard
from studio.store import backups, checks, copying, migrations
from studio.store.database import Database
from studio.store.errors import (
    Backup,
    ProjectDamaged,
    ProjectDiskFull,
    ProjectExists,
    ProjectMissing,
    ProjectReadOnly,
)
from studio.store.holding import Hold
from studio.store.layout import RUNS, check_empty
from studio.words import tr

SCHEMA = migrations.VERSION
"""The version of the file that this program writes."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProjectInfo:
    """What the window may know of the open project: plain values, safe in any thread."""

    folder: Path
    name: str
    runs_folder: Path
    repairs: tuple[str, ...]  # what opening found wrong and put right, a sentence each
    examined: bool = True  # whether all of its file was checked; a large one is by `examine`


class Project:
    """An open project. Operations on it are the functions of this package, each one transaction."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        hold: Hold,
        catalogue: Mapping[str, Relation],
        repairs: tuple[str, ...],
    ) -> None:
        self.folder = folder
        self.catalogue = catalogue
        self._database = database
        self._hold = hold
        self._closed = False
        self._repairs = repairs
        self._examined = not checks.is_large(database.path)
        self._name = str(json.loads(self._setting(migrations.NAME) or json.dumps(folder.name)))
        self._computed: dict[str, tuple[int, object]] = {}

    @classmethod
    def create(cls, folder: Path, name: str, catalogue: Mapping[str, Relation] | None = None) -> Project:
        """Make a new project in `folder` (new, or empty) and open it. `catalogue`: the built-in relations.

        Raises EditError for a name that cannot be one, ProjectExists, ProjectLocked, ProjectReadOnly, ProjectDiskFull.
        """
        check_text(name)
        if folder.exists() and not folder.is_dir():
            raise ProjectExists(
                tr("There is a file of this name already: {folder}", folder=folder), tr("Choose another place.")
            )
        with _disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            check_empty(folder)  # before the lock: a project that is open here is no reason to have it closed
        hold = _take_hold(folder)
        try:
            check_empty(folder)  # another start may have been quicker
            with _disk_errors(folder):
                migrations.create_file(folder / backups.FILE, name.strip() or folder.name)
            return cls._open_held(folder, hold, catalogue)
        except BaseException:
            hold.release()
            raise

    @classmethod
    def open(cls, folder: Path, catalogue: Mapping[str, Relation] | None = None, *, anyway: bool = False) -> Project:
        """Open the project in `folder`: lock, check the file, bring it to this version.

        `anyway`: also where another computer seems to have it open.

        Raises ProjectMissing, ProjectLocked, ProjectElsewhere, ProjectTooNew, ProjectReadOnly, ProjectDiskFull, or
        ProjectDamaged with the backups that can be restored. A file that is refused is left as it is.
        """
        if not (folder / backups.FILE).exists() and not backups.list_backups(folder):
            raise ProjectMissing(
                tr("There is no project here: {folder}", folder=folder), tr("Check whether it was moved or renamed.")
            )
        hold = _take_hold(folder, anyway=anyway)
        try:
            return cls._open_held(folder, hold, catalogue)
        except BaseException:
            hold.release()
            raise

    @staticmethod
    def restore(folder: Path, backup: Backup) -> Path:
        """Put `backup` in the place of the project's file; the file that was there is kept: returns its new path.

        Raises ProjectLocked, ProjectReadOnly, ProjectDiskFull, and ProjectDamaged where the backup is damaged itself.
        """
        hold = _take_hold(folder)
        try:
            with _disk_errors(folder):
                return backups.restore(folder, backup)
        finally:
            hold.release()

    @staticmethod
    def examine(folder: Path, cancel: Cancel) -> None:
        """Check all of the file of the project in `folder`, which may be open and at work, from any thread.

        Raises ProjectDamaged; Cancelled.
        """
        checks.examine(folder / backups.FILE, cancel)

    @property
    def name(self) -> str:
        """What the project is called."""
        return self._name

    @property
    def runs_folder(self) -> Path:
        """Where runs keep their folders."""
        return self.folder / RUNS

    @property
    def info(self) -> ProjectInfo:
        """The project in plain values."""
        return ProjectInfo(self.folder, self.name, self.runs_folder, self._repairs, self._examined)

    def rename(self, name: str) -> None:
        """Give the project another name; the folder keeps its own. Raises EditError for one that cannot be used."""
        check_text(name)
        name = name.strip() or self.folder.name
        with self.write() as session:
            session.execute(
                text("INSERT OR REPLACE INTO settings (name, value) VALUES (:name, :value)"),
                {"name": migrations.NAME, "value": json.dumps(name)},
            )
        self._name = name

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading. Raises ProjectError."""
        with self._database.transaction() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose changes are committed together at the end, or not at all. Raises ProjectError."""
        before = self._database.writes
        with self._database.transaction() as session:
            yield session
            session.flush()
            if self._database.writes != before:
                session.execute(
                    text("UPDATE settings SET value = value + 1 WHERE name = :name"), {"name": migrations.REVISION}
                )

    def computed(self, name: str, compute: Callable[[], T]) -> T:
        """What `compute` gives, kept under `name` until the project is written to."""
        now = self._database.writes
        kept = self._computed.get(name)
        if kept is None or kept[0] != now:
            kept = (now, compute())
            self._computed[name] = kept
        return cast(T, kept[1])

    def back_up(self) -> Backup | None:
        """Make a checked backup now if anything changed since the newest one; older ones are thinned.

        Raises ProjectDamaged, with the older backups, where the file turns out to be damaged; ProjectError.
        """
        if int(self._setting(migrations.REVISION) or 0) == backups.newest_revision(self.folder):
            return None
        try:
            with _disk_errors(self.folder):
                return backups.back_up(self._database.raw, self.folder)
        except ProjectDamaged as error:
            error.backups = backups.list_backups(self.folder)
            raise

    def backups(self) -> tuple[Backup, ...]:
        """The backups that can be restored, newest first."""
        return backups.list_backups(self.folder)

    def save_copy(self, target: Path, *, board: ProgressBoard | None = None, cancel: Cancel | None = None) -> Path:
        """Write the project with its runs to `target` (new, or an empty folder), which appears there whole.

        The copy is called like its folder and has no backups yet; this project stays the open one.

        Raises ProjectExists, ProjectReadOnly, ProjectDiskFull, ProjectDamaged; Cancelled, with nothing left behind.
        """
        with _disk_errors(target):
            copying.copy_project(self._database.raw, self.folder, target, board or ProgressBoard(), cancel or Cancel())
        return target

    def close(self) -> None:
        """Back up if anything changed, close the file and give up the lock; a second time does nothing.

        The project is closed whatever happens; raises ProjectError where the backup could not be written.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self.back_up()
        finally:
            self._database.close()
            self._hold.release()

    def _setting(self, name: str) -> str | None:
        with self.read() as session:
            return session.execute(text("SELECT value FROM settings WHERE name = :name"), {"name": name}).scalar()

    @classmethod
    def _open_held(cls, folder: Path, hold: Hold, catalogue: Mapping[str, Relation] | None) -> Project:
        try:
            database = _open_file(folder / backups.FILE)
            try:
                repairs = _bring_up(database, folder)
                return cls(folder, database, hold, catalogue or {}, repairs)
            except BaseException:
                database.close()
                raise
        except ProjectDamaged as error:
            error.folder = folder
            error.backups = backups.list_backups(folder)
            raise


def _open_file(path: Path) -> Database:
    """The checked file, of whatever version up to this one."""
    if not path.exists():
        raise ProjectDamaged(tr("The project has lost its file: {path}", path=path), tr("Restore a backup of it."))
    with _disk_errors(path.parent):
        checks.check_header(path)
        checks.check_writable(path)
    database = Database(path)
    try:
        # The header may be older than the log beside it.
        checks.check_version(migrations.file_version(database), path)
        checks.check_integrity(database)
        return database
    except BaseException:
        database.close()
        raise


def _bring_up(database: Database, folder: Path) -> tuple[str, ...]:
    """Bring an open file to this version and put right what is wrong in it; both only after a backup."""
    with _disk_errors(folder):
        if migrations.file_version(database) < migrations.VERSION:
            backups.back_up(database.raw, folder, backups.BEFORE_UPDATE)
            migrations.migrate(database)
        repairs: tuple[str, ...] = ()
        if checks.needs_repair(database):
            backups.back_up(database.raw, folder, backups.BEFORE_REPAIR)
            repairs = checks.repair(database)
        checks.follow_unicode(database)
        (folder / RUNS).mkdir(exist_ok=True)
    with database.transaction() as session:
        # Nothing runs yet: what is noted as running was cut off.
        session.execute(text("UPDATE runs SET state = 'interrupted' WHERE state = 'running'"))
    return repairs


def _take_hold(folder: Path, *, anyway: bool = False) -> Hold:
    with _disk_errors(folder):
        return Hold(folder, anyway=anyway)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """What the system says of a folder, as a project error."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ProjectDiskFull(
                tr("There is no room left on the disk for the project: {folder}", folder=folder),
                tr("Make room, then try again."),
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise ProjectReadOnly(
                tr("The project's folder cannot be written to: {folder}", folder=folder),
                tr("Allow writing to it, or work on a copy in a folder of your own."),
            ) from error
        raise
