"""The status bar: project, model, device, edits, and what the model worker does."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStatusBar, QWidget

from studio import icons
from studio.theme import MARK, SPACE, tokens
from studio.widgets.labels import Label
from studio.words import tr


class _Piece(QWidget):
    """An icon and a few words."""

    def __init__(self, icon: str, name: str) -> None:
        super().__init__()
        self._icon = icon
        self._name = name
        self._picture = QLabel()
        self.text = Label(muted=True)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE, 0, SPACE, 0)
        row.setSpacing(SPACE // 2)
        row.addWidget(self._picture)
        row.addWidget(self.text)
        self._paint()

    def show_text(self, text: str) -> None:
        self.text.setText(text)
        self.text.setAccessibleName(f"{self._name}: {text}")
        self.setToolTip(self._name)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._paint()

    def _paint(self) -> None:
        self._picture.setPixmap(icons.pixmap(self._icon, tokens().muted, MARK))


class Status(QStatusBar):
    """Five pieces that stay where they are."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.project = _Piece("project", tr("Project"))
        self.model = _Piece("model", tr("Model"))
        self.device = _Piece("device", tr("Device"))
        self.edits = _Piece("facts", tr("Edits"))
        self.job = _Piece("runs", tr("Model worker"))
        for piece in (self.project, self.model, self.device, self.edits):
            self.addWidget(piece)
        self.addPermanentWidget(self.job)
