"""Labels for text that may be the user's: always plain text, sized relative to the application's font."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QPalette, QResizeEvent
from PySide6.QtWidgets import QApplication, QLabel, QSizePolicy, QWidget

from studio.theme import BODY, PAGE_TITLE, PLACE, SECTION_TITLE
from studio.words import tr


class Label(QLabel):
    """Plain text at `scale` times the application's font size; it follows the zoom.

    A muted label is for what helps but is not the matter: units, hints, counts.
    """

    def __init__(
        self,
        text: str = "",
        *,
        scale: float = BODY,
        bold: bool = False,
        muted: bool = False,
        wrap: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._scale = scale
        self._bold = bold
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(wrap)
        if wrap:
            self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.MinimumExpanding)
        if muted:
            self.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.setText(text)
        self.follow_zoom()

    def follow_zoom(self) -> None:
        """Take the size that the application's font has now."""
        font = QFont(QApplication.font())
        font.setPointSizeF(font.pointSizeF() * self._scale)
        font.setWeight(QFont.Weight.DemiBold if self._bold else QFont.Weight.Normal)
        self.setFont(font)


def page_title(text: str) -> Label:
    """The name of a page."""
    return Label(tr(text), scale=PAGE_TITLE, bold=True)


def section_title(text: str) -> Label:
    """The name of a part of a page."""
    return Label(tr(text), scale=SECTION_TITLE, bold=True)


def hint(text: str) -> Label:
    """A muted line that wraps."""
    return Label(tr(text), muted=True, wrap=True)


class ElidedLabel(Label):
    """One line that shortens in the middle where there is no room; the tooltip has the whole."""

    def __init__(
        self,
        text: str = "",
        *,
        scale: float = BODY,
        bold: bool = False,
        muted: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        self._whole = ""
        super().__init__("", scale=scale, bold=bold, muted=muted, parent=parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.set_whole(text)

    def set_whole(self, text: str) -> None:
        """Show `text`, shortened where needed."""
        self._whole = text
        self.setAccessibleName(text)
        self._shorten()

    def resizeEvent(self, _event: QResizeEvent) -> None:
        """Shorten anew."""
        self._shorten()

    def _shorten(self) -> None:
        line = " ".join(self._whole.split())
        shown = self.fontMetrics().elidedText(line, Qt.TextElideMode.ElideMiddle, max(self.width(), PLACE))
        if shown != self.text():
            self.setText(shown)
        self.setToolTip(plain_tooltip(self._whole) if shown != self._whole else "")


def plain_tooltip(text: str) -> str:
    """`text` as a tooltip that Qt cannot take for rich text."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br>")
    return f"<p style='white-space:pre-wrap'>{escaped}</p>" if text else ""
