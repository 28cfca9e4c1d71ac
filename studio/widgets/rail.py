"""The navigation rail: one button a page, an icon over a word."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from studio import icons
from studio.theme import PLACE, SPACE, tokens
from studio.words import tr


class Rail(QFrame):
    """Buttons of which one is down; Up and Down move between them."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._group.idClicked.connect(self.chosen)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(SPACE, SPACE, SPACE, SPACE)
        self._column.setSpacing(SPACE // 2)
        self._column.addStretch(1)

    def add(self, word: str, icon: str) -> None:
        """Append a page."""
        made = QToolButton()
        made.setText(word)
        made.setAccessibleName(tr("{page} page", page=word))
        made.setCheckable(True)
        made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        made.setIconSize(QSize(PLACE, PLACE))
        made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        icons.dress(made, icon)
        index = len(self._group.buttons())
        self._group.addButton(made, index)
        self._column.insertWidget(index, made)

    def choose(self, index: int) -> None:
        """Press the button of page `index` without a signal."""
        chosen = self._group.button(index)
        if chosen is not None:
            chosen.setChecked(True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and Down go to the page above and below."""
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
            return
        index = min(max(self._group.checkedId() + step, 0), len(self._group.buttons()) - 1)
        self._group.button(index).setFocus()
        self._group.button(index).click()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A strip with a line at its right."""
        colours = tokens()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(colours.rail))
        painter.fillRect(self.width() - 1, 0, 1, self.height(), QColor(colours.border))
