"""The likeliest next tokens of a model as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.theme import HALF, SPACE, tokens
from studio.widgets.figures import share
from studio.words import tr

if TYPE_CHECKING:
    from engine.language_model import TokenChance


def visible(token: str) -> str:
    """A token with its spaces and line ends made visible; a leading space, which most have, is left out."""
    shown = token.removeprefix(" ")
    for bare, mark in ((" ", "␣"), ("\n", "⏎"), ("\t", "⇥")):
        shown = shown.replace(bare, mark)
    return shown or ("␣" if token else "∅")


class Chances(QWidget):
    """One line a token: its text, a bar as long as it is likely, and the figure."""

    def __init__(self, name: str, *, edited: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._edited = edited
        self._name = name
        self._rows: tuple[TokenChance, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)

    @property
    def rows(self) -> tuple[TokenChance, ...]:
        """What is on show."""
        return self._rows

    def show_rows(self, rows: Sequence[TokenChance]) -> None:
        """Show `rows`, likeliest first."""
        self._rows = tuple(rows)
        told = ", ".join(f"{visible(row.text)} {share(row.probability)}" for row in rows)
        self.setAccessibleDescription(told or tr("nothing yet"))
        self.updateGeometry()
        self.update()

    def _line(self) -> int:
        return self.fontMetrics().height() + SPACE

    def sizeHint(self) -> QSize:
        """Room for six lines, or for as many as there are."""
        return QSize(30 * SPACE, self._line() * max(len(self._rows), 6))

    def minimumSizeHint(self) -> QSize:
        """As high as the hint; narrow where it must be."""
        return QSize(20 * SPACE, self.sizeHint().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The lines, from the top."""
        colours = tokens()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line, metrics = self._line(), self.fontMetrics()
        if not self._rows:
            painter.setPen(QColor(colours.muted))
            painter.drawText(
                self.rect().adjusted(0, 4, 0, 0),
                Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap,
                tr("Ask a question to see them."),
            )
            return
        figure = metrics.horizontalAdvance("100.0 %")
        least = self.width() // 4  # of the bar: a long word gives way to it
        word = max(metrics.horizontalAdvance("m") * 6, self.width() // 3)
        word = min(word, self.width() - figure - 2 * SPACE - least)
        room = self.width() - word - figure - 2 * SPACE
        for index, row in enumerate(self._rows):
            top = index * line
            painter.setPen(QColor(colours.text))
            text = metrics.elidedText(visible(row.text), Qt.TextElideMode.ElideRight, word)
            middle = Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(0, top, word, line), middle | Qt.AlignmentFlag.AlignLeft, text)
            painter.drawText(
                QRectF(self.width() - figure, top, figure, line),
                middle | Qt.AlignmentFlag.AlignRight,
                share(row.probability),
            )
            painter.setPen(Qt.PenStyle.NoPen)
            bar = QRectF(word + SPACE, top + line / 2 - 4, room, 8)
            painter.setBrush(QColor(colours.border))
            painter.drawRoundedRect(bar, HALF, HALF)
            bar.setWidth(max(room * row.probability, 2))
            painter.setBrush(QColor(colours.edited if self._edited else colours.original))
            painter.drawRoundedRect(bar, HALF, HALF)
