"""Rows behind a model: shown, sorted, kept selected, and room for their words."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QLineEdit, QTableView
from pytestqt.qtbot import QtBot

from studio.widgets.rows import Column, RowsModel, chosen_rows, rows_view


@dataclass(frozen=True)
class Fruit:
    name: str
    weight: float | None


FRUITS = [Fruit("plum", 12), Fruit("Apple", 100), Fruit("fig\n<b>", None), Fruit("pear", 100)]
UP, DOWN = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder


@pytest.fixture
def model() -> RowsModel[Fruit]:
    made: RowsModel[Fruit] = RowsModel(
        (
            Column("Name", lambda row: row.name, wide=True),
            Column("Weight of the fruit", lambda row: f"{row.weight} g", lambda row: row.weight, number=True),
        )
    )
    made.show_rows(FRUITS)
    return made


@pytest.fixture
def view(qtbot: QtBot, model: RowsModel[Fruit]) -> QTableView:
    made = rows_view("Fruits", model)
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    return made


def names(model: RowsModel[Fruit]) -> list[str]:
    return [row.name for row in model.rows]


def test_it_keeps_the_rules_of_models(model: RowsModel[Fruit]) -> None:
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.sort(1, DOWN)
    model.show_rows(FRUITS[:1])
    model.show_rows(FRUITS)
    tester.deleteLater()


def test_numbers_sort_as_numbers_and_what_is_not_known_comes_last(model: RowsModel[Fruit]) -> None:
    model.sort(1, UP)
    assert names(model) == ["plum", "Apple", "pear", "fig\n<b>"]
    model.sort(1, DOWN)
    assert names(model) == ["Apple", "pear", "plum", "fig\n<b>"]
    model.sort(0, UP)
    assert names(model) == ["Apple", "fig\n<b>", "pear", "plum"]
    model.show_rows(FRUITS[::-1])
    assert names(model) == ["Apple", "fig\n<b>", "pear", "plum"]  # the order that was chosen holds
    model.sort(-1)
    assert set(names(model)) == {fruit.name for fruit in FRUITS}


def test_what_is_selected_stays_selected_when_it_is_sorted(view: QTableView, model: RowsModel[Fruit]) -> None:
    view.selectRow(1)
    for column in (0, 1):
        for order in (UP, DOWN):
            view.sortByColumn(column, order)
            assert chosen_rows(view, model) == [FRUITS[1]]


def test_a_text_is_one_line_whole_in_its_tooltip_and_never_markup(model: RowsModel[Fruit]) -> None:
    index = model.index(2, 0)
    assert index.data() == "fig <b>"
    assert "&lt;b&gt;" in index.data(Qt.ItemDataRole.ToolTipRole)
    assert model.index(0, 1).data(Qt.ItemDataRole.TextAlignmentRole) & Qt.AlignmentFlag.AlignRight
    assert model.index(9, 0).data() is None


def test_only_the_sorted_title_pays_for_its_arrow(view: QTableView) -> None:
    header = view.horizontalHeader()
    before = header.sectionSize(1)
    view.sortByColumn(1, UP)
    assert header.sectionSize(1) > before
    view.sortByColumn(0, UP)
    assert header.sectionSize(1) == before


def test_what_is_written_is_handed_over_and_not_shown_by_itself(qtbot: QtBot) -> None:
    written: list[tuple[Fruit, str]] = []
    model: RowsModel[Fruit] = RowsModel(
        (Column("Name", lambda row: row.name), Column("Weight", lambda row: str(row.weight))),
        rename=(0, lambda row, text: written.append((row, text))),
    )
    model.show_rows(FRUITS)
    assert model.flags(model.index(0, 0)) & Qt.ItemFlag.ItemIsEditable
    assert not model.flags(model.index(0, 1)) & Qt.ItemFlag.ItemIsEditable
    assert model.setData(model.index(0, 0), "prune")
    assert model.setData(model.index(1, 0), "Apple")  # as it was
    assert not model.setData(model.index(0, 1), "5")
    assert written == [(FRUITS[0], "prune")]
    assert model.index(0, 0).data() == "plum"


def test_rows_with_a_key_stay_the_same_rows(qtbot: QtBot) -> None:
    written: list[tuple[str, str]] = []
    model: RowsModel[Fruit] = RowsModel(
        (Column("Weight", lambda row: f"{row.weight} g", lambda row: row.weight), Column("Name", lambda row: row.name)),
        rename=(0, lambda row, text: written.append((row.name, text))),
        key=lambda row: row.name,
    )
    view = rows_view("Fruits", model)
    qtbot.addWidget(view)
    view.show()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.show_rows(FRUITS)
    model.sort(0, UP)
    view.selectRow(names(model).index("Apple"))
    view.edit(model.index(names(model).index("Apple"), 0))
    editor = view.findChild(QLineEdit)
    assert editor is not None
    editor.clear()
    qtbot.keyClicks(editor, "90 g")
    model.show_rows([Fruit("quince", 1), Fruit("pear", 300), Fruit("Apple", 200)])
    assert [(row.name, row.weight) for row in model.rows] == [("quince", 1), ("Apple", 200), ("pear", 300)]
    assert [row.name for row in chosen_rows(view, model)] == ["Apple"]
    assert editor.text() == "90 g"
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: written == [("Apple", "90 g")])
    model.show_rows([])
    assert model.rowCount() == 0
    tester.deleteLater()
