"""The Runs page: list, use, export, delete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QMessageBox
from pytestqt.qtbot import QtBot

from studio.messages import Kind
from studio.model_jobs import ModelSource
from studio.pages.runs.columns import NAME
from studio.pages.runs.page import RunsPage
from studio.run_log import LOG
from studio.store import listing
from studio.store.changes import Changes
from studio.store.edits import EditDraft, add_edits, delete_edits, set_enabled, update_edit
from studio.store.project import Project
from studio.store.runs import RunState, add_run, runs, update_run
from studio.store.trained import Since
from studio.trainer import TrainingChoices
from studio.training_phase import Phase
from studio.window import MainWindow
from tests.studio.standin import World

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]


def cells(page: RunsPage, row: int) -> dict[str, str]:
    """A row of the table by the titles of its columns."""
    return {column.title: page.model.index(row, place).data() for place, column in enumerate(page.model.columns)}


def another_run(project: Project) -> Changes:
    """A run that was written down meanwhile."""
    run = add_run(project, editor="meg", model="embedded", seed=3, snapshot="abc", edits=3)
    return update_run(project, run.id, state=RunState.FAILED)


@pytest.fixture
def page(trained: MainWindow, settle: Settle) -> RunsPage:
    trained.show_page("runs")
    settle(trained)
    return cast("RunsPage", trained.page("runs"))


def test_a_run_is_listed_with_its_figures(window: MainWindow, page: RunsPage) -> None:
    assert page.model.rowCount() == 1
    assert cells(page, 0)["State"] == "finished, in use"
    assert cells(page, 0)["Reliability"] == "100 %"
    names = {line.name for line in page.details.settings.rows}
    assert {"model", "seed", "layer", "encoder", "snapshot"} <= names


def test_what_a_sweep_over_the_layers_found_is_drawn(
    window: MainWindow, page: RunsPage, settle: Settle, ask: Ask
) -> None:
    tab = page.tabs.indexOf(page.layers)
    assert not page.tabs.isTabVisible(tab)
    run = page.selected()
    assert run is not None
    swept = [
        {"layer": layer, "answered": 1.0, "paraphrased": 0.9, "kept": 0.1 * layer, "norm": 7.0 + layer}
        for layer in range(3)
    ]
    ask(window, lambda project: update_run(project, run.id, figures={**run.figures, "layer": 2, "layers": swept}))
    settle(window)
    assert page.tabs.isTabVisible(tab)
    curves = page.layers.shares.getPlotItem().listDataItems()
    assert [curve.getData()[0].tolist() for curve in curves] == [[0, 1, 2]] * 3
    assert curves[2].getData()[1].tolist() == pytest.approx([0, 10, 20])
    ask(window, lambda project: update_run(project, run.id, figures=run.figures))
    settle(window)
    assert not page.tabs.isTabVisible(tab)


def test_a_pack_is_put_aside_and_used_again(window: MainWindow, page: RunsPage, settle: Settle, ask: Ask) -> None:
    page.use.click()
    settle(window)
    assert window.workspace.run is None
    rows = ask(window, lambda project: listing.rows(project, listing.edit_ids(project)))
    assert [row.familiarity for row in rows] == [None, None, None]
    page.use.click()
    settle(window)
    assert window.workspace.run is not None
    rows = ask(window, lambda project: listing.rows(project, listing.edit_ids(project)))
    assert all(row.familiarity == pytest.approx(0.9) for row in rows)
    window.workspace.use_model(ModelSource("of/another"))
    settle(window)
    assert window.workspace.run is None
    rows = ask(window, lambda project: listing.rows(project, listing.edit_ids(project)))
    assert [row.familiarity for row in rows] == [None, None, None]


def test_a_pack_is_copied_whole_and_never_over_something(
    window: MainWindow, page: RunsPage, settle: Settle, tmp_path: Path
) -> None:
    run = page.selected()
    assert run is not None
    page.export_to(run, tmp_path)
    settle(window)
    copies = list(tmp_path.glob("*-pack/edits.jsonl"))
    assert len(copies) == 1
    page.export_to(run, tmp_path)
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert message.kind is Kind.ERROR


def test_deleting_a_run_in_use_puts_its_pack_aside(
    window: MainWindow, page: RunsPage, settle: Settle, ask: Ask
) -> None:
    run = page.selected()
    assert run is not None
    page.delete_run(run)
    settle(window)
    assert window.workspace.run is None
    assert not run.folder.exists()
    assert ask(window, runs) == []
    assert page._places.currentIndex() == 1


def test_two_runs_are_compared_side_by_side(
    window: MainWindow, page: RunsPage, qtbot: QtBot, settle: Settle, world: World
) -> None:
    world.unlearnable = ("Osaka",)
    training = cast("Any", window.page("training"))
    training.settings.seed.setValue(5)
    training.train.click()
    qtbot.waitUntil(lambda: page.model.rowCount() == 2 and not window.trainer.busy, timeout=20_000)
    settle(window)
    page.table.selectAll()
    assert page.selected() is None
    assert not page.delete.isEnabled()
    told = {line.name: line for line in page.details.figures.rows}
    assert told["reliability"].values == ("66.7 %", "100 %")
    assert told["reliability"].differs
    assert not told["edits"].differs
    assert told["not answered"].values == ("1 edit", "0 edits")
    page.table.selectRow(1)
    assert page.details.figures_table.isColumnHidden(2)
    assert page.selected() is not None


def test_any_column_sorts_and_what_is_selected_stays_selected(
    window: MainWindow, page: RunsPage, qtbot: QtBot, settle: Settle
) -> None:
    training = cast("Any", window.page("training"))
    training.settings.seed.setValue(12)
    training.train.click()
    qtbot.waitUntil(lambda: page.model.rowCount() == 2 and not window.trainer.busy, timeout=20_000)
    settle(window)
    page.table.selectRow(0)
    chosen = page.selected()
    assert chosen is not None
    seed = [column.title for column in page.model.columns].index("Seed")
    for place in range(page.model.columnCount()):
        for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
            page.table.sortByColumn(place, order)
            assert page.selected() == chosen
    page.table.sortByColumn(seed, Qt.SortOrder.AscendingOrder)
    assert [run.seed for run in page.model.rows] == [0, 12]  # as numbers, not as texts
    page.table.sortByColumn(seed, Qt.SortOrder.DescendingOrder)
    assert [run.seed for run in page.model.rows] == [12, 0]


def test_a_run_is_renamed_in_its_row(
    window: MainWindow, page: RunsPage, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    page.rename.click()
    editor = page.table.findChild(QLineEdit)
    assert editor is not None
    qtbot.keyClicks(editor, "  <b>Capitals</b>  ")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    settle(window)
    assert ask(window, runs)[0].name == "<b>Capitals</b>"
    assert cells(page, 0)["Name"] == "<b>Capitals</b>"
    for name, labelled in (("compare", "_engaged"), ("training", "_of")):
        window.show_page(name)
        settle(window)
        other = cast("Any", window.page(name))
        label = getattr(other.figures if name == "training" else other, labelled)
        assert "<b>Capitals</b>" in label.text() + label.toolTip(), name
    assert cast("Any", window.page("training")).settings.start.itemText(1).startswith("<b>Capitals</b>")
    window.show_page("runs")
    page.model.setData(page.model.index(0, NAME), "x" * 500)
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert "200 characters" in message.text
    assert ask(window, runs)[0].name == "<b>Capitals</b>"


def test_a_name_that_is_being_typed_outlives_what_happens_to_runs(
    window: MainWindow, page: RunsPage, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    run = page.selected()
    assert run is not None
    page.rename.click()
    editor = page.table.findChild(QLineEdit)
    assert editor is not None
    qtbot.keyClicks(editor, "Capi")
    ask(window, lambda project: update_run(project, run.id, figures={**run.figures, "score": 0.5}))
    ask(window, another_run)
    settle(window)
    assert page.model.rowCount() == 2
    qtbot.keyClicks(editor, "tals")
    page.hand_over()  # as when the window is closed
    settle(window)
    assert {row.id: row.name for row in ask(window, runs)}[run.id] == "Capitals"


def test_a_note_is_kept_as_it_is_written(
    window: MainWindow, page: RunsPage, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    page.tabs.setCurrentWidget(page.note)
    qtbot.keyClicks(page.note, "seed 0 is enough")
    qtbot.waitUntil(lambda: not page._writing.isActive(), timeout=5_000)
    settle(window)
    assert ask(window, runs)[0].note == "seed 0 is enough"
    page.note.appendPlainText("✓ עברית")
    page.hand_over()  # as when the window is closed
    assert ask(window, runs)[0].note == "seed 0 is enough\n✓ עברית"
    assert page.note.toPlainText() == "seed 0 is enough\n✓ עברית"


def test_the_log_tells_what_happened(window: MainWindow, page: RunsPage, settle: Settle) -> None:
    page.tabs.setCurrentWidget(page.log)
    settle(window)
    text = page.log.toPlainText()
    assert "Training begins: model embedded" in text
    assert "Collect:" in text
    assert "Finished:" in text
    run = page.selected()
    assert run is not None
    (run.folder / LOG).unlink()
    page.tabs.setCurrentWidget(page.details)
    page.tabs.setCurrentWidget(page.log)
    settle(window)
    assert "no log" in page.log.toPlainText()


def one_of_each(project: Project) -> Changes:
    """Of the three edits that were trained one is deleted, one changed and one switched off; a fourth is added."""
    first, second, third = listing.edit_ids(project, sort=listing.EditSort.ENTERED)
    delete_edits(project, [first])
    update_edit(project, second, new_object="Kyoto")
    set_enabled(project, [third], False)
    return add_edits(project, [EditDraft("Cusco", subject="Peru", relation="P36")])


def test_what_changed_in_the_edits_since_is_listed(
    window: MainWindow, page: RunsPage, settle: Settle, ask: Ask, qtbot: QtBot
) -> None:
    page.tabs.setCurrentWidget(page.since)
    settle(window)
    assert page.since.model.rowCount() == 0
    assert "as they were" in page.since.told.text()

    ask(window, one_of_each)
    settle(window)
    assert [(row.since, row.before, row.now) for row in page.since.model.rows] == [
        (Since.REMOVED, "Lyon", ""),
        (Since.CHANGED, "Osaka", "Kyoto"),
        (Since.OFF, "Milan", "Milan"),
        (Since.ADDED, "", "Cusco"),
    ]
    assert "1 added, 1 removed, 1 changed, 1 switched off" in page.since.told.text()
    assert "1 added, 1 removed, 1 changed, 1 switched off since this pack" in window.facts._count.accessibleName()
    with qtbot.waitSignal(window.workspace.edits_asked) as asked:
        page.since.show_edits.click()
    assert len(asked.args[0]) == 3  # what is removed cannot be shown
    settle(window)


def test_an_exported_pack_comes_back_as_a_run(
    window: MainWindow, page: RunsPage, settle: Settle, ask: Ask, tmp_path: Path
) -> None:
    run = page.selected()
    assert run is not None
    page.export_archive_to(run, tmp_path / "mine.zip")
    settle(window)
    page.import_from(tmp_path / "mine.zip")
    settle(window)
    newest = ask(window, runs)[0]
    assert (newest.name, newest.edits, newest.state) == ("mine", 3, RunState.FINISHED)
    assert newest.settings["imported from"] == "mine.zip"
    assert newest.snapshot == run.snapshot
    assert newest.figures["reliability"] == 1.0
    for file in (run.folder / "pack").iterdir():
        assert (newest.folder / "pack" / file.name).read_bytes() == file.read_bytes()
    page.table.selectRow([row.id for row in page.model.rows].index(newest.id))
    page.use.click()
    ask(window, lambda project: set_enabled(project, listing.edit_ids(project)[:1], False))
    settle(window)
    assert window.workspace.counts.since == {Since.OFF: 1}
    assert "1 switched off since this pack" in window.facts._count.accessibleName()


def test_it_is_told_which_edits_an_exported_pack_answers_all_the_same(
    window: MainWindow, page: RunsPage, settle: Settle, ask: Ask, tmp_path: Path
) -> None:
    run = page.selected()
    assert run is not None
    page.export_archive_to(run, tmp_path / "as-trained.zip")
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert (message.kind, "still answers" in message.text) == (Kind.GOOD, False)

    ask(window, one_of_each)
    settle(window)
    page.export_to(run, tmp_path)
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert message.kind is Kind.WARNING
    assert "still answers edits as they were trained: 1 removed, 1 changed, 1 switched off since then." in message.text
    assert "disable()" in message.text


@pytest.mark.parametrize("way", ["train", "resume", "queue"])
def test_the_run_that_is_trained_is_shown_as_running(
    window: MainWindow, world: World, settle: Settle, ask: Ask, qtbot: QtBot, way: str
) -> None:
    trainer, page = window.trainer, cast("RunsPage", window.page("runs"))
    world.pause = 0.02
    if way == "queue":
        trainer.enqueue(TrainingChoices(ModelSource()))
        settle(window)
        trainer.start_queue()
    else:
        trainer.start(TrainingChoices(ModelSource()))
    if way == "resume":
        qtbot.waitUntil(lambda: trainer.phase is Phase.TRAINING)
        trainer.cancel()
        qtbot.waitUntil(lambda: not trainer.busy)
        settle(window)
        page.resume.click()
    qtbot.waitUntil(lambda: trainer.phase is Phase.TRAINING and not window.database.busy)
    assert [run.state for run in page.model.rows] == [RunState.RUNNING]
    assert not page.delete.isEnabled()
    assert not page.resume.isEnabled()


def test_a_damaged_pack_is_neither_exported_nor_imported(
    window: MainWindow, page: RunsPage, settle: Settle, ask: Ask, tmp_path: Path
) -> None:
    run = page.selected()
    assert run is not None
    page.export_to(run, tmp_path)
    settle(window)
    (copy,) = tmp_path.glob("*-pack")
    (copy / "edits.jsonl").write_bytes((copy / "edits.jsonl").read_bytes().replace(b"Lyon", b"Nice"))
    page.import_from(copy)
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert "damaged" in message.text
    assert len(ask(window, runs)) == 1
    assert [path.name for path in run.folder.parent.iterdir()] == [run.folder.name]
    (run.folder / "pack" / "edits.jsonl").write_bytes(b"")
    page.export_archive_to(run, tmp_path / "no.zip")
    settle(window)
    assert not (tmp_path / "no.zip").exists()


def test_deleting_is_asked_for_and_refused_while_it_is_trained(
    window: MainWindow, page: RunsPage, settle: Settle, ask: Ask, qtbot: QtBot
) -> None:
    page.delete.click()
    box = page.findChild(QMessageBox)
    assert box is not None
    assert box.textFormat() is Qt.TextFormat.PlainText
    assert box.defaultButton().text() == "Keep it"
    box.reject()
    run = page.selected()
    assert run is not None
    ask(window, lambda project: update_run(project, run.id, state=RunState.RUNNING))
    settle(window)
    assert not page.delete.isEnabled()
    page.delete_run(run)
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert "being trained" in message.text
    assert run.folder.exists()
    ask(window, lambda project: update_run(project, run.id, state=RunState.FINISHED))


def test_a_threshold_that_was_moved_is_in_use_after_a_restart(
    window: MainWindow, page: RunsPage, settle: Settle, ask: Ask
) -> None:
    run = page.selected()
    assert run is not None
    ask(window, lambda project: update_run(project, run.id, threshold=0.75))
    settle(window)
    assert window.workspace.engagement.threshold == 0.75
    chosen = page.selected()
    assert chosen is not None
    assert chosen.threshold == 0.75
