"""Many questions at once: pasted, one a line, or read from a file."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QDialog, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from engine.formats.questions import LINES, SUFFIXES, Questions, read_questions
from studio.errors import UserMessage
from studio.jobs import DatabaseWorker
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.fields import named
from studio.widgets.figures import count
from studio.widgets.files import choose_file
from studio.widgets.labels import Label, hint, page_title
from studio.words import tr

MOST = 10_000


class QuestionsDialog(QDialog):
    """A box to paste questions into, or to read a file into."""

    ask_asked = Signal(object)  # tuple[str, ...]

    def __init__(self, database: DatabaseWorker, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Ask many questions"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(84 * SPACE, 64 * SPACE)
        self._database = database
        self._read: Questions | None = None
        self.questions = QPlainTextEdit()
        self.questions.setAccessibleName(tr("Questions, one a line"))
        self.questions.setTabChangesFocus(True)
        self.questions.setPlaceholderText(tr("The capital of France is\nThe capital of Japan is"))
        self.file = button(
            "From a file…", "import", tip=tr("A text with one question a line, a CSV table, or JSON Lines.")
        )
        self.column = QComboBox()
        self._column_field = QWidget()
        field = named("Column with the questions", self.column)
        field.setContentsMargins(0, 0, 0, 0)
        self._column_field.setLayout(field)
        self._column_field.hide()
        self.told = Label(muted=True, wrap=True)
        self.cancel = button("Cancel")
        self.ask = button("Ask", "ask", primary=True)
        source = QHBoxLayout()
        source.setSpacing(2 * SPACE)
        source.addWidget(self.file, 0, Qt.AlignmentFlag.AlignBottom)
        source.addWidget(self._column_field)
        source.addStretch(1)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.told, 1)
        row.addWidget(self.cancel)
        row.addWidget(self.ask)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addWidget(page_title("Ask many questions"))
        box.addWidget(
            hint(
                "One question a line. They are asked in the background, and each answer is in the list of questions "
                "asked as soon as it is there, where they can be filtered, sorted and exported."
            )
        )
        box.addLayout(source)
        box.addWidget(self.questions, 1)
        box.addLayout(row)
        self.questions.textChanged.connect(self._count)
        self.file.clicked.connect(self._choose)
        self.column.activated.connect(self._take_column)
        self.cancel.clicked.connect(self.reject)
        self.ask.clicked.connect(self._hand_over)
        self._count()

    def lines(self) -> tuple[str, ...]:
        """The questions, each once, in order."""
        texts = (text.strip() for text in self.questions.toPlainText().splitlines())
        return tuple(dict.fromkeys(text for text in texts if text))

    def read(self, path: Path) -> None:
        """Take the questions of the file at `path`."""
        self.told.setText(tr("Reading {name}…", name=path.name))
        self.ask.setEnabled(False)
        self._database.run(
            lambda _project: read_questions(path),
            on_success=self._show,
            on_error=self._refuse,
            owner=self,
            name="Read a file",
        )

    def _choose(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        choose_file(
            self,
            tr("Read questions from a file"),
            [tr("Questions ({patterns})", patterns=patterns), tr("All files (*)")],
            self.read,
        )

    def _show(self, found: Questions) -> None:
        self._read = found
        with QSignalBlocker(self.column):
            self.column.clear()
            for name, texts in found.columns.items():
                self.column.addItem(f"{name} ({len(texts):,})", name)
            self.column.setCurrentIndex(self.column.findData(found.likely))
        self._column_field.setVisible(tuple(found.columns) != (LINES,))
        self._take_column()

    def _take_column(self) -> None:
        if self._read is not None:
            self.questions.setPlainText("\n".join(self._read.columns[self.column.currentData()]))

    def _refuse(self, message: UserMessage) -> None:
        self._count()
        self.told.setText(f"{message.sentence} {message.action}".strip())

    def _count(self) -> None:
        number = len(self.lines())
        self.told.setText(
            count(number, "question")
            if number <= MOST
            else tr("{number} questions: {most} at once is the most.", number=f"{number:,}", most=f"{MOST:,}")
        )
        self.ask.setText(
            tr("Ask {questions}", questions=count(number, "question")) if 0 < number <= MOST else tr("Ask")
        )
        self.ask.setEnabled(0 < number <= MOST)

    def _hand_over(self) -> None:
        self.ask_asked.emit(self.lines())
        self.accept()
