"""What a table does not say of itself: its delimiter, lines above its header, and what each column holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSpinBox, QVBoxLayout, QWidget

from engine.formats.csv import MANY, SINGLE, column_of
from engine.formats.registry import ReadOptions
from studio.theme import SPACE
from studio.widgets.fields import named
from studio.widgets.labels import hint
from studio.widgets.tables import fill, text_table

_DELIMITERS = (("", "automatic"), (",", "comma"), (";", "semicolon"), ("\t", "tab"))
_NOTHING = "(left out)"


class TableOptions(QWidget):
    """Fields for what a user must say of a table; `changed` when one of them does."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cells: tuple[str, ...] = ()
        self._pickers: dict[str, QComboBox] = {}
        self.delimiter = QComboBox()
        for value, words in _DELIMITERS:
            self.delimiter.addItem(words, value)
        self.skip = QSpinBox()
        self.skip.setRange(0, 9_999)
        self.skip.lineEdit().setTextMargins(SPACE, 0, 0, 0)
        self.columns = text_table("Columns of the file", ("Column of the file", "Holds"), stretch=(0, 1))
        row = QHBoxLayout()
        row.setSpacing(2 * SPACE)
        row.addLayout(named("Delimiter", self.delimiter))
        row.addLayout(named("Lines above the header", self.skip))
        row.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 2 * SPACE, 0, 0)
        box.setSpacing(SPACE)
        box.addLayout(row)
        box.addWidget(hint("An edit needs a new object, and a prompt or a subject with a relation."))
        box.addWidget(self.columns, 1)
        self.delimiter.currentIndexChanged.connect(self.changed)
        self.skip.valueChanged.connect(self.changed)

    def show_cells(self, cells: Sequence[str]) -> None:
        """List the columns of the file; what was chosen for them is kept while they are the same."""
        named_cells = tuple(dict.fromkeys(cell for cell in cells if cell.strip()))
        if named_cells == self._cells:
            return
        self._cells = named_cells
        self._pickers = {}
        fill(self.columns, [(cell, "") for cell in named_cells])
        for place, cell in enumerate(named_cells):
            picker = QComboBox()
            picker.setAccessibleName(f"What the column {cell} holds")
            for name in ("", *SINGLE, *MANY):
                picker.addItem(name or _NOTHING, name)
            picker.setCurrentIndex(picker.findData(column_of(cell)))
            picker.currentIndexChanged.connect(self.changed)
            self.columns.setCellWidget(place, 1, picker)
            self.columns.setRowHeight(place, picker.sizeHint().height() + SPACE)
            self._pickers[cell] = picker

    def applied_to(self, options: ReadOptions) -> ReadOptions:
        """`options` with what was chosen here; as they were where nothing was."""
        chosen = {cell: str(picker.currentData()) for cell, picker in self._pickers.items()}
        columns = {cell: name for cell, name in chosen.items() if name != column_of(cell)}
        delimiter = self.delimiter.currentData() or None
        return replace(options, delimiter=delimiter, columns=columns or None, skip_rows=self.skip.value())
