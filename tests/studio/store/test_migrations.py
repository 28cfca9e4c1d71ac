from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection

from studio.store import checks, migrations
from studio.store.backups import list_backups
from studio.store.database import APPLICATION_ID, Database
from studio.store.edits import EditDraft, add_edits
from studio.store.errors import ProjectDamaged
from studio.store.listing import edit_ids
from studio.store.migrations import VERSION, Migration, create_file, migrate
from studio.store.project import Project
from tests.studio.store.crashing import killed_at, needs_fork

RELEASED = Path(__file__).parent / "released"


def schema(path: Path) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    finally:
        connection.close()


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def released(number: int, folder: Path) -> Path:
    """A project of a released version, as that version wrote it."""
    folder.mkdir()
    connection = sqlite3.connect(folder / "project.sqlite")
    connection.executescript((RELEASED / f"v{number}.sql").read_text(encoding="utf-8"))
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={number}")
    connection.close()
    return folder


def test_every_released_version_has_its_example() -> None:
    assert [path.name for path in sorted(RELEASED.iterdir())] == [f"v{number}.sql" for number in range(1, VERSION + 1)]


@pytest.mark.parametrize("number", range(1, VERSION + 1))
def test_a_project_of_any_released_version_opens_with_the_schema_of_a_new_one(number: int, tmp_path: Path) -> None:
    folder = released(number, tmp_path / "old")
    opened = Project.open(folder)
    try:
        assert opened.info.repairs == ()
        assert opened.name == "An older project"
        assert len(edit_ids(opened, "lyon")) == 1
        add_edits(opened, [EditDraft("Nice", prompt="p")])
    finally:
        opened.close()
    create_file(tmp_path / "new.sqlite", "New")
    assert schema(folder / "project.sqlite") == schema(tmp_path / "new.sqlite")


def add_colour(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE colours (id INTEGER PRIMARY KEY, edit_id INTEGER REFERENCES edits (id))")
    connection.exec_driver_sql("ALTER TABLE edits ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'")


def add_shape(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE shapes (id INTEGER PRIMARY KEY)")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    made = Project.create(tmp_path / "p", "Old")
    add_edits(made, [EditDraft("Lyon", prompt="p")])
    made.close()
    return tmp_path / "p" / "project.sqlite"


def run(path: Path, *steps: Migration) -> None:
    database = Database(path)
    try:
        migrate(database, (*migrations.MIGRATIONS, *steps))
    finally:
        database.close()


def test_steps_are_taken_once_each_in_order(old: Path) -> None:
    run(old, add_colour)
    assert version(old) == VERSION + 1
    run(old, add_colour, add_shape)
    assert version(old) == VERSION + 2
    run(old, add_colour, add_shape)
    assert version(old) == VERSION + 2
    assert {"colours", "shapes"} <= {name for _, name, _ in schema(old)}


def test_a_step_that_fails_leaves_the_version_before_it(old: Path) -> None:
    def half(connection: Connection) -> None:
        add_shape(connection)
        raise RuntimeError("half way")

    before = schema(old)
    with pytest.raises(RuntimeError, match="half way"):
        run(old, add_colour, half)
    assert version(old) == VERSION + 1
    assert "shapes" not in {name for _, name, _ in schema(old)}
    assert schema(old) != before


def test_a_step_that_leaves_orphans_is_undone(old: Path) -> None:
    def orphan(connection: Connection) -> None:
        add_colour(connection)
        connection.exec_driver_sql("INSERT INTO colours (edit_id) VALUES (999)")

    before = schema(old)
    with pytest.raises(ProjectDamaged, match="belong to nothing"):
        run(old, orphan)
    assert (schema(old), version(old)) == (before, VERSION)


def test_a_step_may_build_a_table_anew_without_losing_its_children(old: Path) -> None:
    def rebuild(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE edits_new AS SELECT * FROM edits")
        connection.exec_driver_sql("DELETE FROM edits")
        connection.exec_driver_sql("INSERT INTO edits SELECT * FROM edits_new")
        connection.exec_driver_sql("DROP TABLE edits_new")

    run(old, rebuild)
    connection = sqlite3.connect(old)
    assert connection.execute("SELECT count(*) FROM edit_texts").fetchone()[0] == 1
    connection.close()


@needs_fork
def test_a_migration_can_be_cut_off_after_each_statement(old: Path) -> None:
    import os

    def statements(at: int) -> Migration:
        def migration(connection: Connection) -> None:
            for number, statement in enumerate(
                (
                    "CREATE TABLE colours (id INTEGER PRIMARY KEY)",
                    "ALTER TABLE edits ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'",
                    "INSERT INTO colours SELECT id FROM edits",
                )
            ):
                connection.exec_driver_sql(statement)
                if number == at:
                    os.fsync(0)  # where `killed_at` kills

        return migration

    before = schema(old)
    for at in range(3):
        assert killed_at(0, lambda at=at: run(old, statements(at)))
        assert (schema(old), version(old)) == (before, VERSION)
    run(old, statements(99))
    assert version(old) == VERSION + 1


def test_opening_an_older_project_backs_it_up_first(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (*migrations.MIGRATIONS, add_shape)
    monkeypatch.setattr(migrations, "VERSION", VERSION + 1)
    monkeypatch.setattr(checks, "VERSION", VERSION + 1)
    monkeypatch.setattr(migrations, "migrate", lambda database: migrate(database, steps))
    Project.open(old.parent).close()
    assert version(old) == VERSION + 1
    before = [backup.path for backup in list_backups(old.parent) if "before-update" in backup.path.name]
    assert [version(path) for path in before] == [VERSION]
