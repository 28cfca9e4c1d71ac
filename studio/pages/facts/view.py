"""The facts table on screen: columns that share the width, keys for copying, pasting, deleting and switching."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from PySide6.QtCore import QItemSelectionModel, QItemSelectionRange, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from engine.edits import Relation
from studio.pages.facts.columns import HEADINGS, Column
from studio.pages.facts.delegates import FamiliarityDelegate, RelationDelegate, TextDelegate
from studio.pages.facts.table import EditTable
from studio.theme import SPACE
from studio.words import tr


class EditView(QTableView):
    """Shows an EditTable; Space switches the selected edits on or off."""

    toggle_asked = Signal()

    def __init__(self, table: EditTable, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sized_by_hand = False
        self._sizing = False
        self.setModel(table)
        self.setAccessibleName(tr("Edits"))
        # Cells, so that a rectangle can be copied and pasted over as in a spreadsheet.
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectItems)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
            | QAbstractItemView.EditTrigger.AnyKeyPressed
        )
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setHighlightSections(False)
        # The header asks of each column whether all its rows are selected, each time it is painted; a hundred thousand
        # selected rows would hold the window up for seconds. It shows nothing of a selection: it is given none.
        header.setSelectionModel(QItemSelectionModel(table, self))
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(True)
        header.setMinimumSectionSize(5 * SPACE)
        header.sectionResized.connect(self._note_resize)
        header.sortIndicatorChanged.connect(self._share_width)
        self.setSortingEnabled(True)
        self._relation = RelationDelegate(self)
        self.setItemDelegateForColumn(Column.RELATION, self._relation)
        self.setItemDelegateForColumn(Column.FAMILIARITY, FamiliarityDelegate(self))
        for column in (Column.SUBJECT, Column.NEW_OBJECT, Column.ORIGINAL_ANSWER):
            self.setItemDelegateForColumn(column, TextDelegate(tr(HEADINGS[column].title), self))
        self._share_height()

    def set_relations(self, relations: Sequence[Relation]) -> None:
        """The relations that a cell can be changed to."""
        self._relation.set_relations(relations)

    def show_familiarity(self, shown: bool) -> None:
        """Show or hide the column that is the gate's."""
        if self.isColumnHidden(Column.FAMILIARITY) is shown:
            self._sizing = True  # hiding a column is no sizing by hand
            self.setColumnHidden(Column.FAMILIARITY, not shown)
            self._sizing = False
            self._share_width()

    def selected_rows(self) -> list[int]:
        """The rows with a selected cell, from the top."""
        return sorted({row for part in self._ranges() for row in range(part.top(), part.bottom() + 1)})

    def selected_cells(self) -> dict[int, frozenset[Column]] | None:
        """The selected columns of each row with a selected cell, from the top; None where whole rows are selected."""
        found: dict[int, set[Column]] = defaultdict(set)
        whole = True
        for part in self._ranges():
            columns = [Column(column) for column in range(part.left(), part.right() + 1)]
            whole = whole and len(columns) == len(Column)
            for row in range(part.top(), part.bottom() + 1):
                found[row].update(columns)
        if whole or all(len(columns) == len(Column) for columns in found.values()):
            return None
        return {row: frozenset(found[row]) for row in sorted(found)}

    def _ranges(self) -> list[QItemSelectionRange]:
        selection = self.selectionModel().selection()
        return [selection.at(place) for place in range(selection.size())]

    def _note_resize(self) -> None:
        if not self._sizing:
            self._sized_by_hand = True

    def _share_height(self) -> None:
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 2 * SPACE)

    def _share_width(self) -> None:
        if self._sized_by_hand:
            return
        shares = {column: heading.width for column, heading in HEADINGS.items() if not self.isColumnHidden(column)}
        least, room, widths = self._least_widths(shares), self.viewport().width(), dict[Column, int]()
        # A column whose share is too narrow for its heading gets what that needs; the others share what is left.
        while narrow := [column for column in shares if room * shares[column] // sum(shares.values()) < least[column]]:
            for column in narrow:
                widths[column] = least[column]
                room -= least[column]
                del shares[column]
        while shares:
            column, share = shares.popitem()
            widths[column] = room * share // (share + sum(shares.values()))
            room -= widths[column]
        self._sizing = True
        for column, width in widths.items():
            self.setColumnWidth(column, width)
        self._sizing = False

    def _least_widths(self, columns: Iterable[Column]) -> dict[Column, int]:
        """What the headings need; the header itself keeps room for a sort mark in all of them, not in the one alone."""
        header = self.horizontalHeader()
        header.setSortIndicatorShown(False)
        least = {column: header.sectionSizeHint(column) for column in columns}
        header.setSortIndicatorShown(True)
        sorted_by = header.sortIndicatorSection()
        return {column: header.sectionSizeHint(column) if column == sorted_by else least[column] for column in least}

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the width among the columns until the user has sized one."""
        super().resizeEvent(event)
        self._share_height()
        self._share_width()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space switches what is selected; Return edits the cell."""
        if event.key() == Qt.Key.Key_Space and self.selectionModel().hasSelection():
            self.toggle_asked.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            if self.state() != QAbstractItemView.State.EditingState:
                self.edit(self.currentIndex())
        else:
            super().keyPressEvent(event)
