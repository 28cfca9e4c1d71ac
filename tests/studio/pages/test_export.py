"""Exporting: which edits, which format, what is lost said before, and the file that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from engine.formats.registry import ReadOptions, read_edits
from studio.messages import Kind
from studio.pages.facts.export import CHOICES, Choice, ExportDialog
from studio.store import edits as editing
from studio.store import listing
from studio.window import MainWindow

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]


def opened(window: MainWindow, settle: Settle) -> ExportDialog:
    settle(window)
    found = [dialog for dialog in window.facts.findChildren(ExportDialog) if dialog.isVisible()]
    assert len(found) == 1
    return found[0]


def choose(dialog: ExportDialog, format: str) -> None:
    dialog.format.setCurrentIndex([choice.format for choice in CHOICES].index(format))


def test_what_a_format_cannot_hold_is_said_before(window: MainWindow, settle: Settle) -> None:
    window.facts.export_all.trigger()
    dialog = opened(window, settle)
    assert dialog.summary.text() == "3 edits will be written; nothing of them is lost."
    choose(dialog, "zsre")
    settle(window)
    assert "0 edits will be written, 3 cannot be" in dialog.summary.text()
    assert not dialog.accept_button.isEnabled()
    assert dialog.losses.item(dialog.losses.rowCount() - 1, 0).text() == (
        "3 edits left out for “probes”: the format wants one question that must not change (the first is edit 1)."
    )
    choose(dialog, "easyedit")
    settle(window)
    assert dialog.accept_button.isEnabled()
    assert dialog.losses.item(0, 0).text().startswith("Edits without an original answer")
    dialog.reject()


def test_the_spreadsheet_option_is_for_tables(window: MainWindow, settle: Settle) -> None:
    window.facts.export_all.trigger()
    dialog = opened(window, settle)
    assert not dialog.safe.isVisible()
    choose(dialog, "csv")
    dialog.safe.setChecked(True)
    settle(window)
    assert dialog.safe.isVisible()
    assert dialog.choice == Choice("csv", spreadsheet_safe=True)
    choose(dialog, "jsonl")
    assert dialog.choice == Choice("jsonl")
    dialog.reject()


def test_what_is_filtered_and_what_is_selected(
    window: MainWindow, qtbot: QtBot, settle: Settle, tmp_path: Path
) -> None:
    facts = window.facts
    assert not facts.export_listed.isEnabled()
    facts.search.setText("japan")
    facts.search.returnPressed.emit()
    settle(window)
    facts.export_listed.trigger()
    dialog = opened(window, settle)
    assert [dialog.scope.itemText(place) for place in range(dialog.scope.count())] == [
        "All edits (3 edits)",
        "The listed edits (1 edit)",
    ]
    asked: list[tuple[Choice, tuple[int, ...] | None]] = []
    dialog.export_asked.disconnect()
    dialog.export_asked.connect(lambda choice, ids: asked.append((choice, ids)))
    dialog.accept_button.click()
    ((choice, ids),) = asked
    facts.export.write(tmp_path / "listed.jsonl", choice, ids)
    settle(window)
    assert [edit.new_object for edit in read_edits(tmp_path / "listed.jsonl").edit_set.edits] == ["Osaka"]
    facts._show_all()
    settle(window)
    facts.view.selectRow(0)
    settle(window)
    facts.export_selected.trigger()
    dialog = opened(window, settle)
    assert dialog.scope.currentText() == "The selected edits (1 edit)"
    assert dialog.ids == tuple(facts.selected_ids())
    dialog.reject()


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.format)
def test_every_format_comes_back_into_the_project(
    window: MainWindow, settle: Settle, ask: Ask, tmp_path: Path, choice: Choice
) -> None:
    settle(window)
    ids = list(window.facts.table.ids)
    probe = editing.Probe(editing.ProbeKind.FAR, "who sang it")
    ask(window, lambda project: [editing.update_edit(project, i, original_answer="x", probes=(probe,)) for i in ids])
    path = tmp_path / f"edits{choice.suffix}"
    window.facts.export.write(path, choice)
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert (message.kind, "3 edits written" in message.text) == (Kind.GOOD, True)
    there = ask(window, listing.edit_set)
    imported = read_edits(path, relations=there.relations, options=ReadOptions(zsre_target="alt")).edit_set.edits
    assert [(edit.id, edit.prompt, edit.new_object) for edit in imported] == [
        (edit.id, edit.prompt, edit.new_object) for edit in there.edits
    ]


def test_an_export_that_fails_is_a_sentence(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    window.facts.export.write(tmp_path / "missing" / "edits.jsonl", Choice("jsonl"))
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert message.kind is Kind.ERROR
    assert "cannot be written" in message.text


def test_nothing_to_export(empty_window: MainWindow) -> None:
    empty_window.facts.export_all.trigger()
    message = empty_window.messages.current()
    assert message is not None
    assert "no edit to export" in message.text
