"""Everything a run says of itself, its settings and its figures in words; two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtGui import QFont
from PySide6.QtWidgets import QHBoxLayout, QTableWidget, QWidget

from studio.store.runs import RunRow
from studio.theme import SPACE
from studio.widgets.card import Card
from studio.widgets.figures import count, moment, share
from studio.widgets.labels import Label
from studio.widgets.tables import cell, fill, text_table

MOST = 2
"""Runs that are shown side by side."""
_SHARES = {"reliability", "generality", "locality"}


class Details(Card):
    """Two small tables: what was chosen, what came of it; where two runs are shown, what differs is bold."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Details", parent)
        self.settings = text_table("Settings of the run", ("Setting", "Value", ""), stretch=(1, 2))
        self.figures = text_table("Figures of the run", ("Figure", "Value", ""), stretch=(1, 2))
        self._told = Label(muted=True)
        self.head.addWidget(self._told)
        row = QHBoxLayout()
        row.setSpacing(2 * SPACE)
        row.addWidget(self.settings, 1)
        row.addWidget(self.figures, 1)
        self.body.addLayout(row, 1)
        self.show_runs(())

    def show_runs(self, runs: Sequence[RunRow]) -> None:
        """Show what one run, or two, say of themselves."""
        beside = "What differs is bold. Select one run to use, resume, export or delete it."
        self._told.setText(beside if len(runs) == MOST else "Select two runs to compare them.")
        titles = [moment(run.created) for run in runs] if len(runs) > 1 else ["Value"]
        _show(self.settings, "Setting", titles, [_settings(run) for run in runs])
        _show(self.figures, "Figure", titles, [_figures(run) for run in runs])


def _show(table: QTableWidget, first: str, titles: Sequence[str], columns: Sequence[Mapping[str, str]]) -> None:
    """A row for each name that any of `columns` has."""
    table.setHorizontalHeaderLabels([first, *titles, *[""] * (MOST - len(titles))])
    for place in range(MOST):
        table.setColumnHidden(place + 1, place >= len(titles))
    names = list(dict.fromkeys(name for column in columns for name in column))
    fill(table, [(name, *(column.get(name, "–") for column in columns)) for name in names])
    for row, name in enumerate(names):
        font = QFont(table.font())
        font.setBold(len({column.get(name) for column in columns}) > 1)
        for place in range(len(columns) + 1):
            cell(table, row, place).setFont(font)


def _settings(run: RunRow) -> dict[str, str]:
    told = {
        "started": moment(run.created),
        "model": run.model,
        "editor": "MeG" if run.editor == "meg" else run.editor,
        "seed": str(run.seed),
        **{name: _setting(value) for name, value in run.settings.items() if not isinstance(value, dict)},
        "snapshot": run.snapshot[:16],
        "folder": str(run.folder),
    }
    return told | ({"message": run.message} if run.message else {})


def _figures(run: RunRow) -> dict[str, str]:
    return {name: _figure(name, value) for name, value in run.figures.items() if name != "layers"}  # a curve shows them


def _setting(value: object) -> str:
    if value is None:
        return "automatic"
    if isinstance(value, list | tuple):
        return " · ".join(str(part) for part in value) or "none"
    return str(value)


def _figure(name: str, value: object) -> str:
    if isinstance(value, list):
        return count(len(value), "edit")
    if isinstance(value, int | float):
        if name in _SHARES:
            return share(float(value))
        return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
    return str(value)
