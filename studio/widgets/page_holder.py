"""The room of one page: a page that needs more than there is scrolls, none is squeezed."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget


class PageHolder(QScrollArea):
    """Scrolls its page where that would be smaller than it can be used at: large text, a small window."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def hold(self, page: QWidget) -> None:
        """Show `page`, on the colour of the window."""
        floor = _Floor(page)
        self.setWidget(floor)
        for plain in (self.viewport(), floor, page):
            plain.setAutoFillBackground(False)


class _Floor(QWidget):
    """Says how high its page has to be.

    A scroll area asks what holds wrapped lines for the height that it would like, which is more than it needs: what is
    at hand is shared out by the page's own layout, tables and plots giving way to lines.
    """

    def __init__(self, page: QWidget) -> None:
        super().__init__()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(page)

    def heightForWidth(self, _width: int) -> int:
        """The least, not the best."""
        return self.minimumSizeHint().height()
