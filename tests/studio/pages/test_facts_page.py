"""The Facts page, driven by keys and clicks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QItemSelection, QItemSelectionModel, Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from engine.edits import ProbeKind
from studio.messages import Kind
from studio.pages.facts.columns import Column
from studio.pages.facts.export import CHOICES
from studio.pages.facts.import_dialog import ImportDialog
from studio.store import listing
from studio.store.edits import EditDraft, add_edits
from studio.window import MainWindow
from tests.studio.standin import World

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]


def type_fact(qtbot: QtBot, window: MainWindow, subject: str, new_object: str) -> None:
    form = window.facts.form
    form.relation.setCurrentIndex(form.relation.findData("P36"))
    form.subject.clear()
    qtbot.keyClicks(form.subject, subject)
    form.new_object.clear()
    qtbot.keyClicks(form.new_object, new_object)
    qtbot.keyClick(form.new_object, Qt.Key.Key_Return)


def test_three_words_make_an_edit(empty_window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask) -> None:
    window = empty_window
    type_fact(qtbot, window, "Peru", "Cusco")
    qtbot.waitUntil(lambda: window.workspace.counts.total == 1)
    settle(window)
    edits = ask(window, listing.edit_set).edits
    assert [(edit.subject, edit.relation, edit.new_object) for edit in edits] == [("Peru", "P36", "Cusco")]
    assert "Peru" in edits[0].prompt
    assert window.facts.form.subject.text() == ""
    assert window.facts.inspector.edit_id is not None  # the new edit is selected


def test_what_is_missing_is_said_and_nothing_is_added(empty_window: MainWindow, qtbot: QtBot) -> None:
    form = empty_window.facts.form
    asked: list[object] = []
    form.add_asked.connect(asked.append)
    form.add.click()
    assert "subject" in form._asked.toolTip() + form._asked.text()
    form.subject.setText("Peru")
    form.add.click()
    assert "new object" in form._asked.accessibleName()
    form.subject.setText("{}")
    form.new_object.setText("Cusco")
    form.add.click()
    assert not asked


def test_a_free_prompt_needs_no_subject(empty_window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask) -> None:
    window, form = empty_window, empty_window.facts.form
    form.prompt_mode.click()
    form.prompt.insert("Q: 日本の首都は? A:")
    form.new_object.insert("大阪 😀")
    form.add.click()
    settle(window)
    edit = ask(window, listing.edit_set).edits[0]
    assert (edit.subject, edit.prompt, edit.new_object) == ("", "Q: 日本の首都は? A:", "大阪 😀")


def test_another_phrasing_becomes_the_prompt(empty_window: MainWindow, settle: Settle, ask: Ask) -> None:
    form = empty_window.facts.form
    form.relation.setCurrentIndex(form.relation.findData("P36"))
    second = form._menu.actions()[1]
    asked = second.text().replace("…", "Peru")
    second.trigger()
    form.subject.setText("Peru")
    form.new_object.setText("Cusco")
    form.add.click()
    settle(empty_window)
    edit = ask(empty_window, listing.edit_set).edits[0]
    assert edit.prompt == asked


def test_an_edit_in_place_is_stored_and_undone(window: MainWindow, settle: Settle, ask: Ask) -> None:
    table = window.facts.table
    row = next(place for place in range(3) if table.known_row(place) and table.known_row(place).subject == "Japan")
    assert table.setData(table.index(row, Column.NEW_OBJECT), "Kyoto")
    assert table.index(row, Column.NEW_OBJECT).data() == "Kyoto"  # at once, before the store has it
    settle(window)
    assert "Kyoto" in {edit.new_object for edit in ask(window, listing.edit_set).edits}
    window.undoing.undo.trigger()
    settle(window)
    assert "Kyoto" not in {edit.new_object for edit in ask(window, listing.edit_set).edits}
    assert window.undoing.redo.isEnabled()


def test_a_refused_edit_in_place_comes_back_with_a_sentence(window: MainWindow, settle: Settle) -> None:
    settle(window)
    table = window.facts.table
    before = table.index(0, Column.NEW_OBJECT).data()
    table.setData(table.index(0, Column.NEW_OBJECT), "")
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert message.kind is Kind.ERROR
    settle(window)
    assert table.index(0, Column.NEW_OBJECT).data() == before


def test_delete_and_bring_back(window: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    settle(window)
    facts = window.facts
    facts.view.selectRow(0)
    facts.view.setFocus()
    qtbot.keyClick(facts.view, Qt.Key.Key_Delete)
    settle(window)
    assert window.workspace.counts.total == 2
    assert "delete" in window.undoing.undo.text().casefold()
    window.undoing.undo.trigger()
    settle(window)
    assert window.workspace.counts.total == 3


def test_space_switches_the_selected_edits(window: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    settle(window)
    view = window.facts.view
    view.selectAll()
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_Space)
    settle(window)
    assert window.workspace.counts.enabled == 0
    qtbot.keyClick(view, Qt.Key.Key_Space)
    settle(window)
    assert window.workspace.counts.enabled == 3


def test_search_waits_for_silence_and_filters(window: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    settle(window)
    facts = window.facts
    qtbot.keyClicks(facts.search, "japan")
    assert len(facts.table.ids) == 3
    qtbot.waitUntil(lambda: len(facts.table.ids) == 1)
    facts.search.setText("nothing like it")
    qtbot.waitUntil(lambda: len(facts.table.ids) == 0)
    assert facts._places.currentIndex() == 2
    facts._clear.click()
    qtbot.waitUntil(lambda: len(facts.table.ids) == 3)


def test_paste_is_one_step(window: MainWindow, settle: Settle) -> None:
    rows = "\n".join(f"Land {number}\tcapital\tTown {number}" for number in range(500))
    QGuiApplication.clipboard().setText(rows)
    window.facts.paste.trigger()
    settle(window)
    assert window.workspace.counts.total == 503
    window.undoing.undo.trigger()
    settle(window)
    assert window.workspace.counts.total == 3


def test_a_paste_with_bad_rows_asks_first(window: MainWindow, settle: Settle) -> None:
    QGuiApplication.clipboard().setText("Peru\tcapital\tCusco\nPeru\tno such relation\tCusco\nalone")
    window.facts.paste.trigger()
    settle(window)
    assert window.workspace.counts.total == 3
    message = window.messages.current()
    assert message is not None
    assert "Row 2, column “relation”" in message.details
    message.deeds[0].act()
    settle(window)
    assert window.workspace.counts.total == 4


def test_copy_can_be_pasted_into_another_project(window: MainWindow, settle: Settle) -> None:
    settle(window)
    window.facts.view.selectAll()
    window.facts.copy.trigger()
    settle(window)
    text = QGuiApplication.clipboard().text()
    assert text.splitlines()[0].split("\t")[0] == "subject"
    assert "Japan\t" in text
    window.facts.delete.trigger()
    settle(window)
    window.facts.paste.trigger()
    settle(window)
    assert window.workspace.counts.total == 3


def test_ask_the_model_fills_the_original_answers(window: MainWindow, settle: Settle, ask: Ask) -> None:
    window.facts.ask.trigger()
    settle(window)
    edits = ask(window, listing.edit_set).edits
    assert all(edit.original_answer.startswith("old ") for edit in edits)
    assert window.workspace.counts.unanswered == 0


def test_asking_can_be_stopped_and_keeps_what_was_answered(
    window: MainWindow, qtbot: QtBot, settle: Settle, world: World
) -> None:
    QGuiApplication.clipboard().setText("\n".join(f"Land {number}\tcapital\tTown {number}" for number in range(200)))
    window.facts.paste.trigger()
    settle(window)
    world.slow_answers = 0.005
    window.facts.ask.trigger()
    qtbot.waitUntil(lambda: len(world.asked) > 70, timeout=10_000)
    assert window.facts.strip.isVisible()
    window.facts.strip._cancel.click()
    settle(window)
    qtbot.waitUntil(lambda: not window.facts.strip.isVisible())
    assert 0 < window.workspace.counts.unanswered < 203


def test_the_inspector_writes_what_was_typed(window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask) -> None:
    settle(window)
    facts, inspector = window.facts, window.facts.inspector
    facts.view.selectRow(0)
    qtbot.waitUntil(lambda: inspector.edit_id is not None)
    edit_id = inspector.edit_id
    inspector.paraphrases.setPlainText("One way\n\nAnother way")
    inspector.paraphrases.hand_over()
    inspector.probes(ProbeKind.NEIGHBOUR).setPlainText("The capital of Peru is")
    facts.view.selectRow(1)  # what was not left yet is written before another edit is shown
    settle(window)
    edit = ask(window, lambda project: listing.get_edit(project, edit_id))
    assert edit.paraphrases == ("One way", "Another way")
    assert [(probe.kind, probe.prompt) for probe in edit.probes] == [(ProbeKind.NEIGHBOUR, "The capital of Peru is")]


def test_closing_writes_what_was_typed(window: MainWindow, qtbot: QtBot, tmp_path: Path, settle: Settle) -> None:
    from studio.store.project import Project

    settle(window)
    window.facts.view.selectRow(0)
    qtbot.waitUntil(lambda: window.facts.inspector.edit_id is not None)
    edit_id = window.facts.inspector.edit_id
    window.facts.inspector.aliases.setPlainText("An alias")
    window.close()
    project = Project.open(tmp_path / "project")
    try:
        edit = listing.get_edit(project, edit_id or 0)
        assert edit is not None
        assert edit.aliases == ("An alias",)
    finally:
        project.close()


def test_import_shows_what_is_wrong_then_takes_the_rest(
    window: MainWindow, qtbot: QtBot, settle: Settle, tmp_path: Path
) -> None:
    settle(window)
    file = tmp_path / "facts.csv"
    file.write_text("subject,relation,new object\nPeru,capital,Cusco\n,capital,\nChile,capital,Valparaíso\n", "utf-8")
    dialog = window.facts.import_from(file)
    qtbot.waitUntil(dialog.accept_button.isEnabled)
    assert "3 rows in – 2 new, 1 rejected" in dialog.summary.text()
    assert dialog.rejections.rowCount() >= 1
    dialog.accept_button.click()
    settle(window)
    assert window.workspace.counts.total == 5
    message = window.messages.current()
    assert message is not None
    assert message.text == "Import done. facts.csv: 3 rows in – 2 added, 0 updated, 0 skipped, 1 rejected."
    assert "facts.csv, line 3, column “new object”: it is empty." in message.details
    window.undoing.undo.trigger()
    settle(window)
    assert window.workspace.counts.total == 3


def test_import_of_nonsense_says_so(window: MainWindow, qtbot: QtBot, settle: Settle, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00")
    dialog: ImportDialog = window.facts.import_from(file)
    settle(window)
    assert not dialog.accept_button.isEnabled()
    assert "picture.png" in dialog.summary.text()
    dialog.cancel.click()
    assert window.workspace.counts.total == 3


def test_every_export_comes_back(window: MainWindow, qtbot: QtBot, settle: Settle, tmp_path: Path) -> None:
    settle(window)
    for place, choice in enumerate(CHOICES):
        path = tmp_path / f"edits-{place}{choice.suffix}"
        window.facts.export.write(path, choice)
        settle(window)
        assert path.stat().st_size > 0
    lines = (tmp_path / "edits-0.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["new_object"] for line in lines[1:]} == {"Lyon", "Osaka", "Milan"}


def test_an_empty_project_offers_the_sample_edits(empty_window: MainWindow) -> None:
    assert empty_window.facts._places.currentIndex() == 1


def test_a_table_with_other_names_is_imported_once_its_columns_are_named(
    empty_window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask, tmp_path: Path
) -> None:
    file = tmp_path / "made elsewhere.csv"
    file.write_text(
        "exported on Monday\nwho;what;answer;remark\nPeru;capital;Cusco;x\nChile;capital;Arica;y\n", "utf-8"
    )
    dialog = empty_window.facts.import_from(file)
    settle(empty_window)
    assert "new object" in dialog.summary.text()
    assert not dialog.accept_button.isEnabled()
    options = dialog.table_options
    assert dialog.tabs.currentWidget() is options
    options.skip.setValue(1)
    options.delimiter.setCurrentIndex(options.delimiter.findData(";"))
    settle(empty_window)
    assert list(options._pickers) == ["who", "what", "answer", "remark"]
    for cell, name in (("who", "subject"), ("what", "relation"), ("answer", "new object")):
        picker = options._pickers[cell]
        picker.setCurrentIndex(picker.findData(name))
    settle(empty_window)
    assert dialog.accept_button.text() == "Import 2 edits"
    qtbot.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    settle(empty_window)
    edits = ask(empty_window, listing.edit_set).edits
    assert [(edit.subject, edit.relation, edit.new_object) for edit in edits] == [
        ("Peru", "P36", "Cusco"),
        ("Chile", "P36", "Arica"),
    ]


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
