"""Tables of plain values behind Qt's model and view: any number of rows, sorted by any column."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import (
    QHeaderView,
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from studio import icons
from studio.theme import SPACE, tokens
from studio.widgets.labels import plain_tooltip
from studio.widgets.tables import plain

R = TypeVar("R")
Index = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()
_ROLES = Qt.ItemDataRole
_NUMBER = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """What one column says of a row."""

    title: str
    text: Callable[[R], str]
    key: Callable[[R], Any] | None = None  # what it is sorted by; None: its text; a row without one comes last
    number: bool = False  # aligned as one
    wide: bool = False  # shares what room is left
    icon: Callable[[R], str] | None = None
    help: str = ""  # shown as the title's tooltip


class RowsModel(QAbstractTableModel, Generic[R]):
    """Rows as they were given or as they were sorted; `bold` says which of them stand out."""

    def __init__(
        self,
        columns: Sequence[Column[R]],
        *,
        bold: Callable[[R], bool] | None = None,
        rename: tuple[int, Callable[[R, str], object]] | None = None,
        key: Callable[[R], Hashable] | None = None,
        parent: QObject | None = None,
    ) -> None:
        """`rename` is a column that can be written in, and what is done with what was written.

        With a `key` a row that is shown anew is the same row: it stays selected, and what is being written in it stays.
        """
        super().__init__(parent)
        self._columns = tuple(columns)
        self._bold = bold
        self._rename = rename
        self._key = key
        self._rows: list[R] = []
        self._sorted: tuple[int, Qt.SortOrder] | None = None

    @property
    def columns(self) -> tuple[Column[R], ...]:
        """The columns, from the left."""
        return self._columns

    @property
    def rows(self) -> Sequence[R]:
        """The rows, from the top."""
        return self._rows

    def show_rows(self, rows: Sequence[R]) -> None:
        """Show `rows`, in the order that was chosen."""
        if self._key is None:
            self.beginResetModel()
            self._rows = self._in_order(list(rows))
            self.endResetModel()
        else:
            self._update(rows, self._key)

    def _update(self, rows: Sequence[R], key: Callable[[R], Hashable]) -> None:
        left = {key(row): row for row in rows}
        for place in reversed(range(len(self._rows))):
            if key(self._rows[place]) not in left:
                self.beginRemoveRows(_NOWHERE, place, place)
                del self._rows[place]
                self.endRemoveRows()
        self._rows = [left.pop(key(row)) for row in self._rows]
        if left:
            self.beginInsertRows(_NOWHERE, len(self._rows), len(self._rows) + len(left) - 1)
            self._rows += left.values()
            self.endInsertRows()
        self._arrange(self._in_order(list(rows)))
        if self._rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._rows) - 1, len(self._columns) - 1))

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """How many rows there are."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        """How many columns there are."""
        return 0 if parent.isValid() else len(self._columns)

    def data(self, index: Index, role: int = _ROLES.DisplayRole) -> Any:
        """The text of a cell, the whole of it as a tooltip, its alignment, font and icon."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row, column = self._rows[index.row()], self._columns[index.column()]
        if role == _ROLES.DisplayRole:
            return " ".join(column.text(row).split())
        if role == _ROLES.EditRole:
            return column.text(row)
        if role == _ROLES.ToolTipRole:
            return plain_tooltip(column.text(row))
        if role == _ROLES.TextAlignmentRole and column.number:
            return _NUMBER
        if role == _ROLES.FontRole and self._bold is not None and self._bold(row):
            font = QFont()
            font.setBold(True)
            return font
        if role == _ROLES.DecorationRole and column.icon is not None:
            return icons.icon(column.icon(row), tokens().muted)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _ROLES.DisplayRole) -> Any:
        """The titles of the columns."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self._columns):
            return None
        column = self._columns[section]
        if role == _ROLES.DisplayRole:
            return column.title
        if role == _ROLES.ToolTipRole and column.help:
            return plain_tooltip(column.help)
        if role == _ROLES.TextAlignmentRole and column.number:
            return _NUMBER
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Cells of the column that can be renamed can be written in."""
        found = super().flags(index)
        if self._rename is not None and index.column() == self._rename[0]:
            found |= Qt.ItemFlag.ItemIsEditable
        return found

    def setData(self, index: Index, value: Any, role: int = _ROLES.EditRole) -> bool:
        """Hand over what was written; the row itself changes when it is shown anew."""
        if self._rename is None or role != _ROLES.EditRole or index.column() != self._rename[0]:
            return False
        row = self._rows[index.row()]
        if str(value) != self._columns[index.column()].text(row):
            self._rename[1](row, str(value))
        return True

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column, equal rows staying as they were; what is selected stays selected."""
        self._sorted = (column, order) if 0 <= column < len(self._columns) else None
        self._arrange(self._in_order(self._rows))

    def _arrange(self, ordered: list[R]) -> None:
        """Put the same rows into another order."""
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        rows = [self._rows[index.row()] for index in before]
        self._rows = ordered
        place = {id(row): number for number, row in enumerate(self._rows)}
        after = [self.index(place[id(row)], index.column()) for row, index in zip(rows, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _in_order(self, rows: list[R]) -> list[R]:
        if self._sorted is None:
            return rows
        column, order = self._columns[self._sorted[0]], self._sorted[1]
        key = column.key or (lambda row: column.text(row).casefold())
        known = [row for row in rows if key(row) is not None]
        known.sort(key=key, reverse=order == Qt.SortOrder.DescendingOrder)
        return known + [row for row in rows if key(row) is None]


class _Roomy(QStyledItemDelegate):
    """Leaves room for the border of the cell in focus, which would cut its text short; keeps what is written in it."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return super().sizeHint(option, index) + QSize(SPACE, 0)

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """What is being written stays when the row is shown anew."""
        if not (isinstance(editor, QLineEdit) and editor.isModified()):
            super().setEditorData(editor, index)


class _Titles(QHeaderView):
    """Titles with room for the arrow of the sorted column alone: beside every title it would cost the texts theirs."""

    def __init__(self, parent: QTableView) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setSectionsClickable(True)
        self.setHighlightSections(False)
        self.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.setMaximumSectionSize(60 * SPACE)  # one long text must not push the others out of sight
        self.setResizeContentsPrecision(0)  # of many rows, those in sight
        self.sortIndicatorChanged.connect(lambda *_: self.headerDataChanged(Qt.Orientation.Horizontal, 0, 0))

    def sectionSizeFromContents(self, section: int) -> QSize:
        found = super().sectionSizeFromContents(section)
        if self.isSortIndicatorShown() and section != self.sortIndicatorSection():
            measure = QStyle.PixelMetric
            mark, margin = (
                self.style().pixelMetric(metric, None, self)
                for metric in (measure.PM_HeaderMarkSize, measure.PM_HeaderMargin)
            )
            found.setWidth(found.width() - mark - 2 * margin)
        return found


def rows_view(name: str, model: RowsModel[R], *, framed: bool = False) -> QTableView:
    """A view of `model`, alike to every other small table: whole rows, no grid, Tab leaves it, titles sort it."""
    made = QTableView()
    made.setAccessibleName(name)
    made.setProperty("framed", framed)
    made.setModel(model)
    model.setParent(made)
    made.setItemDelegate(_Roomy(made))
    plain(made)
    header = _Titles(made)
    made.setHorizontalHeader(header)
    for place, column in enumerate(model.columns):
        mode = QHeaderView.ResizeMode.Stretch if column.wide else QHeaderView.ResizeMode.ResizeToContents
        header.setSectionResizeMode(place, mode)
    header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
    made.setSortingEnabled(True)
    return made


def chosen_rows(view: QTableView, model: RowsModel[R]) -> list[R]:
    """The selected rows, from the top."""
    places = sorted({index.row() for index in view.selectionModel().selectedRows()})
    return [model.rows[place] for place in places if place < len(model.rows)]
