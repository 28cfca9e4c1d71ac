"""The Runs page: list, use, export, delete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from pytestqt.qtbot import QtBot

from studio.messages import Kind
from studio.pages.runs.page import RunsPage
from studio.store import listing
from studio.store.runs import runs, update_run
from studio.window import MainWindow
from tests.studio.standin import World

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]


@pytest.fixture
def page(trained: MainWindow, settle: Settle) -> RunsPage:
    trained.show_page("runs")
    settle(trained)
    return cast("RunsPage", trained.page("runs"))


def test_a_run_is_listed_with_its_figures(window: MainWindow, page: RunsPage) -> None:
    assert page.table.rowCount() == 1
    assert page.table.item(0, 0).text() == "finished, in use"
    assert page.table.item(0, 6).text() == "100 %"
    names = {page.details.settings.item(row, 0).text() for row in range(page.details.settings.rowCount())}
    assert {"model", "seed", "layer", "encoder", "snapshot"} <= names


def test_what_a_sweep_over_the_layers_found_is_drawn(
    window: MainWindow, page: RunsPage, settle: Settle, ask: Ask
) -> None:
    assert page.layers.isHidden()
    run = page.selected()
    assert run is not None
    swept = [
        {"layer": layer, "answered": 1.0, "paraphrased": 0.9, "kept": 0.1 * layer, "norm": 7.0 + layer}
        for layer in range(3)
    ]
    ask(window, lambda project: update_run(project, run.id, figures={**run.figures, "layer": 2, "layers": swept}))
    page.layers.show_run(ask(window, runs)[0])
    assert not page.layers.isHidden()
    curves = page.layers.shares.getPlotItem().listDataItems()
    assert [curve.getData()[0].tolist() for curve in curves] == [[0, 1, 2]] * 3
    assert curves[2].getData()[1].tolist() == pytest.approx([0, 10, 20])
    page.layers.show_run(run)
    assert page.layers.isHidden()


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
    qtbot.waitUntil(lambda: page.table.rowCount() == 2 and not window.trainer.busy, timeout=20_000)
    settle(window)
    page.table.selectAll()
    assert page.selected() is None
    assert not page.delete.isEnabled()
    table = page.details.figures
    told = {table.item(row, 0).text(): row for row in range(table.rowCount())}
    row = told["reliability"]
    assert [table.item(row, column).text() for column in (1, 2)] == ["66.7 %", "100 %"]
    assert table.item(row, 0).font().bold()
    assert not table.item(told["edits"], 0).font().bold()
    assert [table.item(told["not answered"], column).text() for column in (1, 2)] == ["1 edit", "0 edits"]
    page.table.selectRow(1)
    assert table.isColumnHidden(2)
    assert page.selected() is not None
