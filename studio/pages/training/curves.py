"""The live curves: the loss of each stage, and the share of edits answered; kept as a picture or as a table."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from engine import atomic
from engine.runs import Progress
from studio.theme import SPACE, tokens
from studio.widgets.buttons import icon_button
from studio.widgets.card import Card
from studio.widgets.files import choose_target
from studio.widgets.labels import Label
from studio.widgets.legend import Key, Legend
from studio.widgets.plot import dress, still_plot
from studio.words import tr

BETWEEN = 0.25
"""Seconds between two drawings."""
FAINT = 70
"""How opaque a curve is behind its smoothed one, of 255."""


class Curves(Card):
    """Two plots beside each other over the same seconds."""

    saved = Signal(str)  # the name of a file that was written

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Curves", parent)
        self._history: Sequence[tuple[float, Progress]] = ()
        self._room = 0.0  # seconds that the time axes have room for
        self._drawn = 0.0
        self._was_smoothed = False
        self._table: Callable[[], Iterable[tuple[float, Progress]]] | None = None
        self._stages: dict[str, pg.PlotDataItem] = {}
        self._smoothed: dict[str, pg.PlotDataItem] = {}
        self._shares: dict[str, pg.PlotDataItem] = {}
        self.legend = Legend()
        self.smoothing = QSlider(Qt.Orientation.Horizontal)
        self.smoothing.setRange(0, 99)
        self.smoothing.setFixedWidth(10 * SPACE)
        self.smoothing.setAccessibleName(tr("Smoothing of the loss, in per cent"))
        self.smoothing.setToolTip(tr("Smooth the loss: each point is drawn towards those before it."))
        self.log = QCheckBox(tr("Logarithmic loss"))
        self.log.setAccessibleName(tr("Logarithmic loss axis"))
        self.picture = icon_button("Save the curves as a picture (PNG)", "chart", self._save_picture)
        self.as_table = icon_button("Save the curves as a table (CSV)", "export", self._save_table)
        self._smooth_told = Label(tr("Smoothing"), muted=True)
        self._smooth_told.setBuddy(self.smoothing)
        for control in (self._smooth_told, self.smoothing, self.log, self.picture, self.as_table):
            self.head.addWidget(control)
        self.body.addWidget(self.legend)  # in a line of its own: with every stage in it, it is as wide as the card
        self.loss = _plot(tr("Curve: Loss"), free=True)
        self.answered = _plot(tr("Curve: Share of edits answered"))
        self.answered.setYRange(0, 100, padding=0.08)
        self.answered.setLimits(yMin=-10, yMax=110)
        row = QHBoxLayout()
        row.setSpacing(2 * SPACE)
        # Above the plots: beside and below low ones there is no room for what their axes count.
        titles = (tr("Loss, over seconds"), tr("Edits answered in per cent, over seconds"))
        for title, plot in zip(titles, (self.loss, self.answered), strict=True):
            column = QVBoxLayout()
            column.setSpacing(SPACE // 2)
            column.addWidget(Label(title, muted=True))
            column.addWidget(plot, 1)
            row.addLayout(column, 1)
        self.body.addLayout(row, 1)
        self.log.toggled.connect(lambda on: self.loss.setLogMode(y=on))
        self.smoothing.valueChanged.connect(lambda _: self.show_history(self._history, final=True))
        self._make_room(1.0)
        self._dress()

    def clear(self) -> None:
        """Start anew."""
        for item in (*self._stages.values(), *self._smoothed.values()):
            self.loss.removeItem(item)
        for item in self._shares.values():
            self.answered.removeItem(item)
        self._stages.clear()
        self._smoothed.clear()
        self._table = None
        self._shares.clear()
        self.legend.show_keys(())
        self._history = ()
        self._room = self._drawn = 0.0
        self._make_room(1.0)

    @property
    def drawn(self) -> bool:
        """Whether there is a curve."""
        return bool(self._history)

    def keep_table_in(self, points: Callable[[], Iterable[tuple[float, Progress]]] | None) -> None:
        """Where all points of the curves are: what is drawn of a long training is thinned, its table is not."""
        self._table = points

    def show_history(self, history: Sequence[tuple[float, Progress]], *, final: bool = False) -> None:
        """Draw the points that have a loss and those that have a share, a curve for each stage.

        Drawing is the dearest thing that the page does: between two of `final` it is done four times a second.
        """
        self._history = history
        now = time.monotonic()
        if not final and now - self._drawn < BETWEEN:
            return
        self._drawn = now
        losses, shares = _Points(), _Points()
        stage, carried, share = "", None, None
        for moment, progress in history:
            if progress.stage != stage:
                stage, carried = progress.stage, share
            share = progress.answered
            if progress.loss is not None:
                losses.add(progress, moment, progress.loss)
            # A stage that has not measured the share yet has it from the stage before.
            if share is not None and (share != carried or stage in shares.by_stage):
                shares.add(progress, moment, share * 100)
        for plot, items, points in ((self.loss, self._stages, losses), (self.answered, self._shares, shares)):
            for stage, (xs, ys) in points.by_stage.items():
                if stage not in items:
                    items[stage] = plot.plot([], [], connect="finite")
                    if items is self._stages:
                        self._smoothed[stage] = plot.plot([], [], connect="finite")
                    self._dress()
                items[stage].setData(xs, ys)
        weight = self.smoothing.value() / 100
        for stage, (xs, ys) in losses.by_stage.items():
            self._smoothed[stage].setData(xs if weight else [], smoothed(ys, weight) if weight else [])
        if bool(weight) != self._was_smoothed:
            self._was_smoothed = bool(weight)
            self._dress()
        if history:
            self._make_room(history[-1][0])

    def _make_room(self, seconds: float) -> None:
        """Widen the time axes in leaps: an axis that moves with every point is drawn anew with every point."""
        if seconds > self._room:
            self._room = max(seconds * 1.4, 10.0)
            for plot in (self.loss, self.answered):
                plot.setXRange(0, self._room, padding=0)

    def table(self) -> str:
        """The curves as CSV: stage, seconds since the start, step, loss, the same smoothed, share of edits answered."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(("stage", "seconds", "step", "loss", "smoothed loss", "answered"))
        weight, smooth = self.smoothing.value() / 100, dict[str, float]()
        for moment, progress in self._history if self._table is None else self._table():
            if progress.loss is not None:
                before = smooth.get(progress.stage, progress.loss)
                smooth[progress.stage] = weight * before + (1 - weight) * progress.loss
            writer.writerow(
                (
                    progress.stage,
                    f"{moment:.3f}",
                    progress.step,
                    "" if progress.loss is None else f"{progress.loss:.6g}",
                    "" if progress.loss is None else f"{smooth[progress.stage]:.6g}",
                    "" if progress.answered is None else f"{progress.answered:.4f}",
                )
            )
        return text.getvalue()

    def write_picture(self, path: Path) -> None:
        """Write the card as it is on the screen."""
        if not self.grab().save(str(path), "PNG"):
            raise OSError(tr("{name} could not be written", name=path.name))

    def _save_picture(self) -> None:
        choose_target(
            self, tr("Save the curves"), "curves", [(tr("Picture"), ".png")], lambda path, _: self._keep_picture(path)
        )

    def _keep_picture(self, path: Path) -> None:
        self.write_picture(path)
        self.saved.emit(path.name)

    def _save_table(self) -> None:
        choose_target(
            self, tr("Save the curves"), "curves", [(tr("Table"), ".csv")], lambda path, _: self._keep_table(path)
        )

    def _keep_table(self, path: Path) -> None:
        atomic.write_file(path, [self.table().encode()])
        self.saved.emit(path.name)

    def changeEvent(self, event: QEvent) -> None:
        """Draw in the colours of the scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "answered"):
            self._dress()

    def _dress(self) -> None:
        colours = tokens()
        for plot in (self.loss, self.answered):
            dress(plot)
        hues = (colours.accent, colours.warn, colours.good, colours.bad)
        keys = []
        for place, stage in enumerate(dict.fromkeys([*self._stages, *self._shares])):
            hue, style = hues[place % len(hues)], (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine)[place // len(hues) % 2]
            for items in (self._stages, self._shares):
                if stage in items:
                    items[stage].setPen(pg.mkPen(hue, width=2, style=style))
            if stage in self._smoothed:
                self._smoothed[stage].setPen(pg.mkPen(hue, width=2, style=style))
                if self._was_smoothed:
                    faint = QColor(hue)
                    faint.setAlpha(FAINT)
                    self._stages[stage].setPen(pg.mkPen(faint, width=1, style=style))
            keys.append(Key(tr(stage), hue, style))
        self.legend.show_keys(keys)


class _Points:
    """The points of one plot by stage; a curve is broken where its stage begins to count anew."""

    def __init__(self) -> None:
        self.by_stage: dict[str, tuple[list[float], list[float]]] = {}
        self._step: dict[str, int] = {}

    def add(self, progress: Progress, moment: float, value: float) -> None:
        """One more point of the progress's stage."""
        xs, ys = self.by_stage.setdefault(progress.stage, ([], []))
        if progress.step < self._step.get(progress.stage, 0):
            xs.append(moment)
            ys.append(math.nan)
        self._step[progress.stage] = progress.step
        xs.append(moment)
        ys.append(value)


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Each value drawn towards those before it, by `weight` from 0 to 1; a gap in the curve begins anew."""
    found, before = [], math.nan
    for value in values:
        before = value if math.isnan(before) or math.isnan(value) else weight * before + (1 - weight) * value
        found.append(before)
    return found


def _plot(name: str, *, free: bool = False) -> pg.PlotWidget:
    made = still_plot(name, "", "")
    made.setMinimumHeight(10 * SPACE)
    made.getPlotItem().setContentsMargins(0, SPACE, 0, 0)  # room for the upper half of the topmost number
    # However many points there are, no more are drawn than there are pixels, and no peak is lost among them.
    made.setClipToView(True)
    made.setDownsampling(auto=True, mode="peak")
    made.enableAutoRange(x=False, y=free)
    return made
