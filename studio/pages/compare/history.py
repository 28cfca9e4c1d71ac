"""The questions that were asked in this project, newest first: ask again, delete, export."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QWidget

from engine.formats.cells import protect
from studio.store.comparisons import ComparisonRow
from studio.theme import SPACE
from studio.widgets.buttons import button, icon_button
from studio.widgets.card import Card
from studio.widgets.figures import moment, share
from studio.widgets.tables import cell, fill, text_table

_TITLES = ("Asked", "Question", "Original answer", "Edited answer", "Familiarity", "Decision")
_FIELDS = (
    "asked",
    "question",
    "original answer",
    "edited answer",
    "familiarity",
    "threshold",
    "routed",
    "entropy",
    "nearest edit",
    "similarity",
    "model",
    "run",
)


class History(Card):
    """A table of comparisons."""

    again_asked = Signal(str)  # the question
    delete_asked = Signal(object)  # list of ids
    export_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("History", parent)
        self._rows: list[ComparisonRow] = []
        self.table = text_table("Questions asked before", _TITLES, stretch=(1, 2, 3))
        self.again = button("Ask again", "again")
        self.delete = icon_button("Delete the selected questions", "delete", self._delete)
        self.export = icon_button("Export the history (CSV)", "export", self.export_asked.emit)
        for control in (self.again, self.delete, self.export):
            self.head.addWidget(control)
        self.body.addWidget(self.table, 1)
        self.table.setMinimumHeight(14 * SPACE)
        self.again.clicked.connect(self._ask_again)
        self.table.itemSelectionChanged.connect(self._tell)
        self.table.cellActivated.connect(self._ask_again)
        self._tell()

    @property
    def rows(self) -> Sequence[ComparisonRow]:
        """What is listed, from the top."""
        return self._rows

    def show_rows(self, rows: list[ComparisonRow]) -> None:
        """List `rows`."""
        self._rows = rows
        fill(
            self.table,
            [
                (
                    moment(row.created),
                    row.query,
                    row.original,
                    row.edited,
                    share(row.familiarity),
                    "edited" if row.routed else "left alone",
                )
                for row in rows
            ],
        )
        for place, row in enumerate(rows):
            font = QFont(self.table.font())
            font.setBold(row.edited != row.original)
            cell(self.table, place, _TITLES.index("Edited answer")).setFont(font)
        self._tell()

    def _selected(self) -> list[ComparisonRow]:
        places = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        return [self._rows[place] for place in places if place < len(self._rows)]

    def _tell(self) -> None:
        chosen = len(self._selected())
        self.again.setEnabled(chosen == 1)
        self.delete.setEnabled(chosen > 0)
        self.export.setEnabled(bool(self._rows))

    def _ask_again(self) -> None:
        chosen = self._selected()
        if chosen:
            self.again_asked.emit(chosen[0].query)

    def _delete(self) -> None:
        self.delete_asked.emit([row.id for row in self._selected()])


def to_csv(rows: Sequence[ComparisonRow]) -> str:
    """The history as a table that a spreadsheet may open: no cell is taken for a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_FIELDS)
    for row in rows:
        writer.writerow(
            (
                row.created.isoformat(timespec="seconds"),
                protect(row.query),
                protect(row.original),
                protect(row.edited),
                f"{row.familiarity:.4f}",
                f"{row.threshold:.4f}",
                "yes" if row.routed else "no",
                f"{row.entropy:.4f}",
                protect(row.nearest_edit),
                f"{row.similarity:.4f}",
                protect(row.model),
                "" if row.run is None else str(row.run),
            )
        )
    return text.getvalue()
