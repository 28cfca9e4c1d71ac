"""Why the gate decided as it did: what spoke for the nearest edit and what against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QColor, QFont
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.pages.compare.words import SLIGHT, bearing, evidence, why
from studio.theme import SPACE, tokens
from studio.widgets.card import Card
from studio.widgets.labels import Label
from studio.widgets.tables import cell, fill, text_table
from studio.words import tr

if TYPE_CHECKING:
    from engine.editor import Explanation


class ReasonsCard(Card):
    """A sentence, and a line for each kind of evidence, the weightiest first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Why", parent)
        self.told = Label(muted=True, wrap=True)
        self.table = text_table("Evidence for and against the nearest edit", ("Evidence", "Counts"), stretch=(0,))
        self.table.setToolTip(tr("What each adds to the logarithm of the odds that the question is about the edit."))
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.table.setMinimumHeight(13 * SPACE)
        self.table.horizontalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(self.fontMetrics().lineSpacing() + SPACE)
        self.told.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.told.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.body.addWidget(self.told)
        self.body.addWidget(self.table, 1)
        self.body.addStretch()
        self.clear("")

    def clear(self, why: str) -> None:
        """Show that there is nothing to explain, and why."""
        self.told.setText(why)
        self.table.hide()

    def show_explanation(self, explanation: Explanation) -> None:
        """Show what the decision hangs on."""
        self.told.setText(why(explanation))
        self.table.setVisible(bool(explanation.reasons))
        fill(self.table, [(evidence(reason), bearing(reason)) for reason in explanation.reasons])
        colours = tokens()
        for row, reason in enumerate(explanation.reasons):
            counts = abs(reason.weight) >= SLIGHT
            font = QFont(self.table.font())
            font.setBold(counts)
            cell(self.table, row, 1).setFont(font)
            for column in range(2):
                cell(self.table, row, column).setForeground(QBrush(QColor(colours.text if counts else colours.muted)))
