"""The connection to a project's file: one connection, one thread, every transaction whole or not there at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from studio.store.errors import ProjectError, project_error
from studio.words import tr

APPLICATION_ID = 0x4D654753  # "MeGS" in the file's header
BUSY_MS = 5_000
CACHE_KIB = 64 * 1024


class Database:
    """An open project file. Only the thread that made it may use it."""

    def __init__(self, path: Path) -> None:
        """Connect to the file at `path`, which must exist. Raises ProjectError."""
        self.path = path
        try:
            self._raw = _connect(path)
        except sqlite3.Error as error:
            raise project_error(error, path) or error from error
        self._engine = engine_on(self._raw)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose changes are committed together at the end, or not at all. Raises ProjectError."""
        try:
            with Session(self._engine, autoflush=False) as session, session.begin():
                yield session
        except DBAPIError as error:
            raise project_error(error, self.path) or error from error

    @property
    def raw(self) -> sqlite3.Connection:
        """The driver's connection, for what SQL cannot say: backups and pragmas outside a transaction."""
        return self._raw

    @property
    def writes(self) -> int:
        """How many rows were written since the file was opened."""
        return self._raw.total_changes

    def close(self) -> None:
        """Close the file; SQLite folds its write-ahead log into it."""
        self._engine.dispose()
        self._raw.close()


def engine_on(raw: sqlite3.Connection) -> Engine:
    """An SQLAlchemy engine on one connection, in which DDL too is undone when its transaction fails."""
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # The driver would begin late, and not at all before DDL; a deferred transaction could fail half-way.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _connect(path: Path) -> sqlite3.Connection:
    # mode=rw: a file that is not there must not be made anew, empty, in its place.
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_MS / 1000
    )
    try:
        _configure(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _configure(connection: sqlite3.Connection, path: Path) -> None:
    # Outside any transaction, in this order: foreign_keys would be ignored silently inside one.
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    connection.execute("PRAGMA trusted_schema=OFF")
    if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
        raise ProjectError(
            tr(
                "A project cannot be kept safe in this folder, which seems to be on a network drive: {parent}",
                parent=path.parent,
            ),
            tr("Move it to a folder on this computer."),
        )
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    if connection.execute("PRAGMA foreign_keys").fetchone()[0] != 1:
        raise sqlite3.NotSupportedError("This SQLite was built without foreign keys.")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    # One flipped byte in a text must not keep the table from being shown.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
