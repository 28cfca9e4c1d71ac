"""Two runs side by side: what was chosen differently, their figures, and the queries that one answers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from engine.evaluation.document import NAMES
from engine.evaluation.report import Asked
from studio.evaluating import Findings
from studio.pages.evaluation.figures_tab import kind_figures, right
from studio.store.runs import RunRow
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.card import Card
from studio.widgets.empty_state import EmptyState
from studio.widgets.figures import share
from studio.widgets.labels import Label
from studio.widgets.rows import Column, RowsModel, chosen_rows, rows_view
from studio.widgets.run_words import called, editor_name, settings_in_words
from studio.words import tr

_NOT_COMPARED = frozenset({"started", "folder"})


@dataclass(frozen=True, slots=True)
class Beside:
    """One thing of both runs."""

    name: str
    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Apart:
    """A query that one run answers as it should be, and the other does not."""

    one: Asked
    other: Asked


class BesideTab(QWidget):
    """The run of the page beside another one."""

    other_asked = Signal(object)  # RunRow that is chosen, or None
    evaluation_asked = Signal(object)  # RunRow that is not evaluated yet
    edit_asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: list[RunRow] = []
        self._run: RunRow | None = None
        self._found: Findings | None = None
        self.other = QComboBox()
        self.other.setAccessibleName(tr("The other run"))
        self._told = Label(muted=True)
        self.settings: RowsModel[Beside] = RowsModel(_columns(tr("Setting that differs")))
        self.figures: RowsModel[Beside] = RowsModel(_columns(tr("Figure")))
        self.apart: RowsModel[Apart] = RowsModel(
            (
                Column(tr("Right in"), lambda row: tr("this run") if row.one.right else tr("the other")),
                Column(tr("Asked as"), lambda row: NAMES[row.one.kind]),
                Column(tr("Question"), lambda row: row.one.query, wide=True),
                Column(tr("Expected"), lambda row: row.one.wanted, wide=True),
                Column(tr("This run answers"), lambda row: row.one.given, wide=True),
                Column(tr("The other answers"), lambda row: row.other.given, wide=True),
            )
        )
        self.settings_table = rows_view(tr("Settings that differ"), self.settings)
        self.figures_table = rows_view(tr("Figures of both runs"), self.figures)
        self.apart_table = rows_view(tr("Questions that one run answers alone"), self.apart)
        self._count = Label(muted=True)
        self.evaluate = button("Evaluate the other run", "evaluation", primary=True)
        self.show_edit = button("Show the edit on the Facts page", "facts")
        self._places = QStackedWidget()
        self._lay_out()
        self.other.currentIndexChanged.connect(lambda _: self._chosen())
        self.evaluate.clicked.connect(lambda _checked=False: self.evaluation_asked.emit(self.other_run()))
        self.apart_table.activated.connect(lambda _: self._show_edit())
        self.show_edit.clicked.connect(lambda _checked=False: self._show_edit())
        self.apart_table.selectionModel().selectionChanged.connect(lambda *_: self._tell())
        self.apart.modelReset.connect(self._tell)
        self._tell()

    def _lay_out(self) -> None:
        self._head = QWidget()
        head = QHBoxLayout(self._head)
        head.setContentsMargins(0, 0, 0, 0)
        head.setSpacing(SPACE)
        name = Label(tr("Beside this run:"))
        name.setBuddy(self.other)
        head.addWidget(name)
        head.addWidget(self.other)
        head.addWidget(self._told, 1)
        settings, figures, apart = Card("Settings that differ"), Card("Figures"), Card("Answered by one of them alone")
        settings.body.addWidget(self.settings_table)
        figures.body.addWidget(self.figures_table)
        apart.head.addWidget(self._count)
        apart.head.addWidget(self.show_edit)
        apart.body.addWidget(self.apart_table)
        tables = QHBoxLayout()
        tables.setSpacing(2 * SPACE)
        tables.addWidget(settings, 1)
        tables.addWidget(figures, 1)
        both = QWidget()
        column = QVBoxLayout(both)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2 * SPACE)
        column.addLayout(tables, 2)
        column.addWidget(apart, 3)
        self._places.addWidget(both)
        self._places.addWidget(
            EmptyState(
                "compare",
                "No other run",
                "Train a second time, with another seed or layer, to see both runs side by side.",
            )
        )
        self._places.addWidget(
            EmptyState(
                "evaluation",
                "The other run is not evaluated yet",
                "Both runs have to be evaluated before their answers can be compared.",
                self.evaluate,
            )
        )
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 2 * SPACE, 0, 0)
        box.setSpacing(2 * SPACE)
        box.addWidget(self._head)
        box.addWidget(self._places, 1)

    def show_findings(self, run: RunRow, found: Findings, others: Sequence[RunRow]) -> None:
        """Offer `others` beside `run`; what is chosen is asked for with `other_asked`."""
        before = self.other_run()
        self._run, self._found, self._runs = run, found, list(others)
        self.other.blockSignals(True)
        self.other.clear()
        for other in others:
            self.other.addItem(f"{called(other)} · {editor_name(other)}", other.id)
        places = [place for place, other in enumerate(others) if before is not None and other.id == before.id]
        self.other.setCurrentIndex(places[0] if places else 0 if others else -1)
        self.other.blockSignals(False)
        self._head.setVisible(bool(others))
        self._chosen()

    def other_run(self) -> RunRow | None:
        """The run that is chosen to stand beside the page's."""
        place = self.other.currentIndex()
        return self._runs[place] if 0 <= place < len(self._runs) else None

    def show_other(self, other: Findings | None) -> None:
        """Show what is known of the chosen run."""
        run, found, beside = self._run, self._found, self.other_run()
        if run is None or found is None or beside is None:
            self._places.setCurrentIndex(1)
            return
        self._places.setCurrentIndex(0 if other is not None else 2)
        self._told.setText("")
        if other is None:
            return
        self.settings.show_rows(_differing(run, beside))
        self.figures.show_rows(_figures(found, other))
        known = {(row.kind, row.query): row for row in other.report.asked}
        both = [(row, known[row.kind, row.query]) for row in found.report.asked if (row.kind, row.query) in known]
        apart = [Apart(row, match) for row, match in both if row.right != match.right]
        self.apart.show_rows(apart)
        ours = sum(pair.one.right for pair in apart)
        self._count.setText(
            tr(
                "this run {ours} · the other {theirs} · of {both} asked of both",
                ours=f"{ours:,}",
                theirs=f"{len(apart) - ours:,}",
                both=f"{len(both):,}",
            )
        )

    def _chosen(self) -> None:
        if self.other_run() is None:
            self._places.setCurrentIndex(1)
        else:
            self.other_asked.emit(self.other_run())

    def _tell(self) -> None:
        self.show_edit.setEnabled(bool(chosen_rows(self.apart_table, self.apart)))

    def _show_edit(self) -> None:
        chosen = chosen_rows(self.apart_table, self.apart)
        if chosen:
            self.edit_asked.emit(chosen[0].one.edit)


def _columns(first: str) -> tuple[Column[Beside], ...]:
    return (
        Column(first, lambda row: row.name),
        Column(tr("This run"), lambda row: row.one, wide=True),
        Column(tr("The other"), lambda row: row.other, wide=True),
    )


def _differing(one: RunRow, other: RunRow) -> list[Beside]:
    ours, theirs = settings_in_words(one), settings_in_words(other)
    names = dict.fromkeys([*ours, *theirs])
    return [
        Beside(name, ours.get(name, "–"), theirs.get(name, "–"))
        for name in names
        if name not in _NOT_COMPARED and ours.get(name) != theirs.get(name)
    ]


def _figures(one: Findings, other: Findings) -> list[Beside]:
    rows = []
    for ours, theirs in zip(kind_figures(one.report), kind_figures(other.report), strict=True):
        told = [
            f"{share(figure.measured.ag)}  ({right(figure.measured)})" if figure.measured.asked else "–"
            for figure in (ours, theirs)
        ]
        rows.append(Beside(tr("{name}, AG", name=ours.name), *told))
        rows.append(Beside(tr("{name}, TF", name=ours.name), share(ours.measured.tf), share(theirs.measured.tf)))
    rows.append(Beside(tr("Score"), share(one.report.score()), share(other.report.score())))
    return rows
