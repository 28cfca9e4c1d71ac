"""Files dragged onto a window: it says what would become of them while they hover, and tells which were let go."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from studio.theme import SPACE, tokens


class FileDrop(QObject):
    """Makes a widget take files; an event filter, so that the widget's class need not know."""

    dropped = Signal(object)  # list of the Paths of files and folders

    def __init__(self, target: QWidget, words: str) -> None:
        """`words` are shown over `target` while a file hovers."""
        super().__init__(target)
        self._target = target
        self._veil = _Veil(words, target)
        target.setAcceptDrops(True)
        target.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Take local files, and only these."""
        match event.type():
            case QEvent.Type.DragEnter | QEvent.Type.DragMove if isinstance(event, QDropEvent):
                return self._enter(event)
            case QEvent.Type.DragLeave:
                self._veil.hide()
            case QEvent.Type.Drop if isinstance(event, QDropEvent):
                return self._drop(event)
        return False

    def _enter(self, event: QDropEvent) -> bool:
        if not local_files(event):
            return False
        # What is dragged stays where it is: the file is read, never moved.
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        if isinstance(event, QDragEnterEvent):
            self._veil.cover()
        return True

    def _drop(self, event: QDropEvent) -> bool:
        self._veil.hide()
        files = local_files(event)
        if not files:
            return False
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self.dropped.emit(files)
        return True


def local_files(event: QDropEvent) -> list[Path]:
    """The files of this computer that are dragged."""
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]


class _Veil(QWidget):
    """Words in a dashed frame, over the whole of a widget."""

    def __init__(self, words: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._words = words
        self.setObjectName("veil")
        self.setAccessibleName(words)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def cover(self) -> None:
        """Lie over the parent as it is now."""
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
        self.raise_()
        self.show()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A tint of the page behind, a frame, and the words in the middle."""
        colours = tokens()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        tint = QColor(colours.info_surface)
        tint.setAlphaF(0.94)
        painter.fillRect(self.rect(), tint)
        painter.setPen(QPen(QColor(colours.accent), 2, Qt.PenStyle.DashLine))
        inner = QRectF(self.rect()).adjusted(2 * SPACE, 2 * SPACE, -2 * SPACE, -2 * SPACE)
        painter.drawRoundedRect(inner, SPACE, SPACE)
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 1.6)
        painter.setFont(font)
        painter.setPen(QColor(colours.text))
        painter.drawText(inner, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self._words)
