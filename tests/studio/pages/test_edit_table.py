"""The table model by itself: pages of rows, placeholders, sorting that keeps what is selected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QItemSelectionModel, Qt
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from studio.jobs import DatabaseWorker
from studio.pages.facts.columns import Column
from studio.pages.facts.table import PAGE, PLACEHOLDER, EditTable
from studio.pages.facts.view import EditView
from studio.store import edits as editing
from studio.store.changes import Changes
from studio.store.edits import EditDraft
from studio.store.listing import EditFilter, EditState
from studio.workspace import catalogue_relations

NUMBER = 1_000


@pytest.fixture
def database(qtbot: QtBot, tmp_path: Path) -> Iterator[DatabaseWorker]:
    worker = DatabaseWorker()
    drafts = [EditDraft(f"Town {n:04}", subject=f"Land {n:04}", relation="P36") for n in range(NUMBER)]
    done: list[Changes] = []
    worker.create_project(tmp_path / "project", "Test", catalogue=catalogue_relations)
    worker.run(lambda project: editing.add_edits(project, drafts), on_success=done.append)
    qtbot.waitUntil(lambda: bool(done), timeout=20_000)
    yield worker
    worker.shutdown()
    worker.deleteLater()


@pytest.fixture
def table(database: DatabaseWorker, qtbot: QtBot) -> Iterator[EditTable]:
    made = EditTable(database)
    made.set_project_open(True)
    qtbot.waitUntil(lambda: len(made.ids) == NUMBER)
    yield made
    made.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def arrived(qtbot: QtBot, table: EditTable, row: int) -> None:
    table.known_row(row)
    qtbot.waitUntil(lambda: table.known_row(row) is not None)


def test_it_keeps_qts_rules(table: EditTable, qtbot: QtBot, qtmodeltester: ModelTester) -> None:
    qtmodeltester.check(table)
    arrived(qtbot, table, 0)
    qtmodeltester.check(table)


def test_a_row_is_a_placeholder_until_its_page_arrives(table: EditTable, qtbot: QtBot) -> None:
    index = table.index(NUMBER - 1, Column.SUBJECT)
    assert index.data() == PLACEHOLDER
    qtbot.waitUntil(lambda: index.data() == f"Land {NUMBER - 1:04}")
    assert len(table._rows) <= 2 * PAGE


def test_what_is_selected_stays_selected_when_sorted(table: EditTable, qtbot: QtBot) -> None:
    view = EditView(table)
    qtbot.addWidget(view)
    chosen = table.id_at(3)
    view.selectionModel().select(
        table.index(3, 0), QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
    )
    table.sort(Column.SUBJECT, Qt.SortOrder.DescendingOrder)
    qtbot.waitUntil(lambda: table.id_at(0) != 1)
    assert [table.id_at(row) for row in view.selected_rows()] == [chosen]
    assert table.row_of(chosen or 0) == NUMBER - 4


def test_an_older_listing_never_replaces_a_newer(table: EditTable, qtbot: QtBot) -> None:
    for text in ("Land 0001", "Land 0002", "Land 0003"):
        table.narrow(text, EditFilter.ALL)
    with qtbot.waitSignal(table.listed):
        pass
    qtbot.wait(50)
    assert len(table.ids) == 1
    arrived(qtbot, table, 0)
    assert table.index(0, Column.SUBJECT).data() == "Land 0003"


def test_changes_are_shown(table: EditTable, database: DatabaseWorker, qtbot: QtBot) -> None:
    database.changed.connect(table.take_changes)
    arrived(qtbot, table, 0)
    first = table.id_at(0) or 0
    database.run(lambda project: editing.update_edit(project, first, new_object="Elsewhere"))
    qtbot.waitUntil(lambda: table.index(0, Column.NEW_OBJECT).data() == "Elsewhere")
    database.run(lambda project: editing.delete_edits(project, [first]))
    qtbot.waitUntil(lambda: len(table.ids) == NUMBER - 1)
    assert table.id_at(0) != first


def test_a_closed_project_leaves_an_empty_table(table: EditTable) -> None:
    table.set_project_open(False)
    assert table.rowCount() == 0
    assert table.data(table.index(5, 1)) is None


def test_a_row_that_is_gone_is_blank_not_an_error(
    table: EditTable, database: DatabaseWorker, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = table.id_at(500) or 0
    database.run(lambda project: editing.delete_edits(project, [gone]))  # the table is not told
    qtbot.waitUntil(lambda: not database.busy)
    table.known_row(500)
    qtbot.waitUntil(lambda: gone in table._rows)
    assert table.known_row(500) is None
    assert table.index(500, Column.NEW_OBJECT).data() is None
    assert table.setData(table.index(500, Column.NEW_OBJECT), "x") is False


def test_scrolling_far_asks_for_few_pages(
    table: EditTable, database: DatabaseWorker, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    original: Callable[..., object] = database.run

    def run(*args: object, **kwargs: object) -> object:
        asked.append(str(kwargs.get("name")))
        return original(*args, **kwargs)

    monkeypatch.setattr(database, "run", run)
    for row in range(NUMBER):
        table.index(row, Column.SUBJECT).data()
    qtbot.wait(50)
    assert asked.count("Read edits") == 1


def test_an_edit_that_others_now_contradict_is_marked_without_being_changed(
    database: DatabaseWorker, table: EditTable, qtbot: QtBot
) -> None:
    arrived(qtbot, table, 0)
    first = table.known_row(0)
    assert first is not None
    assert first.state is EditState.READY
    database.changed.connect(table.take_changes)
    rival = EditDraft("Elsewhere", subject=first.subject, relation="P36")
    database.run(lambda project: editing.add_edits(project, [rival]))
    qtbot.waitUntil(lambda: len(table.ids) == NUMBER + 1)
    seen = set()

    def marked() -> bool:
        row = table.known_row(table.row_of(first.id))
        seen.add(row is None)
        return row is not None and row.state is EditState.CONTRADICTION

    qtbot.waitUntil(marked)
    assert seen == {False}  # the row as it was stays on show until it arrives anew
