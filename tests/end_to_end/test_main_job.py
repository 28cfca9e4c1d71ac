"""The main job, from three facts that are typed to an edited model that answers them, and its edit set elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from engine.edits import Edit, ProbeKind
from studio import model_jobs
from studio.model_jobs import CHECKPOINTS, TrainingOrder
from studio.pages.facts.columns import Column
from studio.pages.facts.export import CHOICES
from studio.pages.training.page import TrainingPage
from studio.run_log import read_log
from studio.store import listing
from studio.store.runs import RunRow, RunState, runs
from tests.end_to_end.driver import TRAINED, Pulse, Studio

OpenStudio = Callable[[Path], Studio]


def type_facts(studio: Studio, edits: Sequence[Edit]) -> None:
    """Enter subject, relation and new object of each edit with the keyboard."""
    form, qtbot = studio.window.facts.form, studio.qtbot
    for number, edit in enumerate(edits, start=1):
        qtbot.keyClicks(form.subject, edit.subject)
        form.relation.setCurrentIndex(form.relation.findData(edit.relation))
        qtbot.keyClicks(form.new_object, edit.new_object)
        qtbot.keyClick(form.new_object, Qt.Key.Key_Return)
        studio.wait(lambda number=number: studio.window.workspace.counts.total == number)
    studio.settle()


def neighbour(edit: Edit) -> str:
    return next(probe.prompt for probe in edit.probes if probe.kind is ProbeKind.NEIGHBOUR)


def ask(studio: Studio, question: str) -> tuple[str, str, str]:
    """(original answer, edited answer, the gate's decision) as the Compare page shows them."""
    page, qtbot = studio.page("compare"), studio.qtbot
    page.question.clear()
    page.answers.clear()
    qtbot.keyClicks(page.question, question)
    qtbot.keyClick(page.question, Qt.Key.Key_Return)
    studio.wait(lambda: bool(page.answers.original.toPlainText()))
    studio.settle()
    return page.answers.original.toPlainText(), page.answers.edited.toPlainText(), page.familiarity.decision.text()


def explain_and_switch(studio: Studio, edit: Edit) -> None:
    """Why the gate decides, in words; what switching an edit and moving the threshold do at once; and the record."""
    page = studio.page("compare")
    ask(studio, "Once upon a time there was a")
    assert page.near.chosen in page.near.keys
    assert page.reasons.table.rowCount() == 7
    ask(studio, edit.prompt)
    assert "word for word" in page.reasons.told.text()
    assert page.near.chosen == edit.id
    assert page.familiarity.moved.text() == "As calibrated."
    row = page.history.rows[0]
    assert (row.query, row.asking.calibrated) == (edit.prompt, row.threshold)
    assert len(row.asking.fingerprint) == len(row.asking.pack) == 64
    assert row.edited_seconds > 0
    for on in (False, True):
        studio.qtbot.mouseClick(page.near.switch, Qt.MouseButton.LeftButton)
        studio.wait(lambda on=on: (page.answers.edited.toPlainText() == edit.new_object) is on)
        studio.settle()


def only_run(studio: Studio) -> RunRow:
    (run,) = studio.ask(runs)
    return run


def test_three_facts_are_typed_trained_compared_and_taken_elsewhere(
    open_studio: OpenStudio, sample: list[Edit], tmp_path: Path
) -> None:
    studio = open_studio(tmp_path / "first")
    window, qtbot = studio.window, studio.qtbot
    type_facts(studio, sample)

    training = studio.page("training")
    studio.settle()
    qtbot.mouseClick(training.watched.suggest, Qt.MouseButton.LeftButton)
    studio.wait(lambda: len(training.watched.questions()) == 3)
    pulse = Pulse(window)
    pulse.stage = lambda: training._board.latest().stage if training._board else ""
    qtbot.mouseClick(training.train, Qt.MouseButton.LeftButton)
    pulse.start()
    studio.wait(lambda: not window.trainer.busy, TRAINED)
    pulse.stop()
    studio.settle()

    run = only_run(studio)
    assert run.state is RunState.FINISHED, studio.trouble
    assert run.figures["reliability"] == 1.0
    assert run.figures["not answered"] == run.figures["not learnt"] == []
    assert "as stated before it began" in read_log(run.folder)
    assert training.watched.flipped() == 3
    assert {"Encoder", "Generator"} <= set(training.curves._stages)
    assert not (run.folder / CHECKPOINTS).exists()
    print(pulse)
    pulse.check()

    typed = studio.ask(listing.edit_set).edits
    for edit in typed:
        original, edited, decision = ask(studio, edit.prompt)
        assert edited == edit.new_object
        assert original != edited
        assert decision.startswith("Familiar:")
    for edit in sample:
        original, edited, decision = ask(studio, neighbour(edit))
        assert edited == original
        assert decision.startswith("Not familiar")

    explain_and_switch(studio, typed[0])

    table = studio.page("facts").table
    studio.wait(lambda: all(table.known_row(row) is not None for row in range(3)))
    studio.settle()
    for row in range(3):
        assert table.index(row, Column.STATE).data() == "ready"
        assert float(table.index(row, Column.FAMILIARITY).data().removesuffix(" %")) > 50

    file = tmp_path / "edits.jsonl"
    window.facts.export.write(file, CHOICES[0])
    studio.settle()
    before = studio.ask(listing.edit_set)
    other = open_studio(tmp_path / "second")
    dialog = other.window.facts.import_from(file)
    other.wait(dialog.accept_button.isEnabled)
    qtbot.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    other.wait(lambda: other.window.workspace.counts.total == 3)
    after = other.ask(listing.edit_set)
    assert replace(after, name=before.name) == before


@pytest.fixture
def a_short_course(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real editor with fewer steps: what is tested is how a training ends, not how well."""
    from engine.meg.editor import MegEditor
    from engine.meg.encoder import TuningSettings
    from engine.meg.familiarity import FamiliaritySettings
    from engine.meg.generator import GeneratorSettings
    from engine.meg.settings import MegSettings

    def make(order: TrainingOrder) -> MegEditor:
        return MegEditor(
            MegSettings(
                tuning=TuningSettings(steps=4),
                familiarity=FamiliaritySettings(steps=10),
                generator=GeneratorSettings(steps=60, check_every=20),
                watched=order.watched,
            )
        )

    monkeypatch.setattr(model_jobs, "make_editor", make)


def train_up_to(studio: Studio, sample: list[Edit], stage: str) -> TrainingPage:
    """The Training page once a training on `sample` has come to `stage`."""
    type_facts(studio, sample)
    training: TrainingPage = studio.page("training")
    studio.settle()
    studio.qtbot.mouseClick(training.train, Qt.MouseButton.LeftButton)
    studio.wait(lambda: training._board is not None and training._board.latest().stage == stage, TRAINED)
    return training


@pytest.mark.usefixtures("a_short_course")
def test_a_training_is_stopped_within_three_seconds_and_resumed_in_a_later_stage(
    open_studio: OpenStudio, sample: list[Edit], tmp_path: Path
) -> None:
    studio = open_studio(tmp_path / "project")
    window, qtbot = studio.window, studio.qtbot
    training = train_up_to(studio, sample, "Gate")
    pressed = time.monotonic()
    qtbot.mouseClick(training.cancel, Qt.MouseButton.LeftButton)
    studio.wait(lambda: not window.trainer.busy)
    waited = time.monotonic() - pressed
    studio.settle()
    assert only_run(studio).state is RunState.CANCELLED
    assert waited < 3, f"stopped after {waited:.1f} s"

    qtbot.mouseClick(training.resume, Qt.MouseButton.LeftButton)
    studio.wait(lambda: not window.trainer.busy, TRAINED)
    studio.settle()
    run = only_run(studio)
    assert run.state is RunState.FINISHED, studio.trouble
    stages = [progress.stage for _, progress in training.curves._history if progress.loss is not None]
    assert "Generator" in stages
    assert stages.count("Encoder") == 4  # finished before: its curve is there, and was not drawn twice


@pytest.mark.usefixtures("a_short_course")
def test_closing_the_window_while_it_trains_loses_nothing(
    open_studio: OpenStudio, sample: list[Edit], tmp_path: Path
) -> None:
    studio = open_studio(tmp_path / "project")
    window, qtbot = studio.window, studio.qtbot
    train_up_to(studio, sample, "Encoder")
    window.close()
    assert window.isVisible()
    box = next(child for child in window.children() if isinstance(child, QMessageBox))
    stop = next(button for button in box.buttons() if button.text() == "Stop and close")
    qtbot.mouseClick(stop, Qt.MouseButton.LeftButton)
    studio.wait(lambda: not window.isVisible())

    again = open_studio(tmp_path / "project")
    assert only_run(again).state is RunState.CANCELLED
    assert [edit.subject for edit in again.ask(listing.edit_set).edits] == [edit.subject for edit in sample]
    page = again.page("training")
    again.settle()
    assert page.resume.isVisible()
