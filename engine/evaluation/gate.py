"""How well a gate tells queries about edits from probes: AUROC, false routings, and what gets past its threshold.

Both gates are judged by the same network and fusion: the fused one by its familiarity, the entropy gate of the paper
(arXiv 2512.14395, section 3.2) by one minus the entropy.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from engine.edits import EditSet, ProbeKind
from engine.evaluation.answers import share
from engine.evaluation.separation import auroc, false_routings
from engine.language_model import LanguageModel, Reading
from engine.meg.fusion import THRESHOLD
from engine.meg.gate import Gate
from engine.runs import Cancel

MOST = 4_096  # queries of each kind that are judged
BATCH = 256


@dataclass(frozen=True, slots=True)
class Separation:
    """How one gate tells queries about edits from one kind of probe; None where there are none."""

    auroc: float | None
    false_routings: float | None  # share of the probes above the score that 95 % of the queries about edits reach
    let_through: float | None  # share of the probes that reach the gate's own threshold
    probes: int


@dataclass(frozen=True, slots=True)
class GateReport:
    """One gate's figures on one edit set."""

    threshold: float
    recall: float | None  # share of the queries about edits that reach the threshold
    right_edit: float | None  # share of the queries about edits whose nearest edit is the one they are about
    separation: dict[str, Separation]  # by kind of probe


def report_gates(
    model: LanguageModel, gate: Gate, edit_set: EditSet, *, seed: int = 0, cancel: Cancel | None = None
) -> dict[str, GateReport]:
    """The figures of the fused and of the entropy gate, by their names, on paraphrases and probes of `edit_set`.

    Edits without paraphrases are asked by their prompts. Of more than MOST queries of one kind, so many are drawn with
    `seed`. Raises Cancelled when asked to stop.
    """

    def read(queries: Sequence[str]) -> Reading:
        return model.read(queries, gate.index.tokens, cancel=cancel)

    asked: list[tuple[str, str, str]] = []  # kind, edit, query
    for edit in edit_set.enabled():
        asked.extend(("edit", edit.id, query) for query in edit.paraphrases or (edit.prompt,))
        asked.extend((probe.kind.value, edit.id, probe.prompt) for probe in edit.probes)
    draw = random.Random(f"gates {seed}")
    # The gate of the index that both share, so that every query is examined once.
    judge = Gate(gate.index, gate.network, gate.fusion, "fused")
    scores: dict[str, dict[str, list[float]]] = {"fused": {}, "entropy": {}}
    right: list[bool] = []
    for kind in ("edit", *ProbeKind):
        some = [row for row in asked if row[0] == kind]
        some = draw.sample(some, min(MOST, len(some)))
        fused, ordered = scores["fused"].setdefault(kind, []), scores["entropy"].setdefault(kind, [])
        for start in range(0, len(some), BATCH):
            rows = some[start : start + BATCH]
            queries = [query for _, _, query in rows]
            verdicts, _ = judge.examine(queries, read, thorough=True)
            fused.extend(verdict.familiarity for verdict in verdicts)
            ordered.extend(1 - verdict.entropy for verdict in verdicts)
            if kind == "edit":
                right.extend(
                    gate.index.edits[verdict.edit].id == edit
                    for verdict, (_, edit, _) in zip(verdicts, rows, strict=True)
                )
    thresholds = {"fused": THRESHOLD, "entropy": 1 - gate.fusion.entropy_threshold}
    return {name: _report(scores[name], thresholds[name], right) for name in scores}


def _report(scores: dict[str, list[float]], threshold: float, right: Sequence[bool]) -> GateReport:
    familiar = scores["edit"]
    return GateReport(
        threshold=threshold,
        recall=share([score >= threshold for score in familiar]),
        right_edit=share(right),
        separation={
            kind.value: Separation(
                auroc(familiar, scores[kind]),
                false_routings(familiar, scores[kind]),
                share([score >= threshold for score in scores[kind]]),
                len(scores[kind]),
            )
            for kind in ProbeKind
        },
    )
