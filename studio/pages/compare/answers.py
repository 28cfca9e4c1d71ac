"""The two answers side by side, with what differs marked by shape and by colour."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QWidget

from studio.theme import SPACE
from studio.widgets.card import Card
from studio.widgets.labels import Label
from studio.widgets.word_diff import Mark, MarkedText, Piece, differences


class Answers(QWidget):
    """Original at the left, edited at the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        original, edited = Card("Original answer"), Card("Edited answer")
        self.original = MarkedText("Original answer", "What the model answers without edits.")
        self.edited = MarkedText("Edited answer", "What the model answers with the edits of the pack in use.")
        self.told = Label(muted=True)
        edited.head.addWidget(self.told)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * SPACE)
        for card, text in ((original, self.original), (edited, self.edited)):
            text.set_scale(1.3)
            card.body.addWidget(text, 1)
            row.addWidget(card, 1)

    def clear(self) -> None:
        """Show no answer."""
        self.original.show_pieces(())
        self.edited.show_pieces(())
        self.told.setText("")

    def show_answers(self, original: str, edited: str | None) -> None:
        """Show both answers; `edited` is None while no pack is in use."""
        if edited is None:
            self.original.show_pieces([Piece(original, Mark.SAME)])
            self.edited.show_pieces(())
            self.told.setText("no pack in use")
            return
        before, after = differences(original, edited)
        self.original.show_pieces(before)
        self.edited.show_pieces(after)
        self.told.setText("the same answer" if original == edited else "changed")
