"""Editors side by side: the project's runs on the same edits by tick, a comparison from a file, its export."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine.comparison.comparison import Comparison, read_comparison, write_comparison
from engine.comparison.record import Cost, Figures, Record, Shares, Undo
from studio.messages import Kind
from studio.pages.evaluation.page import EvaluationPage
from studio.store.edits import EditDraft, add_edits
from studio.store.runs import RunRow
from studio.theme import Scheme
from studio.window import MainWindow
from tests.engine.comparison.comparisons import comparison

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]
BAD = "<script>alert(1)</script>"


def train(window: MainWindow, qtbot: QtBot, settle: Settle, editor: str = "meg", seed: int = 0) -> RunRow:
    window.show_page("training")
    settle(window)
    training = cast("Any", window.page("training"))
    training.settings.editor.setCurrentIndex(training.settings.editor.findData(editor))
    training.settings.seed.setValue(seed)
    before = window.workspace.run
    training.train.click()
    qtbot.waitUntil(lambda: window.workspace.run not in (None, before) and not window.trainer.busy, timeout=20_000)
    settle(window)
    assert window.workspace.run is not None
    return window.workspace.run


@pytest.fixture
def page(window: MainWindow, qtbot: QtBot, settle: Settle) -> EvaluationPage:
    """Two editors trained on the same edits; the one that is on the page is evaluated."""
    train(window, qtbot, settle)
    train(window, qtbot, settle, editor="retrieval")
    window.show_page("evaluation")
    settle(window)
    page = cast("EvaluationPage", window.page("evaluation"))
    page.begin()
    settle(window)
    page.tabs.setCurrentWidget(page.editors)
    settle(window)
    return page


def shares(ag: float) -> Shares:
    return Shares(ag=ag, tf=1.0, routed=None, asked=10)


def record(title: str, edits: int, score: float, seed: int = 0) -> Record:
    return Record(
        contender=title.lower(),
        title=title,
        editor=title.lower(),
        preset="balanced",
        gated=False,
        edits=edits,
        seed=seed,
        outcome="measured",
        figures=Figures(reliability=shares(score), generality=shares(0.5), locality=shares(0.9), kinds={}, score=score),
        cost=Cost(seconds=12.0, pack=2_000_000, answer=35.0),
        undo=Undo(one=True, tried=4, gone=4, original=3, back=4, exact=True),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    refused = record("KN", 10, 0.0).model_copy(
        update={"outcome": "refused", "sentence": f"Edit e1 has no {BAD}.", "figures": None, "cost": Cost()}
    )
    records = [record("MeG", 10, 0.98), record("MeG", 10, 0.96, seed=1), record("MeG", 100, 0.9), refused]
    path = tmp_path / "kept.json"
    write_comparison(path, Comparison(title="Three editors", records=records))
    return path


def cells(page: EvaluationPage, row: int) -> dict[str, str]:
    model = page.editors.model
    return {
        str(model.headerData(column, Qt.Orientation.Horizontal)): str(model.index(row, column).data())
        for column in range(model.columnCount())
    }


def by_editor(page: EvaluationPage) -> dict[str, dict[str, str]]:
    return {cells(page, row)["Editor"]: cells(page, row) for row in range(page.editors.model.rowCount())}


def test_runs_on_the_same_edits_have_a_row_each(page: EvaluationPage) -> None:
    rows = by_editor(page)
    assert set(rows) == {"MeG", "Gated retrieval"}
    assert rows["Gated retrieval"]["Score"] == "100 %"
    assert rows["Gated retrieval"]["Undo of one"] == "yes"
    assert rows["MeG"]["Score"] == "–"
    assert "not evaluated" in rows["MeG"]["Note"]
    for name in ("Training", "Pack"):
        assert rows["MeG"][name] != "–", name
    assert "Gated retrieval 100 % at 3 edits" in page.editors.chart.accessibleDescription()
    assert [page.editors.runs.item(place).text() for place in range(2)] == ["Gated retrieval", "MeG (not evaluated)"]


def test_what_is_unticked_is_not_shown(page: EvaluationPage, window: MainWindow, settle: Settle) -> None:
    page.editors.runs.item(1).setCheckState(Qt.CheckState.Unchecked)
    settle(window)
    assert set(by_editor(page)) == {"Gated retrieval"}
    assert not page.editors.evaluate.isVisibleTo(page)
    page.editors.runs.item(1).setCheckState(Qt.CheckState.Checked)
    settle(window)
    assert set(by_editor(page)) == {"MeG", "Gated retrieval"}


def test_the_others_are_evaluated_one_after_the_other(
    page: EvaluationPage, window: MainWindow, settle: Settle, qtbot: QtBot
) -> None:
    train(window, qtbot, settle, seed=7)
    window.show_page("evaluation")
    settle(window)
    first = next(place for place, run in enumerate(page._runs) if run.editor == "retrieval")
    page.run.setCurrentIndex(first)
    settle(window)
    assert page.editors.evaluate.isVisibleTo(page)
    page.editors.evaluate.click()
    qtbot.waitUntil(lambda: page._job is None and not page.editors._missing(), timeout=20_000)
    settle(window)
    rows = by_editor(page)
    assert len(rows) == 3  # two runs of one editor are told apart by their names
    assert all(row["Score"] == "100 %" for row in rows.values())
    assert page._to_evaluate == []


def test_runs_on_other_edits_are_not_beside_them(
    page: EvaluationPage, window: MainWindow, settle: Settle, ask: Ask, qtbot: QtBot
) -> None:
    ask(window, lambda project: add_edits(project, [EditDraft("Cusco", subject="Peru", relation="P36")]))
    train(window, qtbot, settle)
    window.show_page("evaluation")
    settle(window)
    assert page.editors.runs.count() == 1
    assert "Train another editor" in page.editors.told.text()


def test_a_comparison_is_opened_and_left(page: EvaluationPage, window: MainWindow, settle: Settle, file: Path) -> None:
    page.open_comparison(file)
    settle(window)
    assert page.tabs.currentWidget() is page.editors
    rows = [cells(page, row) for row in range(page.editors.model.rowCount())]
    assert [(row["Editor"], row["Edits"], row["Score"]) for row in rows] == [
        ("MeG", "10", "97.0 %"),
        ("KN", "10", "–"),
        ("MeG", "100", "90.0 %"),
    ]
    assert rows[0]["Undo of one"] == "yes, 6 of 8"
    assert rows[0]["Weights back"] == "bit for bit"
    assert rows[0]["Training"] == "12 s"
    assert rows[0]["Question"] == "35 ms"
    assert rows[1]["Note"] == f"Edit e1 has no {BAD}."
    assert not page.editors._list.isVisibleTo(page)
    page.editors.back.click()
    settle(window)
    assert set(by_editor(page)) == {"MeG", "Gated retrieval"}


def test_a_comparison_is_looked_at_without_a_run(window: MainWindow, settle: Settle, file: Path) -> None:
    window.show_page("evaluation")
    settle(window)
    page = cast("EvaluationPage", window.page("evaluation"))
    page.open_comparison(file)
    settle(window)
    assert page._places.currentWidget() is page.tabs
    assert page.editors.model.rowCount() == 3
    assert not page.tabs.isTabEnabled(page.tabs.indexOf(page.figures))
    page.editors.back.click()
    settle(window)
    assert page._places.currentIndex() == 0


def test_what_is_no_comparison_is_one_sentence(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    window.show_page("evaluation")
    settle(window)
    page = cast("EvaluationPage", window.page("evaluation"))
    other = tmp_path / "other.json"
    other.write_text('{"format": "meg-evaluation-report"}')
    page.open_comparison(other)
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert message.kind is Kind.ERROR
    assert "is no comparison" in message.text


def test_the_export_is_the_engines_page_and_can_be_opened_again(
    page: EvaluationPage, window: MainWindow, settle: Settle, tmp_path: Path, file: Path
) -> None:
    page.export_comparison_to(tmp_path / "editors.html")
    settle(window)
    text = (tmp_path / "editors.html").read_text("utf-8")
    assert "<svg" in text
    assert "Gated retrieval" in text
    assert str(tmp_path) not in text
    kept = read_comparison(tmp_path / "editors.json")
    assert kept == page.editors.comparison
    page.open_comparison(file)
    settle(window)
    page.export_comparison_to(tmp_path / "again.html")
    settle(window)
    assert "<script" not in (tmp_path / "again.html").read_text("utf-8")
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(file.read_text())


def test_the_chart_follows_the_theme(page: EvaluationPage, window: MainWindow, settle: Settle) -> None:
    chart = page.editors.chart
    assert not chart.is_empty
    before = chart.grab().toImage()
    window.choose_scheme(Scheme.DARK)
    settle(window)
    assert chart.grab().toImage() != before


def test_what_is_forgotten_is_a_chart_to_choose_where_it_was_measured(
    window: MainWindow, settle: Settle, tmp_path: Path, file: Path
) -> None:
    write_comparison(tmp_path / "curves.json", comparison())
    window.show_page("evaluation")
    settle(window)
    page = cast("EvaluationPage", window.page("evaluation"))
    page.open_comparison(tmp_path / "curves.json")
    settle(window)
    shown, chart = page.editors.shown, page.editors.chart
    assert shown.isVisibleTo(page)
    pictures = []
    for place in range(shown.count()):
        shown.setCurrentIndex(place)
        settle(window)
        assert not chart.is_empty
        pictures.append(chart.grab().toImage())
        told = chart.accessibleDescription()
        assert ("MEG 95.0 % at 4 edits" in told) == (shown.currentData() == "kept")
        assert ("MEG 8.00 at 4 edits" in told) == (shown.currentData() == "perplexity")
    assert all(one != other for one, other in itertools.pairwise(pictures))
    page.open_comparison(file)  # without curves: the Score again
    settle(window)
    assert not shown.isVisibleTo(page)
    assert "MeG 97.0 % at 10 edits" in chart.accessibleDescription()
