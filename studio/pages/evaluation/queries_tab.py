"""Every query of an evaluation: searched, filtered to the wrong ones, and one of them looked at closely."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from engine.edits import fold
from engine.evaluation.document import NAMES
from engine.evaluation.report import KINDS
from studio.evaluating import Findings, Query
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.card import Card
from studio.widgets.fields import line
from studio.widgets.figures import count, share
from studio.widgets.labels import ElidedLabel, Label
from studio.widgets.rows import Column, RowsModel, chosen_rows, rows_view
from studio.widgets.word_diff import MarkedText, differences
from studio.words import tr

FAMILIARITY = 6
"""The column that is the gate's."""
SHORT = 10
"""Letters of the narrowing lists that there is room for in any case."""
TYPING = 150
"""Milliseconds after the last key until the table is filtered."""


def query_columns() -> tuple[Column[Query], ...]:
    """What is told of a query in a row of a table."""
    return (
        Column(
            tr("Answer"),
            lambda row: tr("right") if row.asked.right else tr("wrong"),
            lambda row: row.asked.right,
            icon=lambda row: "good" if row.asked.right else "error",
        ),
        Column(tr("Asked as"), lambda row: NAMES[row.asked.kind], lambda row: KINDS.index(row.asked.kind)),
        Column(tr("Question"), lambda row: row.asked.query, wide=True),
        Column(tr("Expected"), lambda row: row.asked.wanted, wide=True),
        Column(tr("Original answer"), lambda row: row.asked.original or "", wide=True),
        Column(tr("Edited answer"), lambda row: row.asked.given, wide=True),
        Column(
            tr("Familiarity"),
            lambda row: share(row.asked.familiarity),
            lambda row: row.asked.familiarity,
            number=True,
            help=tr("How sure the gate is that the question is about an edit."),
        ),
    )


class QueriesTab(QWidget):
    """The queries in a table, the selected one in full below it."""

    edit_asked = Signal(str)  # an edit's id: the Facts page shall show it

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queries: Sequence[Query] = ()
        self.search = line("Search the questions", "Search questions and answers")
        self.search.setClearButtonEnabled(True)
        self.kind = QComboBox()
        self.kind.setAccessibleName(tr("Kind of question"))
        self.kind.addItem(tr("All kinds"), "")
        for kind in KINDS:
            self.kind.addItem(NAMES[kind], kind)
        self.relation = QComboBox()
        self.relation.setAccessibleName(tr("Relation"))
        self.relation.addItem(tr("All relations"), None)
        for box in (self.kind, self.relation):
            # As wide as there is room for: the longest name of a relation is no measure.
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(SHORT)
        self.wrong = QCheckBox(tr("Only wrong answers"))
        self.wrong.setAccessibleName(tr("Only wrong answers"))
        self.told = Label(muted=True)
        self.model: RowsModel[Query] = RowsModel(query_columns())
        self.table = rows_view(tr("Questions of the evaluation"), self.model, framed=True)
        self.close_up = CloseUp()
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING)
        self._lay_out()
        self._typing.timeout.connect(self._filter)
        self.search.textChanged.connect(lambda _: self._typing.start())
        self.kind.currentIndexChanged.connect(lambda _: self._filter())
        self.relation.currentIndexChanged.connect(lambda _: self._filter())
        self.wrong.toggled.connect(lambda _: self._filter())
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._selected())
        self.table.activated.connect(lambda _: self._show_edit())
        self.close_up.show_edit.clicked.connect(lambda _checked=False: self._show_edit())

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.search, 2)
        row.addWidget(self.kind, 1)
        row.addWidget(self.relation, 1)
        row.addWidget(self.wrong)
        row.addWidget(self.told)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.setChildrenCollapsible(False)
        parts.addWidget(self.table)
        parts.addWidget(self.close_up)
        parts.setStretchFactor(0, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 2 * SPACE, 0, 0)
        box.setSpacing(2 * SPACE)
        box.addLayout(row)
        box.addWidget(parts, 1)

    def show_findings(self, found: Findings, *, gated: bool) -> None:
        """List the questions of an evaluation, with what the gate said where there is one; the search stays."""
        self._queries = found.queries
        self.table.setColumnHidden(FAMILIARITY, not gated)
        self.close_up.gated = gated
        chosen = self.relation.currentData()
        with QSignalBlocker(self.relation):
            self.relation.clear()
            self.relation.addItem(tr("All relations"), None)
            for relation in found.relations:
                self.relation.addItem(relation.name, relation.id)
            self.relation.setCurrentIndex(max(self._place(chosen), 0))
        self._filter()

    def show_relation(self, relation: str) -> None:
        """List the queries of one relation's edits, the wrong ones alone where there are any."""
        self.search.clear()
        with QSignalBlocker(self.kind), QSignalBlocker(self.relation), QSignalBlocker(self.wrong):
            self.kind.setCurrentIndex(0)
            self.relation.setCurrentIndex(max(self._place(relation), 0))
            self.wrong.setChecked(
                any(not query.asked.right for query in self._queries if query.asked.relation == relation)
            )
        self._filter()

    def _place(self, relation: str | None) -> int:
        found = [place for place in range(self.relation.count()) if self.relation.itemData(place) == relation]
        return found[0] if found else 0

    def _filter(self) -> None:
        self._typing.stop()
        words = fold(self.search.text()).split()
        kind, relation, wrong = self.kind.currentData(), self.relation.currentData(), self.wrong.isChecked()
        found = [
            query
            for query in self._queries
            if (not kind or query.asked.kind == kind)
            and (relation is None or query.asked.relation == relation)
            and not (wrong and query.asked.right)
            and all(word in query.search for word in words)
        ]
        self.model.show_rows(found)
        whole = len(self._queries)
        self.told.setText(tr("{number} of {queries}", number=f"{len(found):,}", queries=count(whole, "question")))
        if found:
            self.table.selectRow(0)
        self._selected()

    def _selected(self) -> None:
        chosen = chosen_rows(self.table, self.model)
        self.close_up.show_query(chosen[0] if chosen else None, bool(self._queries))

    def _show_edit(self) -> None:
        chosen = chosen_rows(self.table, self.model)
        if chosen:
            self.edit_asked.emit(chosen[0].asked.edit)


class CloseUp(Card):
    """One query in full: both answers with what differs marked, and what the gate made of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Question", parent)
        self.gated = True
        self.show_edit = button("Show the edit on the Facts page", "facts")
        self.head.addWidget(self.show_edit)
        self._query = ElidedLabel()
        self._gate = Label(muted=True, wrap=True)
        self.expected = MarkedText(tr("Expected answer"), "")
        self.original = MarkedText(tr("Original answer"), "")
        self.edited = MarkedText(tr("Edited answer"), "")
        self.body.addWidget(self._query)
        self.body.addWidget(self._gate)
        row = QHBoxLayout()
        row.setSpacing(2 * SPACE)
        for name, text in (
            (tr("Expected"), self.expected),
            (tr("Original"), self.original),
            (tr("Edited"), self.edited),
        ):
            column = QVBoxLayout()
            column.setSpacing(SPACE // 2)
            title = Label(name, muted=True)
            title.setBuddy(text)
            column.addWidget(title)
            column.addWidget(text, 1)
            row.addLayout(column, 1)
        self.body.addLayout(row, 1)
        self.show_query(None, False)

    def show_query(self, query: Query | None, any_there: bool) -> None:
        """Show `query`; without one, what to do to see one."""
        self.show_edit.setEnabled(query is not None)
        if query is None:
            advice = (
                tr("No question is like that: search for something else.")
                if any_there
                else tr("Nothing was asked yet.")
            )
            self._query.set_whole(advice)
            self._gate.setText("")
            for text in (self.expected, self.original, self.edited):
                text.show_pieces(())
            return
        asked = query.asked
        verdict = tr("right") if asked.right else tr("wrong")
        self._query.set_whole(asked.query)
        if not self.gated:
            self._gate.setText(
                tr("{kind} · {verdict} · TF {share}", kind=NAMES[asked.kind], verdict=verdict, share=share(asked.share))
            )
            self._show_answers(query)
            return
        decision = tr("let by as about an edit") if asked.routed else tr("left to the original model")
        nearest = (
            tr("its own edit")
            if asked.nearest_edit == asked.edit
            else tr("edit {nearest_edit}", nearest_edit=asked.nearest_edit)
        )
        self._gate.setText(
            tr(
                "{kind} · {verdict} · familiarity {familiarity}, {decision} · entropy {entropy} · nearest is "
                "{nearest} · TF {share}",
                kind=NAMES[asked.kind],
                verdict=verdict,
                familiarity=share(asked.familiarity),
                decision=decision,
                entropy=f"{asked.entropy:.2f}",
                nearest=nearest,
                share=share(asked.share),
            )
        )
        self._show_answers(query)

    def _show_answers(self, query: Query) -> None:
        asked = query.asked
        before, after = differences(asked.original or "", asked.given)
        self.expected.show_pieces(differences(asked.wanted, asked.wanted)[0])
        self.original.show_pieces(before)
        self.edited.show_pieces(after)
