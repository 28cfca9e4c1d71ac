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
from studio.store.runs import runs
from studio.window import MainWindow

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]


@pytest.fixture
def page(window: MainWindow, qtbot: QtBot, settle: Settle) -> RunsPage:
    window.show_page("training")
    settle(window)
    cast("Any", window.page("training")).train.click()
    qtbot.waitUntil(lambda: window.workspace.run is not None and not window.trainer.busy, timeout=20_000)
    window.show_page("runs")
    settle(window)
    return cast("RunsPage", window.page("runs"))


def test_a_run_is_listed_with_its_figures(window: MainWindow, page: RunsPage) -> None:
    assert page.table.rowCount() == 1
    assert page.table.item(0, 0).text() == "finished, in use"
    assert page.table.item(0, 6).text() == "100 %"
    names = {page.details.settings.item(row, 0).text() for row in range(page.details.settings.rowCount())}
    assert {"model", "seed", "layer", "encoder", "snapshot"} <= names


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
