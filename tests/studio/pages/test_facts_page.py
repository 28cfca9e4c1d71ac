"""The Facts page, driven by keys and clicks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from engine.edits import EditError, ProbeKind
from engine.runs import Cancelled
from studio.messages import Kind
from studio.pages.facts.clipboard import Pasted
from studio.pages.facts.columns import Column
from studio.pages.facts.conflict_dialog import ConflictDialog
from studio.pages.facts.export import CHOICES
from studio.pages.facts.import_dialog import ImportDialog
from studio.store import edits as editing
from studio.store import listing
from studio.store.changes import Changes
from studio.store.edits import EditDraft
from studio.store.listing import EditFilter
from studio.window import MainWindow
from tests.studio import standin
from tests.studio.conftest import PATIENCE
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


def test_a_fact_that_is_half_typed_outlives_a_paste(window: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    form = window.facts.form
    form.subject.setText("Peru")
    window.facts.deeds.add([EditDraft("Arica", subject="Chile", relation="P36")], "Paste 1 edit")
    settle(window)
    assert window.workspace.counts.total == 4
    assert form.subject.text() == "Peru"
    type_fact(qtbot, window, "Peru", "Cusco")
    form.subject.setText("Ghana")  # the next one is begun before the database has the last one
    settle(window)
    assert window.workspace.counts.total == 5
    assert form.subject.text() == "Ghana"


@pytest.mark.parametrize("by_key", [True, False])
def test_a_fact_entered_twice_in_haste_is_added_once(
    window: MainWindow, qtbot: QtBot, settle: Settle, by_key: bool
) -> None:
    form = window.facts.form
    type_fact(qtbot, window, "Norway", "Bergen")
    if by_key:
        qtbot.keyClick(form.new_object, Qt.Key.Key_Return)
    else:
        qtbot.mouseClick(form.add, Qt.MouseButton.LeftButton)
    settle(window)
    assert window.workspace.counts.total == 4
    type_fact(qtbot, window, "Norway", "Bergen")  # once it is there, the same again is a deed of its own
    settle(window)
    assert window.workspace.counts.total == 5


def test_a_fact_that_was_refused_or_cancelled_can_be_entered_again(
    window: MainWindow, qtbot: QtBot, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    form, wrong = window.facts.form, [EditError("Not now."), Cancelled()]
    add_edits = editing.add_edits

    def fail_twice(*args: Any, **kwargs: Any) -> Changes:
        if wrong:
            raise wrong.pop()
        return add_edits(*args, **kwargs)

    monkeypatch.setattr(editing, "add_edits", fail_twice)
    type_fact(qtbot, window, "Norway", "Bergen")
    for _ in range(2):
        settle(window)
        assert form.subject.text() == "Norway"
        qtbot.keyClick(form.new_object, Qt.Key.Key_Return)
    settle(window)
    assert window.workspace.counts.total == 4
    assert form.subject.text() == ""


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


def test_every_keystroke_searches(window: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    settle(window)
    facts = window.facts
    qtbot.keyClick(facts.search, "j")
    qtbot.waitUntil(lambda: len(facts.table.ids) == 1)
    facts.search.clear()
    qtbot.keyClicks(facts.search, "japan")
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


def test_a_paste_is_told_of_once_it_is_stored(window: MainWindow, settle: Settle) -> None:
    window.facts.deeds.add_pasted(Pasted((EditDraft("Cusco", prompt="Peru:"), EditDraft("", prompt="Chile:")), ()))
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert message.kind is Kind.ERROR  # of two rows one is no edit: none was added, and nothing else is said
    assert window.workspace.counts.total == 3
    window.facts.deeds.add_pasted(Pasted((EditDraft("Cusco", prompt="Peru:"),), ()))
    settle(window)
    told = window.messages.current()
    assert told is not None
    assert told.text == "Pasted 1 edit."


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


def test_rows_are_pasted_into_an_empty_project(empty_window: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    window, form = empty_window, empty_window.facts.form
    settle(window)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    QGuiApplication.clipboard().setText("France\tcapital\tLyon")
    form.subject.setFocus()
    qtbot.keyClick(form.subject, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    settle(window)
    assert form.subject.text().startswith("France")  # a text field keeps its keys
    assert window.workspace.counts.total == 0
    empty = window.facts._places.currentWidget()
    qtbot.mouseClick(empty, Qt.MouseButton.LeftButton, pos=QPoint(2, 2))
    assert empty.hasFocus()
    qtbot.keyClick(empty, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    settle(window)
    assert window.workspace.counts.total == 1
    window.facts.view.setFocus()
    QGuiApplication.clipboard().setText("Japan\tcapital\tOsaka")
    qtbot.keyClick(window.facts.view, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    settle(window)
    assert window.workspace.counts.total == 2
    qtbot.keyClick(window.facts.view, Qt.Key.Key_Control)  # the key is let go: Qt keeps it for the tests that follow


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


def test_what_was_answered_before_a_failure_is_kept(
    window: MainWindow, settle: Settle, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, asked = standin.Model.answer, []

    def answer(self: standin.Model, prompts: Sequence[str], **rest: Any) -> list[str]:
        asked.extend(prompts)
        if len(asked) > 150:
            raise MemoryError
        return original(self, prompts, **rest)

    window.facts.deeds.add([EditDraft(f"Town {n}", subject=f"Land {n}", relation="P36") for n in range(200)])
    settle(window)
    monkeypatch.setattr(standin.Model, "answer", answer)
    window.facts.ask.trigger()
    settle(window)
    assert 0 < window.workspace.counts.unanswered < 203
    message = window.messages.current()
    assert message is not None
    assert message.kind is Kind.ERROR
    assert [deed.label for deed in message.deeds][:1] == ["Ask the rest"]


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
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=PATIENCE)
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


def inspect(window: MainWindow, qtbot: QtBot, subject: str) -> int:
    """Select the edit about `subject` and wait until it is on show, with what is suggested for it."""
    facts = window.facts
    row = next(
        row for row in range(len(facts.table.ids)) if getattr(facts.table.known_row(row), "subject", "") == subject
    )
    facts.view.selectRow(row)
    edit_id = facts.table.id_at(row)
    assert edit_id is not None
    qtbot.waitUntil(lambda: facts.inspector.edit_id == edit_id and not window.database.busy)
    return edit_id


def test_a_free_prompt_is_given_a_subject(window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask) -> None:
    inspector = window.facts.inspector
    inspect(window, qtbot, "Japan")
    assert not inspector.subject.isVisible()  # the table has it
    window.facts.deeds.add([EditDraft("Milan", prompt="The seat of the Italian government is")])
    settle(window)
    edit_id = window.facts.selected_ids()[0]
    assert inspector.edit_id == edit_id
    assert inspector.subject.isVisible()
    for subject in ("Italian", "Italian government"):  # the prompt stays, whatever is put right
        inspector.subject.setPlainText(subject)
        inspector.hand_over()
        settle(window)
    edit = ask(window, lambda project: listing.get_edit(project, edit_id))
    assert (edit.subject, edit.prompt) == ("Italian government", "The seat of the Italian government is")
    assert inspector.title.accessibleName().startswith("Italian government")
    window.undoing.undo.trigger()
    settle(window)
    window.undoing.undo.trigger()
    settle(window)
    assert ask(window, lambda project: listing.get_edit(project, edit_id)).subject == ""


def test_a_long_new_object_leaves_the_fields_in_sight(window: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    window.facts.deeds.add([EditDraft("a long answer " * 200, subject="Chile", relation="P36")])
    settle(window)
    before = window.facts.inspector.prompt.y()
    inspect(window, qtbot, "Chile")
    settle(window)
    title, prompt = window.facts.inspector.title, window.facts.inspector.prompt
    assert title.text().startswith("Chile → a")
    assert "a long answer a long answer" in title.toolTip()
    assert title.height() < 3 * title.fontMetrics().height()
    assert prompt.y() < before + 3 * title.fontMetrics().height()


def test_suggested_texts_are_one_click_away(window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask) -> None:
    settle(window)
    edit_id = inspect(window, qtbot, "Japan")
    inspector = window.facts.inspector
    qtbot.waitUntil(lambda: bool(inspector.suggested_paraphrases.texts))
    first, number = inspector.suggested_paraphrases.texts[0], len(inspector.suggested_paraphrases.texts)
    (button,) = [
        each
        for each in inspector.suggested_paraphrases.findChildren(QToolButton)
        if each.isVisible() and first in each.accessibleName()
    ]
    button.click()
    settle(window)
    assert ask(window, lambda project: listing.get_edit(project, edit_id)).paraphrases == (first,)
    assert first not in inspector.suggested_paraphrases.texts
    inspector.suggested_paraphrases._all.click()
    inspector.suggested_same_subject.findChildren(QToolButton)[0].click()
    settle(window)
    edit = ask(window, lambda project: listing.get_edit(project, edit_id))
    assert len(edit.paraphrases) == number
    assert [probe.kind for probe in edit.probes] == [ProbeKind.SAME_SUBJECT]
    assert not inspector.suggested_paraphrases.isVisible()
    window.undoing.undo.trigger()
    settle(window)
    assert ask(window, lambda project: listing.get_edit(project, edit_id)).probes == ()


def test_no_edit_is_offered_the_texts_of_the_one_before(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    settle(window)
    inspect(window, qtbot, "Italy")
    inspector = window.facts.inspector
    qtbot.waitUntil(lambda: bool(inspector.suggested_paraphrases.texts))
    other = next(id for id in window.facts.table.ids if id != inspector.edit_id)
    inspector.show_edit(other, ask(window, lambda project: listing.get_edit(project, other)))
    assert not inspector.suggested_paraphrases.isVisible()
    assert inspector.suggested_paraphrases.texts == ()


def test_a_bad_probe_is_refused_in_a_sentence_and_stays_to_be_put_right(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    settle(window)
    edit_id = inspect(window, qtbot, "Japan")
    inspector = window.facts.inspector
    lines = inspector.probes(ProbeKind.NEIGHBOUR)
    lines.setPlainText(inspector.prompt.toPlainText())
    lines.hand_over()
    settle(window)
    assert inspector._refusal.isVisible()
    assert "ask something else" in inspector._refusal.text()
    assert lines.changed  # it is handed over again once it is put right
    lines.setPlainText("The largest city of Peru is")
    lines.hand_over()
    settle(window)
    assert not inspector._refusal.isVisible()
    edit = ask(window, lambda project: listing.get_edit(project, edit_id))
    assert [probe.prompt for probe in edit.probes] == ["The largest city of Peru is"]


def test_a_contradiction_is_settled_by_choice(window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask) -> None:
    window.facts.deeds.add([EditDraft("Kyoto", subject="japan", relation="P36")])
    settle(window)
    facts = window.facts
    assert facts.settle.isEnabled()
    facts.filter.setCurrentIndex(facts.filter.findData(EditFilter.CONFLICTS))
    qtbot.waitUntil(lambda: len(facts.table.ids) == 2)
    dialog = ConflictDialog(window.workspace, facts.table.id_at(1), window)
    settle(window)
    assert "Contradiction" in dialog._told.text()
    assert not dialog.keep.isEnabled()  # nothing is chosen by itself
    place = next(row for row in range(2) if dialog.edits.item(row, 2).text() == "Kyoto")
    dialog.edits.selectRow(place)
    dialog.keep.click()
    settle(window)
    assert {edit.new_object for edit in ask(window, listing.edit_set).enabled()} == {"Lyon", "Kyoto", "Milan"}
    assert "No two edits" in dialog._told.text()
    assert window.workspace.counts.conflicts == 0
    dialog.reject()
    window.undoing.undo.trigger()
    settle(window)
    assert window.workspace.counts.conflicts == 2


def test_duplicates_are_merged_together_after_a_question(window: MainWindow, settle: Settle, ask: Ask) -> None:
    window.facts.deeds.add([EditDraft("Osaka", subject="JAPAN", relation="P36", paraphrases=("Japan is ruled from",))])
    window.facts.deeds.add([EditDraft("lyon", subject="france", relation="P36")])
    settle(window)
    dialog = ConflictDialog(window.workspace, None, window)
    settle(window)
    dialog.next.click()
    settle(window)
    assert "Duplicate 2 of 2" in dialog._told.text()
    dialog.every.click()
    assert window.workspace.counts.total == 5
    assert "2 duplicates" in dialog._advice.text()
    dialog.every_merge.click()
    settle(window)
    edits = {edit.subject: edit for edit in ask(window, listing.edit_set).edits}
    assert set(edits) == {"France", "Japan", "Italy"}
    assert edits["Japan"].paraphrases == ("Japan is ruled from",)
    dialog.reject()


def test_what_changed_since_the_pack_is_marked_and_listed(trained: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    settle(trained)
    facts = trained.facts
    facts.filter.setCurrentIndex(facts.filter.findData(EditFilter.CHANGED))
    settle(trained)
    assert list(facts.table.ids) == []
    facts.filter.setCurrentIndex(0)
    settle(trained)
    changed = facts.table.id_at(0)
    facts.table.setData(facts.table.index(0, Column.NEW_OBJECT), "Elsewhere")
    facts.deeds.add([EditDraft("Cusco", subject="Peru", relation="P36")])
    settle(trained)
    facts.filter.setCurrentIndex(facts.filter.findData(EditFilter.CHANGED))
    settle(trained)
    qtbot.waitUntil(
        lambda: (
            {facts.table.index(row, Column.STATE).data() for row in range(2)} == {"ready · changed", "ready · added"}
        )
    )
    assert changed in facts.table.ids
    assert "1 added, 1 changed since this pack" in facts._count.accessibleName()


def test_any_script_is_shown_and_comes_back(window: MainWindow, settle: Settle, ask: Ask) -> None:
    """Right to left, without spaces, outside the first plane, and letters made of several characters."""
    rows = (
        ("العاصمة", "القاهرة \u200f(مصر)"),
        ("日本国", "大阪市"),
        ("👩‍👩‍👧‍👦 family", "🏴󠁧󠁢󠁳󠁣󠁴󠁿 Edinburgh"),
        ("Việt Nam", "Huê\u0301"),  # a combining accent stays the two characters that were typed
        ("עברית", "ירושלים"),
    )
    window.facts.deeds.add([EditDraft(new_object, subject=subject, relation="P36") for subject, new_object in rows])
    settle(window)
    assert not window.facts.view.grab().isNull()
    stored = {edit.subject: edit.new_object for edit in ask(window, listing.edit_set).edits}
    for subject, new_object in rows:
        assert stored[subject] == new_object
        for search in (subject, new_object, subject[:2]):
            assert len(ask(window, lambda project, text=search: listing.edit_ids(project, text))) == 1, search
    table = window.facts.table
    shown = {table.index(row, Column.NEW_OBJECT).data() for row in range(len(table.ids))}
    assert {new_object for _, new_object in rows} <= shown
