"""The Compare page: two answers, the gate's word, and the history."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.decoding import Decoding
from engine.edits import Edit, Probe, ProbeKind
from studio.pages.compare.export import FORMS
from studio.pages.compare.history_table import Column
from studio.pages.compare.page import MANY, ComparePage
from studio.pages.compare.questions_dialog import QuestionsDialog
from studio.store import comparisons, listing
from studio.store import edits as editing
from studio.store.comparisons import Outcome
from studio.store.edits import EditFields
from studio.window import MainWindow
from tests.studio.standin import World

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]


@pytest.fixture
def trained(trained: MainWindow, settle: Settle) -> MainWindow:
    trained.show_page("compare")
    settle(trained)
    return trained


@pytest.fixture
def page(trained: MainWindow) -> ComparePage:
    return cast("ComparePage", trained.page("compare"))


def settle_typing(window: MainWindow, page: ComparePage, settle: Settle) -> None:
    """Wait until the gate has said its word on what stands in the question box, and the edits are named."""
    settle(window)
    while page.follower._soon.isActive() or page.follower.busy or page._again_soon.isActive():
        QTest.qWait(20)
    settle(window)


def prompt_of(window: MainWindow, ask: Ask, subject: str) -> str:
    return next(edit.prompt for edit in ask(window, listing.edit_set).edits if edit.subject == subject)


def test_both_answers_with_their_difference(
    trained: MainWindow, page: ComparePage, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    prompt = prompt_of(trained, ask, "Japan")
    page.question.setText(prompt)
    qtbot.keyClick(page.question, Qt.Key.Key_Return)
    settle(trained)
    assert page.answers.edited.toPlainText() == "Osaka"
    assert page.answers.original.toPlainText() == f"old {prompt.split()[-1]}"
    assert page.edited_tokens.rows[0].text == " Osaka"
    assert "the edited model answers" in page.familiarity.decision.text()
    assert page.near.table.item(0, 0).text() == "Japan · capital → Osaka"
    assert page.answers.took.text() == "0.2 s"
    assert page.answers.told.text() == "changed · 0.2 s"
    assert len(ask(trained, comparisons.comparisons)) == 1


def test_the_gauge_follows_typing_and_shows_the_last_word(
    trained: MainWindow, page: ComparePage, qtbot: QtBot, settle: Settle, ask: Ask, world: World
) -> None:
    prompt = prompt_of(trained, ask, "Japan")
    world.go_on.clear()  # the first question about familiarity is held back
    page.question.setText("an older question")
    qtbot.waitUntil(lambda: page.follower.busy)
    page.question.setText(prompt)
    qtbot.wait(250)
    assert page.familiarity.gauge.value is None
    world.go_on.set()
    qtbot.waitUntil(lambda: page.familiarity.gauge.value == pytest.approx(0.9))
    settle(trained)
    assert page.familiarity.gauge.value == pytest.approx(0.9)  # the older question's word did not come after it
    page.question.clear()
    qtbot.waitUntil(lambda: page.familiarity.gauge.value is None)


def test_an_edit_that_is_switched_off_is_not_answered(
    trained: MainWindow, page: ComparePage, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    prompt = prompt_of(trained, ask, "Japan")
    japan = next(row for row in ask(trained, lambda p: listing.rows(p, listing.edit_ids(p))) if row.subject == "Japan")
    ask(trained, lambda project: editing.set_enabled(project, [japan.id], False))
    settle(trained)
    page.ask_question(prompt)
    settle(trained)
    assert page.answers.edited.toPlainText().startswith("old ")
    assert "switched off" in page.familiarity.decision.text()
    ask(trained, lambda project: editing.set_enabled(project, [japan.id], True))
    settle(trained)
    page.ask_question(prompt)
    settle(trained)
    assert page.answers.edited.toPlainText() == "Osaka"


def listed(page: ComparePage) -> list[str]:
    return [row.query for row in page.history.rows]


def said(window: MainWindow) -> list[str]:
    """What the window is told from now on."""
    texts: list[str] = []
    window.workspace.said.connect(lambda message: texts.append(message.text))
    return texts


def test_many_questions_are_asked_listed_narrowed_down_sorted_and_exported(
    trained: MainWindow, page: ComparePage, qtbot: QtBot, settle: Settle, ask: Ask, world: World, tmp_path: Path
) -> None:
    page.ask_question("asked alone")
    settle(trained)
    texts = said(trained)
    questions = (prompt_of(trained, ask, "Japan"), *(f"Question number {number}" for number in range(69)))
    page.ask_all(questions)
    settle(trained)
    assert page.tabs.currentIndex() == MANY
    assert listed(page) == list(reversed(questions))
    assert "70 questions answered, 1 of them differently" in texts[-1]
    assert page.history.told.text() == "70 questions, 1 changed"
    page.history.outcome.setCurrentIndex(page.history.outcome.findData(Outcome.CHANGED))
    settle(trained)
    assert listed(page) == [questions[0]]
    page.history.outcome.setCurrentIndex(0)
    page.history.search.setText("NUMBER 1")
    qtbot.waitUntil(lambda: len(page.history.rows) == 16)
    page.history.table.sortByColumn(Column.QUESTION, Qt.SortOrder.AscendingOrder)
    assert listed(page)[:3] == ["Question number 1", "Question number 10", "Question number 11"]
    for form in FORMS:
        page.write(tmp_path / f"out{form.suffix}", form)
    settle(trained)
    rows = list(csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8", newline="")))
    assert [row["question"] for row in rows] == listed(page)
    assert {(row["routed"], row["model_fingerprint"], row["pack_sha256"]) for row in rows} == {
        ("no", "f" * 64, "a" * 64)
    }
    assert len(json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))) == 16
    assert "16 questions" in (tmp_path / "out.html").read_text(encoding="utf-8")
    page.history.search.setText("no such question")
    qtbot.waitUntil(lambda: not page.history.rows)
    assert "search for less" in page.history.told.text()
    page.history.show_all()
    settle(trained)
    assert len(page.history.rows) == 71


def test_a_list_that_is_stopped_keeps_what_was_answered(
    trained: MainWindow, page: ComparePage, qtbot: QtBot, settle: Settle, ask: Ask, world: World
) -> None:
    texts = said(trained)
    world.stop_before = "Question 100"
    page.ask_all(tuple(f"Question {number}" for number in range(200)))
    qtbot.waitUntil(lambda: len(page.history.rows) == 64)
    assert not page.ask.isEnabled()
    qtbot.mouseClick(page.strip._cancel, Qt.MouseButton.LeftButton)
    world.go_on.set()
    settle(trained)
    assert len(ask(trained, comparisons.comparisons)) == 64
    assert texts[-1].startswith("Stopped: 64 questions answered")
    assert page.ask.isEnabled()
    assert page.many.isEnabled()


def test_a_list_that_fails_keeps_what_was_answered(
    trained: MainWindow, page: ComparePage, settle: Settle, ask: Ask, world: World
) -> None:
    texts = said(trained)
    world.fail_at = "Question 100"
    page.ask_all(tuple(f"Question {number}" for number in range(200)))
    settle(trained)
    assert len(ask(trained, comparisons.comparisons)) == 64
    assert "not enough memory" in texts[-1]
    assert page.ask.isEnabled()


def test_questions_come_from_a_file(
    trained: MainWindow, page: ComparePage, qtbot: QtBot, settle: Settle, tmp_path: Path
) -> None:
    file = tmp_path / "questions.csv"
    file.write_text("id;prompt\n1;Who?\n2;איפה?\n3;Who?\n", encoding="utf-8")
    page.many.click()
    dialog = page.findChild(QuestionsDialog)
    dialog.read(file)
    settle(trained)
    assert dialog.column.currentData() == "prompt"
    assert dialog.lines() == ("Who?", "איפה?")
    dialog.column.setCurrentIndex(0)
    dialog.column.activated.emit(0)
    assert dialog.lines() == ("1", "2", "3")
    dialog.read(tmp_path / "none.txt")
    settle(trained)
    assert "There is no file" in dialog.told.text()
    dialog.questions.setPlainText("\n".join(map(str, range(10_001))))
    assert not dialog.ask.isEnabled()
    dialog.questions.setPlainText("  \n")
    assert not dialog.ask.isEnabled()
    dialog.questions.setPlainText("Who?\n\nWhere?")
    assert dialog.ask.text() == "Ask 2 questions"
    dialog.ask.click()
    settle(trained)
    assert listed(page) == ["Where?", "Who?"]


def test_both_models_are_asked_under_the_settings_that_were_chosen_and_kept(
    trained: MainWindow,
    page: ComparePage,
    settle: Settle,
    ask: Ask,
    world: World,
    make_window: Callable[[], MainWindow],
) -> None:
    assert page.sampling.text() == "Greedy"
    assert not page.decoding.seed.isEnabled()
    page.sampling.click()
    assert page.decoding.isVisible()
    page.decoding.temperature.setValue(0.7)
    page.decoding.seed.setValue(11)
    page.decoding.top_k.setValue(40)
    page.decoding.max_new_tokens.setValue(60)
    wanted = Decoding(temperature=0.7, top_k=40, seed=11, max_new_tokens=60)
    assert page.decoding.decoding() == wanted
    assert page.sampling.text() == "Temperature 0.7, top-k 40, seed 11, 60 tokens"
    page.ask_question("a question")
    settle(trained)
    assert world.decodings[-1] == wanted
    (row,) = ask(trained, comparisons.comparisons)
    assert row.asking.decoding == wanted.as_json()
    assert (row.asking.fingerprint, row.asking.pack, row.asking.calibrated) == ("f" * 64, "a" * 64, 0.5)
    folder = trained.workspace.project.folder  # type: ignore[union-attr]
    trained.close()
    again = make_window()
    again.projects.open(folder)
    reopened = cast("ComparePage", again.page("compare"))
    settle(again)
    assert reopened.decoding.decoding() == wanted


def test_a_question_becomes_a_paraphrase_or_a_probe_with_one_click_and_back(
    trained: MainWindow, page: ComparePage, settle: Settle, ask: Ask
) -> None:
    def japan() -> Edit:
        return next(edit for edit in ask(trained, listing.edit_set).edits if edit.subject == "Japan")

    texts = said(trained)
    page.question.setText("The currency of Japan is")
    settle_typing(trained, page, settle)
    row = next(row for row, key in enumerate(page.near.keys) if key == japan().id)
    page.near.table.selectRow(row)
    page.near.probe.click()
    settle(trained)
    assert japan().probes == (Probe(ProbeKind.SAME_SUBJECT, "The currency of Japan is"),)
    assert "1 probe added" in texts[-1]
    assert page.near.chosen == japan().id  # it stays chosen
    page.near.paraphrase.click()
    settle(trained)
    assert (japan().paraphrases, japan().probes) == (("The currency of Japan is",), ())
    page.near.paraphrase.click()
    settle(trained)
    assert texts[-1].startswith("No paraphrase was added")
    trained.undoing.undo.trigger()
    trained.undoing.undo.trigger()
    settle(trained)
    assert (japan().paraphrases, japan().probes) == ((), ())


def test_listed_questions_become_probes_of_their_nearest_edits_in_one_step(
    trained: MainWindow, page: ComparePage, settle: Settle, ask: Ask
) -> None:
    page.ask_all(("first question", "second question"))
    settle(trained)
    before = ask(trained, listing.edit_set)
    page.history.table.selectAll()
    page.history.probe.click()
    settle(trained)
    probes = [probe.prompt for edit in ask(trained, listing.edit_set).edits for probe in edit.probes]
    assert sorted(probes) == ["first question", "second question"]
    trained.undoing.undo.trigger()
    settle(trained)
    assert ask(trained, listing.edit_set) == before


def test_an_edit_is_switched_here_and_the_answer_follows_at_once(
    trained: MainWindow, page: ComparePage, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    page.ask_question(prompt_of(trained, ask, "Japan"))
    settle_typing(trained, page, settle)
    assert page.near.switch.text() == "Switch off"
    page.near.switch.click()
    qtbot.waitUntil(lambda: page.answers.edited.toPlainText().startswith("old "))
    settle_typing(trained, page, settle)
    assert "switched off" in page.familiarity.decision.text()
    assert page.near.switch.text() == "Switch on"
    assert page.near.table.item(0, 3).text() == "off"
    page.near.switch.click()
    qtbot.waitUntil(lambda: page.answers.edited.toPlainText() == "Osaka")
    assert (
        len(ask(trained, comparisons.comparisons)) == 1
    )  # what was asked again by itself is no question of the user's


def test_the_threshold_is_moved_here_seen_kept_and_put_back(
    trained: MainWindow,
    page: ComparePage,
    qtbot: QtBot,
    settle: Settle,
    ask: Ask,
    make_window: Callable[[], MainWindow],
) -> None:
    card = page.familiarity
    page.ask_question(prompt_of(trained, ask, "Japan"))
    settle_typing(trained, page, settle)
    assert card.threshold.value() == 0.5
    assert card.moved.text() == "As calibrated."
    assert not card.reset.isEnabled()
    card.threshold.setValue(0.95)
    qtbot.waitUntil(lambda: page.answers.edited.toPlainText().startswith("old "))
    settle_typing(trained, page, settle)
    assert "Not familiar" in card.decision.text()
    assert card.moved.text() == "Moved by hand: not the calibrated one, which is 0.500."
    assert "95.0 %" in card.gauge.accessibleDescription()
    assert trained.workspace.engagement.threshold == 0.95
    folder = trained.workspace.project.folder  # type: ignore[union-attr]
    trained.close()
    again = make_window()
    again.projects.open(folder)
    settle(again)
    assert again.workspace.threshold == 0.95
    again.show_page("compare")
    again.show()
    reopened = cast("ComparePage", again.page("compare"))
    reopened.ask_question(prompt_of(again, ask, "Japan"))
    settle_typing(again, reopened, settle)
    reopened.familiarity.reset.click()
    qtbot.waitUntil(lambda: reopened.answers.edited.toPlainText() == "Osaka")
    assert again.workspace.threshold is None
    qtbot.waitUntil(lambda: reopened.familiarity.moved.text() == "As calibrated.")


def test_a_threshold_that_is_moved_while_the_gate_thinks_counts(
    trained: MainWindow, page: ComparePage, qtbot: QtBot, settle: Settle, ask: Ask, world: World
) -> None:
    prompt = prompt_of(trained, ask, "Japan")
    world.go_on.clear()
    page.question.setText(prompt)
    qtbot.waitUntil(lambda: page.follower.busy)
    trained.workspace.move_threshold(0.95)
    while page.follower._soon.isActive():
        QTest.qWait(20)
    world.go_on.set()
    settle_typing(trained, page, settle)
    assert "Not familiar" in page.familiarity.decision.text()


def test_the_threshold_can_be_dragged(
    trained: MainWindow, page: ComparePage, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    page.question.setText(prompt_of(trained, ask, "Japan"))
    settle_typing(trained, page, settle)
    gauge = page.familiarity.gauge
    qtbot.mousePress(gauge, Qt.MouseButton.LeftButton, pos=QPoint(round(gauge.width() * 0.25), 12))
    qtbot.waitUntil(lambda: trained.workspace.threshold is not None)
    assert trained.workspace.threshold == pytest.approx(0.25, abs=0.02)


def test_the_reasons_are_told_in_words(trained: MainWindow, page: ComparePage, settle: Settle, ask: Ask) -> None:
    page.question.setText("France has as its capital")
    settle_typing(trained, page, settle)
    assert page.reasons.table.item(0, 0).text() == "It names the edit's subject"
    assert page.reasons.table.item(0, 1).text() == "for it, 2.5"
    assert page.reasons.table.item(1, 1).text() == "hardly counts"
    page.question.setText(prompt_of(trained, ask, "Japan"))
    settle_typing(trained, page, settle)
    assert "word for word" in page.reasons.told.text()
    assert page.reasons.table.isHidden()


def test_the_edit_is_shown_on_the_facts_page(trained: MainWindow, page: ComparePage, settle: Settle, ask: Ask) -> None:
    page.question.setText(prompt_of(trained, ask, "Japan"))
    settle_typing(trained, page, settle)
    page.near.show_edit.click()
    settle(trained)
    assert trained.facts.isVisible()
    assert [
        trained.facts.table.known_row(index.row()).subject
        for index in trained.facts.view.selectionModel().selectedRows()
    ] == ["Japan"]


def test_an_edit_that_was_changed_since_the_training_is_said_to_be(
    trained: MainWindow, page: ComparePage, settle: Settle, ask: Ask
) -> None:
    prompt = prompt_of(trained, ask, "Japan")
    page.question.setText(prompt)
    settle_typing(trained, page, settle)
    assert page.near.table.item(0, 3).text() == "on"
    assert page.near.told.isHidden()
    (edit_id,) = ask(trained, lambda project: listing.edit_ids(project, "japan"))
    trained.facts.deeds.change(edit_id, EditFields(new_object="Kyoto"))
    settle_typing(trained, page, settle)
    assert page.near.table.item(0, 0).text() == "Japan · capital → Kyoto"
    assert page.near.table.item(0, 3).text() == "on, changed"
    assert "the pack answers as the edit was" in page.near.told.text()
    assert not page.near.told.isHidden()
    page.near.table.selectRow(1)
    assert page.near.told.isHidden()


def test_an_edit_that_is_deleted_since_is_said_to_be_gone(
    trained: MainWindow, page: ComparePage, settle: Settle, ask: Ask
) -> None:
    prompt = prompt_of(trained, ask, "Japan")
    ids = ask(trained, lambda project: listing.edit_ids(project, "japan"))
    ask(trained, lambda project: editing.delete_edits(project, ids))
    page.question.setText(prompt)
    settle_typing(trained, page, settle)
    assert page.near.table.item(0, 0).text() == "an edit that is deleted since"
    assert page.near.table.item(0, 3).text() == "gone"
    for control in (page.near.paraphrase, page.near.probe, page.near.switch, page.near.show_edit):
        assert not control.isEnabled()


def test_history_asks_again_and_deletes(
    trained: MainWindow, page: ComparePage, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    page.ask_all(("first question", "second question"))
    settle(trained)
    page.history.table.selectRow(1)
    asked = page.history.rows[1].query
    page.history.again.click()
    settle(trained)
    assert page.question.text() == asked
    page.history.show_all()
    settle(trained)
    assert len(page.history.rows) == 3
    page.history.table.selectRow(0)
    page.history.delete.click()
    settle(trained)
    assert len(page.history.rows) == 2


def test_without_a_pack_only_the_original_answers(window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask) -> None:
    window.show_page("compare")
    settle(window)
    page = cast("ComparePage", window.page("compare"))
    page.ask_question("The sky is")
    settle(window)
    assert page.answers.original.toPlainText() == "old is"
    assert page.answers.edited.toPlainText() == ""
    assert page.original_tokens.rows
    assert not page.edited_tokens.rows
    assert "No pack" in page.familiarity.decision.text()
    assert page.familiarity.train.isVisible()
    assert not page.many.isEnabled()
    assert "Train an editor" in page.many.toolTip()
    assert not ask(window, comparisons.comparisons)
    page.familiarity.train.click()
    assert window.page("training").isVisible()


def test_rich_text_in_a_question_stays_text(trained: MainWindow, page: ComparePage, settle: Settle) -> None:
    page.ask_question("<b>bold</b> <script>alert(1)</script>")
    settle(trained)
    assert "<script>" in page.answers.original.toPlainText() or "old" in page.answers.original.toPlainText()
    cell = page.history.table.model().index(0, Column.QUESTION)
    assert "<b>" in cell.data()
    assert "<script>" not in cell.data(Qt.ItemDataRole.ToolTipRole)


def test_the_edited_model_is_detached_before_another_is_loaded(
    trained: MainWindow, page: ComparePage, settle: Settle, world: World
) -> None:
    from studio.model_jobs import ModelSource

    page.ask_question("The sky is")
    settle(trained)
    attached = world.attached
    trained.workspace.use_model(ModelSource("elsewhere", "cpu"))
    page.ask_question("The sky is")
    settle(trained)
    assert trained.workspace.run is None
    assert world.detached == attached
    assert world.loads[-1].name == "elsewhere"
