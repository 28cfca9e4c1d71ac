"""How a project's file comes to be, and how an older one is brought to this version.

The file's `user_version` counts: 1 is the first schema released, each migration adds one. A migration is a plain
function of SQL statements written out, which never change again; it runs in one transaction together with its number,
so a crash leaves the version before it or the version after it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import Connection

from studio.store.database import APPLICATION_ID, Database, engine_on
from studio.store.errors import ProjectDamaged, project_error
from studio.store.keys import content_print
from studio.store.placing import put_in_place
from studio.store.schema import SEARCH_TABLE, Base
from studio.words import tr

Migration = Callable[[Connection], None]


def _find_and_compare(connection: Connection) -> None:
    """Full-text search, an index for each column sorted by, and what a run was trained on."""
    for statement in (
        "CREATE INDEX edits_by_relation ON edits (relation_key, subject_key, id)",
        "CREATE INDEX edits_by_object ON edits (object_key, subject_key, id)",
        "CREATE INDEX edits_by_answer ON edits (answer_key, subject_key, id)",
        "CREATE TABLE edit_prints (\n\tedit_id INTEGER NOT NULL, \n\tprint INTEGER NOT NULL, "
        "\n\tPRIMARY KEY (edit_id), \n\tFOREIGN KEY(edit_id) REFERENCES edits (id) ON DELETE CASCADE\n)",
        'CREATE TABLE trained_edits (\n\trun_id INTEGER NOT NULL, \n\t"key" TEXT NOT NULL, \n\tprint INTEGER NOT NULL, '
        '\n\tenabled BOOLEAN NOT NULL, \n\tPRIMARY KEY (run_id, "key"), '
        "\n\tFOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE\n)\n WITHOUT ROWID\n\n",
        "CREATE VIRTUAL TABLE edit_search USING fts5"
        "(search, content='edits', content_rowid='id', tokenize='trigram case_sensitive 1')",
        "INSERT INTO edit_search (edit_search) VALUES ('rebuild')",
    ):
        connection.exec_driver_sql(statement)
    rows = connection.exec_driver_sql(
        "SELECT id, subject, relation, prompt, new_object, aliases, paraphrases, probes "
        "FROM edits JOIN edit_texts ON edit_id = id"
    ).fetchall()
    if rows:
        connection.exec_driver_sql(
            "INSERT INTO edit_prints (edit_id, print) VALUES (?, ?)",
            [(edit_id, content_print(*columns)) for edit_id, *columns in rows],
        )


def _add_run_notes(connection: Connection) -> None:
    """Each run's name, note and threshold, as they were given by hand."""
    connection.exec_driver_sql(
        "CREATE TABLE run_notes (\n\trun_id INTEGER NOT NULL, \n\tname TEXT NOT NULL, \n\tnote TEXT NOT NULL, "
        "\n\tthreshold DOUBLE, \n\tPRIMARY KEY (run_id), "
        "\n\tFOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE\n)"
    )


def _note_how_questions_were_asked(connection: Connection) -> None:
    """Comparisons tell their list, the decoding, what model and pack answered, and how long it took."""
    columns = (
        "id INTEGER NOT NULL",
        "created TEXT NOT NULL",
        "run_id INTEGER",
        "model TEXT NOT NULL",
        '"query" TEXT NOT NULL',
        "original TEXT NOT NULL",
        "edited TEXT NOT NULL",
        "familiarity DOUBLE NOT NULL",
        "routed BOOLEAN NOT NULL",
        "threshold DOUBLE NOT NULL",
        "entropy DOUBLE NOT NULL",
        "nearest_edit TEXT NOT NULL",
        "similarity DOUBLE NOT NULL",
        "asked_with TEXT NOT NULL",
        "decoding TEXT NOT NULL",
        "fingerprint TEXT NOT NULL",
        "pack TEXT NOT NULL",
        "calibrated DOUBLE",
        "original_seconds DOUBLE",
        "edited_seconds DOUBLE",
        "PRIMARY KEY (id)",
        "FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE SET NULL",
    )
    for statement in (
        "DROP INDEX comparisons_by_run",
        "ALTER TABLE comparisons RENAME TO comparisons_before",
        "CREATE TABLE comparisons (\n\t" + ", \n\t".join(columns) + "\n)",
        "INSERT INTO comparisons SELECT *, '', '{}', '', '', NULL, NULL, NULL FROM comparisons_before",
        "DROP TABLE comparisons_before",
        "CREATE INDEX comparisons_by_run ON comparisons (run_id)",
        "CREATE INDEX comparisons_by_list ON comparisons (asked_with)",
    ):
        connection.exec_driver_sql(statement)


def _version_2(connection: Connection) -> None:
    _find_and_compare(connection)
    _add_run_notes(connection)
    _note_how_questions_were_asked(connection)


MIGRATIONS: tuple[Migration, ...] = (_version_2,)
"""The n-th brings a file of version n (from 1) to version n + 1."""

VERSION = 1 + len(MIGRATIONS)

NAME = "_name"
REVISION = "_revision"
UNICODE = "_unicode"
"""Settings of the store itself: the project's name, how often it was written, the Unicode tables its keys follow."""


def create_file(path: Path, name: str) -> None:
    """Make the file of a new, empty project at `path`, which appears there whole. Raises ProjectError, OSError."""
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    partial.unlink(missing_ok=True)
    try:
        raw = sqlite3.connect(partial, isolation_level=None)
        try:
            with engine_on(raw).begin() as connection:
                _build(connection, name)
        finally:
            raw.close()
        put_in_place(partial, path)
    except Exception as error:
        partial.unlink(missing_ok=True)
        raise project_error(error, path) or error from error


def file_version(database: Database) -> int:
    """The version of an open file."""
    return int(database.raw.execute("PRAGMA user_version").fetchone()[0])


def migrate(database: Database, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring an open file to the newest version, one whole step after the other. Raises ProjectError."""
    for version, migration in enumerate(migrations, start=1):
        if version < file_version(database):
            continue
        # A table that is built anew would take its children with it; this is ignored inside a transaction.
        database.raw.execute("PRAGMA foreign_keys=OFF")
        try:
            with database.transaction() as session:
                connection = session.connection()
                migration(connection)
                if connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall():
                    raise ProjectDamaged(
                        tr("The project's file holds rows that belong to nothing: {path}", path=database.path),
                        tr("Restore a backup of it."),
                        folder=database.path.parent,
                    )
                connection.exec_driver_sql(f"PRAGMA user_version={version + 1}")
        finally:
            database.raw.execute("PRAGMA foreign_keys=ON")


def _build(connection: Connection, name: str) -> None:
    Base.metadata.create_all(connection)
    connection.exec_driver_sql(SEARCH_TABLE)
    connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version={VERSION}")
    connection.exec_driver_sql(
        "INSERT INTO settings (name, value) VALUES (?, ?), (?, ?), (?, ?)",
        (NAME, json.dumps(name), REVISION, "0", UNICODE, json.dumps(unicodedata.unidata_version)),
    )
