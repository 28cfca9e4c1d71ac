"""A chart of the engine's in the window: the same picture as in a report, in the colours and letters of the scheme."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element, tostring

from PySide6.QtCore import QByteArray, QEvent, QRectF, QSize, QSizeF
from PySide6.QtGui import QFontInfo, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QSizePolicy, QWidget

from engine.charts import LETTERS, recolour
from studio.theme import DARK, SMALL, SPACE, tokens

Draw = Callable[[int, int], Element | None]
"""Makes the picture for a width and a height."""
_NAMESPACE = "http://www.w3.org/2000/svg"


class SvgChart(QWidget):
    """One chart that fills its place; what it shows is its accessible description."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draw: Draw | None = None
        self._renderer = QSvgRenderer(self)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to see."""
        return not self._renderer.isValid()

    def show_chart(self, draw: Draw, told: str) -> None:
        """Show what `draw` makes, which may be nothing; `told` says in words what can be seen."""
        self._draw = draw
        self.setAccessibleDescription(told)
        self._redraw()

    def sizeHint(self) -> QSize:
        """Room for a chart."""
        return QSize(60 * SPACE, 36 * SPACE)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The chart in the middle, smaller where it needs more room than there is."""
        if self.is_empty:
            return
        whole = QSizeF(self._renderer.defaultSize())
        scale = min(self.width() / whole.width(), self.height() / whole.height(), self._zoom())
        size = whole * scale
        left, top = (self.width() - size.width()) / 2, (self.height() - size.height()) / 2
        self._renderer.render(QPainter(self), QRectF(left, top, size.width(), size.height()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw for the new size."""
        super().resizeEvent(event)
        self._redraw()

    def changeEvent(self, event: QEvent) -> None:
        """Draw in the colours and letters of the scheme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and hasattr(self, "_renderer"):
            self._redraw()

    def _zoom(self) -> float:
        """How many pixels one unit of the picture has where its letters are as large as small ones of the window."""
        return QFontInfo(self.font()).pixelSize() * SMALL / LETTERS

    def _redraw(self) -> None:
        zoom = self._zoom()
        made = self._draw(round(self.width() / zoom), round(self.height() / zoom)) if self._draw is not None else None
        if made is None:
            if self._renderer.isValid():
                self._renderer.deleteLater()
                self._renderer = QSvgRenderer(self)
        else:
            colours = tokens()
            made.set("xmlns", _NAMESPACE)
            recolour(
                made,
                text=colours.text,
                grid=colours.border,
                mark=colours.muted,
                dark=colours == DARK,
                font=self.font().family(),
            )
            self._renderer.load(QByteArray(tostring(made, encoding="utf-8")))
        self.update()
