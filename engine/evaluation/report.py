"""Reliability, Generality, Locality and Score of an edited model on an edit set.

Each is measured twice: AG, the decoded answer is exactly what it shall be, and TF, the share of its tokens that are
likeliest given the true ones before (arXiv 2512.14395, section 4.1). Locality asks the probes of an edit set, and
what shall stay is the original model's own answer; its three kinds are reported apart, and their mean counts. The
Score is the harmonic mean of the six figures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import harmonic_mean

from engine.editor import EditedModel
from engine.edits import EditSet, ProbeKind
from engine.evaluation.answers import is_answer, share
from engine.runs import Cancel

BATCH = 256


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure under both regimes, None where nothing could be asked."""

    ag: float | None
    tf: float | None
    routed: float | None  # share of the queries that the gate let through
    asked: int


@dataclass(frozen=True, slots=True)
class Wrong:
    """One query that was not answered as it should be."""

    edit: str
    query: str
    wanted: str
    given: str
    familiarity: float
    kind: str


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one edited model on one edit set."""

    reliability: Measured
    generality: Measured
    locality: dict[str, Measured]  # by kind of probe
    wrong: tuple[Wrong, ...] = field(default=(), repr=False)

    def mean_locality(self) -> tuple[float | None, float | None]:
        """(AG, TF) over the kinds of probe that were asked."""
        kinds = [measured for measured in self.locality.values() if measured.asked]
        return (
            share([measured.ag for measured in kinds if measured.ag is not None]),
            share([measured.tf for measured in kinds if measured.tf is not None]),
        )

    def score(self) -> float | None:
        """The harmonic mean of Reliability, Generality and Locality under AG and TF, as far as they were measured."""
        six = [self.reliability.ag, self.reliability.tf, self.generality.ag, self.generality.tf, *self.mean_locality()]
        known = [value for value in six if value is not None]
        return harmonic_mean(known) if known else None


def evaluate(
    edited: EditedModel,
    edit_set: EditSet,
    *,
    cancel: Cancel | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Report:
    """Ask every enabled edit's prompt, paraphrases and probes.

    `report` is told how many queries of how many are done. Raises Cancelled when asked to stop.
    """
    wanted: dict[str, list[tuple[str, str, str]]] = defaultdict(list)  # kind → (edit, query, wanted)
    for edit in edit_set.enabled():
        wanted["reliability"].append((edit.id, edit.prompt, edit.new_object))
        wanted["generality"].extend((edit.id, text, edit.new_object) for text in edit.paraphrases)
        for probe in edit.probes:
            wanted[probe.kind].append((edit.id, probe.prompt, ""))
    total = sum(len(asked) for asked in wanted.values())
    done = 0

    def count(asked: int) -> None:
        nonlocal done
        done += asked
        if report is not None:
            report(done, total)

    wrong: list[Wrong] = []
    figures = {kind: _measure(edited, kind, asked, wrong, cancel, count) for kind, asked in wanted.items()}
    nothing = Measured(None, None, None, 0)
    return Report(
        figures.get("reliability", nothing),
        figures.get("generality", nothing),
        {kind.value: figures.get(kind, nothing) for kind in ProbeKind},
        tuple(wrong),
    )


def _measure(
    edited: EditedModel,
    kind: str,
    asked: Sequence[tuple[str, str, str]],
    wrong: list[Wrong],
    cancel: Cancel | None,
    count: Callable[[int], None],
) -> Measured:
    """One figure; what fails goes to `wrong`."""
    right: list[bool] = []
    shares: list[float] = []
    routed: list[bool] = []
    is_probe = kind in set(ProbeKind)
    for start in range(0, len(asked), BATCH):
        some = asked[start : start + BATCH]
        queries = [query for _, query, _ in some]
        answers = edited.answer(queries, cancel=cancel, originals=is_probe)
        targets = [
            answer.original if is_probe else target for answer, (_, _, target) in zip(answers, some, strict=True)
        ]
        routings = [answer.routing for answer in answers]
        shares.extend(edited.teacher_forced(queries, targets))
        routed.extend(routing.routed for routing in routings)
        for (edit, query, _), target, answer in zip(some, targets, answers, strict=True):
            right.append(is_answer(answer.edited, target))
            if not right[-1]:
                wrong.append(Wrong(edit, query, target, answer.edited, answer.routing.familiarity, kind))
        count(len(some))
    return Measured(share(right), share(shares), share(routed), len(asked))
