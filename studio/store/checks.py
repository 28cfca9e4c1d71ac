"""What is checked before a project is trusted, and what can be put right without asking.

A bad row must not keep the window from opening; a damaged file must not be opened at all.
"""

from __future__ import annotations

import json
import os
import sqlite3
import unicodedata
from pathlib import Path

from sqlalchemy.orm import Session

from engine.edits import EditError, ProbeKind, Relation
from engine.runs import Cancel
from studio.store.backups import integrity_problem
from studio.store.database import APPLICATION_ID, Database
from studio.store.errors import ProjectDamaged, ProjectReadOnly, ProjectTooNew, project_error
from studio.store.migrations import UNICODE, VERSION
from studio.store.records import refresh_derived, texts
from studio.words import counted, deferred, tr

THOROUGH_UP_TO = 16 * 1024 * 1024
"""Bytes up to which a file is checked thoroughly when it is opened; a larger one, which would take a second and more,
is by `examine` while it is in use, and when it is backed up."""
_BETWEEN_LOOKS = 10_000
"""Steps of SQLite's machine, a few milliseconds, between two looks whether a check shall stop."""

_MAGIC = b"SQLite format 3\x00"
_HEADER = 100
_RESTORE = deferred("Restore a backup of it; the damaged file is kept.")


def check_header(path: Path) -> None:
    """Look at the first bytes only, so that a file that is refused is not touched at all.

    Raises ProjectDamaged where it is no project's file, ProjectTooNew where it is a newer version's.
    """
    if not path.is_file():
        raise ProjectDamaged(tr("This is not a file: {path}", path=path), tr(_RESTORE))
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if not header.startswith(_MAGIC) or len(header) < _HEADER:
        raise ProjectDamaged(
            tr("The project's file is damaged from its first bytes on: {path}", path=path), tr(_RESTORE)
        )
    if int.from_bytes(header[68:72]) != APPLICATION_ID:
        raise ProjectDamaged(
            tr("This is a file of another program, not of MeG Studio: {path}", path=path), tr(_RESTORE)
        )
    check_version(int.from_bytes(header[60:64]), path)


def check_writable(path: Path) -> None:
    """Raise ProjectReadOnly where the file may only be read: found out later, it would cost what was typed."""
    if not os.access(path, os.W_OK):
        raise ProjectReadOnly(
            tr("The project's file cannot be written to: {path}", path=path),
            tr("Allow writing to it, or work on a copy of the folder."),
        )


def check_version(version: int, path: Path) -> None:
    """Raise ProjectTooNew where `version` is newer than this program knows."""
    if version > VERSION:
        raise ProjectTooNew(
            tr(
                "A newer version of MeG Studio wrote this project (file version {version}, this one knows "
                "{known}): {parent}",
                version=version,
                known=VERSION,
                parent=path.parent,
            ),
            tr("Update MeG Studio, then open it."),
        )


def is_large(path: Path) -> bool:
    """Whether the file is too large to be checked thoroughly when it is opened."""
    return path.stat().st_size > THOROUGH_UP_TO


def check_integrity(database: Database) -> None:
    """Raise ProjectDamaged where SQLite finds the file damaged."""
    _check(database.raw, database.path, thorough=not is_large(database.path))


def examine(path: Path, cancel: Cancel) -> None:
    """Look at the whole of a file, which another connection may have open and write to; in any thread.

    Raises ProjectDamaged, and Cancelled within moments of being asked to stop.
    """
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.set_progress_handler(lambda: cancel.requested, _BETWEEN_LOOKS)
        _check(connection, path, thorough=True)
    except sqlite3.OperationalError:
        cancel.check()  # SQLite calls it an interruption
        raise
    finally:
        connection.close()


def _check(connection: sqlite3.Connection, path: Path, *, thorough: bool) -> None:
    try:
        problem = integrity_problem(connection, thorough=thorough)
    except sqlite3.DatabaseError as error:
        raise project_error(error, path) or error from error
    if problem is not None:
        raise ProjectDamaged(
            tr("The project's file is damaged ({problem}): {path}", problem=problem.splitlines()[-1], path=path),
            tr(_RESTORE),
        )


def needs_repair(database: Database) -> bool:
    """Whether `repair` would find anything."""
    with database.transaction() as session:
        rows = any(_count(session, where) for _, where, _ in _REPAIRS) or bool(_bad_relations(session))
    return rows or not _search_is_whole(database)


def repair(database: Database) -> tuple[str, ...]:
    """Put right what is wrong with rows and with the search, a sentence for each kind; a second time finds nothing."""
    sentences = []
    if not _search_is_whole(database):
        with database.transaction() as session:
            session.connection().exec_driver_sql("INSERT INTO edit_search (edit_search) VALUES ('rebuild')")
        sentences.append(tr("The index that edits are searched by was damaged: it was built anew."))
    with database.transaction() as session:
        for sentence, where, statement in _REPAIRS:
            number = _count(session, where)
            if number:
                session.connection().exec_driver_sql(statement)
                sentences.append(tr(sentence, rows=counted(number, "row")))
        bad = _bad_relations(session)
        for relation_id in bad:
            session.connection().exec_driver_sql("DELETE FROM relations WHERE id = ?", (relation_id,))
        if bad:
            sentences.append(
                tr("{relations} could not be read: removed from the project.", relations=counted(len(bad), "relation"))
            )
    return tuple(sentences)


def follow_unicode(database: Database) -> None:
    """Derive the keys anew where they were made with the tables of another Unicode version."""
    with database.transaction() as session:
        connection = session.connection()
        made_with = connection.exec_driver_sql("SELECT value FROM settings WHERE name = ?", (UNICODE,)).scalar()
        current = json.dumps(unicodedata.unidata_version)
        if made_with != current:
            refresh_derived(session)
            connection.exec_driver_sql("INSERT OR REPLACE INTO settings VALUES (?, ?)", (UNICODE, current))


def _search_is_whole(database: Database) -> bool:
    """Whether the full-text index says what the edits say; taken for granted of a file too large to look at it all."""
    if is_large(database.path):
        return True
    try:
        # Looks like a write and is none: the command compares every word of the index with the rows.
        database.raw.execute("INSERT INTO edit_search (edit_search, rank) VALUES ('integrity-check', 1)")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        return False
    return True


def _list_is_bad(column: str) -> str:
    return (
        f"CASE WHEN NOT json_valid({column}) THEN 1 WHEN json_type({column}) <> 'array' THEN 1 "
        f"ELSE EXISTS (SELECT 1 FROM json_each({column}) WHERE type <> 'text') END"
    )


def _object_is_bad(column: str) -> str:
    return f"CASE WHEN NOT json_valid({column}) THEN 1 ELSE json_type({column}) <> 'object' END"


_KINDS = ", ".join(f"'{kind.value}'" for kind in ProbeKind)
_PROBES_ARE_BAD = (
    "CASE WHEN NOT json_valid(probes) THEN 1 WHEN json_type(probes) <> 'array' THEN 1 "
    "ELSE EXISTS (SELECT 1 FROM json_each(probes) AS probe WHERE "
    "CASE WHEN probe.type <> 'array' THEN 1 "
    f"ELSE ifnull(json_extract(probe.value, '$[0]'), '') NOT IN ({_KINDS}) "
    "OR ifnull(json_type(probe.value, '$[1]'), '') <> 'text' OR json_array_length(probe.value) <> 2 END) END"
)

# What is said of it ({rows} stands for their number), where it is found, what is done.
_REPAIRS: tuple[tuple[str, str, str], ...] = (
    (
        deferred("{rows} of texts belonged to no edit: removed."),
        "edit_texts WHERE edit_id NOT IN (SELECT id FROM edits)",
        "DELETE FROM edit_texts WHERE edit_id NOT IN (SELECT id FROM edits)",
    ),
    (
        deferred("{rows} of edits had lost their paraphrases and probes: these are empty now."),
        "edits WHERE id NOT IN (SELECT edit_id FROM edit_texts)",
        "INSERT INTO edit_texts (edit_id, aliases, paraphrases, probes) "
        "SELECT id, '[]', '[]', '[]' FROM edits WHERE id NOT IN (SELECT edit_id FROM edit_texts)",
    ),
    *(
        (
            told,
            f"edit_texts WHERE {bad}",
            f"UPDATE edit_texts SET {column} = '[]' WHERE {bad}",
        )
        for told, column, bad in (
            (
                deferred("{rows} of edits had aliases that could not be read: these are empty now."),
                "aliases",
                _list_is_bad("aliases"),
            ),
            (
                deferred("{rows} of edits had paraphrases that could not be read: these are empty now."),
                "paraphrases",
                _list_is_bad("paraphrases"),
            ),
            (
                deferred("{rows} of edits had probes that could not be read: these are empty now."),
                "probes",
                _PROBES_ARE_BAD,
            ),
        )
    ),
    (
        deferred("{rows} of the history named a run that is gone: the name was removed."),
        "comparisons WHERE run_id IS NOT NULL AND run_id NOT IN (SELECT id FROM runs)",
        "UPDATE comparisons SET run_id = NULL WHERE run_id NOT IN (SELECT id FROM runs)",
    ),
    *(
        (
            told,
            f"runs WHERE {_object_is_bad(column)}",
            f"UPDATE runs SET {column} = '{{}}' WHERE {_object_is_bad(column)}",
        )
        for told, column in (
            (deferred("{rows} of runs had settings that could not be read: these are empty now."), "settings"),
            (deferred("{rows} of runs had figures that could not be read: these are empty now."), "figures"),
        )
    ),
    (
        deferred("{rows} of settings could not be read: forgotten."),
        "settings WHERE NOT json_valid(value)",
        "DELETE FROM settings WHERE NOT json_valid(value)",
    ),
    (
        deferred("{rows} of undo could not be read: what was done before cannot be taken back."),
        "undo_rows WHERE step_id NOT IN (SELECT id FROM undo_steps) "
        "OR kind NOT IN ('edit', 'relation') OR CASE WHEN payload IS NULL THEN 0 ELSE NOT json_valid(payload) END",
        "DELETE FROM undo_rows",
    ),
    (
        deferred("{rows} of undo held nothing: removed."),
        "undo_steps WHERE id NOT IN (SELECT step_id FROM undo_rows)",
        "DELETE FROM undo_steps WHERE id NOT IN (SELECT step_id FROM undo_rows)",
    ),
)


def _count(session: Session, where: str) -> int:
    return int(session.connection().exec_driver_sql(f"SELECT count(*) FROM {where}").scalar_one())


def _bad_relations(session: Session) -> list[str]:
    bad = []
    for relation_id, name, phrasings, held_out in session.connection().exec_driver_sql(
        "SELECT id, name, phrasings, held_out FROM relations"
    ):
        try:
            Relation(relation_id, name, texts(phrasings), texts(held_out))
        except (EditError, ValueError, TypeError):
            bad.append(relation_id)
    return bad
