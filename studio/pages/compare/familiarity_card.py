"""What the gate says of the question: how familiar it is, how sure the parts are, and what is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QGridLayout, QWidget

from studio.theme import SECTION_TITLE, SPACE
from studio.widgets.card import Card
from studio.widgets.figures import share
from studio.widgets.gauge import Gauge
from studio.widgets.labels import ElidedLabel, Label

if TYPE_CHECKING:
    from engine.editor import Routing


class FamiliarityCard(Card):
    """The gauge and what stands behind it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Familiarity", parent)
        self.value = Label("–", scale=SECTION_TITLE, bold=True)
        self.head.addWidget(self.value)
        self.gauge = Gauge()
        self.decision = Label(wrap=True)
        self.decision.setMinimumHeight(self.decision.fontMetrics().lineSpacing() * 2)
        self._entropy = Label("–")
        self._similarity = Label("–")
        self._nearest = ElidedLabel("–")
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * SPACE)
        grid.setVerticalSpacing(SPACE // 2)
        grid.setColumnStretch(1, 1)
        rows = (
            ("Nearest edit", self._nearest, "The edit whose question lies closest to this one."),
            ("Similarity", self._similarity, "Cosine to the nearest edit, in the space of the tuned encoder."),
            ("Entropy", self._entropy, "Of the familiarity network, as a share of its maximum: low means seen before."),
        )
        for place, (name, label, meaning) in enumerate(rows):
            title = Label(name, muted=True)
            title.setToolTip(meaning)
            label.setToolTip(meaning)
            grid.addWidget(title, place, 0)
            grid.addWidget(label, place, 1)
        self.body.addWidget(self.gauge)
        self.body.addWidget(self.decision)
        self.body.addLayout(grid)
        self.body.addStretch(1)

    def show_routing(self, routing: Routing, nearest: str) -> None:
        """Show the gate's word; `nearest` is the nearest edit in words."""
        self.value.setText(share(routing.familiarity))
        self.gauge.show_value(routing.familiarity, routing.threshold)
        self.decision.setText(decision(routing))
        self._entropy.setText(f"{routing.entropy:.2f} of 1")
        self._similarity.setText(f"{routing.similarity:.2f}")
        self._nearest.set_whole(nearest)

    def say(self, text: str) -> None:
        """Show that nothing is known, and why."""
        self.value.setText("–")
        self.gauge.clear()
        self.decision.setText(text)
        for label in (self._entropy, self._similarity):
            label.setText("–")
        self._nearest.set_whole("–")


def decision(routing: Routing) -> str:
    """What the gate decided, in words."""
    if routing.routed:
        return "Familiar: it is about an edit, so a neuron is generated."
    if routing.familiarity >= routing.threshold:
        return "Familiar, but its edit is switched off or gone: the original model answers."
    return "Not familiar: the model stays as it is, bit for bit."
