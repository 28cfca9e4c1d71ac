"""The familiarity gauge: how sure the gate is that a query is about an edit, against its threshold."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.theme import SPACE, tokens
from studio.widgets.figures import share
from studio.words import deferred, tr

THRESHOLD_HELP = deferred("The familiarity, 0 to 1, from which a question is answered as edited.")
"""What the threshold of the gate means, wherever it can be moved."""


class Gauge(QWidget):
    """A bar from 0 to 100 % with a tick, to be dragged, where the decision falls; empty while nothing is known."""

    threshold_dragged = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value: float | None = None
        self._threshold = 0.5
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(tr("Familiarity"))
        self.clear()

    @property
    def value(self) -> float | None:
        """The familiarity on show."""
        return self._value

    def show_value(self, value: float, threshold: float) -> None:
        """Fill the bar to `value` and put the tick at `threshold`, both in [0, 1]."""
        self._value = min(max(value, 0.0), 1.0)
        self._threshold = min(max(threshold, 0.0), 1.0)
        self.setAccessibleDescription(
            tr(
                "{value} familiar; the threshold is {threshold}",
                value=share(self._value),
                threshold=share(self._threshold),
            )
        )
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Bring the tick to the pointer."""
        self._drag(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The tick follows the pointer while a button is held."""
        self._drag(event)

    def _drag(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and self._value is not None:
            at = (event.position().x() - 1) / max(self.width() - 2, 1)
            self.threshold_dragged.emit(round(min(max(at, 0.0), 1.0), 2))

    def show_threshold(self, threshold: float) -> None:
        """Move the tick alone."""
        self._threshold = threshold
        self.update()

    def clear(self) -> None:
        """Show that no value is known."""
        self._value = None
        self.setAccessibleDescription(tr("not known yet"))
        self.update()

    def sizeHint(self) -> QSize:
        """The bar, the tick and its label."""
        return QSize(30 * SPACE, 4 * SPACE + self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        """As high as the hint; as narrow as a label."""
        return QSize(15 * SPACE, self.sizeHint().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Track, fill, tick, and the tick's label below."""
        colours = tokens()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        high = 1.5 * SPACE
        track = QRectF(1, SPACE, self.width() - 2, high)
        painter.setBrush(QColor(colours.border))
        painter.drawRoundedRect(track, high / 2, high / 2)
        at = track.left() + track.width() * self._threshold
        if self._value is not None:
            routed = self._value >= self._threshold
            fill = QRectF(track)
            fill.setWidth(max(track.width() * self._value, high))
            painter.setBrush(QColor(colours.accent if routed else colours.muted))
            painter.drawRoundedRect(fill, high / 2, high / 2)
        painter.setBrush(QColor(colours.text))
        painter.drawRect(QRectF(at - 1, track.top() - 4, 2, high + 8))
        tip = track.bottom() + 5
        painter.drawPolygon(QPolygonF([QPointF(at, tip), QPointF(at - 4, tip + 5), QPointF(at + 4, tip + 5)]))
        text = tr("threshold {threshold}", threshold=f"{self._threshold:.3f}")
        wide = self.fontMetrics().horizontalAdvance(text)
        left = min(max(at - wide / 2, 0), self.width() - wide)
        painter.setPen(QColor(colours.muted))
        painter.drawText(QRectF(left, tip + 5, wide + 2, self.fontMetrics().height()), Qt.AlignmentFlag.AlignLeft, text)
