"""The table model of the questions that were asked: what is listed, in the order that a header was clicked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QFont

from engine.edits import fold
from studio.store.comparisons import ComparisonRow
from studio.widgets.figures import moment, share
from studio.widgets.labels import plain_tooltip
from studio.words import deferred, tr

_Index = QModelIndex | QPersistentModelIndex


class Column(IntEnum):
    """What the table shows of a comparison."""

    ASKED = 0
    QUESTION = 1
    ORIGINAL = 2
    EDITED = 3
    FAMILIARITY = 4
    DECISION = 5


_TITLES = (
    deferred("Asked"),
    deferred("Question"),
    deferred("Original answer"),
    deferred("Edited answer"),
    deferred("Familiarity"),
    deferred("Decision"),
)
_TEXTS: dict[Column, Callable[[ComparisonRow], str]] = {
    Column.ASKED: lambda row: moment(row.created),
    Column.QUESTION: lambda row: row.query,
    Column.ORIGINAL: lambda row: row.original,
    Column.EDITED: lambda row: row.edited,
    Column.FAMILIARITY: lambda row: share(row.known_familiarity),
    Column.DECISION: lambda row: tr("edited") if row.routed else tr("left alone"),
}


class HistoryTable(QAbstractTableModel):
    """Comparisons, sorted; an edited answer that differs is bold."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[ComparisonRow] = []
        self._by: tuple[Column, Qt.SortOrder] = (Column.ASKED, Qt.SortOrder.DescendingOrder)

    @property
    def rows(self) -> Sequence[ComparisonRow]:
        """What is listed, from the top."""
        return self._rows

    def show_rows(self, rows: Sequence[ComparisonRow]) -> None:
        """List `rows`."""
        self.beginResetModel()
        self._rows = list(rows)
        self._order()
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """How many are listed."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """How many columns there are."""
        return 0 if parent.isValid() else len(_TITLES)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The columns' names."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return tr(_TITLES[section])
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """A cell."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row, column = self._rows[index.row()], Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return " ".join(_TEXTS[column](row).split())
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tooltip(_TEXTS[column](row))
        if role == Qt.ItemDataRole.FontRole and column is Column.EDITED and row.changed:
            font = QFont()
            font.setBold(True)
            return font
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order by a column."""
        self._by = (Column(column), order)
        self.layoutAboutToBeChanged.emit()
        self._order()
        self.layoutChanged.emit()

    def _order(self) -> None:
        column, order = self._by
        keys: dict[Column, Callable[[ComparisonRow], object]] = {
            Column.ASKED: lambda row: row.id,
            Column.FAMILIARITY: lambda row: row.familiarity,
        }
        key = keys.get(column, lambda row: fold(_TEXTS[column](row)))
        self._rows.sort(key=key, reverse=order is Qt.SortOrder.DescendingOrder)
