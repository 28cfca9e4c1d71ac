"""The two answers side by side, with what differs marked by shape and by colour, and what each took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QWidget

from studio.theme import SPACE
from studio.widgets.card import Card
from studio.widgets.figures import seconds
from studio.widgets.labels import Label
from studio.widgets.word_diff import Mark, MarkedText, Piece, differences
from studio.words import tr

if TYPE_CHECKING:
    from studio.model_jobs import Reply


class Answers(QWidget):
    """Original at the left, edited at the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        original, edited = Card("Original answer"), Card("Edited answer")
        self.original = MarkedText(tr("Original answer"), tr("What the model answers without edits."))
        self.edited = MarkedText(tr("Edited answer"), tr("What the model answers with the edits of the pack in use."))
        self.took = Label(muted=True)
        self.told = Label(muted=True)
        original.head.addWidget(self.took)
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
        self.took.setText("")
        self.told.setText("")

    def show_reply(self, reply: Reply) -> None:
        """Show both answers, or the original one while no pack is in use."""
        took = "" if reply.original_seconds is None else seconds(reply.original_seconds)
        self.took.setText(took if reply.original else tr("an empty answer · {took}", took=took))
        if reply.answer is None:
            self.original.show_pieces([Piece(reply.original, Mark.SAME)])
            self.edited.show_pieces(())
            self.told.setText(tr("no pack in use"))
            return
        before, after = differences(reply.original, reply.answer.edited)
        self.original.show_pieces(before)
        self.edited.show_pieces(after)
        told = tr("the same answer") if reply.original == reply.answer.edited else tr("changed")
        spent = reply.answer.edited_seconds
        self.told.setText(told if spent is None else f"{told} · {seconds(spent)}")
