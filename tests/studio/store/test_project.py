from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.edits import EditError
from studio.store import migrations
from studio.store.backups import list_backups
from studio.store.edits import EditDraft, add_edits
from studio.store.errors import (
    ProjectDamaged,
    ProjectError,
    ProjectExists,
    ProjectLocked,
    ProjectMissing,
    ProjectReadOnly,
    ProjectTooNew,
)
from studio.store.listing import edit_ids, rows
from studio.store.project import Project
from studio.store.runs import RunState, add_run, runs
from tests.studio.store.conftest import CATALOGUE
from tests.studio.store.crashing import killed_at, needs_fork

DRAFT = EditDraft("Lyon", "France", "capital")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed project with twenty edits and two backups."""
    made = Project.create(tmp_path / "p", "Trial", CATALOGUE)
    add_edits(made, [EditDraft("x", f"s{number}", "capital") for number in range(19)])
    made.back_up()
    add_edits(made, [DRAFT])
    made.close()
    return tmp_path / "p"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "lock"}


def edits_of(folder: Path) -> int:
    opened = Project.open(folder, CATALOGUE)
    try:
        return len(edit_ids(opened))
    finally:
        opened.close()


def test_a_project_is_a_folder_that_opens_as_it_was_closed(folder: Path) -> None:
    opened = Project.open(folder, CATALOGUE)
    try:
        assert opened.name == "Trial"
        assert opened.info.repairs == ()
        assert opened.runs_folder.is_dir()
        assert len(edit_ids(opened)) == 20
        opened.rename("  Another ")
        with pytest.raises(EditError):
            opened.rename("a\x00b")
    finally:
        opened.close()
        opened.close()  # a second time does no harm
    again = Project.open(folder)
    assert again.name == "Another"
    again.close()
    # The log was folded into the file: what is copied now is whole.
    assert sorted(files(folder)) == ["project.sqlite"]


def test_the_connection_is_as_careful_as_it_should_be(project: Project) -> None:
    def pragma(name: str) -> object:
        with project.read() as session:
            return session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2  # FULL
    assert pragma("foreign_keys") == 1
    assert pragma("busy_timeout") == 5_000


def test_creating_refuses_what_lies_there(folder: Path, tmp_path: Path) -> None:
    before = files(folder)
    with pytest.raises(ProjectExists, match="something in this folder"):
        Project.create(folder, "Again")
    assert files(folder) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ProjectError):
        Project.create(tmp_path / "file", "On a file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_missing_project_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(ProjectMissing):
        Project.open(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProjectMissing):
        Project.open(tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []


def test_two_windows_cannot_have_one_project(folder: Path) -> None:
    first = Project.open(folder)
    with pytest.raises(ProjectLocked, match="another window"):
        Project.open(folder)
    first.close()
    assert edits_of(folder) == 20


def test_another_process_holds_the_lock_until_it_is_killed(folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from studio.store.project import Project\n"
        "project = Project.open(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(ProjectLocked):
            Project.open(folder)
        other.kill()
    assert edits_of(folder) == 20


def truncate(path: Path) -> None:
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size // 2)


def garbage(path: Path) -> None:
    path.write_bytes(b"\x00\xff not a database" * 4_000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def short(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\x00")


def flip_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = bytes(64)
    path.write_bytes(data)


def another_program(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    "damage",
    [truncate, garbage, empty, short, flip_pages, another_program, directory, gone],
    ids=lambda each: each.__name__,
)
def test_a_damaged_file_is_left_alone_and_can_be_restored(folder: Path, damage: Callable[[Path], None]) -> None:
    path = folder / "project.sqlite"
    damage(path)
    before = files(folder)
    with pytest.raises(ProjectDamaged) as caught:
        Project.open(folder)
    assert files(folder) == before
    assert str(path) in caught.value.sentence
    assert caught.value.action
    assert caught.value.folder == folder
    assert [backup.edits for backup in caught.value.backups] == [20, 19]
    aside = Project.restore(folder, caught.value.backups[0])
    assert edits_of(folder) == 20
    if damage is not gone:
        assert aside.exists()
        if damage is not directory:
            assert aside.read_bytes() == before["project.sqlite"]


def test_random_damage_is_found_or_harmless(folder: Path) -> None:
    opened = Project.open(folder, CATALOGUE)
    add_edits(opened, [EditDraft("x", f"subject {number}", "capital") for number in range(500)])
    opened.close()
    path = folder / "project.sqlite"
    whole = path.read_bytes()
    draw = random.Random(7)
    refused = repaired = 0
    for _ in range(40):
        data = bytearray(whole)
        place = draw.randrange(len(data) - 16)
        data[place : place + 16] = draw.randbytes(16)
        path.write_bytes(data)
        try:
            opened = Project.open(folder, CATALOGUE)
        except ProjectError:
            refused += 1
            assert path.read_bytes() == bytes(data)
        else:
            assert len(edit_ids(opened)) == 520
            assert len(rows(opened, edit_ids(opened))) == 520
            repaired += bool(opened.info.repairs)
            opened.close()
    assert refused >= 15
    assert refused + repaired >= 20


def test_a_newer_file_is_refused_untouched(folder: Path) -> None:
    path = folder / "project.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={migrations.VERSION + 1}")
    connection.close()
    before = files(folder)
    with pytest.raises(ProjectTooNew, match="newer version"):
        Project.open(folder)
    assert files(folder) == before


def as_nobody(folder: Path) -> str:
    """What a user who may only read is told, in a process of its own."""
    script = (
        "import os, sys; from pathlib import Path; from studio.store.project import Project\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "try: Project.open(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__)\n"
        "else: print('opened')"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(os.name == "nt", reason="permissions are other things there")
def test_a_project_that_may_only_be_read_is_refused_before_anything_is_typed(folder: Path) -> None:
    # Not under pytest's own folder, into which nobody but its owner may look.
    shared = Path(tempfile.mkdtemp(prefix="meg-studio-read-only-"))
    shutil.copytree(folder, shared, dirs_exist_ok=True)
    try:
        shared.chmod(0o755)
        (shared / "lock").unlink(missing_ok=True)
        if os.geteuid() != 0:
            shared.chmod(0o555)
        assert as_nobody(shared) == ProjectReadOnly.__name__
        # The lock may be taken, the file not.
        shared.chmod(0o777)
        (shared / "project.sqlite").chmod(0o444)
        assert as_nobody(shared) == ProjectReadOnly.__name__
    finally:
        shared.chmod(0o755)
        shutil.rmtree(shared)


def test_runs_that_were_cut_off_are_interrupted(folder: Path) -> None:
    opened = Project.open(folder)
    add_run(opened, editor="MeG", model="embedded", seed=1, snapshot="abc", edits=20)
    assert runs(opened)[0].state is RunState.RUNNING
    opened.close()
    again = Project.open(folder)
    assert runs(again)[0].state is RunState.INTERRUPTED
    again.close()


def test_a_project_belongs_to_its_thread(project: Project) -> None:
    import threading

    caught: list[BaseException] = []

    def use() -> None:
        try:
            edit_ids(project)
        except Exception as error:  # noqa: BLE001
            caught.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "thread" in str(caught[0])


@needs_fork
def test_creating_can_be_cut_off_anywhere(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    step = 0
    while killed_at(step, lambda: Project.create(folder, "Trial").close()):
        step += 1
        if (folder / "project.sqlite").exists():
            assert edits_of(folder) == 0
            shutil.rmtree(folder)
    assert step >= 3
    assert edits_of(folder) == 0


@needs_fork
def test_closing_can_be_cut_off_anywhere(folder: Path) -> None:
    def work() -> None:
        opened = Project.open(folder, CATALOGUE)
        add_edits(opened, [DRAFT])
        opened.close()

    step, expected = 0, 20
    while killed_at(step, work):
        step += 1
        expected += 1
        assert edits_of(folder) == expected
        assert all(backup.edits <= expected for backup in list_backups(folder))
    assert step >= 3
    assert list_backups(folder)[0].edits == edits_of(folder) == expected + 1


@needs_fork
def test_restoring_can_be_cut_off_anywhere(folder: Path) -> None:
    oldest = list_backups(folder)[-1]
    garbage(folder / "project.sqlite")
    step = 0
    while killed_at(step, lambda: Project.restore(folder, oldest)):
        step += 1
        # Either the damaged file, or none, or the restored one: never a new, empty one.
        try:
            edits = edits_of(folder)
        except ProjectDamaged:
            assert list_backups(folder)
        else:
            assert edits == 19
            garbage(folder / "project.sqlite")
    assert step >= 4
    assert edits_of(folder) == 19
