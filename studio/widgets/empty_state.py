"""What a page shows while it has nothing to show: what belongs here and the first step towards it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio import icons
from studio.theme import EMPTY_TITLE, PICTURE, SPACE, tokens
from studio.widgets.labels import Label
from studio.words import tr


class EmptyState(QWidget):
    """An icon, a sentence, a hint and buttons, in the middle."""

    def __init__(
        self,
        icon: str,
        text: str,
        advice: str,
        *deeds: QAbstractButton,
        wide: int = 52,
        parent: QWidget | None = None,
    ) -> None:
        """`wide` is the width of the hint, in steps of the grid."""
        super().__init__(parent)
        self._icon = icon
        self._colour = ""
        self._picture = QLabel()
        self._picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        title = Label(tr(text), scale=EMPTY_TITLE, bold=True, wrap=True)
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._advice = Label(tr(advice), muted=True, wrap=True)
        self._advice.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self._advice.setFixedWidth(wide * SPACE)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addStretch(1)
        for deed in deeds:
            row.addWidget(deed)
        row.addStretch(1)
        box = QVBoxLayout(self)
        box.setSpacing(2 * SPACE)
        box.addStretch(1)
        box.addWidget(self._picture)
        box.addWidget(title)
        box.addWidget(self._advice, 0, Qt.AlignmentFlag.AlignHCenter)
        box.addLayout(row)
        box.addStretch(2)
        self.follow_zoom()

    def follow_zoom(self) -> None:
        """A label that is centred is not asked how high its lines are at its width: it is told."""
        self._advice.setMinimumHeight(self._advice.heightForWidth(self._advice.width()))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The picture in the colour in force."""
        colour = tokens().muted
        if colour != self._colour:
            self._colour = colour
            self._picture.setPixmap(icons.pixmap(self._icon, colour, PICTURE))
