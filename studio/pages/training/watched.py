"""The watched questions: what the model answered, what it answers now, and which answers have flipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import QAbstractItemView, QTableWidgetItem, QWidget

from studio import icons
from studio.theme import SPACE, tokens
from studio.widgets.buttons import button, icon_button
from studio.widgets.card import Card
from studio.widgets.labels import plain_tooltip
from studio.widgets.tables import cell, text_table
from studio.words import tr

_QUESTION, _ORIGINAL, _NOW = range(3)


class Watched(Card):
    """A short list of questions, edited in place; the other columns fill while a training runs."""

    questions_changed = Signal(object)  # tuple[str, ...]
    suggest_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Watched questions", parent)
        self._filling = False
        self._original: dict[str, str] = {}
        self._now: dict[str, str] = {}
        self.table = text_table(
            "Watched questions and their answers",
            ("Question", "Original answer", "Answer now"),
            stretch=(_QUESTION, _ORIGINAL, _NOW),
            editable=True,
        )
        self.suggest = button("Suggest", tip=tr("Watch a few edits and one probe."))
        self.add = icon_button("Add a question", "add", self._add)
        self.remove = icon_button("Remove the selected questions", "delete", self._remove)
        for control in (self.suggest, self.add, self.remove):
            self.head.addWidget(control)
        self.body.addWidget(self.table, 1)
        self.table.itemChanged.connect(self._edited)
        self.suggest.clicked.connect(self.suggest_asked)
        self.table.setMinimumHeight(10 * SPACE)

    def questions(self) -> tuple[str, ...]:
        """The questions, from the top."""
        texts = (cell(self.table, row, _QUESTION).text().strip() for row in range(self.table.rowCount()))
        return tuple(text for text in texts if text)

    def set_questions(self, questions: Sequence[str]) -> None:
        """Show these questions; answers that are known stay."""
        if tuple(questions) != self.questions():
            self._fill(questions)

    def set_locked(self, locked: bool) -> None:
        """The list of a training that runs is fixed."""
        for control in (self.suggest, self.add, self.remove):
            control.setEnabled(not locked)
        triggers = QAbstractItemView.EditTrigger
        self.table.setEditTriggers(
            triggers.NoEditTriggers
            if locked
            else triggers.DoubleClicked | triggers.EditKeyPressed | triggers.AnyKeyPressed
        )

    def forget_answers(self) -> None:
        """Another training begins."""
        self._original, self._now = {}, {}
        self._show_answers()

    def show_answers(self, original: Mapping[str, str], now: Mapping[str, str]) -> None:
        """Show what was answered and what is answered now, by question."""
        if (dict(original), dict(now)) != (self._original, self._now):
            self._original, self._now = dict(original), dict(now)
            self._show_answers()

    def flipped(self) -> int:
        """How many answers differ from the original ones."""
        return sum(text != self._original.get(question, text) for question, text in self._now.items())

    def _fill(self, questions: Sequence[str]) -> None:
        self._filling = True
        self.table.setRowCount(len(questions))
        for row, question in enumerate(questions):
            self.table.setItem(row, _QUESTION, QTableWidgetItem(question))
            for column in (_ORIGINAL, _NOW):
                item = QTableWidgetItem("")
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                self.table.setItem(row, column, item)
        self._filling = False
        self._show_answers()

    def _show_answers(self) -> None:
        self._filling = True
        colours = tokens()
        for row in range(self.table.rowCount()):
            question = cell(self.table, row, _QUESTION).text()
            original, now = self._original.get(question, ""), self._now.get(question, "")
            flipped = bool(now) and now != original
            cell(self.table, row, _QUESTION).setToolTip(plain_tooltip(question))
            cell(self.table, row, _ORIGINAL).setText(original or "–")
            cell(self.table, row, _ORIGINAL).setForeground(QColor(colours.muted))
            current = cell(self.table, row, _NOW)
            current.setText(now or "–")
            font = QFont(self.table.font())
            font.setBold(flipped)
            current.setFont(font)
            current.setForeground(QColor(colours.edited if flipped else colours.text))
            current.setBackground(QColor(colours.info_surface) if flipped else Qt.GlobalColor.transparent)
            current.setIcon(icons.icon("again" if flipped else "blank", colours.edited))
            current.setData(
                Qt.ItemDataRole.AccessibleTextRole, f"{now or tr('unknown')}{tr(', flipped') if flipped else ''}"
            )
        self._filling = False

    def _edited(self, item: QTableWidgetItem) -> None:
        if not self._filling and item.column() == _QUESTION:
            self.questions_changed.emit(self.questions())

    def _add(self) -> None:
        self._fill([*self.questions(), ""])
        last = cell(self.table, self.table.rowCount() - 1, _QUESTION)
        self.table.setCurrentItem(last)
        self.table.editItem(last)

    def _remove(self) -> None:
        chosen = {index.row() for index in self.table.selectionModel().selectedRows()}
        if chosen:
            kept = [text for row, text in enumerate(self.questions()) if row not in chosen]
            self._fill(kept)
            self.questions_changed.emit(tuple(kept))

    def changeEvent(self, event: QEvent) -> None:
        """Colour the answers anew after a change of scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "table"):
            self._show_answers()
