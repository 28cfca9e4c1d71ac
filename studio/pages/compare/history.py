"""The questions that were asked in this project: search, narrow down, sort, ask again, use, delete, export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QItemSelectionRange,
    QSignalBlocker,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtWidgets import QAbstractItemView, QComboBox, QHBoxLayout, QHeaderView, QLineEdit, QTableView, QWidget

from studio.pages.compare.history_table import Column, HistoryTable
from studio.store.adopting import Role
from studio.store.comparisons import AskedList, ComparisonRow, Outcome
from studio.theme import SPACE
from studio.widgets.buttons import button, icon_button
from studio.widgets.card import Card
from studio.widgets.figures import count, moment
from studio.widgets.labels import Label
from studio.words import deferred, tr

MOST = 10_000
"""Questions listed at once."""
TYPING_DELAY = 150
"""Milliseconds of silence after which a search is made."""

_OUTCOMES = (
    (Outcome.ALL, deferred("All answers")),
    (Outcome.CHANGED, deferred("Changed")),
    (Outcome.SAME, deferred("The same")),
    (Outcome.ROUTED, deferred("Familiar")),
)
_EMPTY = deferred("No question was asked yet: ask one, or many at once.")
_NOTHING = deferred("No question is like that: search for less, or show all answers.")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which questions shall be listed."""

    search: str = ""
    outcome: Outcome = Outcome.ALL
    asked_with: str | None = None


class History(Card):
    """A table of comparisons with its filters; it lists what `show_rows` gives it when `look_asked` asks for it."""

    look_asked = Signal()
    again_asked = Signal(str)  # the question
    adopt_asked = Signal(object, object)  # list of ComparisonRow, Role
    delete_asked = Signal(object)  # list of ids
    export_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.table = QTableView()
        self._table = HistoryTable(self.table)
        self.search = QLineEdit()
        self.search.setPlaceholderText(tr("Search questions and answers"))
        self.search.setAccessibleName(tr("Search the questions that were asked"))
        self.search.setClearButtonEnabled(True)
        self.outcome = QComboBox()
        self.outcome.setAccessibleName(tr("Which answers"))
        for outcome, words in _OUTCOMES:
            self.outcome.addItem(tr(words), outcome)
        self.asked_with = QComboBox()
        self.asked_with.setAccessibleName(tr("Which list of questions"))
        self.asked_with.addItem(tr("All questions"), None)
        self.told = Label(muted=True, wrap=True)
        self.table.setModel(self._table)
        self._dress()
        self.again = button("Ask again", "again")
        self.paraphrase = button(
            "Make paraphrases",
            "add",
            tip=tr("Each selected question becomes a paraphrase of its nearest edit: it should have been answered so."),
        )
        self.probe = button(
            "Make probes",
            "add",
            tip=tr("Each selected question becomes a probe of its nearest edit: its answer should have stayed."),
        )
        self.delete = icon_button("Delete the selected questions", "delete", self._delete)
        self.export = button("Export…", "export", tip=tr("What is listed, as CSV, JSON or HTML."))
        filters = QHBoxLayout()
        filters.setSpacing(SPACE)
        filters.addWidget(self.search, 1)
        filters.addWidget(self.outcome)
        filters.addWidget(self.asked_with)
        deeds = QHBoxLayout()
        deeds.setSpacing(SPACE)
        deeds.addWidget(self.told, 1)
        for control in (self.again, self.paraphrase, self.probe, self.export, self.delete):
            deeds.addWidget(control)
        self.body.addLayout(filters)
        self.body.addLayout(deeds)
        self.body.addWidget(self.table, 1)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(TYPING_DELAY)
        self._soon.timeout.connect(self.look_asked.emit)
        self.search.textChanged.connect(lambda _text: self._soon.start())
        self.outcome.currentIndexChanged.connect(lambda _place: self.look_asked.emit())
        self.asked_with.currentIndexChanged.connect(lambda _place: self.look_asked.emit())
        self.again.clicked.connect(self._ask_again)
        self.paraphrase.clicked.connect(lambda: self.adopt_asked.emit(self.selected(), Role.PARAPHRASE))
        self.probe.clicked.connect(lambda: self.adopt_asked.emit(self.selected(), Role.PROBE))
        self.export.clicked.connect(self.export_asked.emit)
        self.table.selectionModel().selectionChanged.connect(self._tell)
        self.table.activated.connect(self._ask_again)
        self._table.modelReset.connect(self._tell)
        self._tell()

    def _dress(self) -> None:
        self.table.setAccessibleName(tr("Questions asked before"))
        self.table.setProperty("framed", False)
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.setAlternatingRowColors(True)
        self.table.setTabKeyNavigation(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(Column.ASKED, Qt.SortOrder.DescendingOrder)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        # Fitting a column to its content looks at every row that is shown: a fixed guess is quicker for 10,000.
        for column in Column:
            stretch = column in (Column.QUESTION, Column.ORIGINAL, Column.EDITED)
            header.setSectionResizeMode(
                column, QHeaderView.ResizeMode.Stretch if stretch else QHeaderView.ResizeMode.Interactive
            )
        self._fit()

    def _fit(self) -> None:
        measure = self.fontMetrics().horizontalAdvance
        for column, widest in (
            (Column.ASKED, "2026-11-21 14:05"),
            (Column.FAMILIARITY, tr("Familiarity")),
            (Column.DECISION, tr("left alone")),
        ):
            self.table.setColumnWidth(column, measure(widest) + 6 * SPACE)

    # --- what is listed ----------------------------------------------------------------------------------------

    @property
    def rows(self) -> Sequence[ComparisonRow]:
        """What is listed, from the top."""
        return self._table.rows

    @property
    def wanted(self) -> Wanted:
        """Which questions shall be listed."""
        return Wanted(self.search.text().strip(), Outcome(self.outcome.currentData()), self.asked_with.currentData())

    def selected(self) -> list[ComparisonRow]:
        """The rows that are selected, from the top."""
        places = sorted(index.row() for index in self.table.selectionModel().selectedRows())
        return [self.rows[place] for place in places if place < len(self.rows)]

    def show_rows(self, rows: Sequence[ComparisonRow]) -> None:
        """List `rows`; those that were selected stay so."""
        chosen = {row.id for row in self.selected()}
        self._table.show_rows(rows)
        if chosen:
            still = QItemSelection()
            for place, row in enumerate(self.rows):
                if row.id in chosen:
                    still.append(
                        QItemSelectionRange(self._table.index(place, 0), self._table.index(place, len(Column) - 1))
                    )
            self.table.selectionModel().select(still, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self._tell()

    def show_lists(self, lists: Sequence[AskedList]) -> None:
        """Offer the lists that were asked; the one that is chosen stays so."""
        chosen = self.asked_with.currentData()
        with QSignalBlocker(self.asked_with):
            while self.asked_with.count() > 1:
                self.asked_with.removeItem(1)
            for each in lists:
                self.asked_with.addItem(
                    tr(
                        "List of {asked}: {questions}",
                        asked=moment(each.asked),
                        questions=count(each.questions, "question"),
                    ),
                    each.key,
                )
            self._choose_list(chosen)

    def show_all(self) -> None:
        """Take every filter off."""
        self.show_list(None)

    def show_list(self, key: str | None) -> None:
        """Narrow down to one list of questions (None: to none), nothing else in the way."""
        with QSignalBlocker(self.asked_with), QSignalBlocker(self.outcome), QSignalBlocker(self.search):
            self._choose_list(key)
            self.outcome.setCurrentIndex(0)
            self.search.clear()
        self.look_asked.emit()

    def _choose_list(self, key: str | None) -> None:
        if self.asked_with.findData(key) < 0:  # none of its questions is answered yet
            self.asked_with.insertItem(1, tr("The last list"), key)
        self.asked_with.setCurrentIndex(self.asked_with.findData(key))

    def _tell(self) -> None:
        selected, listed = self.selected(), len(self.rows)
        chosen = len(selected)
        self.delete.setEnabled(chosen > 0)
        for control in (self.paraphrase, self.probe):
            control.setEnabled(any(row.nearest_edit for row in selected))
        self.again.setEnabled(chosen == 1)
        self.export.setEnabled(listed > 0)
        if listed == 0:
            self.told.setText(tr(_EMPTY) if self.wanted == Wanted() else tr(_NOTHING))
            return
        changed = sum(row.changed for row in self.rows)
        most = tr(", the newest {most}", most=f"{MOST:,}") if listed == MOST else ""
        picked = tr(", {chosen} selected", chosen=f"{chosen:,}") if chosen else ""
        self.told.setText(
            tr(
                "{questions}{most}, {changed} changed{picked}",
                questions=count(listed, "question"),
                most=most,
                changed=f"{changed:,}",
                picked=picked,
            )
        )

    # --- deeds -------------------------------------------------------------------------------------------------

    def _ask_again(self) -> None:
        chosen = self.selected()
        if chosen:
            self.again_asked.emit(chosen[0].query)

    def _delete(self) -> None:
        self.delete_asked.emit([row.id for row in self.selected()])
