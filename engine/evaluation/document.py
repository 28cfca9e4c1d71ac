"""The report of an evaluation for people who have no studio: one HTML file that needs nothing else, and its JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from engine import atomic
from engine.edits import ProbeKind
from engine.evaluation import charts
from engine.evaluation.record import EvaluationError
from engine.evaluation.report import GENERALITY, KINDS, RELIABILITY, Asked, Measured, Report
from engine.evaluation.separation import auroc, false_routings, roc, shares_by_step
from engine.html_page import begin_page, figure, table, written
from engine.strict_json import dump

ENDING = ".html"
LISTED = 2_000
"""Wrong answers that the page lists; the JSON has every query."""
STEPS = 20
"""Bars of the histogram."""
NAMES = {
    RELIABILITY: "Reliability (prompts)",
    GENERALITY: "Generality (paraphrases)",
    ProbeKind.NEIGHBOUR.value: "Locality: neighbours",
    ProbeKind.SAME_SUBJECT.value: "Locality: same subject",
    ProbeKind.FAR.value: "Locality: far",
}
"""How the kinds of query are called in front of people."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a report is about, besides what was asked."""

    title: str
    threshold: float | None  # None where the editor has no gate
    about: Mapping[str, str] = field(default_factory=dict)  # what was chosen and when, for people to read
    relations: Mapping[str, str] = field(default_factory=dict)  # names of relations by their ids


def write_report(path: Path, subject: Subject, asked: Sequence[Asked]) -> tuple[Path, Path]:
    """Write the page to `path` and everything that was asked to the JSON file beside it; returns both paths.

    Raises EvaluationError where the name does not end in .html, or where the disk refuses.
    """
    check_report_name(path)
    beside = path.with_suffix(".json")
    report = Report.of(asked)
    try:
        atomic.write_file(beside, [dump(as_json(subject, report), indent=1).encode(errors="replace"), b"\n"])
        atomic.write_file(path, [page(subject, report, beside.name)])
    except OSError as error:
        raise EvaluationError(f"The report cannot be written to {path}: {error.strerror}.") from error
    return path, beside


def check_report_name(path: Path) -> None:
    """Raise EvaluationError where no report can be written to `path`: asked before hours of work, not after them."""
    if path.suffix.lower() != ENDING:
        raise EvaluationError(f"{path} is no name for a report: let it end in {ENDING}.")
    if not path.resolve().parent.is_dir():
        raise EvaluationError(f"The report cannot be written to {path}: its folder is not there.")


def figures_as_json(report: Report) -> dict[str, Any]:
    """The figures of a report as JSON."""
    locality = {kind: dataclasses.asdict(measured) for kind, measured in report.locality.items()}
    return {
        "reliability": dataclasses.asdict(report.reliability),
        "generality": dataclasses.asdict(report.generality),
        "locality": {**locality, "mean": dict(zip(("ag", "tf"), report.mean_locality(), strict=True))},
        "score": report.score(),
    }


def as_json(subject: Subject, report: Report) -> dict[str, Any]:
    """Everything that was measured, and every query."""
    return {
        "format": "meg-evaluation-report",
        "title": subject.title,
        "about": dict(subject.about),
        "threshold": subject.threshold,
        **figures_as_json(report),
        "relations": {key: figures_as_json(part) for key, part in report.by_relation().items()},
        "queries": [{**dataclasses.asdict(row), "right": row.right} for row in report.asked],
    }


def page(subject: Subject, report: Report, beside: str) -> bytes:
    """The whole HTML file; `beside` is the name of the JSON file."""
    html, body = begin_page(subject.title)
    queries = f"{len(report.asked):,} questions were asked; {len(report.wrong):,} were answered wrongly."
    SubElement(body, "p", {"class": "muted"}).text = f"{queries} Every one of them is in {beside}."
    _figures(body, report, gated=subject.threshold is not None)
    if subject.threshold is not None:
        _gate(body, subject.threshold, report)
    _relations(body, subject, report)
    _wrong(body, report)
    if subject.about:
        SubElement(body, "h2").text = "What was evaluated"
        table(body, ("Name", "Value"), list(subject.about.items()))
    return written(html)


def _figures(body: Element, report: Report, *, gated: bool) -> None:
    SubElement(body, "h2").text = "Figures"
    measured = {RELIABILITY: report.reliability, GENERALITY: report.generality, **report.locality}
    rows = [
        (NAMES[kind], _share(one.ag), _count(one), _share(one.tf), _share(one.routed)) for kind, one in measured.items()
    ]
    ag, tf = report.mean_locality()
    rows.append(("Locality: mean of the kinds", _share(ag), "", _share(tf), ""))
    rows.append(("Score (harmonic mean of the six)", _share(report.score()), "", "", ""))
    titles = ("Figure", "AG", "right", "TF", "let by the gate")
    shown = len(titles) if gated else -1
    table(body, titles[:shown], [row[:shown] for row in rows], numbers=(1, 2, 3, 4))
    SubElement(body, "p", {"class": "muted"}).text = (
        "AG: the decoded answer is exactly what it shall be. TF: share of its tokens that are likeliest given the true "
        "ones before. What shall stay is the original model's own answer."
    )


def _gate(body: Element, threshold: float, report: Report) -> None:
    SubElement(body, "h2").text = "Gate"
    scores = {kind: [row.familiarity for row in report.asked if row.kind == kind] for kind in KINDS}
    order = {kind: [1 - row.entropy for row in report.asked if row.kind == kind] for kind in KINDS}
    about = GENERALITY if scores[GENERALITY] else RELIABILITY
    shown = [about, *(kind.value for kind in ProbeKind)]
    row = SubElement(body, "div", {"class": "charts"})
    shares = {NAMES[kind]: shares_by_step(scores[kind], STEPS) for kind in shown if scores[kind]}
    figure(row, "Familiarity of questions", charts.histogram("Familiarity of questions", shares, threshold))
    lines = {}
    probes = [kind.value for kind in ProbeKind]
    for name, by_kind in (("familiarity", scores), ("entropy gate of the paper", order)):
        curve = roc(by_kind[about], [score for kind in probes for score in by_kind[kind]])
        if curve is not None:
            lines[f"{name}, AUROC {curve.auroc:.4f}"] = list(zip(curve.false, curve.true, strict=True))
    title = "Questions about edits against probes (ROC)"
    figure(row, title, charts.curves(title, lines))
    rows = [
        (
            NAMES[kind],
            f"{len(scores[kind]):,}",
            _share(_part_above(scores[kind], threshold)),
            _number(auroc(scores[about], scores[kind])),
            _share(false_routings(scores[about], scores[kind])),
            _number(auroc(order[about], order[kind])),
        )
        for kind in probes
    ]
    titles = (
        "Probes",
        "asked",
        f"let by at {threshold:.3f}",
        "AUROC",
        "false routings at 95 % recall",
        "AUROC by entropy",
    )
    table(body, titles, rows, numbers=(1, 2, 3, 4, 5))


def _relations(body: Element, subject: Subject, report: Report) -> None:
    SubElement(body, "h2").text = "By relation"
    rows = []
    for key, part in report.by_relation().items():
        name = subject.relations.get(key, key) or "free prompts"
        shares = (part.reliability.ag, part.generality.ag, part.mean_locality()[0], part.score())
        rows.append((name, f"{part.reliability.asked:,}", *map(_share, shares), f"{len(part.wrong):,}"))
    titles = ("Relation", "edits", "Reliability AG", "Generality AG", "Locality AG", "Score", "wrong answers")
    table(body, titles, sorted(rows), numbers=range(1, 7))


def _wrong(body: Element, report: Report) -> None:
    wrong = report.wrong
    SubElement(body, "h2").text = f"Wrong answers ({len(wrong):,})"
    if not wrong:
        SubElement(body, "p").text = "None."
        return
    if len(wrong) > LISTED:
        SubElement(body, "p", {"class": "muted"}).text = f"The first {LISTED:,} are listed."
    rows = [
        (NAMES[row.kind], row.query, row.wanted, row.given, f"{row.familiarity:.3f}" if row.gated else "–", row.edit)
        for row in wrong[:LISTED]
    ]
    titles = ("Asked as", "Question", "Expected", "Edited answer", "Familiarity", "Edit")
    table(body, titles, rows, numbers=(4,))


def _part_above(scores: Sequence[float], threshold: float) -> float | None:
    return sum(score >= threshold for score in scores) / len(scores) if scores else None


def _count(measured: Measured) -> str:
    return f"{measured.right:,} of {measured.asked:,}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
