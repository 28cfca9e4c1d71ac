"""Small tables of text, all alike: no grid, whole rows, Tab leaves them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QTableWidget, QTableWidgetItem

from studio.widgets.labels import plain_tooltip
from studio.words import tr


def plain(view: QTableView) -> None:
    """What every small table has in common."""
    view.verticalHeader().hide()
    view.setShowGrid(False)
    view.setWordWrap(False)
    view.setAlternatingRowColors(True)
    view.setTabKeyNavigation(False)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)


def text_table(
    name: str, titles: Sequence[str], *, stretch: Collection[int] = (), framed: bool = False, editable: bool = False
) -> QTableWidget:
    """A table whose columns fit their content, but for those that `stretch` to share what is left.

    `framed` gives it a border of its own, for a place outside a card.
    """
    made = QTableWidget(0, len(titles))
    made.setAccessibleName(tr(name))
    made.setProperty("framed", framed)
    made.setHorizontalHeaderLabels([tr(title) for title in titles])
    plain(made)
    if not editable:
        made.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    header = made.horizontalHeader()
    header.setHighlightSections(False)
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    for column in range(len(titles)):
        mode = QHeaderView.ResizeMode.Stretch if column in stretch else QHeaderView.ResizeMode.ResizeToContents
        header.setSectionResizeMode(column, mode)
    return made


def cell(table: QTableWidget, row: int, column: int) -> QTableWidgetItem:
    """The cell at `row` and `column`, made where it is not there."""
    found = table.item(row, column)
    if found is None:
        found = QTableWidgetItem()
        table.setItem(row, column, found)
    return found


def fill(table: QTableWidget, rows: Sequence[Sequence[str]]) -> None:
    """Show `rows`; a cell that is too narrow has its whole text as a tooltip."""
    table.ensurePolished()  # else columns that fit their content are measured without the style's padding
    table.setRowCount(len(rows))
    for place, row in enumerate(rows):
        for column, text in enumerate(row):
            item = cell(table, place, column)
            item.setText(" ".join(text.split()))
            item.setToolTip(plain_tooltip(text))
