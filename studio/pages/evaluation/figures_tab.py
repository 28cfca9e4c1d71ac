"""The figures of an evaluation: four large ones with their counts, by kind of query, by relation."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QModelIndex, Signal
from PySide6.QtWidgets import QAbstractScrollArea, QHBoxLayout, QVBoxLayout, QWidget

from engine.evaluation.document import NAMES
from engine.evaluation.report import GENERALITY, RELIABILITY, Measured, Report
from studio.evaluating import Findings, RelationFigures
from studio.theme import FIGURE, SPACE
from studio.widgets.card import Card
from studio.widgets.editor_words import NO_GATE
from studio.widgets.figures import share
from studio.widgets.labels import Label, hint
from studio.widgets.rows import Column, RowsModel, rows_view
from studio.words import deferred, tr

AG = deferred("AG: the decoded answer is exactly what it shall be.")
TF = deferred("TF: the share of its tokens, its stop aside, that are likeliest given the true ones before.")


LET_BY = 4
"""The column of the figures by kind that is the gate's."""


@dataclass(frozen=True, slots=True)
class KindFigures:
    """The figure of one kind of query."""

    name: str
    measured: Measured


class Figure(Card):
    """One figure, large, with what stands behind it in a line below."""

    def __init__(self, title: str, help: str, parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self.value = Label("–", scale=FIGURE, bold=True)
        self.counts = Label(muted=True)
        self.body.addWidget(self.value)
        self.body.addWidget(self.counts)
        self._title = title
        self.setToolTip(help)

    def show_figure(self, value: float | None, counts: str) -> None:
        """Show a share and what it is made of."""
        self.value.setText(share(value))
        self.counts.setText(counts)
        self.value.setAccessibleName(f"{self._title}: {share(value)}, {counts}")


class FiguresTab(QWidget):
    """What came of an evaluation at one look; a relation leads to its queries."""

    relation_asked = Signal(str)  # its id

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.reliability = Figure(tr("Reliability"), tr("Edits' own prompts. {ag}", ag=tr(AG)))
        self.generality = Figure(tr("Generality"), tr("Paraphrases that training never saw. {ag}", ag=tr(AG)))
        self.locality = Figure(
            tr("Locality"), tr("Probes that are answered as before: the mean of the kinds of probe.")
        )
        self.score = Figure(
            tr("Score"), tr("The harmonic mean of Reliability, Generality and Locality under AG and TF.")
        )
        self.kinds: RowsModel[KindFigures] = RowsModel(
            (
                Column(tr("Asked"), lambda row: row.name, wide=True),
                Column("AG", lambda row: share(row.measured.ag), lambda row: row.measured.ag, number=True, help=tr(AG)),
                Column(tr("Right"), lambda row: right(row.measured), lambda row: row.measured.right, number=True),
                Column("TF", lambda row: share(row.measured.tf), lambda row: row.measured.tf, number=True, help=tr(TF)),
                Column(
                    tr("Let by"),
                    lambda row: share(row.measured.routed),
                    lambda row: row.measured.routed,
                    number=True,
                    help=tr("The share of the questions that the gate lets by as about an edit."),
                ),
            )
        )
        self.relations: RowsModel[RelationFigures] = RowsModel(
            (
                Column(tr("Relation"), lambda row: row.name, wide=True),
                Column(tr("Edits"), lambda row: f"{row.report.reliability.asked:,}", _edits, number=True),
                Column(tr("Reliability"), lambda row: share(row.report.reliability.ag), _reliability, number=True),
                Column(tr("Generality"), lambda row: share(row.report.generality.ag), _generality, number=True),
                Column(tr("Locality"), lambda row: share(_locality(row)), _locality, number=True),
                Column(tr("Score"), lambda row: share(row.report.score()), lambda row: row.report.score(), number=True),
                Column(tr("Wrong"), lambda row: f"{len(row.report.wrong):,}", _wrong, number=True),
            )
        )
        self.by_kind = rows_view(tr("Figures by kind of question"), self.kinds)
        self.by_relation = rows_view(tr("Figures by relation"), self.relations)
        self._told = hint("")
        self._lay_out()
        self.by_relation.activated.connect(self._open_relation)

    def _lay_out(self) -> None:
        figures = QHBoxLayout()
        figures.setSpacing(2 * SPACE)
        for card in (self.reliability, self.generality, self.locality, self.score):
            figures.addWidget(card, 1)
        by_kind, by_relation = Card("By kind of question"), Card("By relation")
        by_kind.body.addWidget(self.by_kind, 1)
        by_relation.head.addWidget(Label(tr("Double-click a relation to see its questions."), muted=True))
        by_relation.body.addWidget(self.by_relation, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 2 * SPACE, 0, 0)
        box.setSpacing(2 * SPACE)
        box.addLayout(figures)
        # Below each other: five rows need little height, and the names of the relations all the width there is.
        self.by_kind.setSizeAdjustPolicy(QAbstractScrollArea.SizeAdjustPolicy.AdjustToContents)
        box.addWidget(by_kind)
        box.addWidget(by_relation, 1)
        box.addWidget(self._told)

    def show_findings(self, found: Findings, in_use: float, *, gated: bool) -> None:
        """Show the figures; `in_use` is the threshold that the run's pack answers with now, where it is `gated`."""
        self.by_kind.setColumnHidden(LET_BY, not gated)
        report = found.report
        self.reliability.show_figure(report.reliability.ag, counts(report.reliability))
        self.generality.show_figure(report.generality.ag, counts(report.generality))
        ag, tf = report.mean_locality()
        asked = sum(measured.asked for measured in report.locality.values())
        right = sum(measured.right for measured in report.locality.values())
        self.locality.show_figure(
            ag,
            tr("{right} of {asked} · TF {tf}", right=f"{right:,}", asked=f"{asked:,}", tf=share(tf))
            if asked
            else tr("no probes"),
        )
        self.score.show_figure(
            report.score(),
            tr(
                "{wrong} of {asked} questions wrong",
                wrong=f"{len(report.wrong):,}",
                asked=f"{len(report.asked):,}",
            ),
        )
        self.kinds.show_rows(kind_figures(report))
        self.relations.show_rows(found.relations)
        head = found.evaluation.head
        parts = [] if gated else [tr(NO_GATE)]
        if head.most is not None:
            parts.append(
                tr(
                    "At most {most} questions of each kind were asked, evenly spread over the edits.",
                    most=f"{head.most:,}",
                )
            )
        if gated and abs(head.threshold - in_use) > 1e-9:
            parts.append(
                tr(
                    "Asked with the threshold {threshold}; {in_use} is in use now: evaluate again for its figures.",
                    threshold=f"{head.threshold:.3f}",
                    in_use=f"{in_use:.3f}",
                )
            )
        self._told.setText(" ".join(parts))
        self._told.setVisible(bool(parts))

    def _open_relation(self, index: QModelIndex) -> None:
        self.relation_asked.emit(self.relations.rows[index.row()].id)


def kind_figures(report: Report) -> list[KindFigures]:
    """The figure of every kind of query."""
    measured = {RELIABILITY: report.reliability, GENERALITY: report.generality, **report.locality}
    return [KindFigures(NAMES[kind], one) for kind, one in measured.items()]


def counts(measured: Measured) -> str:
    """The counts behind a figure: “389 of 400 · TF 99.1 %”."""
    return (
        tr("{measured} · TF {tf}", measured=right(measured), tf=share(measured.tf))
        if measured.asked
        else tr("nothing was asked")
    )


def right(measured: Measured) -> str:
    """“389 of 400”."""
    return tr("{right} of {asked}", right=f"{measured.right:,}", asked=f"{measured.asked:,}")


def _edits(row: RelationFigures) -> int:
    return row.report.reliability.asked


def _reliability(row: RelationFigures) -> float | None:
    return row.report.reliability.ag


def _generality(row: RelationFigures) -> float | None:
    return row.report.generality.ag


def _locality(row: RelationFigures) -> float | None:
    return row.report.mean_locality()[0]


def _wrong(row: RelationFigures) -> int:
    return len(row.report.wrong)
