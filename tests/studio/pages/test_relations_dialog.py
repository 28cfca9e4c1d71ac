"""Relations, written and rewritten as a person would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from studio.pages.facts.relations_dialog import RelationsDialog
from studio.store import listing
from studio.store.edits import EditDraft
from studio.store.relations import relations
from studio.window import MainWindow

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]


@pytest.fixture
def dialog(window: MainWindow, settle: Settle) -> Iterator[RelationsDialog]:
    made = RelationsDialog(window.workspace, window)
    made.show()
    settle(window)
    yield made
    if isValid(made):
        made.reject()


def choose(dialog: RelationsDialog, name: str) -> None:
    place = next(at for at in range(dialog.list.count()) if dialog.list.item(at).text().split("  (")[0] == name)
    dialog.list.setCurrentRow(place)


def preview(dialog: RelationsDialog) -> list[str]:
    return [dialog.preview.item(row, 1).text() for row in range(dialog.preview.rowCount())]


def make_colour(dialog: RelationsDialog, qtbot: QtBot) -> None:
    dialog.new.click()
    qtbot.keyClicks(dialog.name, "colour")
    qtbot.keyClicks(dialog.phrasings, "The colour of {} is")
    dialog.save.click()


def test_a_new_relation_is_checked_and_shown_on_real_subjects_while_it_is_typed(
    dialog: RelationsDialog, window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    dialog.new.click()
    settle(window)
    assert not dialog.save.isEnabled()
    qtbot.keyClicks(dialog.name, "capital")
    assert "called “capital” already" in dialog._told.text()
    dialog.name.setText("largest river")
    qtbot.keyClicks(dialog.phrasings, "The largest river of Japan is")
    assert "put it where “Japan” stands" in dialog._told.text()
    assert not dialog.save.isEnabled()
    dialog.phrasings.setPlainText("The largest river of {} is\nThe largest river of {} is")
    assert "twice" in dialog._told.text()
    dialog.phrasings.setPlainText("The largest river of {} is\n{} is crossed by")
    assert dialog.save.isEnabled()
    assert dialog._told.text() == ""
    assert preview(dialog)[0] in {f"The largest river of {subject} is" for subject in ("France", "Japan", "Italy")}
    qtbot.keyClick(dialog.save, Qt.Key.Key_Space)
    settle(window)
    assert "largest river" in {row.relation.name for row in ask(window, relations)}
    assert dialog.list.currentItem().text() == "largest river"
    assert any(
        window.facts.form.relation.itemText(at) == "largest river" for at in range(window.facts.form.relation.count())
    )
    window.undoing.undo.trigger()
    settle(window)
    assert "largest river" not in {row.relation.name for row in ask(window, relations)}


def test_what_new_words_do_to_edits_is_said_before_they_are_saved(
    dialog: RelationsDialog, window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    choose(dialog, "capital")
    settle(window)
    dialog.phrasings.setPlainText("{} is ruled from")
    qtbot.waitUntil(lambda: "3 edits" in dialog._told.text())
    assert "emptied" in dialog._told.text()
    assert {edit.prompt for edit in ask(window, listing.edit_set).edits} & {"Japan is ruled from"} == set()
    dialog.save.click()
    settle(window)
    assert "Japan is ruled from" in {edit.prompt for edit in ask(window, listing.edit_set).edits}
    assert dialog.restore.isVisible()
    dialog.restore.click()
    settle(window)
    dialog.save.click()
    settle(window)
    assert not dialog.restore.isVisible()
    assert "Japan is ruled from" not in {edit.prompt for edit in ask(window, listing.edit_set).edits}


def test_renaming_shows_in_the_table_and_is_undone(
    dialog: RelationsDialog, window: MainWindow, settle: Settle, ask: Ask
) -> None:
    choose(dialog, "capital")
    settle(window)
    dialog.name.setText("seat of government")
    dialog.save.click()
    settle(window)
    assert len(ask(window, lambda project: listing.edit_ids(project, "seat of"))) == 3
    window.undoing.undo.trigger()
    settle(window)
    assert ask(window, lambda project: listing.edit_ids(project, "seat of")) == []


def test_a_relation_in_use_asks_what_becomes_of_its_edits(
    dialog: RelationsDialog, window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    make_colour(dialog, qtbot)
    settle(window)
    relation = next(row.relation for row in ask(window, relations) if row.relation.name == "colour")
    window.facts.deeds.add([EditDraft("blue", subject="The sky", relation=relation.id)])
    settle(window)
    dialog._load(relation.id)
    settle(window)
    dialog.delete.click()
    assert "1 edit" in dialog._told.text()
    dialog.back.click()
    assert not dialog.free.isVisible()
    dialog.delete.click()
    dialog.free.click()
    settle(window)
    edit = next(edit for edit in ask(window, listing.edit_set).edits if edit.subject == "The sky")
    assert (edit.relation, edit.prompt) == ("", "The colour of The sky is")
    window.undoing.undo.trigger()
    settle(window)
    dialog._load(relation.id)
    settle(window)
    dialog.delete.click()
    dialog.delete_edits.click()
    settle(window)
    assert window.workspace.counts.total == 3
    window.undoing.undo.trigger()
    settle(window)
    assert window.workspace.counts.total == 4


def test_built_in_relations_stay(dialog: RelationsDialog, window: MainWindow, settle: Settle) -> None:
    choose(dialog, "capital")
    settle(window)
    assert not dialog.delete.isEnabled()


def test_what_is_typed_is_kept_while_another_relation_is_looked_at(
    dialog: RelationsDialog, window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    choose(dialog, "capital")
    stored = dialog.phrasings.toPlainText()
    dialog.phrasings.setPlainText("{} is ruled from")
    assert "not saved" in dialog.list.currentItem().text()
    dialog.new.click()
    assert dialog.name.text() == ""
    qtbot.keyClicks(dialog.name, "colour")
    choose(dialog, "continent")
    assert dialog.list.currentItem().text() == "continent"
    assert not dialog.discard.isEnabled()
    dialog.new.click()
    assert dialog.name.text() == "colour"
    choose(dialog, "capital")
    assert dialog.phrasings.toPlainText() == "{} is ruled from"
    dialog.discard.click()
    assert dialog.phrasings.toPlainText() == stored
    assert "not saved" not in dialog.list.currentItem().text()
    dialog.new.click()
    dialog.discard.click()
    dialog.reject()
    assert not dialog.isVisible()


def test_closing_asks_what_becomes_of_what_is_not_saved(
    dialog: RelationsDialog, window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    choose(dialog, "capital")
    dialog.name.setText("seat of government")
    qtbot.keyClick(dialog.name, Qt.Key.Key_Escape)
    assert dialog.isVisible()
    assert "“seat of government” is not saved" in dialog._told.text()
    assert not dialog.save.isVisible()
    dialog.stay.click()
    assert dialog.save.isVisible()
    assert not dialog.discard_all.isVisible()
    dialog.close_button.click()
    dialog.discard_all.click()
    assert not dialog.isVisible()
    settle(window)
    assert "capital" in {row.relation.name for row in ask(window, relations)}


def test_closing_saves_every_relation_that_was_typed(
    dialog: RelationsDialog, window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    dialog.new.click()
    qtbot.keyClicks(dialog.name, "colour")
    choose(dialog, "capital")
    dialog.name.setText("seat of government")
    dialog.reject()
    assert "2 relations" in dialog._told.text()
    dialog.save_all.click()
    assert dialog.isVisible()  # the new one has no phrasing: it is shown
    assert dialog.name.text() == "colour"
    assert "Give it a phrasing" in dialog._told.text()
    qtbot.keyClicks(dialog.phrasings, "The colour of {} is")
    dialog.reject()
    dialog.save_all.click()
    qtbot.waitUntil(lambda: not isValid(dialog))
    settle(window)
    assert {"colour", "seat of government"} <= {row.relation.name for row in ask(window, relations)}


def test_enter_in_the_name_saves(
    dialog: RelationsDialog, window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    choose(dialog, "capital")
    dialog.name.setText("seat of government")
    for _ in range(2):
        qtbot.keyClick(dialog.name, Qt.Key.Key_Return)
    settle(window)
    assert "seat of government" in {row.relation.name for row in ask(window, relations)}
    assert dialog._told.text() == ""
    dialog.reject()
    assert not dialog.isVisible()
