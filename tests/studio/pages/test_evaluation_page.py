"""The Evaluation page: evaluate, look, filter, move the threshold, compare, report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine.edits import Probe, ProbeKind
from engine.evaluation.record import FILE, PARTIAL
from studio.errors import UserFixable
from studio.jobs import JobState
from studio.messages import Kind
from studio.model_jobs import ModelSource, language_model
from studio.pages.evaluation.page import EvaluationPage
from studio.store.changes import Changes
from studio.store.edits import EditDraft, add_edits
from studio.store.runs import RunRow, delete_run, runs
from studio.theme import Scheme
from studio.trainer import TrainingChoices
from studio.window import MainWindow
from tests.studio.standin import World

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]
BAD = "<script>alert(1)</script>"


@pytest.fixture
def page(window: MainWindow, ask: Ask, qtbot: QtBot, settle: Settle, world: World) -> EvaluationPage:
    """A trained project of four edits, one of them about a subject that is markup, with probes."""
    draft = EditDraft(
        BAD,
        prompt=f"{BAD} is",
        paraphrases=(f"So {BAD} is",),
        probes=(Probe(ProbeKind.NEIGHBOUR, "Peru is"), Probe(ProbeKind.FAR, "Two and two is")),
    )
    ask(window, lambda project: add_edits(project, [draft]))
    train(window, qtbot, settle)
    window.show_page("evaluation")
    settle(window)
    return cast("EvaluationPage", window.page("evaluation"))


def train(window: MainWindow, qtbot: QtBot, settle: Settle, seed: int = 0) -> RunRow:
    window.show_page("training")
    settle(window)
    training = cast("Any", window.page("training"))
    training.settings.seed.setValue(seed)
    before = window.workspace.run
    training.train.click()
    qtbot.waitUntil(lambda: window.workspace.run not in (None, before) and not window.trainer.busy, timeout=20_000)
    settle(window)
    assert window.workspace.run is not None
    return window.workspace.run


def evaluated(window: MainWindow, page: EvaluationPage, settle: Settle) -> None:
    page.begin()
    settle(window)
    assert page._found is not None


def shown(page: EvaluationPage) -> list[str]:
    return [query.asked.query for query in page.queries.model.rows]


def test_without_a_run_it_says_what_to_do(window: MainWindow, settle: Settle) -> None:
    window.show_page("evaluation")
    settle(window)
    page = cast("EvaluationPage", window.page("evaluation"))
    assert page._places.currentIndex() == 0
    assert not page.evaluate.isEnabled()
    assert not page.report.isEnabled()


def test_figures_have_their_counts_and_are_there_after_a_restart(
    window: MainWindow, page: EvaluationPage, settle: Settle, ask: Ask, make_window: Callable[[], MainWindow]
) -> None:
    assert page._places.currentIndex() == 1
    evaluated(window, page, settle)
    assert page.figures.reliability.value.text() == "100 %"
    assert page.figures.reliability.counts.text() == "4 of 4 · TF 100 %"
    assert page.figures.generality.counts.text() == "2 of 2 · TF 100 %"
    assert page.figures.locality.counts.text().startswith("2 of 2")
    rows = {row.name: row.measured.asked for row in page.figures.kinds.rows}
    assert rows["Locality: neighbours"] == 1
    assert {row.name: len(row.report.asked) for row in page.figures.relations.rows} == {"capital": 4, "free prompts": 4}
    (run,) = ask(window, runs)
    assert run.figures["score"] == pytest.approx(1.0)
    assert run.figures["generality queries"] == 2
    project = window.workspace.project
    assert project is not None
    window.close()
    again = make_window()
    again.projects.open(project.folder)
    settle(again)
    again.show_page("evaluation")
    settle(again)
    other = cast("EvaluationPage", again.page("evaluation"))
    assert other.figures.reliability.counts.text() == "4 of 4 · TF 100 %"


def test_it_is_stopped_and_goes_on_where_it_was(
    window: MainWindow,
    page: EvaluationPage,
    settle: Settle,
    world: World,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("studio.evaluating.BATCH", 1)
    (run,) = page._runs
    asked: list[str] = []
    world.asked = cast("Any", Watched(asked, after=3, then=world.go_on.clear))
    page.begin()
    qtbot.waitUntil(lambda: len(asked) >= 3, timeout=10_000)
    assert page.strip.isVisible()
    page._job.stop()  # type: ignore[union-attr]
    world.go_on.set()
    settle(window)
    assert page._found is None
    assert (run.folder / PARTIAL).exists()
    assert not (run.folder / FILE).exists()
    before = (run.folder / PARTIAL).read_bytes()
    asked.clear()
    world.asked = asked
    evaluated(window, page, settle)
    whole = (run.folder / FILE).read_bytes()
    assert whole.startswith(before)
    assert before.count(b"\n") >= 2  # the head, and a query that was not asked again
    first = json.loads(before.splitlines()[1])["query"]
    assert first not in asked


def test_a_run_that_is_deleted_is_not_evaluated_on(
    window: MainWindow, page: EvaluationPage, settle: Settle, ask: Ask, world: World, qtbot: QtBot
) -> None:
    (run,) = page._runs
    asked: list[str] = []
    world.asked = cast("Any", Watched(asked, after=1, then=world.go_on.clear))
    page.begin()
    qtbot.waitUntil(lambda: bool(asked), timeout=10_000)
    job = page._job
    assert job is not None
    ask(window, lambda project: delete_run(project, run.id))
    qtbot.waitUntil(lambda: job.state is JobState.STOPPING)
    world.go_on.set()
    settle(window)
    assert page.chosen() is None
    assert page.run.isEnabled() is False
    message = window.messages.current()
    assert message is not None
    assert message.text == "Evaluation stopped: its run was deleted."


def test_figures_that_cannot_be_kept_are_told_and_the_run_can_be_evaluated_again(
    window: MainWindow, page: EvaluationPage, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Changes:
        raise UserFixable("The disk is full.", "Make room.")

    monkeypatch.setattr("studio.pages.evaluation.page._note", full)
    page.begin()
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert "The disk is full." in message.text
    assert page.evaluate.isEnabled()


def test_the_code_of_a_model_is_trusted_as_it_was_in_the_training(
    window: MainWindow, page: EvaluationPage, settle: Settle, world: World, qtbot: QtBot
) -> None:
    window.trainer.start(TrainingChoices(ModelSource("of/its own", trusts="of/its own")))
    qtbot.waitUntil(lambda: not window.trainer.busy, timeout=20_000)
    settle(window)
    window.workspace.use_run(None)
    window.workspace.use_model(ModelSource())
    window.models.run(lambda shelf: language_model(shelf, ModelSource()))
    settle(window)
    page.run.setCurrentIndex(0)
    page.begin()
    settle(window)
    assert world.loads[-2:] == [ModelSource(), ModelSource("of/its own", trusts="of/its own")]


class Watched(list[str]):
    """A list that does something once it has grown so far."""

    def __init__(self, seen: list[str], *, after: int, then: Callable[[], object]) -> None:
        super().__init__()
        self._seen, self._after, self._then = seen, after, then

    def append(self, text: str) -> None:
        self._seen.append(text)
        if len(self._seen) == self._after:
            self._then()


def test_wrong_answers_are_filtered_searched_and_lead_to_their_edit(
    window: MainWindow, page: EvaluationPage, settle: Settle, ask: Ask, qtbot: QtBot
) -> None:
    evaluated(window, page, settle)
    spoil(window, page, settle)
    queries = page.queries
    assert queries.model.rowCount() == 8
    queries.wrong.setChecked(True)
    assert shown(page) == ["The capital of Japan is"]
    close_up = queries.close_up
    assert close_up.expected.toPlainText() == "Osaka"
    assert close_up.edited.toPlainText() == "Kyoto"
    assert close_up.original.toPlainText() == "old is"
    with qtbot.waitSignal(window.workspace.edits_asked) as found:
        close_up.show_edit.click()
    (key,) = found.args[0]
    assert key == queries.model.rows[0].asked.edit
    settle(window)
    queries.wrong.setChecked(False)
    qtbot.keyClicks(queries.search, "SCRIPT so")
    qtbot.waitUntil(lambda: shown(page) == [f"So {BAD} is"], timeout=5_000)
    queries.search.clear()
    queries.kind.setCurrentIndex(queries.kind.findData("far"))
    assert shown(page) == ["Two and two is"]
    queries.kind.setCurrentIndex(0)
    queries.search.setText("nothing like it")
    qtbot.waitUntil(lambda: not shown(page), timeout=5_000)
    assert "No question" in close_up._query.text()


def spoil(window: MainWindow, page: EvaluationPage, settle: Settle) -> None:
    """As if one prompt had been answered wrongly."""
    import hashlib

    run = page.chosen()
    assert run is not None
    lines = (run.folder / FILE).read_bytes().splitlines(keepends=True)[:-1]
    for place, line in enumerate(lines):
        row = json.loads(line)
        if row.get("query") == "The capital of Japan is":
            lines[place] = json.dumps({**row, "given": "Kyoto"}).encode() + b"\n"
    data = b"".join(lines)
    digest = hashlib.sha256(data).hexdigest()
    (run.folder / FILE).write_bytes(data + json.dumps({"sha256": digest}).encode() + b"\n")
    page._found = page._found_of = None
    page._read_findings()
    settle(window)


def test_a_relation_leads_to_its_queries(window: MainWindow, page: EvaluationPage, settle: Settle) -> None:
    evaluated(window, page, settle)
    places = [row.name for row in page.figures.relations.rows]
    page.figures.by_relation.activated.emit(page.figures.relations.index(places.index("capital"), 0))
    assert page.tabs.currentWidget() is page.queries
    assert len(shown(page)) == 4
    assert all(query.asked.relation == "P36" for query in page.queries.model.rows)


def test_the_threshold_is_dragged_kept_and_put_back(
    window: MainWindow, page: EvaluationPage, settle: Settle, ask: Ask
) -> None:
    evaluated(window, page, settle)
    gate = page.gate
    page.tabs.setCurrentWidget(gate)
    costs = {row.name: row for row in gate.model.rows}
    assert costs["Paraphrases let by (recall)"].in_use == "100 %  (2 of 2)"
    assert not gate.use.isEnabled()
    gate.mark.setValue(95)  # as by dragging
    assert gate.number.value() == pytest.approx(0.95)
    costs = {row.name: row for row in gate.model.rows}
    assert costs["Paraphrases let by (recall)"].wanted == "0 %  (0 of 2)"
    assert costs["Generality, AG"].wanted == "0 %  (0 of 2)"
    assert costs["Generality, AG"].in_use == "100 %  (2 of 2)"
    gate.slider.setValue(100)
    assert gate.number.value() == pytest.approx(0.1)
    costs = {row.name: row for row in gate.model.rows}
    assert "(1 of 1)" in costs["Far probes let by"].wanted
    gate.number.setValue(0.8)
    gate.use.click()
    settle(window)
    assert ask(window, runs)[0].threshold == pytest.approx(0.8)
    assert window.workspace.engagement.threshold == pytest.approx(0.8)
    assert "evaluate again" in page.figures._told.text()
    assert not gate.use.isEnabled()
    gate.reset.click()
    settle(window)
    assert ask(window, runs)[0].threshold is None
    assert window.workspace.engagement.threshold is None
    assert gate.number.value() == pytest.approx(0.5)


def test_charts_name_their_axes_with_units_and_follow_the_theme(
    window: MainWindow, page: EvaluationPage, settle: Settle
) -> None:
    evaluated(window, page, settle)
    for plot in (page.gate.histogram, page.gate.roc):
        for side in ("left", "bottom"):
            assert "%" in plot.getAxis(side).labelText
        assert plot.accessibleName()
    before = page.gate.histogram.backgroundBrush().color()
    window.choose_scheme(Scheme.DARK)
    settle(window)
    assert page.gate.histogram.backgroundBrush().color() != before


def test_two_runs_stand_side_by_side(
    window: MainWindow, page: EvaluationPage, settle: Settle, qtbot: QtBot, world: World
) -> None:
    evaluated(window, page, settle)
    first = page.chosen()
    assert page.beside._places.currentIndex() == 1
    second = train(window, qtbot, settle, seed=5)
    window.show_page("evaluation")
    settle(window)
    assert page.chosen() == second  # what was put to use is what is on the page
    assert page._places.currentIndex() == 1
    evaluated(window, page, settle)
    spoil(window, page, settle)
    page.tabs.setCurrentWidget(page.beside)
    settle(window)
    beside = page.beside
    assert first is not None
    assert beside.other_run().id == first.id  # type: ignore[union-attr]
    assert [(row.name, row.one, row.other) for row in beside.settings.rows] == [("seed", "5", "0")]
    figures = {row.name: (row.one, row.other) for row in beside.figures.rows}
    assert figures["Reliability (prompts), AG"] == ("75.0 %  (3 of 4)", "100 %  (4 of 4)")
    assert [(row.one.given, row.other.given) for row in beside.apart.rows] == [("Kyoto", "Osaka")]
    assert "the other 1" in beside._count.text()


def test_a_run_beside_that_is_not_evaluated_can_be(
    window: MainWindow, page: EvaluationPage, settle: Settle, qtbot: QtBot
) -> None:
    train(window, qtbot, settle, seed=5)
    window.show_page("evaluation")
    settle(window)
    evaluated(window, page, settle)
    assert page.beside._places.currentIndex() == 2
    page.beside.evaluate.click()
    settle(window)
    assert page.beside._places.currentIndex() == 0
    assert page.beside.apart.rowCount() == 0


def test_a_report_is_written_escaped_with_its_json(
    window: MainWindow, page: EvaluationPage, settle: Settle, tmp_path: Path
) -> None:
    evaluated(window, page, settle)
    spoil(window, page, settle)
    page.write_report_to(tmp_path / "report.html")
    settle(window)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "<script" not in text
    assert "Kyoto" in text
    assert str(tmp_path) not in text  # whoever gets it need not know where it was made
    queries = json.loads((tmp_path / "report.json").read_text("utf-8"))["queries"]
    assert any(query["wanted"] == BAD for query in queries)
    page.write_report_to(tmp_path / "gone" / "report.html")
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert message.kind is Kind.ERROR


def test_a_damaged_evaluation_is_one_sentence_and_can_be_made_anew(
    window: MainWindow, page: EvaluationPage, settle: Settle
) -> None:
    evaluated(window, page, settle)
    run = page.chosen()
    assert run is not None
    (run.folder / FILE).write_bytes(b"{}\n{}\n")
    page._found = page._found_of = None
    page._read_findings()
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert "evaluate the run again" in message.text
    evaluated(window, page, settle)


def test_a_pack_that_is_gone_ends_in_a_sentence(window: MainWindow, page: EvaluationPage, settle: Settle) -> None:
    run = page.chosen()
    assert run is not None
    (run.folder / "pack" / "edits.jsonl").unlink()
    page.begin()
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert message.kind is Kind.ERROR
    assert page.evaluate.isEnabled()


def test_so_many_of_each_kind_are_asked_when_that_is_chosen(
    window: MainWindow, page: EvaluationPage, settle: Settle
) -> None:
    page.amount.addItem("Two", 2)
    page.amount.setCurrentIndex(page.amount.findData(2))
    evaluated(window, page, settle)
    assert page.figures.reliability.counts.text().startswith("2 of 2")
    assert "At most 2 questions of each kind" in page.figures._told.text()


def test_the_tables_are_sorted_by_their_titles(window: MainWindow, page: EvaluationPage, settle: Settle) -> None:
    evaluated(window, page, settle)
    spoil(window, page, settle)
    page.queries.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    assert shown(page)[0] == "The capital of Japan is"
    page.queries.table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    assert shown(page)[-1] == "The capital of Japan is"
