from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.runs import Cancel, Cancelled
from studio.store import checks
from studio.store.backups import list_backups
from studio.store.edits import EditDraft, add_edits, delete_edits
from studio.store.errors import ProjectDamaged
from studio.store.listing import edit_ids, edit_set, rows
from studio.store.project import Project
from studio.store.relations import relations
from studio.store.runs import add_run, runs
from studio.store.settings import get_setting, set_setting
from studio.store.undo import undo_name
from tests.studio.store.conftest import CATALOGUE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = Project.create(tmp_path / "p", "Trial", CATALOGUE)
    ids = add_edits(made, [EditDraft("x", f"s{number}", "capital", paraphrases=("p",)) for number in range(4)]).added
    delete_edits(made, ids[3:])
    set_setting(made, "device", "cpu")
    add_run(made, editor="MeG", model="embedded", seed=1, snapshot="abc", edits=3)
    made.close()
    return tmp_path / "p"


def damage(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / "project.sqlite")  # foreign keys off: SQL that the store never says
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def spoil_an_index(folder: Path) -> None:
    """Have an index of the edits say what the edits do not: the quick check of a large file does not see it."""
    name = "spoilt"
    damage(folder, f"CREATE INDEX {name} ON edits (new_object)")
    (row,) = sqlite3.connect(folder / "project.sqlite").execute("SELECT * FROM sqlite_master WHERE name = ?", (name,))
    damage(folder, "PRAGMA writable_schema = ON", f"DELETE FROM sqlite_master WHERE name = '{name}'")
    damage(folder, "UPDATE edits SET new_object = 'z' WHERE id = 2")
    connection = sqlite3.connect(folder / "project.sqlite")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()


def test_a_large_file_is_checked_whole_while_it_is_in_use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Project.open(folder, CATALOGUE)
    assert whole.info.examined
    whole.close()
    monkeypatch.setattr(checks, "THOROUGH_UP_TO", 0)
    opened = Project.open(folder, CATALOGUE)
    assert not opened.info.examined
    Project.examine(folder, Cancel())
    opened.close()
    spoil_an_index(folder)
    opened = Project.open(folder, CATALOGUE)  # no more than a quick check
    add_edits(opened, [EditDraft("y", "s", "capital")])
    with pytest.raises(ProjectDamaged, match=r"is damaged \(.*index spoilt\)"):
        Project.examine(folder, Cancel())
    with pytest.raises(ProjectDamaged):
        opened.close()  # nor is it backed up over good ones
    monkeypatch.undo()
    with pytest.raises(ProjectDamaged):
        Project.open(folder, CATALOGUE)


def test_the_check_of_a_large_file_ends_when_it_is_asked_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_BETWEEN_LOOKS", 1)
    cancel = Cancel()
    Project.examine(folder, cancel)
    cancel.set()
    with pytest.raises(Cancelled):
        Project.examine(folder, cancel)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("INSERT INTO edit_texts VALUES (77, '[]', '[]', '[]'), (78, '[]', '[]', '[]')", "2 rows of texts belonged to"),
        ("DELETE FROM edit_texts WHERE edit_id = 1", "1 row of edits had lost"),
        ("UPDATE edit_texts SET paraphrases = '[oops' WHERE edit_id < 3", "2 rows of edits had paraphrases"),
        ("UPDATE edit_texts SET aliases = '[1]' WHERE edit_id = 1", "1 row of edits had aliases"),
        ("UPDATE edit_texts SET aliases = '{}' WHERE edit_id = 1", "1 row of edits had aliases"),
        ('UPDATE edit_texts SET probes = \'[["sideways", "x"]]\' WHERE edit_id = 1', "1 row of edits had probes"),
        ("UPDATE edit_texts SET probes = '[[\"far\"]]' WHERE edit_id = 1", "1 row of edits had probes"),
        ("UPDATE edit_texts SET probes = '[\"far\"]' WHERE edit_id = 1", "1 row of edits had probes"),
        ("UPDATE relations SET phrasings = '[]'", "1 relation could not be read"),
        ("UPDATE relations SET phrasings = 'nonsense'", "1 relation could not be read"),
        ("UPDATE relations SET held_out = '[\"no slot\"]'", "1 relation could not be read"),
        ("UPDATE runs SET figures = '[1]'", "1 row of runs had figures"),
        ("UPDATE settings SET value = 'nonsense' WHERE name = 'device'", "1 row of settings"),
        ("UPDATE undo_rows SET payload = '{' WHERE payload IS NOT NULL", "1 row of undo could not be read"),
        (
            "INSERT INTO comparisons SELECT 1, '2026-01-01', 55, '', '', '', '', 0, 0, 0, 0, '', 0, '', '{}', '', '', "
            "NULL, NULL, NULL",
            "1 row of the history named a run",
        ),
    ],
)
def test_bad_rows_are_put_right_counted_and_backed_up(folder: Path, statement: str, sentence: str) -> None:
    damage(folder, statement)
    opened = Project.open(folder, CATALOGUE)
    try:
        assert [repair for repair in opened.info.repairs if repair.startswith(sentence)], opened.info.repairs
        # Everything can be read.
        assert [edit.subject for edit in edit_set(opened).edits] == ["s0", "s1", "s2"]
        assert len(rows(opened, edit_ids(opened))) == 3
        assert runs(opened)
        assert relations(opened)
        get_setting(opened, "device")
        undo_name(opened)
    finally:
        opened.close()
    assert [backup for backup in list_backups(folder) if "before-repair" in backup.path.name]
    again = Project.open(folder, CATALOGUE)
    assert again.info.repairs == ()  # a second time finds nothing
    again.close()


def test_a_flipped_byte_in_a_text_does_not_keep_the_table_from_showing(folder: Path) -> None:
    damage(folder, "UPDATE edits SET subject = CAST(x'73ff30' AS TEXT) WHERE id = 1")
    opened = Project.open(folder, CATALOGUE)
    try:
        assert rows(opened, [1])[0].subject == "s\ufffd0"
    finally:
        opened.close()


def test_keys_follow_the_unicode_tables_of_the_program(folder: Path) -> None:
    damage(
        folder,
        "UPDATE settings SET value = '\"1.1.0\"' WHERE name = '_unicode'",
        "UPDATE edits SET search = '', subject_key = ''",
    )
    opened = Project.open(folder, CATALOGUE)
    try:
        assert len(edit_ids(opened, "s1")) == 1
    finally:
        opened.close()


def test_a_damaged_search_index_is_built_anew(folder: Path) -> None:
    damage(folder, "UPDATE edit_search_data SET block = zeroblob(3) WHERE id > 10")
    opened = Project.open(folder, CATALOGUE)
    try:
        assert len(opened.info.repairs) == 1
        assert "searched" in opened.info.repairs[0]
        assert len(edit_ids(opened, "capital of s1")) == 1
    finally:
        opened.close()
    again = Project.open(folder, CATALOGUE)
    assert again.info.repairs == ()
    again.close()
