"""The Compare page: two answers, the gate's word, and the history."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.pages.compare.page import ComparePage
from studio.store import comparisons, listing
from studio.store import edits as editing
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
    assert page.answers.told.text() == "changed"
    assert page.edited_tokens.rows[0].text == " Osaka"
    assert "neuron is generated" in page.familiarity.decision.text()
    assert "Japan" in page.familiarity._nearest.accessibleName()
    assert len(ask(trained, comparisons.comparisons)) == 1


def test_the_gauge_follows_typing_and_shows_the_last_word(
    trained: MainWindow, page: ComparePage, qtbot: QtBot, settle: Settle, ask: Ask, world: World
) -> None:
    prompt = prompt_of(trained, ask, "Japan")
    world.go_on.clear()  # the first question about familiarity is held back
    page.question.setText("an older question")
    qtbot.waitUntil(lambda: page._following)
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


def test_several_questions_go_to_the_history(
    trained: MainWindow, page: ComparePage, qtbot: QtBot, settle: Settle, ask: Ask, tmp_path: Path
) -> None:
    questions = tuple(f"Question number {number}" for number in range(70))
    page.ask_all(questions)
    settle(trained)
    assert page.history.table.rowCount() == 70
    page.ask_question('=HYPERLINK("x")')
    settle(trained)
    page.write(tmp_path / "history.csv")
    settle(trained)
    rows = list(csv.DictReader((tmp_path / "history.csv").open(encoding="utf-8", newline="")))
    assert len(rows) == 71
    assert rows[0]["question"].startswith("'=")
    assert {row["routed"] for row in rows} == {"no"}


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
    assert page.history.table.rowCount() == 3
    page.history.table.selectRow(0)
    page.history.delete.click()
    settle(trained)
    assert page.history.table.rowCount() == 2


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
    assert not ask(window, comparisons.comparisons)


def test_rich_text_in_a_question_stays_text(trained: MainWindow, page: ComparePage, settle: Settle) -> None:
    page.ask_question("<b>bold</b> <script>alert(1)</script>")
    settle(trained)
    assert "<script>" in page.answers.original.toPlainText() or "old" in page.answers.original.toPlainText()
    assert "<b>" in page.history.table.item(0, 1).text()
    assert "<script>" not in page.history.table.item(0, 1).toolTip()


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
