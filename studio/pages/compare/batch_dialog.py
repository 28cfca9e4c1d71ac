"""Several questions at once: one a line, answered as one job, all of them kept in the history."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.figures import count
from studio.widgets.labels import hint, page_title

MOST = 1_000


class BatchDialog(QDialog):
    """A box to paste questions into."""

    ask_asked = Signal(object)  # tuple[str, ...]

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Ask several questions")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(80 * SPACE, 52 * SPACE)
        self.questions = QPlainTextEdit()
        self.questions.setAccessibleName("Questions, one a line")
        self.questions.setTabChangesFocus(True)
        self.questions.setPlaceholderText("The capital of France is\nThe capital of Japan is")
        self._told = hint("")
        self.cancel = button("Cancel")
        self.ask = button("Ask", "ask", primary=True)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self._told, 1)
        row.addWidget(self.cancel)
        row.addWidget(self.ask)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addWidget(page_title("Ask several questions"))
        box.addWidget(
            hint("One question a line. Both models' answers go to the history, from where they can be exported.")
        )
        box.addWidget(self.questions, 1)
        box.addLayout(row)
        self.questions.textChanged.connect(self._count)
        self.cancel.clicked.connect(self.reject)
        self.ask.clicked.connect(self._hand_over)
        self._count()

    def lines(self) -> tuple[str, ...]:
        """The questions, each once, in order."""
        texts = (text.strip() for text in self.questions.toPlainText().splitlines())
        return tuple(dict.fromkeys(text for text in texts if text))

    def _count(self) -> None:
        number = len(self.lines())
        self._told.setText(
            count(number, "question") if number <= MOST else f"{number:,} questions: {MOST:,} at once is the most."
        )
        self.ask.setEnabled(0 < number <= MOST)

    def _hand_over(self) -> None:
        self.ask_asked.emit(self.lines())
        self.accept()
