"""What a sweep over the layers found: how much neurons of each are worth, and how large they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QHBoxLayout, QWidget

from studio.store.runs import RunRow
from studio.theme import SPACE, tokens
from studio.widgets.card import Card
from studio.widgets.labels import Label
from studio.widgets.legend import Key, Legend
from studio.widgets.plot import dress, still_plot
from studio.words import deferred, tr

SHARES = {
    "answered": deferred("edits answered"),
    "paraphrased": deferred("paraphrases answered"),
    "kept": deferred("other answers kept"),
}
_STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)


class LayerCurve(Card):
    """Two small plots over the layers: shares, and the mean length of a neuron; the chosen layer is marked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Layers", parent)
        self._told = Label(muted=True)
        self.has_run = False
        self.legend = Legend()
        self.head.addWidget(self._told)
        self.head.addWidget(self.legend)
        self.shares = _plot(tr("share, %"), tr("Shares by layer"))
        self.shares.setYRange(0, 100, padding=0.08)
        self.norm = _plot(tr("length"), tr("Length of a neuron by layer"))
        self._curves = {name: self.shares.plot([], [], symbol="o", symbolSize=5) for name in SHARES}
        self._norms = self.norm.plot([], [], symbol="o", symbolSize=5)
        self._chosen = [pg.InfiniteLine(angle=90) for _ in range(2)]
        self.shares.addItem(self._chosen[0])
        self.norm.addItem(self._chosen[1])
        row = QHBoxLayout()
        row.setSpacing(2 * SPACE)
        row.addWidget(self.shares, 3)
        row.addWidget(self.norm, 2)
        self.body.addLayout(row)
        self._dress()
        self.show_run(None)

    def show_run(self, run: RunRow | None) -> None:
        """Show the sweep of `run`; nothing where its layer was not found by one."""
        figures = _sweep(run)
        self.has_run = bool(figures)
        if run is None or not figures:
            return
        layers = [figure["layer"] for figure in figures]
        for name, curve in self._curves.items():
            curve.setData(layers, [100 * figure[name] for figure in figures])
        norms = [figure["norm"] for figure in figures]
        self._norms.setData(layers, norms)
        self.norm.setYRange(0, max(norms) * 1.1, padding=0)
        chosen = run.figures.get("layer")
        for line in self._chosen:
            line.setVisible(isinstance(chosen, int))
            line.setValue(chosen if isinstance(chosen, int) else 0)
        for plot in (self.shares, self.norm):
            plot.setXRange(min(layers), max(layers), padding=0.08)
        self._told.setText(
            tr("Layer {chosen} was taken: of those worth most, the one with the smallest neurons.", chosen=chosen)
        )

    def changeEvent(self, event: QEvent) -> None:
        """Draw in the colours of the scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_chosen"):
            self._dress()

    def _dress(self) -> None:
        colours = tokens()
        for plot in (self.shares, self.norm):
            dress(plot)
        hues = (colours.accent, colours.warn, colours.good)
        for curve, hue, style in zip(
            (*self._curves.values(), self._norms), (*hues, colours.text), (*_STYLES, Qt.PenStyle.SolidLine), strict=True
        ):
            curve.setPen(pg.mkPen(hue, width=2, style=style))
            curve.setSymbolBrush(hue)
            curve.setSymbolPen(hue)
        for line in self._chosen:
            line.setPen(pg.mkPen(colours.muted, width=1))
        self.legend.show_keys(
            [Key(tr(title), hue, style) for title, hue, style in zip(SHARES.values(), hues, _STYLES, strict=True)]
        )


def _sweep(run: RunRow | None) -> Sequence[Mapping[str, float]]:
    """The figures of the layers that were looked at, as far as they are whole."""
    found = run.figures.get("layers") if run is not None else None
    wanted = {"layer", "norm", *SHARES}
    if not isinstance(found, list) or not all(isinstance(one, dict) and wanted <= one.keys() for one in found):
        return ()
    return found


def _plot(left: str, name: str) -> pg.PlotWidget:
    made = still_plot(name, left, "layer")
    made.setProperty("low", True)
    return made
