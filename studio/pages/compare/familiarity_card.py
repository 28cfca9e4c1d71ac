"""What the gate says of the question: how familiar it is, where the threshold lies, and what is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QHBoxLayout, QWidget

from studio.pages.compare.words import decision
from studio.store.runs import RunRow
from studio.theme import SECTION_TITLE, SPACE
from studio.widgets.buttons import button
from studio.widgets.card import Card
from studio.widgets.figures import figure, share
from studio.widgets.gauge import THRESHOLD_HELP, Gauge
from studio.widgets.labels import Label
from studio.words import tr

if TYPE_CHECKING:
    from engine.editor import Explanation

SETTLE = 250
"""Milliseconds of rest after which a threshold that was moved is taken over."""


class FamiliarityCard(Card):
    """The gauge, the threshold, and what stands behind them."""

    threshold_moved = Signal(object)  # a familiarity from 0 to 1, or None for the calibrated one
    train_asked = Signal()
    run_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Familiarity", parent)
        self._calibrated: float | None = None
        self._gated = True
        self.value = Label("–", scale=SECTION_TITLE, bold=True)
        self.head.addWidget(self.value)
        self.gauge = Gauge()
        self.gauge.setToolTip(tr("How sure the gate is that the question is about an edit. Drag the threshold's mark."))
        self.decision = Label(wrap=True)
        self.decision.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.decision.setMinimumHeight(self.decision.fontMetrics().lineSpacing() * 2)
        self.train = button("Train an editor", "train")
        self.choose = button("Choose a run", "runs")
        self._first_steps = QWidget()
        steps = QHBoxLayout(self._first_steps)
        steps.setContentsMargins(0, 0, 0, 0)
        steps.setSpacing(SPACE)
        steps.addWidget(self.train)
        steps.addWidget(self.choose)
        steps.addStretch(1)
        self.threshold = QDoubleSpinBox()
        self.threshold.setRange(0.0, 1.0)
        self.threshold.setDecimals(3)
        self.threshold.setSingleStep(0.01)
        self.threshold.setKeyboardTracking(False)
        self.threshold.lineEdit().setTextMargins(SPACE, 0, 0, 0)
        self.threshold.setAccessibleName(tr("Threshold"))
        told = tr(THRESHOLD_HELP)
        self.threshold.setToolTip(told)
        self.threshold.setAccessibleDescription(told)
        self.reset = button("Reset", "undo", tip=tr("Back to the threshold that the pack was calibrated to."))
        self.moved = Label(muted=True, wrap=True)
        self._entropy = Label("–")
        self._similarity = Label("–")
        self._figures = QWidget()
        grid = QGridLayout(self._figures)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(2 * SPACE)
        grid.setVerticalSpacing(SPACE // 2)
        grid.setColumnStretch(1, 1)
        rows: tuple[tuple[str, Label, str], ...] = (
            (
                tr("Entropy"),
                self._entropy,
                tr("Of the familiarity network, as a share of its maximum: low means seen before."),
            ),
            (tr("Similarity"), self._similarity, tr("Cosine to the nearest edit, in the space of the tuned encoder.")),
        )
        title = Label(tr("Threshold"), muted=True)
        title.setBuddy(self.threshold)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.threshold)
        row.addWidget(self.reset)
        row.addStretch(1)
        grid.addWidget(title, 0, 0)
        grid.addLayout(row, 0, 1)
        grid.addWidget(self.moved, 1, 1)
        for place, (name, label, meaning) in enumerate(rows, start=2):
            title = Label(name, muted=True)
            title.setToolTip(meaning)
            label.setToolTip(meaning)
            grid.addWidget(title, place, 0)
            grid.addWidget(label, place, 1)
        self.body.addWidget(self.gauge)
        self.body.addWidget(self.decision)
        self.body.addWidget(self._first_steps)
        self.body.addWidget(self._figures)
        self.body.addStretch(1)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE)
        self._settle.timeout.connect(lambda: self.threshold_moved.emit(self.threshold.value()))
        self.threshold.valueChanged.connect(self._turned)
        self.gauge.threshold_dragged.connect(self.threshold.setValue)
        self.reset.clicked.connect(self._reset)
        self.train.clicked.connect(self.train_asked.emit)
        self.choose.clicked.connect(self.run_asked.emit)
        self.say("")

    def show_explanation(self, explanation: Explanation) -> None:
        """Show the gate's word."""
        routing = explanation.routing
        self.value.setText(share(routing.familiarity))
        if not self._settle.isActive():
            self.show_threshold(routing.threshold, explanation.calibrated)
            self.gauge.show_value(routing.familiarity, routing.threshold)
        self.decision.setText(decision(routing))
        self._first_steps.hide()
        self._figures.show()
        self._entropy.setText(tr("{entropy} of 1", entropy=f"{routing.entropy:.2f}"))
        self._similarity.setText(f"{routing.similarity:.2f}")

    def show_threshold(self, threshold: float | None, calibrated: float | None) -> None:
        """Show where the threshold lies and whether it was moved; None: not known."""
        self._calibrated = calibrated
        with QSignalBlocker(self.threshold):
            self.threshold.setValue(0.5 if threshold is None else threshold)
        moved = threshold is not None and calibrated is not None and threshold != calibrated
        self.threshold.setEnabled(threshold is not None)
        self.reset.setEnabled(moved)
        self.moved.setVisible(threshold is not None)
        self.moved.setText(
            tr("Moved by hand: not the calibrated one, which is {calibrated}.", calibrated=f"{calibrated:.3f}")
            if moved
            else tr("As calibrated.")
        )

    def say(self, text: str, *, first_steps: bool = False) -> None:
        """Show that nothing is known, and why; with `first_steps` the ways to a pack."""
        self.value.setText("–")
        self.gauge.clear()
        self.decision.setText(text)
        self._first_steps.setVisible(first_steps)
        self._figures.setVisible(self._gated and not first_steps)
        for label in (self._entropy, self._similarity):
            label.setText("–")

    def show_run(self, run: RunRow | None) -> None:
        """Show the threshold of the pack in use, while nothing has been asked of it."""
        if self._settle.isActive():
            return
        calibrated = figure(run.figures, "threshold") if run is not None else None
        moved = run.threshold if run is not None else None
        self.show_threshold(calibrated if moved is None else moved, calibrated)
        self.gauge.show_threshold(self.threshold.value())

    def show_gate(self, gated: bool) -> None:
        """Show the gauge and its figures, or leave them out where the editor has no gate."""
        for part in (self.value, self.gauge):
            part.setVisible(gated)
        self._gated = gated
        self._figures.setVisible(gated and self._first_steps.isHidden())

    def _turned(self, threshold: float) -> None:
        self.gauge.show_threshold(threshold)
        self._settle.start()

    def _reset(self) -> None:
        self._settle.stop()
        self.threshold_moved.emit(None)
