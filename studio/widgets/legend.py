"""Which line is which: a dash of colour and a name, in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.theme import SPACE, tokens
from studio.words import tr

_DASH = 2 * SPACE


@dataclass(frozen=True, slots=True)
class Key:
    """One line of a plot."""

    name: str
    colour: str
    style: Qt.PenStyle = Qt.PenStyle.SolidLine


class Legend(QWidget):
    """Paints its keys from the left; the names are its accessible description."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keys: tuple[Key, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Preferred)
        self.setAccessibleName(tr("Lines of the plot"))

    def show_keys(self, keys: Sequence[Key]) -> None:
        """Show `keys`."""
        if tuple(keys) != self._keys:
            self._keys = tuple(keys)
            self.setAccessibleDescription(", ".join(key.name for key in keys))
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        """All of the keys."""
        metrics = self.fontMetrics()
        wide = sum(_DASH + SPACE // 2 + metrics.horizontalAdvance(key.name) + 2 * SPACE for key in self._keys)
        return QSize(wide, metrics.height())

    def minimumSizeHint(self) -> QSize:
        """It may be cut off where there is no room."""
        return QSize(0, self.sizeHint().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The keys, from the left."""
        painter = QPainter(self)
        middle, left = self.height() / 2, 0
        for key in self._keys:
            painter.setPen(QPen(QColor(key.colour), 2, key.style))
            painter.drawLine(QPointF(left, middle), QPointF(left + _DASH, middle))
            left += _DASH + SPACE // 2
            wide = self.fontMetrics().horizontalAdvance(key.name)
            painter.setPen(QColor(tokens().muted))
            painter.drawText(left, 0, wide + 2, self.height(), Qt.AlignmentFlag.AlignVCenter, key.name)
            left += wide + 2 * SPACE
