"""An editor without a gate, without a layer, that holds its edits together: chosen, trained, compared, evaluated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox

from engine import packs
from engine.editors import registry
from engine.edits import Edit
from studio.pages.facts.columns import Column
from studio.pages.training.page import TrainingPage
from studio.pages.training.settings_form import SettingsForm
from studio.store import runs as keeping
from studio.store.runs import RunRow, RunState
from studio.widgets.editor_words import AT_THE_NEXT_TRAINING, NO_GATE
from tests import told_editor
from tests.end_to_end.driver import TRAINED, Studio
from tests.end_to_end.test_main_job import type_facts


@pytest.fixture
def studio(
    open_studio: Callable[[Path], Studio], sample: list[Edit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Studio:
    """A project of three facts in a studio that has one more editor."""
    monkeypatch.setitem(registry.EDITORS, "told", told_editor.KIND)  # type: ignore[arg-type]  # a dict to everyone else
    monkeypatch.setitem(packs.EDITORS, "told", ("tests.told_editor", "ToldPack"))
    made = open_studio(tmp_path / "project")
    type_facts(made, sample)
    return made


@pytest.fixture
def told(studio: Studio) -> RunRow:
    """A run of that editor, trained through the window."""
    training: TrainingPage = studio.page("training")
    studio.settle()
    form = training.settings
    form.editor.setCurrentIndex(form.editor.findData("told"))
    studio.qtbot.mouseClick(training.watched.suggest, Qt.MouseButton.LeftButton)
    studio.wait(lambda: len(training.watched.questions()) == 3)
    studio.qtbot.mouseClick(training.train, Qt.MouseButton.LeftButton)
    studio.wait(lambda: not studio.window.trainer.busy and studio.window.workspace.run is not None, TRAINED)
    studio.settle()
    assert not studio.trouble or "cannot" not in studio.trouble[-1], studio.trouble
    (run,) = studio.ask(keeping.runs)
    assert run.state is RunState.FINISHED
    return run


def fields(form: SettingsForm) -> dict[str, bool]:
    """Which of the fields that not every editor has are on show."""
    return {name: getattr(form, name).isVisibleTo(form) for name in ("encoder", "layer", "neurons", "chat", "preset")}


def test_what_the_editor_does_needs_and_takes_back_is_told_before_it_is_trained(studio: Studio) -> None:
    training: TrainingPage = studio.page("training")
    studio.settle()
    form = training.settings
    assert form.kind.name == registry.DEFAULT == "meg"
    assert all(fields(form).values())
    form.editor.setCurrentIndex(form.editor.findData("told"))
    for words in ("Every fact is put before every question.", "subject", "cannot be taken back", NO_GATE):
        assert words in form.about.text()
    assert fields(form) == {"encoder": False, "layer": False, "neurons": False, "chat": False, "preset": True}
    assert [row.name.text() for row in training.stages._rows.values()] == ["Load the model", "Read", "Join", "Measure"]
    dialog = form.show_advanced()
    assert set(dialog.rows) == {"most"}
    dialog.rows["most"].field.setText("3")
    dialog.buttons.button(QDialogButtonBox.StandardButton.Ok).click()
    assert form.settings() == told_editor.ToldSettings(3)
    titles = [form.editor.itemText(place) for place in range(form.editor.count()) if not form.editor.itemData(place)]
    assert titles == [
        "Gate: other questions are left alone",
        "No gate: each edit can be taken back",
        "No gate: edits are taken back together",
    ]
    form.editor.setCurrentIndex(form.editor.findData("meg"))
    assert all(fields(form).values())
    studio.settle()


def test_it_is_trained_asked_and_evaluated_without_a_word_of_a_gate(
    studio: Studio, told: RunRow, sample: list[Edit], tmp_path: Path
) -> None:
    training: TrainingPage = studio.page("training")
    assert list(training.curves._stages) == ["Read", "Join"]
    assert all(training.watched.table.item(row, 2).text() != "–" for row in range(3))
    assert training.stages._rows["Measure"].bar.value() == 1  # it came to its end
    assert told.settings["settings"] == {"most": 8}
    assert {"layer", "encoder"}.isdisjoint(told.settings)
    assert 0 <= float(str(told.figures["reliability"])) <= 1

    compare = studio.page("compare")
    studio.qtbot.keyClicks(compare.question, sample[0].prompt)
    studio.qtbot.keyClick(compare.question, Qt.Key.Key_Return)
    studio.wait(lambda: bool(compare.answers.original.toPlainText()))
    studio.settle()
    assert compare.familiarity.decision.text() == NO_GATE
    for part in (compare.familiarity.gauge, compare.familiarity.threshold, compare.reasons, compare.near):
        assert not part.isVisible()
    (row,) = compare.history.rows
    assert (row.gated, row.known_familiarity) == (False, None)
    assert compare.history.table.model().index(0, 4).data() == "–"

    evaluation = studio.page("evaluation")
    studio.settle()
    evaluation.begin()
    studio.wait(evaluation.has_findings)
    studio.settle()
    assert not evaluation.tabs.isTabVisible(evaluation.tabs.indexOf(evaluation.gate))
    assert NO_GATE in evaluation.figures._told.text()
    assert evaluation.figures.by_kind.isColumnHidden(4)
    assert evaluation.queries.table.isColumnHidden(6)
    assert "familiarity" not in evaluation.queries.close_up._gate.text()
    evaluation.write_report_to(tmp_path / "report.html")
    studio.settle()
    report = (tmp_path / "report.html").read_text("utf-8")
    assert "Reliability" in report
    assert not any(word in report for word in ("AUROC", "threshold", "let by"))

    runs = studio.page("runs")
    studio.settle()
    figures = {line.name: line.values[0] for line in runs.details.figures.rows}
    assert figures["layers"] == "1 · 2"


def test_an_edit_that_is_switched_off_is_answered_until_the_next_training_and_that_is_said(
    studio: Studio, told: RunRow, sample: list[Edit]
) -> None:
    facts = studio.page("facts")
    studio.settle()
    assert facts.view.isColumnHidden(Column.FAMILIARITY)
    assert sum(facts.view.columnWidth(column) for column in Column) == facts.view.viewport().width()
    facts.view.selectRow(0)
    facts.switch_off.trigger()
    studio.settle()
    assert studio.trouble[-1] == AT_THE_NEXT_TRAINING
    assert "switched off" in facts.table.index(0, Column.STATE).data()
    meaning = facts.table.index(0, Column.STATE).data(Qt.ItemDataRole.ToolTipRole)
    assert "applies at the next training" in meaning
    compare = studio.page("compare")
    compare.ask_question(sample[0].prompt)
    studio.wait(lambda: bool(compare.answers.edited.toPlainText()))
    studio.settle()
    assert studio.trouble[-1] == AT_THE_NEXT_TRAINING  # nothing was refused
    studio.window.workspace.use_run(None)
    studio.settle()
    assert not facts.view.isColumnHidden(Column.FAMILIARITY)
    assert compare.familiarity.gauge.isVisibleTo(compare)
