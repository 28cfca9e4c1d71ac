"""Everything a run says of itself, its settings and its figures in words; two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from studio.store.runs import RunRow
from studio.theme import SPACE
from studio.widgets.labels import Label
from studio.widgets.rows import Column, RowsModel, rows_view
from studio.widgets.run_words import called, figures_in_words, settings_in_words
from studio.words import tr

MOST = 2
"""Runs that are shown side by side."""


@dataclass(frozen=True, slots=True)
class Line:
    """One setting or figure, of one run or two."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether two runs have it otherwise."""
        return len(set(self.values)) > 1


class Details(QWidget):
    """Two small tables: what was chosen, what came of it; where two runs are shown, what differs is bold."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.settings = self._model(tr("Setting"))
        self.figures = self._model(tr("Figure"))
        self.settings_table = rows_view(tr("Settings of the run"), self.settings)
        self.figures_table = rows_view(tr("Figures of the run"), self.figures)
        self._told = Label(muted=True)
        row = QHBoxLayout()
        row.setSpacing(2 * SPACE)
        row.addWidget(self.settings_table, 1)
        row.addWidget(self.figures_table, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, SPACE, 0, 0)
        box.setSpacing(SPACE)
        box.addWidget(self._told)
        box.addLayout(row, 1)
        self.show_runs(())

    def _model(self, first: str) -> RowsModel[Line]:
        columns: tuple[Column[Line], ...] = (
            Column(first, lambda line: line.name),
            Column(tr("Value"), lambda line: line.values[0], wide=True),
            Column(tr("Value"), lambda line: line.values[-1], wide=True),
        )
        return RowsModel(columns, bold=lambda line: line.differs)

    def show_runs(self, runs: Sequence[RunRow]) -> None:
        """Show what one run, or two, say of themselves."""
        beside = (
            tr("What differs is bold. Left: {left}. Right: {right}.", left=called(runs[0]), right=called(runs[1]))
            if len(runs) > 1
            else ""
        )
        self._told.setText(beside or tr("Select two runs to compare them."))
        _show(self.settings, [settings_in_words(run) for run in runs])
        _show(self.figures, [figures_in_words(run) for run in runs])
        for table in (self.settings_table, self.figures_table):
            table.setColumnHidden(MOST, len(runs) < MOST)


def _show(model: RowsModel[Line], columns: Sequence[Mapping[str, str]]) -> None:
    """A row for each name that any of `columns` has."""
    names = dict.fromkeys(name for column in columns for name in column)
    model.show_rows([Line(name, tuple(column.get(name, "–") for column in columns)) for name in names])
