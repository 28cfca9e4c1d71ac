"""What a file does not say of itself: its delimiter, lines above its header, and what each column or key holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSpinBox, QVBoxLayout, QWidget

from engine.formats import csv, jsonl
from engine.formats.registry import ReadOptions
from studio.theme import SPACE
from studio.widgets.fields import named
from studio.widgets.labels import hint
from studio.widgets.tables import fill, text_table
from studio.words import deferred, tr

_DELIMITERS = (
    ("", deferred("automatic")),
    (",", deferred("comma")),
    (";", deferred("semicolon")),
    ("\t", deferred("tab")),
    ("|", deferred("bar")),
)
_NOTHING = deferred("– left out –")
_HOLDS = 2  # the column of the pickers
_EXAMPLE = 80  # characters


class TableOptions(QWidget):
    """Fields for what a user must say of a file; `changed` when one of them does."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: tuple[tuple[str, ...], bool] = ((), True)
        self._pickers: dict[str, QComboBox] = {}
        self.delimiter = QComboBox()
        for value, words in _DELIMITERS:
            self.delimiter.addItem(tr(words), value)
        self.skip = QSpinBox()
        self.skip.setRange(0, 9_999)
        self.skip.lineEdit().setTextMargins(SPACE, 0, 0, 0)
        self.columns = text_table("Columns of the file", ("Column of the file", "First row", "Holds"), stretch=(0, 1))
        self._of_tables = QWidget()
        row = QHBoxLayout(self._of_tables)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * SPACE)
        for title, control in ((tr("Delimiter"), self.delimiter), (tr("Lines above the header"), self.skip)):
            field = named(title, control)
            row.addLayout(field)
            row.setAlignment(field, Qt.AlignmentFlag.AlignTop)
        row.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 2 * SPACE, 0, 0)
        box.setSpacing(SPACE)
        box.addWidget(self._of_tables)
        box.addWidget(hint("An edit needs a new object, and a prompt or a subject with a relation."))
        box.addWidget(self.columns, 1)
        self.delimiter.currentIndexChanged.connect(self.changed)
        self.skip.valueChanged.connect(self.changed)

    def show_columns(self, columns: Mapping[str, str], *, is_table: bool) -> None:
        """List the columns of the file, each with an example; what was chosen for them is kept while they are the same.

        In a file that is no table they are the keys of its records.
        """
        self._of_tables.setVisible(is_table)
        shown = (tuple(columns), is_table)
        if shown == self._shown:
            return
        self._shown = shown
        self._pickers = {}
        fill(self.columns, [(name, example[:_EXAMPLE], "") for name, example in columns.items()])
        for place, name in enumerate(columns):
            picker = QComboBox()
            picker.setAccessibleName(tr("What the column {name} holds", name=name))
            for holds in ("", *csv.SINGLE, *csv.MANY):
                picker.addItem(holds or tr(_NOTHING), holds)
            picker.setCurrentIndex(picker.findData(self._taken_for(name)))
            picker.currentIndexChanged.connect(self.changed)
            self.columns.setCellWidget(place, _HOLDS, picker)
            self.columns.setRowHeight(place, picker.sizeHint().height() + SPACE)
            self._pickers[name] = picker

    def applied_to(self, options: ReadOptions) -> ReadOptions:
        """`options` with what was chosen here; as they were where nothing was."""
        chosen = {name: str(picker.currentData()) for name, picker in self._pickers.items()}
        columns = {name: holds for name, holds in chosen.items() if holds != self._taken_for(name)}
        delimiter = self.delimiter.currentData() or None
        return replace(options, delimiter=delimiter, columns=columns or None, skip_rows=self.skip.value())

    def _taken_for(self, name: str) -> str:
        """What a column is taken for unless the user says otherwise."""
        return csv.column_of(name) if self._shown[1] else jsonl.column_of(name)
