"""What differs between two answers, word by word, and a view that marks it by shape as well as by colour."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QApplication, QSizePolicy, QTextEdit, QWidget

from studio.theme import SPACE, tokens

_WORD = re.compile(r"\s+|\w+|[^\w\s]")


class Mark(Enum):
    """What became of a piece of text."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text with one mark."""

    text: str
    mark: Mark


def differences(original: str, edited: str) -> tuple[list[Piece], list[Piece]]:
    """The original answer with what the edited one lacks, and the edited answer with what is new in it."""
    left, right = _WORD.findall(original), _WORD.findall(edited)
    before: list[Piece] = []
    after: list[Piece] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(a=left, b=right, autojunk=False).get_opcodes():
        same = tag == "equal"
        if a < b:
            before.append(Piece("".join(left[a:b]), Mark.SAME if same else Mark.REMOVED))
        if c < d:
            after.append(Piece("".join(right[c:d]), Mark.SAME if same else Mark.ADDED))
    return before, after


class MarkedText(QTextEdit):
    """Read-only text of which some words are struck out or underlined."""

    def __init__(self, name: str, placeholder: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pieces: tuple[Piece, ...] = ()
        self._instead = placeholder
        self._scale = 1.0
        self.setReadOnly(True)
        self.setProperty("framed", False)
        self.setTabChangesFocus(True)
        self.setAccessibleName(name)
        self.setAccessibleDescription(placeholder)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)

    def show_pieces(self, pieces: Sequence[Piece]) -> None:
        """Show `pieces` in order."""
        self._pieces = tuple(pieces)
        self._write()

    def set_scale(self, scale: float) -> None:
        """Write at `scale` times the application's font size."""
        self._scale = scale
        self.follow_zoom()

    def follow_zoom(self) -> None:
        """Take the size that the application's font has now."""
        font = QFont(QApplication.font())
        font.setPointSizeF(font.pointSizeF() * self._scale)
        self.setFont(font)
        self.viewport().setFont(font)  # what stands for a text that is not there is painted in this one

    def minimumSizeHint(self) -> QSize:
        """Two lines."""
        return QSize(20 * SPACE, self.fontMetrics().height() * 2 + 3 * SPACE)

    def sizeHint(self) -> QSize:
        """Two lines."""
        return self.minimumSizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """What stands for a text that is not there, in as many lines as it takes: Qt's own has one."""
        super().paintEvent(event)
        if not self._pieces:
            painter = QPainter(self.viewport())
            painter.setPen(self.palette().placeholderText().color())
            margin = round(self.document().documentMargin())
            painter.drawText(
                self.viewport().rect().adjusted(margin, margin, -margin, -margin),
                Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap,
                self._instead,
            )

    def changeEvent(self, event: QEvent) -> None:
        """Write anew after a change of scheme."""
        if event.type() == QEvent.Type.PaletteChange:
            self._write()
        super().changeEvent(event)

    def _write(self) -> None:
        colours = tokens()
        self.clear()
        cursor = QTextCursor(self.document())
        for piece in self._pieces:
            style = QTextCharFormat()
            style.setForeground(QColor(colours.text))
            if piece.mark is Mark.REMOVED:
                style.setFontStrikeOut(True)
                style.setForeground(QColor(colours.muted))
            elif piece.mark is Mark.ADDED:
                style.setFontUnderline(True)
                style.setFontWeight(QFont.Weight.DemiBold)
                style.setForeground(QColor(colours.edited))
                style.setBackground(QColor(colours.info_surface))
            cursor.insertText(piece.text, style)
        self.moveCursor(QTextCursor.MoveOperation.Start)
