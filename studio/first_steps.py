"""A tour of the window for who sees it for the first time: a few steps, each pointing at the real thing.

A card lies over the window and takes neither the focus nor a key: whoever knows the way types on. What it says is told
to screen readers as it appears. It can be skipped at once, and shown again from the Help menu.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent, QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from studio.theme import LINE, RADIUS, SPACE, tokens
from studio.widgets.buttons import button
from studio.widgets.labels import Label, section_title
from studio.words import tr


@dataclass(frozen=True, slots=True)
class Step:
    """One stop: `show` brings its widget to the front and returns it; `part` is the part of it that is meant."""

    title: str
    text: str
    show: Callable[[], QWidget]
    part: Callable[[], QRect] | None = None


class _Ring(QWidget):
    """A line around the widget that is spoken of; the mouse goes through it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(tokens().accent), 2 * LINE))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(LINE, LINE, -LINE, -LINE), RADIUS, RADIUS)


class FirstSteps(QFrame):
    """The card; hidden until it is started."""

    ended = Signal()  # gone through or skipped

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._steps: Sequence[Step] = ()
        self._place = 0
        self._target: QWidget | None = None
        self._ring = _Ring(window)
        self._title = section_title("")
        self._text = Label(wrap=True)
        self._text.setFixedWidth(40 * SPACE)
        self._count = Label(muted=True)
        self.back = button(tr("Back"))
        self.next = button(tr("Next"), primary=True)
        self.skip = button(tr("Skip the tour"))
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self._count)
        row.addStretch(1)
        row.addWidget(self.skip)
        row.addWidget(self.back)
        row.addWidget(self.next)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        box.setSpacing(SPACE)
        box.addWidget(self._title)
        box.addWidget(self._text)
        box.addLayout(row)
        for each in (self.back, self.next, self.skip):
            each.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._settle)
        self.back.clicked.connect(lambda: self._go(self._place - 1))
        self.next.clicked.connect(lambda: self._go(self._place + 1))
        self.skip.clicked.connect(self.end)
        window.installEventFilter(self)
        self.hide()

    def start(self, steps: Sequence[Step]) -> None:
        """Begin with the first of `steps`."""
        self._steps = steps
        self._go(0)

    def end(self) -> None:
        """Put the card away."""
        if self.isHidden():
            return
        self.hide()
        self._ring.hide()
        self._target = None
        self.ended.emit()

    @property
    def at(self) -> int:
        """Which step is shown, from 0."""
        return self._place

    @property
    def target(self) -> QWidget | None:
        """What the step points at."""
        return self._target

    def _go(self, place: int) -> None:
        if place >= len(self._steps):
            self.end()
            return
        self._place = max(0, place)
        step = self._steps[self._place]
        self._target = step.show()
        last = self._place == len(self._steps) - 1
        self._title.setText(step.title)
        self._text.setText(step.text)
        self._count.setText(tr("{step} of {all}", step=self._place + 1, all=len(self._steps)))
        self.back.setVisible(self._place > 0)
        self.skip.setVisible(not last)
        self.next.setText(tr("Done") if last else tr("Next"))
        self.next.setAccessibleName(self.next.text())
        self.setAccessibleName(f"{step.title} {step.text}")
        self.show()
        self._settle()
        # The page that was brought to the front is laid out when the window next comes to it.
        self._later.start(0)
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def _settle(self) -> None:
        """Put ring and card where the target is now."""
        target, window = self._target, self.parentWidget()
        if target is None or window is None or self.isHidden():
            return
        self._text.setMinimumHeight(self._text.heightForWidth(self._text.width()))
        self.adjustSize()
        part = self._steps[self._place].part
        meant = part() if part is not None else target.rect()
        area = QRect(target.mapTo(window, meant.topLeft()), meant.size()).intersected(window.rect())
        self._ring.setGeometry(area.adjusted(-SPACE // 2, -SPACE // 2, SPACE // 2, SPACE // 2))
        self._ring.setVisible(target.isVisible())
        self.move(_beside(area, self.rect(), window.rect()))
        self._ring.raise_()
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the window's size."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest) and not self.isHidden():
            self._later.start(0)
        return super().eventFilter(watched, event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A surface above all others."""
        colours = tokens()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(colours.accent), LINE))
        painter.setBrush(QColor(colours.surface))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)


def _beside(area: QRect, card: QRect, room: QRect) -> QPoint:
    """Where a card of this size stands next to `area`: below, above, right or left of it, else over its end."""
    gap = 2 * SPACE
    inner = room.adjusted(gap, gap, -gap, -gap)
    left = min(max(area.left(), inner.left()), inner.right() - card.width())
    top = min(max(area.top(), inner.top()), inner.bottom() - card.height())
    for corner in (
        QPoint(left, area.bottom() + gap),
        QPoint(left, area.top() - gap - card.height()),
        QPoint(area.right() + gap, top),
        QPoint(area.left() - gap - card.width(), top),
    ):
        if inner.contains(QRect(corner, card.size())):
            return corner
    return QPoint(inner.right() - card.width(), inner.bottom() - card.height())
