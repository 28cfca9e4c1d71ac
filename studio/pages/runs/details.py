"""Everything a run says of itself: its settings and its figures, in words."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QWidget

from studio.store.runs import RunRow
from studio.theme import SPACE
from studio.widgets.card import Card
from studio.widgets.figures import moment, share
from studio.widgets.tables import fill, text_table

_SHARES = {"reliability", "generality", "locality", "answered"}


class Details(Card):
    """Two small tables: what was chosen, what came of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Details", parent)
        self.settings = text_table("Settings of the run", ("Setting", "Value"), stretch=(1,))
        self.figures = text_table("Figures of the run", ("Figure", "Value"), stretch=(1,))
        row = QHBoxLayout()
        row.setSpacing(2 * SPACE)
        row.addWidget(self.settings, 1)
        row.addWidget(self.figures, 1)
        self.body.addLayout(row, 1)

    def show_run(self, run: RunRow | None) -> None:
        """Show what `run` says of itself."""
        if run is None:
            fill(self.settings, [])
            fill(self.figures, [])
            return
        settings = {
            "started": moment(run.created),
            "model": run.model,
            "editor": "MeG" if run.editor == "meg" else run.editor,
            "seed": str(run.seed),
            **{name: _setting(value) for name, value in run.settings.items()},
            "snapshot": run.snapshot[:16],
            "folder": str(run.folder),
        }
        if run.message:
            settings["message"] = run.message
        fill(self.settings, list(settings.items()))
        fill(self.figures, [(name, _figure(name, value)) for name, value in run.figures.items()])


def _setting(value: object) -> str:
    if value is None:
        return "automatic"
    if isinstance(value, list | tuple):
        return " · ".join(str(part) for part in value) or "none"
    return str(value)


def _figure(name: str, value: object) -> str:
    if isinstance(value, int | float):
        return share(float(value)) if name in _SHARES else f"{value:,.0f}"
    return str(value)
