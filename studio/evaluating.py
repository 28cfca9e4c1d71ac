"""An evaluation of a run in the model worker, and what the studio makes of one that is kept.

Nothing here touches a widget; the window hands these functions to a worker.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.edits import fold
from engine.evaluation.record import Evaluation, Head, Recording, pack_mark, read_evaluation
from engine.evaluation.report import KINDS, PROBES, Asked, Report, evaluate, plan
from engine.evaluation.separation import Curve, auroc, roc, shares_by_step
from engine.evaluation.threshold import Tradeoff
from engine.formats.registry import read_edits
from engine.runs import Cancel, ProgressBoard
from studio.jobs import Shelf
from studio.model_jobs import EDITS, LOADING, PACK, Engagement, edited_model
from studio.store.runs import RunRow
from studio.words import deferred, tr

_logger = logging.getLogger(__name__)
STAGE = deferred("Evaluate")
STEPS = 25
"""Bars of the histogram: a share every 4 % of familiarity."""
BATCH = 32
"""Queries between two looks at the Cancel flag, and between two lines on the disk."""


@dataclass(frozen=True, slots=True)
class EvaluationOrder:
    """What is evaluated: the pack of a run, all of its own edits switched on."""

    engagement: Engagement
    folder: Path  # of the run
    most: int | None  # queries of each kind; None: all


@dataclass(frozen=True, slots=True)
class Query:
    """One query with what it is searched by."""

    asked: Asked
    search: str


@dataclass(frozen=True, slots=True)
class RelationFigures:
    """The figures of one relation's edits."""

    id: str
    name: str
    report: Report


@dataclass(frozen=True, slots=True)
class Findings:
    """An evaluation with everything that the page shows of it."""

    evaluation: Evaluation
    report: Report
    relations: tuple[RelationFigures, ...]
    queries: tuple[Query, ...]
    tradeoff: Tradeoff
    gate: GateFigures


@dataclass(frozen=True, slots=True)
class GateFigures:
    """How the gate tells queries about edits from probes, by its familiarity and by the entropy alone."""

    shares: Mapping[str, Sequence[float]]  # by kind of query: its share in each of STEPS steps of familiarity
    familiarity: Curve | None  # against the probes of all kinds
    entropy: Curve | None
    auroc: Mapping[str, tuple[float | None, float | None]]  # by kind of probe: by familiarity, by entropy


def evaluate_run(shelf: Shelf, order: EvaluationOrder, board: ProgressBoard, cancel: Cancel) -> Report:
    """Ask everything that the run's edits can be asked, and keep it in the run's folder.

    One that was stopped goes on where it was. Raises Cancelled, EvaluationError, and what the pack raises.
    """
    from engine.evaluation.askable import askable

    board.report(LOADING, 0, 0)
    pack = order.folder / PACK
    edits = read_edits(pack / EDITS, "jsonl").or_nothing()
    live = frozenset(edit.id for edit in edits.enabled())
    edited = edited_model(shelf, replace(order.engagement, pack=pack, live=live), board, cancel)
    if edited is None:
        raise TypeError("a pack gives an edited model")
    cancel.check()
    with edited.original() as original:
        edits = askable(original, edits, _logger.warning)
    head = Head(pack_mark(pack), edited.threshold, len(plan(edits, order.most)), order.most)
    recording = Recording(order.folder, head)
    board.report(STAGE, len(recording.known), head.queries)
    report = evaluate(
        edited,
        edits,
        cancel=cancel,
        report=lambda step, of: board.report(STAGE, step, of),
        thorough=True,
        most=order.most,
        batch=BATCH,
        known=recording.known,
        keep=recording.keep,
    )
    recording.finish()
    return report


def findings_of(run: RunRow, names: Mapping[str, str]) -> Findings | None:
    """What is known of a run's evaluation, None where there is none of its pack. Raises EvaluationError."""
    evaluation = read_evaluation(run.folder)
    if evaluation is None or evaluation.head.pack != pack_mark(run.folder / PACK):
        return None
    return look_into(evaluation, names)


def look_into(evaluation: Evaluation, names: Mapping[str, str]) -> Findings:
    """`evaluation` with its figures; `names` are those of the relations."""
    report, tradeoff = Report.of(evaluation.asked), Tradeoff(evaluation.asked)
    relations = [
        RelationFigures(key, names.get(key, key) or tr("free prompts"), part)
        for key, part in report.by_relation().items()
    ]
    return Findings(
        evaluation,
        report,
        tuple(sorted(relations, key=lambda one: one.name.casefold())),
        tuple(Query(row, fold(f"{row.query}\n{row.wanted}\n{row.given}\n{row.edit}")) for row in evaluation.asked),
        tradeoff,
        _gate_figures(evaluation.asked, tradeoff.about_edits()),
    )


def _gate_figures(asked: Sequence[Asked], about: str) -> GateFigures:
    scores: dict[str, list[float]] = {kind: [] for kind in KINDS}
    order: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for row in asked:
        scores[row.kind].append(row.familiarity)
        order[row.kind].append(1 - row.entropy)
    probes = [kind for kind in KINDS if kind in PROBES]
    return GateFigures(
        {kind: shares_by_step(scores[kind], STEPS) for kind in (about, *probes) if scores[kind]},
        roc(scores[about], [score for kind in probes for score in scores[kind]]),
        roc(order[about], [score for kind in probes for score in order[kind]]),
        {kind: (auroc(scores[about], scores[kind]), auroc(order[about], order[kind])) for kind in probes},
    )


def run_figures(report: Report) -> dict[str, object]:
    """The figures of an evaluation in the words of a run's figures."""
    ag, tf = report.mean_locality()
    locality = sum(measured.asked for measured in report.locality.values())
    known = {
        "reliability": report.reliability.ag,
        "reliability TF": report.reliability.tf,
        "reliability queries": report.reliability.asked or None,
        "generality": report.generality.ag,
        "generality TF": report.generality.tf,
        "generality queries": report.generality.asked or None,
        "locality": ag,
        "locality TF": tf,
        "locality queries": locality or None,
        "score": report.score(),
    }
    return {name: value for name, value in known.items() if value is not None}
