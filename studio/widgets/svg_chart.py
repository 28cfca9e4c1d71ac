"""A chart of the engine's in the window: the same picture as in a report, in the colours and letters of the scheme."""

from __future__ import annotations

from copy import deepcopy
from xml.etree.ElementTree import Element, tostring

from PySide6.QtCore import QByteArray, QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QSizePolicy, QWidget

from engine.charts import recolour
from studio.theme import DARK, SPACE, tokens

LETTERS = 11.0
"""Height of the letters, in units of the picture."""
_NAMESPACE = "http://www.w3.org/2000/svg"


class SvgChart(QWidget):
    """One chart, as large as fits without changing its shape; what it shows is its accessible description."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._drawing: Element | None = None
        self._renderer = QSvgRenderer(self)
        self._renderer.setAspectRatioMode(Qt.AspectRatioMode.KeepAspectRatio)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see."""
        return self._drawing is None

    def show_chart(self, drawing: Element | None, told: str) -> None:
        """Show `drawing`, or nothing; `told` says in words what can be seen."""
        self._drawing = drawing
        self.setAccessibleDescription(told)
        self._dress()

    def sizeHint(self) -> QSize:
        """Room for a chart."""
        return QSize(60 * SPACE, 36 * SPACE)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The chart in the middle."""
        if self._drawing is not None:
            self._renderer.render(QPainter(self), QRectF(self.rect()))

    def changeEvent(self, event: QEvent) -> None:
        """Draw in the colours of the scheme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and hasattr(self, "_renderer"):
            self._dress()

    def _dress(self) -> None:
        if self._drawing is not None:
            colours, drawing = tokens(), deepcopy(self._drawing)
            drawing.set("xmlns", _NAMESPACE)
            recolour(
                drawing,
                text=colours.text,
                grid=colours.border,
                mark=colours.muted,
                dark=colours == DARK,
                font=self.font().family(),
                size=LETTERS,
            )
            self._renderer.load(QByteArray(tostring(drawing, encoding="utf-8")))
        self.update()
