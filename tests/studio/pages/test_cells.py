"""Cells of the facts table: rectangles copied to a spreadsheet and pasted over what is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QItemSelection, QItemSelectionModel, Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from studio.pages.facts.columns import Column
from studio.store import listing
from studio.store.edits import EditDraft, add_edits
from studio.window import MainWindow

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]


def select(window: MainWindow, top: int, left: Column, bottom: int, right: Column) -> None:
    view, table = window.facts.view, window.facts.table
    view.selectionModel().select(
        QItemSelection(table.index(top, left), table.index(bottom, right)),
        QItemSelectionModel.SelectionFlag.ClearAndSelect,
    )


def test_a_rectangle_is_copied_and_pasted_over_as_one_step(window: MainWindow, settle: Settle, ask: Ask) -> None:
    settle(window)
    select(window, 0, Column.NEW_OBJECT, 1, Column.ORIGINAL_ANSWER)
    window.facts.copy.trigger()
    settle(window)
    assert QGuiApplication.clipboard().text() == "Lyon\t\nOsaka\t\n"
    QGuiApplication.clipboard().setText('"Nice"\t"so ""it"" is"\nKyoto\tTokyo\n')
    window.facts.paste_over.trigger()
    settle(window)
    found = [(edit.new_object, edit.original_answer) for edit in ask(window, listing.edit_set).edits]
    assert found == [("Nice", 'so "it" is'), ("Kyoto", "Tokyo"), ("Milan", "")]
    assert window.undoing.undo.text() == "Undo paste over 2 edits"
    window.undoing.undo.trigger()
    settle(window)
    assert [edit.new_object for edit in ask(window, listing.edit_set).edits] == ["Lyon", "Osaka", "Milan"]


def test_one_cell_fills_the_selection_and_bad_cells_are_told(window: MainWindow, settle: Settle, ask: Ask) -> None:
    settle(window)
    select(window, 0, Column.NEW_OBJECT, 2, Column.NEW_OBJECT)
    QGuiApplication.clipboard().setText("Rome")
    window.facts.paste_over.trigger()
    settle(window)
    assert {edit.new_object for edit in ask(window, listing.edit_set).edits} == {"Rome"}
    select(window, 2, Column.RELATION, 2, Column.RELATION)
    QGuiApplication.clipboard().setText("no such relation\tParis\nbelow\tthe table")
    window.facts.paste_over.trigger()
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert message.text.startswith("Pasted over 1 edit. 2 cells could not be taken. Row 1, column “Relation”: there is")
    assert "Row 2: there is no edit in the table" in message.details
    assert ask(window, listing.edit_set).edits[2].new_object == "Paris"


def test_an_edit_that_cannot_take_its_cell_is_told_by_its_row(window: MainWindow, settle: Settle, ask: Ask) -> None:
    ask(window, lambda p: add_edits(p, [EditDraft("Lima", subject="Peru", relation="P36", prompt="Its seat is")]))
    window.facts.table.reload()
    settle(window)
    select(window, 2, Column.SUBJECT, 3, Column.SUBJECT)
    QGuiApplication.clipboard().setText("Chile")
    window.facts.paste_over.trigger()
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert message.text == (
        "Pasted over 1 edit. 1 cell could not be taken. Row 2: the prompt “Its seat is” does not name “Peru”: change "
        "the prompt with the subject."
    )


def test_keys_for_cells(window: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    settle(window)
    view = window.facts.view
    view.setFocus()
    view.setCurrentIndex(window.facts.table.index(1, Column.SUBJECT))
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    settle(window)
    assert QGuiApplication.clipboard().text() == "Japan\n"
    assert len(window.facts.selected_ids()) == 1
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    settle(window)
    assert window.workspace.counts.total == 2
