"""The gate: how familiar each kind of query is, and what another threshold would cost."""

from __future__ import annotations

from dataclasses import dataclass

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from engine.edits import ProbeKind
from engine.evaluation.document import NAMES
from engine.evaluation.report import GENERALITY, RELIABILITY
from engine.evaluation.threshold import Consequence, Count
from studio.evaluating import STEPS, Findings
from studio.theme import SPACE, tokens
from studio.widgets.buttons import button
from studio.widgets.card import Card
from studio.widgets.figures import share
from studio.widgets.gauge import THRESHOLD_HELP
from studio.widgets.labels import Label
from studio.widgets.legend import Key, Legend
from studio.widgets.plot import dress, still_plot
from studio.widgets.rows import Column, RowsModel, rows_view
from studio.words import deferred, tr

FINE = 1000
"""Steps of the slider from 0 to 1."""
_STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)
_PROBES = tuple(kind.value for kind in ProbeKind)
_LET_BY = {
    ProbeKind.NEIGHBOUR.value: deferred("Neighbour probes let by"),
    ProbeKind.SAME_SUBJECT.value: deferred("Same-subject probes let by"),
    ProbeKind.FAR.value: deferred("Far probes let by"),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of what a threshold comes to, beside what the one in use does."""

    name: str
    in_use: str
    wanted: str
    auroc: str = ""
    entropy: str = ""


class GateTab(QWidget):
    """Histogram, ROC curve, and a threshold to move."""

    threshold_asked = Signal(object)  # a familiarity, or None for the calibrated one

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._found: Findings | None = None
        self._in_use = self._calibrated = 0.5
        self._lines: dict[str, pg.PlotDataItem] = {}
        self.histogram = still_plot("Histogram of familiarity", "questions of the kind, %", "familiarity, %")
        self.histogram.setXRange(0, 100, padding=0.02)
        self.histogram.setYRange(0, 100, padding=0.04)
        self.roc = still_plot("ROC curve of the gate", "about edits let by, %", "probes let by, %")
        self.roc.setXRange(0, 100, padding=0.02)
        self.roc.setYRange(0, 100, padding=0.04)
        self.mark = pg.InfiniteLine(angle=90, movable=True)
        self.histogram.addItem(self.mark)
        self._in_use_mark = pg.InfiniteLine(angle=90)
        self.histogram.addItem(self._in_use_mark)
        self._chance = self.roc.plot([0, 100], [0, 100])
        self._fused = self.roc.plot([], [])
        self._entropy = self.roc.plot([], [])
        self._point = self.roc.plot([], [], pen=None, symbol="o", symbolSize=9)
        self.kinds, self.curves = Legend(), Legend()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(tr("Threshold"))
        self.slider.setRange(0, FINE)
        self.number = QDoubleSpinBox()
        self.number.setAccessibleName(tr("Threshold of the gate"))
        self.number.setDecimals(3)
        self.number.setSingleStep(0.01)
        self.number.setToolTip(tr(THRESHOLD_HELP))
        self.number.lineEdit().setTextMargins(SPACE, 0, 0, 0)
        self.use = button(
            "Use this threshold", "check", primary=True, tip=tr("Kept with the run, and used on Compare too.")
        )
        self.reset = button("Reset", "undo", tip=tr("Back to the threshold that the pack was calibrated to."))
        self.told = Label(muted=True)
        self.model: RowsModel[Cost] = RowsModel(
            (
                Column(tr("What it comes to"), lambda row: row.name, wide=True),
                Column(tr("In use"), lambda row: row.in_use, number=True),
                Column(tr("At this threshold"), lambda row: row.wanted, number=True),
                Column(
                    "AUROC",
                    lambda row: row.auroc,
                    number=True,
                    help=tr("The chance that a question about an edit is more familiar than such a probe."),
                ),
                Column(
                    tr("AUROC by entropy"),
                    lambda row: row.entropy,
                    number=True,
                    help=tr("The same by the paper's entropy gate."),
                ),
            )
        )
        self.table = rows_view(tr("What the threshold comes to"), self.model)
        self.table.setSortingEnabled(False)
        self._lay_out()
        self._dress()
        self.mark.sigPositionChanged.connect(lambda _: self._choose(self.mark.value() / 100))
        self.slider.valueChanged.connect(lambda value: self._choose(value / FINE))
        self.number.valueChanged.connect(self._choose)
        self.use.clicked.connect(lambda _checked=False: self.threshold_asked.emit(self.threshold))
        self.reset.clicked.connect(lambda _checked=False: self._reset())

    def _lay_out(self) -> None:
        left, right, below = Card("Familiarity"), Card("ROC"), Card("Threshold")
        left.body.addWidget(self.kinds)
        right.body.addWidget(self.curves)
        left.body.addWidget(self.histogram, 1)
        right.body.addWidget(self.roc, 1)
        plots = QHBoxLayout()
        plots.setSpacing(2 * SPACE)
        plots.addWidget(left, 3)
        plots.addWidget(right, 2)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        for control in (self.number, self.use, self.reset):
            row.addWidget(control)
        row.insertWidget(0, self.slider, 1)
        below.head.addWidget(self.told)
        below.body.addLayout(row)
        below.body.addWidget(self.table, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 2 * SPACE, 0, 0)
        box.setSpacing(2 * SPACE)
        box.addLayout(plots, 4)
        box.addWidget(below, 5)

    @property
    def threshold(self) -> float:
        """The threshold that was moved to."""
        return self.number.value()

    def show_findings(self, found: Findings, in_use: float, calibrated: float) -> None:
        """Show the gate of an evaluation; `in_use` is the threshold that the pack answers with now."""
        same = self._found is not None and self._found.evaluation is found.evaluation and in_use == self._in_use
        self._found, self._in_use, self._calibrated = found, in_use, calibrated
        least = found.tradeoff.least
        with QSignalBlocker(self.number), QSignalBlocker(self.slider):
            self.number.setRange(least, 1.0)
            self.slider.setRange(round(least * FINE), FINE)
        self.mark.setBounds((100 * least, 100))
        for item in self._lines.values():
            self.histogram.removeItem(item)
        edges = [100 * step / STEPS for step in range(STEPS + 1)]
        self._lines = {
            kind: self.histogram.plot(edges, [100 * value for value in shares], stepMode="center")
            for kind, shares in found.gate.shares.items()
        }
        for item, curve in ((self._fused, found.gate.familiarity), (self._entropy, found.gate.entropy)):
            points = curve and ([100 * value for value in curve.false], [100 * value for value in curve.true])
            item.setData(*(points or ([], [])))
        self._in_use_mark.setValue(100 * in_use)
        self._dress()
        self._choose(self.threshold if same else in_use)

    def _reset(self) -> None:
        self._choose(self._calibrated)
        self.threshold_asked.emit(None)

    def _choose(self, threshold: float) -> None:
        """Take `threshold` over everywhere, and say what it comes to."""
        found = self._found
        if found is None:
            return
        threshold = min(max(threshold, found.tradeoff.least), 1.0)
        with QSignalBlocker(self.number), QSignalBlocker(self.slider), QSignalBlocker(self.mark):
            self.number.setValue(threshold)
            self.slider.setValue(round(threshold * FINE))
            self.mark.setValue(100 * threshold)
        now = found.tradeoff.at(min(max(self._in_use, found.tradeoff.least), 1.0))
        then = found.tradeoff.at(threshold)
        self.model.show_rows(self._costs(found, now, then))
        strange = [then.routed[kind] for kind in _PROBES]
        let_by, of = sum(one.some for one in strange), sum(one.of for one in strange)
        if of and then.recall.share is not None:
            self._point.setData([100 * let_by / of], [100 * then.recall.share])
        else:
            self._point.setData([], [])
        moved = (
            ""
            if self._in_use == self._calibrated
            else tr(" Calibrated: {calibrated}.", calibrated=f"{self._calibrated:.3f}")
        )
        self.told.setText(
            tr("In use: {in_use}.{moved} Drag the line, or type.", in_use=f"{self._in_use:.3f}", moved=moved)
        )
        self.use.setEnabled(abs(threshold - self._in_use) >= 0.0005)
        self.reset.setEnabled(abs(self._in_use - self._calibrated) >= 0.0005 or self.use.isEnabled())

    def _costs(self, found: Findings, now: Consequence, then: Consequence) -> list[Cost]:
        about = tr("Paraphrases") if found.tradeoff.about_edits() == GENERALITY else tr("Prompts")
        rows = [Cost(tr("{about} let by (recall)", about=about), _counted(now.recall), _counted(then.recall))]
        for kind in _PROBES:
            by_familiarity, by_entropy = found.gate.auroc[kind]
            rows.append(
                Cost(
                    tr(_LET_BY[kind]),
                    _counted(now.routed[kind]),
                    _counted(then.routed[kind]),
                    _four(by_familiarity),
                    _four(by_entropy),
                )
            )
        for name, kind in ((tr("Reliability, AG"), RELIABILITY), (tr("Generality, AG"), GENERALITY)):
            rows.append(Cost(name, _counted(now.right[kind]), _counted(then.right[kind])))
        rows.append(Cost(tr("Locality, AG, mean of the kinds"), share(now.locality), share(then.locality)))
        return rows

    def changeEvent(self, event: QEvent) -> None:
        """Draw in the colours of the scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "table"):
            self._dress()

    def _dress(self) -> None:
        colours = tokens()
        for plot in (self.histogram, self.roc):
            dress(plot)
        hues = (colours.accent, colours.warn, colours.good, colours.bad)
        keys = []
        for (kind, item), hue, style in zip(self._lines.items(), hues, _STYLES, strict=False):
            item.setPen(pg.mkPen(hue, width=2, style=style))
            keys.append(Key(NAMES[kind].partition(": ")[2] or NAMES[kind].partition("(")[2][:-1], hue, style))
        self.kinds.show_keys(keys)
        self.mark.setPen(pg.mkPen(colours.text, width=2))
        self.mark.setHoverPen(pg.mkPen(colours.accent, width=4))
        self._in_use_mark.setPen(pg.mkPen(colours.muted, width=1, style=Qt.PenStyle.DashLine))
        self._chance.setPen(pg.mkPen(colours.border, width=1, style=Qt.PenStyle.DotLine))
        self._fused.setPen(pg.mkPen(colours.accent, width=2))
        self._entropy.setPen(pg.mkPen(colours.warn, width=2, style=Qt.PenStyle.DashLine))
        self._point.setSymbolBrush(colours.text)
        self._point.setSymbolPen(colours.surface)
        gate = self._found.gate if self._found else None
        self.curves.show_keys(
            [
                Key(
                    _auroc(tr("familiarity"), gate.familiarity.auroc if gate and gate.familiarity else None),
                    colours.accent,
                ),
                Key(
                    _auroc(tr("entropy"), gate.entropy.auroc if gate and gate.entropy else None),
                    colours.warn,
                    Qt.PenStyle.DashLine,
                ),
            ]
        )


def _auroc(name: str, value: float | None) -> str:
    return name if value is None else tr("{name}, AUROC {value}", name=name, value=f"{value:.3f}")


def _counted(one: Count) -> str:
    return (
        tr("{share}  ({some} of {of})", share=share(one.share), some=f"{one.some:,}", of=f"{one.of:,}")
        if one.of
        else "–"
    )


def _four(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
