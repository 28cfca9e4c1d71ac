"""Whole projects from the File menu: copies, backups, what is damaged, what is open elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QAbstractButton, QApplication, QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from engine.runs import ProgressBoard
from studio.dialogs.backups import BackupsDialog
from studio.messages import Kind
from studio.projects import SAMPLE
from studio.store import checks, listing
from studio.store.changes import Changes
from studio.store.edits import EditDraft, set_original_answers
from studio.store.holding import NOTE
from studio.window import MainWindow
from tests.studio.standin import World
from tests.studio.store.test_checks import spoil_an_index

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]
MakeWindow = Callable[[], MainWindow]
W = TypeVar("W", bound=QWidget)


def only(window: MainWindow, kind: type[W]) -> W:
    (found,) = [child for child in window.findChildren(kind) if child.isVisible()]
    return found


def deed(window: MainWindow, word: str) -> Callable[[], object]:
    message = window.messages.current()
    assert message is not None
    return next(deed.act for deed in message.deeds if word in deed.label)


def damage(folder: Path) -> bytes:
    file = folder / "project.sqlite"
    data = bytearray(file.read_bytes())
    data[4096 : 4096 + 4000] = os.urandom(4000)
    file.write_bytes(data)
    return bytes(data)


def train(window: MainWindow, settle: Settle, qtbot: QtBot) -> None:
    window.show_page("training")
    settle(window)
    page: Any = window.page("training")
    page.train.click()
    qtbot.waitUntil(lambda: window.workspace.run is not None and not window.trainer.busy, timeout=30_000)
    settle(window)


def test_a_copy_has_edits_and_runs_and_the_project_stays_open(
    window: MainWindow, settle: Settle, ask: Ask, qtbot: QtBot, tmp_path: Path
) -> None:
    from studio.store.runs import runs

    train(window, settle, qtbot)
    here = tmp_path / "project"
    copy = tmp_path / "elsewhere" / "Second"
    window.project_actions.copy_to(copy)
    settle(window)
    assert window.workspace.project is not None
    assert window.workspace.project.folder == here
    deed(window, "Open the copy")()
    settle(window)
    assert window.workspace.project.name == "Second"
    assert window.workspace.counts.total == 3
    (run,) = ask(window, runs)
    assert run.folder.is_relative_to(copy)
    assert sorted(path.name for path in run.folder.rglob("*")) == sorted(
        path.name for path in (here / "runs" / run.folder.name).rglob("*")
    )
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["Second"]


def test_a_copy_is_never_laid_over_something(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "letter.txt").write_text("dear")
    window.project_actions.copy_to(taken)
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert message.kind is Kind.ERROR
    assert "something in this folder" in message.text
    assert (taken / "letter.txt").read_text() == "dear"
    window.project_actions.copy_to(tmp_path / "project" / "inside")
    settle(window)
    assert "into itself" in window.messages.current().text  # type: ignore[union-attr]


def test_a_copy_that_is_stopped_leaves_nothing(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    (tmp_path / "project" / "runs" / "big").mkdir(parents=True)
    (tmp_path / "project" / "runs" / "big" / "pack.bin").write_bytes(bytes(9_000_000))
    job = window.projects.save_copy(tmp_path / "copy", ProgressBoard())
    job.stop()
    settle(window)
    assert not (tmp_path / "copy").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_a_backup_is_made_listed_and_restored_with_the_present_kept_aside(
    window: MainWindow, settle: Settle, qtbot: QtBot, tmp_path: Path
) -> None:
    window.project_actions.back_up.trigger()
    settle(window)
    assert "3 edits" in window.messages.current().text  # type: ignore[union-attr]
    window.project_actions.back_up.trigger()
    settle(window)
    assert "Nothing has changed" in window.messages.current().text  # type: ignore[union-attr]
    window.facts.deeds.add([EditDraft("Porto", subject="Portugal", relation="P36")])
    settle(window)

    window.project_actions.backups.trigger()
    settle(window)
    dialog = only(window, BackupsDialog)
    assert [dialog.table.item(row, 1).text() for row in range(dialog.table.rowCount())] == ["3 edits"]
    dialog.back_up.click()
    settle(window)
    assert [dialog.table.item(row, 1).text() for row in range(2)] == ["4 edits", "3 edits"]
    dialog.table.selectRow(1)
    dialog.restore.click()
    box = only(window, QMessageBox)
    assert box.defaultButton().text() == "Keep it as it is"
    next(button for button in box.buttons() if button.text() == "Restore").click()
    settle(window)
    qtbot.waitUntil(lambda: window.workspace.counts.total == 3)
    aside = list((tmp_path / "project" / "set-aside").rglob("project.sqlite"))
    assert len(aside) == 1
    assert window.messages.current().kind is Kind.GOOD  # type: ignore[union-attr]


def test_restoring_can_be_thought_better_of(window: MainWindow, settle: Settle) -> None:
    window.project_actions.back_up.trigger()
    window.project_actions.backups.trigger()
    settle(window)
    only(window, BackupsDialog).restore.click()
    box = only(window, QMessageBox)
    box.defaultButton().click()
    settle(window)
    assert window.workspace.counts.total == 3
    only(window, BackupsDialog).reject()


def test_a_project_without_backups_says_when_one_is_made(window: MainWindow, settle: Settle) -> None:
    window.project_actions.backups.trigger()
    settle(window)
    dialog = only(window, BackupsDialog)
    assert not dialog.table.isVisible()
    assert dialog._none.isVisible()
    assert not dialog.restore.isEnabled()
    dialog.reject()


def test_a_damaged_project_is_not_overwritten_and_comes_back_from_its_backup(
    window: MainWindow, make_window: MakeWindow, qtbot: QtBot, tmp_path: Path, settle: Settle
) -> None:
    window.close()
    folder = tmp_path / "project"
    broken = damage(folder)
    again = make_window()
    again.show()
    again.projects.open(folder)
    settle(again)
    dialog = only(again, BackupsDialog)
    assert dialog.windowTitle() == "Restore the project"
    assert dialog.restore.isEnabled()
    assert not dialog.back_up.isVisible()
    assert (folder / "project.sqlite").read_bytes() == broken
    dialog.reject()
    assert again.messages.current().kind is Kind.ERROR  # type: ignore[union-attr]
    assert (folder / "project.sqlite").read_bytes() == broken
    deed(again, "Show the backups")()
    only(again, BackupsDialog).restore.click()
    qtbot.waitUntil(lambda: again.workspace.counts.total == 3)
    (aside,) = (folder / "set-aside").rglob("project.sqlite")
    assert aside.read_bytes() == broken


def test_damage_in_a_large_project_is_told_while_one_works_on_it(
    window: MainWindow, make_window: MakeWindow, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.close()
    folder = tmp_path / "project"
    monkeypatch.setattr(checks, "THOROUGH_UP_TO", 0)
    again = make_window()
    again.show()
    examined(again, folder, settle)
    assert again.messages.current() is None
    again.close()
    spoil_an_index(folder)
    last = make_window()
    last.show()
    examined(last, folder, settle)
    assert last.workspace.counts.total == 3  # it can be worked on, and looked at, before one goes back
    assert "is damaged" in last.messages.current().text  # type: ignore[union-attr]
    deed(last, "Show the backups")()
    settle(last)
    only(last, BackupsDialog).reject()


def examined(window: MainWindow, folder: Path, settle: Settle) -> None:
    """Open a project and wait until all of its file was looked at."""
    window.projects.open(folder)
    settle(window)
    assert window.workspace.project is not None
    assert not window.workspace.project.examined
    while window.examination.under_way:
        QCoreApplication.processEvents()
    settle(window)


def test_a_damaged_project_without_backups_is_left_alone(
    window: MainWindow, make_window: MakeWindow, tmp_path: Path, settle: Settle
) -> None:
    window.close()
    folder = tmp_path / "project"
    for backup in (folder / "backups").iterdir():
        backup.unlink()
    broken = damage(folder)
    again = make_window()
    again.show()
    again.projects.open(folder)
    settle(again)
    dialog = only(again, BackupsDialog)
    assert not dialog.restore.isEnabled()
    assert dialog._none.isVisible()
    dialog.reject()
    assert (folder / "project.sqlite").read_bytes() == broken


def test_a_window_without_a_project_says_what_to_do(make_window: MakeWindow, settle: Settle, tmp_path: Path) -> None:
    window = make_window()
    window.show()
    window.projects.open(tmp_path / "nowhere")
    settle(window)
    assert window._no_project.isVisible()
    assert not window.facts.isVisible()
    buttons = [button for button in window._no_project.findChildren(QAbstractButton) if button.isEnabled()]
    assert len(buttons) == 3
    window.projects.create(tmp_path / "new")
    settle(window)
    assert window.facts.isVisible()


def test_what_cannot_be_opened_leaves_the_project_before_open(
    window: MainWindow, settle: Settle, tmp_path: Path
) -> None:
    window.projects.open(tmp_path / "nowhere")
    settle(window)
    assert window.messages.current().kind is Kind.ERROR  # type: ignore[union-attr]
    assert window.workspace.project is not None
    assert window.workspace.counts.total == 3
    window.facts.deeds.add([EditDraft("Porto", subject="Portugal", relation="P36")])
    settle(window)
    assert window.workspace.counts.total == 4


def test_a_new_project_in_the_folder_of_the_open_one_costs_it_nothing(
    window: MainWindow, settle: Settle, tmp_path: Path
) -> None:
    window.projects.create(tmp_path / "project")
    settle(window)
    assert "something in this folder" in window.messages.current().text  # type: ignore[union-attr]
    window.facts.deeds.add([EditDraft("Porto", subject="Portugal", relation="P36")])
    settle(window)
    assert window.workspace.counts.total == 4


def test_a_backup_that_cannot_be_restored_leaves_no_project_on_show_that_is_not_open(
    window: MainWindow, settle: Settle, ask: Ask, tmp_path: Path
) -> None:
    window.project_actions.back_up.trigger()
    settle(window)
    (backup,) = ask(window, lambda project: project.backups())
    backup.path.unlink()
    window.projects.create(tmp_path / "other")
    settle(window)
    window.projects.restore(tmp_path / "project", backup)
    settle(window)
    assert window.workspace.project.name == "other"  # type: ignore[union-attr]
    window.projects.open(tmp_path / "project")
    settle(window)
    window.projects.restore(tmp_path / "project", backup)
    settle(window)
    assert window.workspace.project is None
    deed(window, "Open it as it is")()
    settle(window)
    assert window.workspace.counts.total == 3


def test_what_is_offered_and_asked_of_one_project_is_not_done_to_the_next(
    window: MainWindow, settle: Settle, tmp_path: Path
) -> None:
    QApplication.clipboard().setText("Norway\tcapital\tBergen\nx\tno such relation\ty")
    window.facts.paste.trigger()
    settle(window)
    assert deed(window, "Paste the other")
    window.projects.create(tmp_path / "other")
    window.project_actions.backups.trigger()  # while it is made
    assert only(window, BackupsDialog).isModal()
    settle(window)
    assert window.messages.current() is None
    assert not [dialog for dialog in window.findChildren(BackupsDialog) if dialog.isVisible()]


def test_a_page_that_was_reading_when_another_project_was_opened_reads_that_one(
    window: MainWindow, settle: Settle, ask: Ask, qtbot: QtBot, tmp_path: Path
) -> None:
    train(window, settle, qtbot)
    window.show_page("compare")
    settle(window)
    compare: Any = window.page("compare")
    compare.ask_all(("One", "Two"))
    settle(window)
    window.project_actions.copy_to(tmp_path / "copy")
    settle(window)
    window.projects.create(tmp_path / "other")
    settle(window)
    assert compare.history.rows == []
    window.projects.open(tmp_path / "copy")
    compare.history.show_all()
    settle(window)
    assert sorted(row.query for row in compare.history.rows) == ["One", "Two"]
    window.show_page("facts")
    settle(window)
    window.projects.open(tmp_path / "project")
    window.facts.table.take_changes(Changes(updated=tuple(window.facts.table.ids)))
    window.facts.table._fetch()
    settle(window)
    assert None not in [window.facts.table.known_row(row) for row in range(3)]


def test_a_project_of_another_computer_is_opened_only_when_told_to(
    window: MainWindow, make_window: MakeWindow, settle: Settle, tmp_path: Path
) -> None:
    window.close()
    note = tmp_path / "project" / NOTE
    assert not note.exists()
    note.write_text(json.dumps({"computer": "some-other-machine", "process": 1}))
    again = make_window()
    again.projects.open(tmp_path / "project")
    settle(again)
    assert again.workspace.project is None
    assert "some-other-machine" in again.messages.current().text  # type: ignore[union-attr]
    deed(again, "Open anyway")()
    settle(again)
    assert again.workspace.counts.total == 3


def test_opening_an_open_project_calls_its_window(
    window: MainWindow, make_window: MakeWindow, settle: Settle, qtbot: QtBot, tmp_path: Path
) -> None:
    other = make_window()
    with qtbot.waitSignal(window.door.knocked):
        other.projects.open(tmp_path / "project")
    settle(other)
    assert "called up" in other.messages.current().text  # type: ignore[union-attr]
    assert window.workspace.project is not None


def test_nothing_is_done_to_a_project_that_is_trained_on(
    window: MainWindow, settle: Settle, world: World, qtbot: QtBot
) -> None:
    world.pause = 0.03
    window.show_page("training")
    settle(window)
    page: Any = window.page("training")
    page.train.click()
    qtbot.waitUntil(lambda: window.trainer.busy)
    for entry in (window.project_actions.backups, window.project_actions.sample, window.project_actions.save_copy):
        entry.trigger()
        assert "being trained" in window.messages.current().text  # type: ignore[union-attr]
    assert not window.findChildren(BackupsDialog)


def test_a_message_offers_no_way_around_the_training(
    window: MainWindow, settle: Settle, ask: Ask, world: World, qtbot: QtBot, tmp_path: Path
) -> None:
    window.project_actions.copy_to(tmp_path / "copy")
    settle(window)
    open_the_copy = deed(window, "Open the copy")
    world.pause = 0.03
    window.show_page("training")
    settle(window)
    page: Any = window.page("training")
    page.train.click()
    qtbot.waitUntil(lambda: window.trainer.busy)
    open_the_copy()
    assert "being trained" in window.messages.current().text  # type: ignore[union-attr]
    assert window.workspace.project.folder == tmp_path / "project"  # type: ignore[union-attr]
    window.trainer.cancel()
    qtbot.waitUntil(lambda: not window.trainer.busy)
    settle(window)
    # What is half typed is written to the project that is left, whichever way it is left.
    window.show_page("facts")
    window.facts.view.selectRow(0)
    qtbot.waitUntil(lambda: window.facts.inspector.edit_id is not None)
    settle(window)
    window.facts.inspector.aliases.setPlainText("The sunny one")
    open_the_copy()
    settle(window)
    assert window.workspace.project.folder == tmp_path / "copy"  # type: ignore[union-attr]
    window.projects.open(tmp_path / "project")
    settle(window)
    edits = ask(window, listing.edit_set).edits
    assert [edit.aliases for edit in edits if edit.aliases] == [("The sunny one",)]


def test_what_is_typed_while_another_project_opens_is_not_written_to_that_one(
    window: MainWindow, settle: Settle, ask: Ask, qtbot: QtBot, tmp_path: Path
) -> None:
    window.project_actions.copy_to(tmp_path / "copy")
    settle(window)
    window.facts.view.selectRow(0)
    qtbot.waitUntil(lambda: window.facts.inspector.edit_id is not None)
    settle(window)
    window.projects.open(tmp_path / "copy")
    window.facts.inspector.aliases.setPlainText("The sunny one")
    settle(window)
    assert window.workspace.project.folder == tmp_path / "copy"  # type: ignore[union-attr]
    assert not any(edit.aliases for edit in ask(window, listing.edit_set).edits)


def test_what_the_models_answer_stays_with_the_project_that_asked(
    window: MainWindow, settle: Settle, ask: Ask, world: World, qtbot: QtBot, tmp_path: Path
) -> None:
    from studio.store.comparisons import comparisons

    train(window, settle, qtbot)
    ask(window, lambda project: set_original_answers(project, dict.fromkeys(listing.edit_ids(project), "")))
    settle(window)
    window.project_actions.copy_to(tmp_path / "copy")
    settle(window)
    window.show_page("compare")
    settle(window)
    world.go_on.clear()
    window.facts.deeds.ask_model(ask(window, listing.edit_ids))
    compare: Any = window.page("compare")
    compare.ask_question("The capital of France is")
    compare.ask_all(("One", "Two"))
    qtbot.waitUntil(lambda: window.facts.deeds.is_asking)
    window.projects.open(tmp_path / "copy")
    qtbot.waitUntil(lambda: window.workspace.project.folder == tmp_path / "copy")  # type: ignore[union-attr]
    world.go_on.set()
    settle(window)
    rows = ask(window, lambda project: listing.rows(project, listing.edit_ids(project)))
    assert [row.original_answer for row in rows] == ["", "", ""]
    assert ask(window, comparisons) == []
    assert not compare.asker.busy


def test_the_sample_project_is_made_once_and_is_ready_to_train(
    make_window: MakeWindow, settle: Settle, ask: Ask, tmp_path: Path
) -> None:
    window = make_window()
    window.projects.open_sample(24, tmp_path / SAMPLE)
    settle(window)
    assert window.workspace.counts.total == 24
    edits = ask(window, listing.edit_set).edits
    assert all(edit.prompt and edit.new_object and edit.paraphrases for edit in edits)
    window.projects.open_sample(24, tmp_path / SAMPLE)
    settle(window)
    assert window.workspace.counts.total == 24


@pytest.mark.parametrize("name", ["project", "日本語 – עברית"])
def test_recent_projects_are_listed_newest_first(
    empty_window: MainWindow, settle: Settle, tmp_path: Path, name: str
) -> None:
    empty_window.projects.create(tmp_path / "more" / name)
    settle(empty_window)
    recent = empty_window.project_actions.recent.actions()
    assert [entry.text() for entry in recent] == [str(tmp_path / "more" / name), str(tmp_path / "project")]
    recent[1].trigger()
    settle(empty_window)
    assert empty_window.workspace.project.folder == tmp_path / "project"  # type: ignore[union-attr]
