"""Editors side by side: runs of this project on the same edits, or a comparison that `meg compare` wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from engine.comparison.charts import forgetting_chart, score_chart
from engine.comparison.comparison import Comparison, spread_of
from engine.comparison.document import QUALITY, Measure
from engine.comparison.record import Record
from studio.side_by_side import asked_alike, is_evaluated, titles_of
from studio.store.runs import RunRow
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.card import Card
from studio.widgets.figures import count, file_size, seconds, share
from studio.widgets.labels import Label, hint, plain_tooltip
from studio.widgets.rows import Column, RowsModel, rows_view
from studio.widgets.svg_chart import SvgChart
from studio.words import deferred, plural, tr

NOTHING = "–"
LEAST = 320
"""Width of the chart, in units of the picture: its names take half of that."""
FIGURES: tuple[tuple[str, str], ...] = (
    (deferred("Score"), deferred("The harmonic mean of Reliability, Generality and Locality under AG and TF.")),
    (deferred("Rel. AG"), deferred("Reliability, edits' own prompts: the decoded answer is exactly the new object.")),
    (deferred("Rel. TF"), deferred("Reliability, edits' own prompts: share of the tokens that are likeliest.")),
    (deferred("Gen. AG"), deferred("Generality, paraphrases: the decoded answer is exactly the new object.")),
    (deferred("Gen. TF"), deferred("Generality, paraphrases: share of the tokens that are likeliest.")),
    (deferred("Loc. AG"), deferred("Locality, probes: the answer is exactly the original one; mean of the kinds.")),
    (deferred("Loc. TF"), deferred("Locality, probes: share of the tokens that are likeliest; mean of the kinds.")),
)
"""Title and help of each of the engine's QUALITY, in their order."""
FORGETTING: tuple[tuple[str, str, str], ...] = (
    ("kept", deferred("Edits still answered"), deferred("edits answered by their new objects, %")),
    ("unrelated", deferred("Unrelated answers kept"), deferred("unrelated questions answered as before, %")),
    ("perplexity", deferred("Perplexity of plain text"), deferred("perplexity, lower is better")),
)
"""As the engine's FORGETTING, in words that are translated."""


@dataclass(frozen=True, slots=True)
class EditorRow:
    """One contender on so many edits, over all seeds."""

    title: str
    edits: int
    records: tuple[Record, ...]

    def mean(self, measure: Measure) -> float | None:
        """The mean of a figure over the seeds, as it was measured; None where it is not known."""
        found = spread_of([measure.of(record) for record in self.records])
        return None if found is None else found[0]


class EditorsTab(QWidget):
    """A list of runs to tick, the chart of Score, and a row an editor."""

    comparison_asked = Signal(object)  # tuple[RunRow, ...]: those that are ticked
    evaluations_asked = Signal(object)  # tuple[RunRow, ...]: those of them that are not evaluated yet
    open_asked = Signal()
    export_asked = Signal(object)  # Comparison

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: list[RunRow] = []
        self._unticked: set[int] = set()  # ids of runs that a person does not want to see
        self._free = True
        self.comparison: Comparison | None = None
        self.opened = ""  # the name of the file that is shown, empty where the project's own runs are
        self.runs = QListWidget()
        self.runs.setAccessibleName(tr("Runs on the same edits"))
        self.chart = SvgChart(tr("Score of each editor"))
        self.shown = QComboBox()
        self.shown.setAccessibleName(tr("What the chart shows"))
        self.shown.setToolTip(tr("The Score, or what is left of edits that were learnt one batch after the other."))
        self.shown.addItem(tr("Score"), "")
        for figure, title, _ in FORGETTING:
            self.shown.addItem(tr(title), figure)
        self.model: RowsModel[EditorRow] = RowsModel(_columns())
        self.table = rows_view(tr("Editors side by side"), self.model)
        self.told = hint("")
        self.evaluate = button(
            "Evaluate the others",
            "evaluation",
            tip=tr("Evaluate the ticked runs that are not evaluated yet, one after the other."),
        )
        self.open = button("Open a comparison…", "folder", tip=tr("A JSON file that “meg compare” wrote."))
        self.back = button("Back to this project's runs", "undo")
        self.export = button(
            "Export…", "export", tip=tr("Write a page to keep or print, with everything it is drawn from beside it.")
        )
        self._lay_out()
        self.shown.currentIndexChanged.connect(lambda _: self._draw())
        self.runs.itemChanged.connect(lambda _: self._ticked())
        self.evaluate.clicked.connect(lambda _checked=False: self.evaluations_asked.emit(self._missing()))
        self.open.clicked.connect(lambda _checked=False: self.open_asked.emit())
        self.back.clicked.connect(lambda _checked=False: self.show_project())
        self.export.clicked.connect(lambda _checked=False: self.export_asked.emit(self.comparison))
        self._tell()

    def _lay_out(self) -> None:
        self._title = Label(muted=True)
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(self._title, 1)
        for deed in (self.evaluate, self.back, self.open, self.export):
            head.addWidget(deed)
        self._list = Card("Runs on the same edits")
        self._list.body.addWidget(self.runs, 1)
        score = Card("Chart")
        score.head.addWidget(self.shown)
        score.body.addWidget(self.chart, 1)
        above = QHBoxLayout()
        above.setSpacing(2 * SPACE)
        above.addWidget(self._list, 3)
        above.addWidget(score, 5)
        figures = Card("One row an editor")
        figures.body.addWidget(self.table, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 2 * SPACE, 0, 0)
        box.setSpacing(2 * SPACE)
        box.addLayout(head)
        box.addLayout(above, 4)
        box.addWidget(figures, 3)
        box.addWidget(self.told)

    # --- what is shown -----------------------------------------------------------------------------------------

    def show_runs(self, runs: Sequence[RunRow]) -> None:
        """Offer `runs`, all of them trained on the same edits; those that were unticked stay so."""
        self._runs = list(runs)
        names = titles_of(runs)
        with QSignalBlocker(self.runs):
            self.runs.clear()
            for run in runs:
                text = names[run.id] if is_evaluated(run) else tr("{run} (not evaluated)", run=names[run.id])
                item = QListWidgetItem(text)
                item.setToolTip(plain_tooltip(text))
                item.setFlags(
                    Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable
                )
                ticked = run.id not in self._unticked
                item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
                self.runs.addItem(item)
        if not self.opened:
            self.show_project()

    def show_project(self) -> None:
        """Show the project's own runs, those that are ticked."""
        self.opened = ""
        self.comparison_asked.emit(self.ticked())

    def show_comparison(self, comparison: Comparison, opened: str = "") -> None:
        """Show `comparison`; `opened` is the name of the file that it comes from, if it comes from one."""
        self.comparison, self.opened = comparison, opened
        self.model.show_rows(rows_of(comparison))
        self._draw()
        self._tell()

    def _draw(self) -> None:
        """Draw what is chosen of the comparison that is shown."""
        comparison = self.comparison
        if comparison is None:
            return
        told = next((row for row in FORGETTING if row[0] == self.shown.currentData() and comparison.curves), None)
        if told is None:
            self.chart.show_chart(
                lambda wide, high: score_chart(
                    comparison, tr("Score"), tr("Score, %"), tr("edits"), wide=max(wide, LEAST), high=high
                ),
                _in_words(comparison),
            )
            return
        figure, title, up = told[0], tr(told[1]), tr(told[2])
        across = tr("edits learnt, one batch after the other")
        self.chart.show_chart(
            lambda wide, high: forgetting_chart(
                comparison, figure, title, up, across, wide=max(wide, LEAST), high=high
            ),
            _forgetting_in_words(comparison, figure, title),
        )

    def ticked(self) -> tuple[RunRow, ...]:
        """The runs that are ticked."""
        return tuple(run for run in self._runs if run.id not in self._unticked)

    def allow(self, free: bool) -> None:
        """Whether something can be evaluated now."""
        self._free = free
        self._tell()

    def _ticked(self) -> None:
        for place, run in enumerate(self._runs):
            if self.runs.item(place).checkState() is Qt.CheckState.Checked:
                self._unticked.discard(run.id)
            else:
                self._unticked.add(run.id)
        self.show_project()

    def _missing(self) -> tuple[RunRow, ...]:
        return tuple(run for run in self.ticked() if not is_evaluated(run))

    def _tell(self) -> None:
        own, missing = not self.opened, self._missing()
        self._list.setVisible(own)
        self.shown.setVisible(self.comparison is not None and bool(self.comparison.curves))
        self.back.setVisible(not own)
        self.evaluate.setVisible(own and bool(missing))
        self.evaluate.setEnabled(self._free)
        self.export.setEnabled(self.comparison is not None and bool(self.comparison.records))
        self._title.setText(
            tr("{file}: {title}", file=self.opened, title=self.comparison.title if self.comparison else "")
            if self.opened
            else plural(
                len(self._runs), "{number} finished run on these edits", "{number} finished runs on these edits"
            )
        )
        notes = []
        if own and len(self._runs) < 2:
            notes.append(tr("Train another editor on the same edits to see it here beside this one."))
        if own and not asked_alike(self.ticked()):
            notes.append(
                tr("Not all of them were asked equally many questions: evaluate them again for figures that compare.")
            )
        self.told.setText(" ".join(notes))
        self.told.setVisible(bool(notes))


def rows_of(comparison: Comparison) -> list[EditorRow]:
    """A row for each contender and number of edits."""
    return [
        EditorRow(comparison.titles()[name], edits, tuple(records))
        for edits in comparison.sizes()
        for name, records in comparison.of_size(edits).items()
    ]


def _columns() -> tuple[Column[EditorRow], ...]:
    return (
        Column(tr("Editor"), lambda row: row.title),
        Column(tr("Edits"), lambda row: f"{row.edits:,}", lambda row: row.edits, number=True),
        *(_figure(measure, title, help) for measure, (title, help) in zip(QUALITY, FIGURES, strict=True)),
        Column(tr("Training"), lambda row: _told(_seconds(row), seconds), _seconds, number=True),
        Column(
            tr("Pack"),
            lambda row: _told(_pack(row), lambda value: file_size(round(value))),
            _pack,
            number=True,
            help=tr("Room that the trained editor takes on disk."),
        ),
        Column(
            tr("Question"),
            lambda row: _told(_query(row), lambda value: seconds(value / 1000)),
            _query,
            number=True,
            help=tr("The time that the answer to one question about an edit takes."),
        ),
        Column(
            tr("Undo of one"),
            _undo,
            help=tr("Whether one edit can be taken back without training again; where it was tried, how often it was."),
        ),
        Column(
            tr("Weights back"),
            _exact,
            help=tr("Whether taking the editor off gave the original weights back bit for bit."),
        ),
        Column(tr("Note"), _note, wide=True),
    )


def _figure(measure: Measure, title: str, help: str) -> Column[EditorRow]:
    return Column(
        tr(title), lambda row: share(row.mean(measure)), lambda row: row.mean(measure), number=True, help=tr(help)
    )


def _seconds(row: EditorRow) -> float | None:
    return _mean([record.cost.seconds for record in row.records])


def _pack(row: EditorRow) -> float | None:
    return _mean([record.cost.pack for record in row.records])


def _query(row: EditorRow) -> float | None:
    return _mean([record.cost.answer for record in row.records])


def _mean(values: Sequence[float | None]) -> float | None:
    found = spread_of(values)
    return None if found is None else found[0]


def _undo(row: EditorRow) -> str:
    known = [record.undo for record in row.records if record.undo is not None]
    if not known:
        return NOTHING
    if not all(undo.one for undo in known):
        return tr("no")
    tried, original = sum(undo.tried for undo in known), sum(undo.original for undo in known)
    return tr("yes, {original} of {tried}", original=original, tried=tried) if tried else tr("yes")


def _exact(row: EditorRow) -> str:
    known = [record.undo.exact for record in row.records if record.undo is not None and record.undo.exact is not None]
    return (tr("bit for bit") if all(known) else tr("not exactly")) if known else NOTHING


def _note(row: EditorRow) -> str:
    return " ".join(dict.fromkeys(record.sentence for record in row.records if record.sentence))


def _told(value: float | None, words: Callable[[float], str]) -> str:
    return NOTHING if value is None else words(value)


def _in_words(comparison: Comparison) -> str:
    """What the chart of Score shows, for those who cannot see it."""
    return ", ".join(
        tr(
            "{editor} {score} at {edits}",
            editor=comparison.titles()[name],
            score=share(score),
            edits=count(edits, "edit"),
        )
        for name, points in comparison.scores().items()
        for edits, score in points
    )


def _forgetting_in_words(comparison: Comparison, figure: str, title: str) -> str:
    """What a chart of forgetting shows, for those who cannot see it: where each curve ends."""
    return f"{title}: " + ", ".join(
        tr(
            "{editor} {value} at {edits}",
            editor=comparison.titles()[name],
            value=f"{points[-1][1]:,.2f}" if figure == "perplexity" else share(points[-1][1]),
            edits=count(points[-1][0], "edit"),
        )
        for name, points in comparison.forgetting(figure).items()
    )
