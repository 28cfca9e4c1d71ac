"""Reliability, Generality, Locality and Score of an edited model on an edit set.

Each is measured twice: AG, the decoded answer is exactly what it shall be, and TF, the share of its tokens, its stop
aside, that are likeliest given the true ones before (arXiv 2512.14395, section 4.1). Locality asks the probes of an
edit set, and what shall stay is the original model's own answer; its three kinds are reported apart, and their mean
counts. The Score is the harmonic mean of the six figures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from statistics import harmonic_mean
from typing import TYPE_CHECKING

from engine.edits import EditSet, ProbeKind
from engine.evaluation.answers import is_answer, share, spread
from engine.runs import Cancel

if TYPE_CHECKING:
    from engine.editor import EditedModel

BATCH = 256
RELIABILITY, GENERALITY = "reliability", "generality"
KINDS = (RELIABILITY, GENERALITY, *(kind.value for kind in ProbeKind))
"""What a query can be: an edit's prompt, a paraphrase of it, or a probe of one kind."""
PROBES = frozenset(kind.value for kind in ProbeKind)
NEAR_MISS = 0.05
"""The familiarity from which a thorough evaluation also asks what a query would be answered if the gate let it by."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of an evaluation: what was wanted, what both models answered, what the gate said."""

    edit: str
    kind: str  # one of KINDS
    relation: str  # the edit's, empty for a free prompt
    query: str
    wanted: str  # the new object; of a probe, the original answer
    given: str  # the edited answer
    share: float  # of the tokens of what was wanted that are likeliest given the true ones before
    familiarity: float
    entropy: float
    nearest_edit: str
    routed: bool
    original: str | None = None  # the original answer, where it was asked for
    opened: str | None = None  # what a near miss would be answered if the gate let it by, where it was asked for

    @property
    def gated(self) -> bool:
        """Whether a gate had a word in it: one names the nearest edit, whatever it decides."""
        return bool(self.nearest_edit)

    @property
    def right(self) -> bool:
        """Whether the edited answer is what was wanted."""
        return is_answer(self.given, self.wanted)


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure under both regimes, None where nothing could be asked."""

    ag: float | None
    tf: float | None
    routed: float | None  # share of the queries that the gate let through; None too where there is no gate
    asked: int

    @property
    def right(self) -> int:
        """How many of the queries were answered as they should be."""
        return 0 if self.ag is None else round(self.ag * self.asked)


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one edited model on one edit set."""

    reliability: Measured
    generality: Measured
    locality: dict[str, Measured]  # by kind of probe
    asked: tuple[Asked, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, asked: Iterable[Asked]) -> Report:
        """The figures of what was asked."""
        rows = tuple(asked)
        by_kind: dict[str, list[Asked]] = defaultdict(list)
        for row in rows:
            by_kind[row.kind].append(row)
        figures = {kind: _measured(by_kind[kind]) for kind in KINDS}
        locality = {kind.value: figures[kind] for kind in ProbeKind}
        return cls(figures[RELIABILITY], figures[GENERALITY], locality, rows)

    @property
    def wrong(self) -> tuple[Asked, ...]:
        """What was not answered as it should be."""
        return tuple(row for row in self.asked if not row.right)

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

    def by_relation(self) -> dict[str, Report]:
        """The figures of each relation's edits alone, in the order in which they were asked."""
        groups: dict[str, list[Asked]] = defaultdict(list)
        for row in self.asked:
            groups[row.relation].append(row)
        return {relation: Report.of(rows) for relation, rows in groups.items()}


def _measured(rows: Sequence[Asked]) -> Measured:
    return Measured(
        share([row.right for row in rows]),
        share([row.share for row in rows]),
        share([row.routed for row in rows if row.gated]),
        len(rows),
    )


@dataclass(frozen=True, slots=True)
class Planned:
    """One query that is to be asked; `wanted` is empty for a probe, whose original answer is not known yet."""

    edit: str
    kind: str
    relation: str
    query: str
    wanted: str


def plan(edit_set: EditSet, most: int | None = None) -> list[Planned]:
    """Every enabled edit's prompt, paraphrases and probes, in the order of KINDS; evenly spread, `most` of each."""
    by_kind: dict[str, list[Planned]] = defaultdict(list)
    for edit in edit_set.enabled():
        asked = [(RELIABILITY, edit.prompt, edit.new_object)]
        asked += [(GENERALITY, text, edit.new_object) for text in edit.paraphrases]
        asked += [(probe.kind.value, probe.prompt, "") for probe in edit.probes]
        for kind, query, wanted in asked:
            by_kind[kind].append(Planned(edit.id, kind, edit.relation, query, wanted))
    return [planned for kind in KINDS for planned in spread(by_kind[kind], most)]


def evaluate(
    edited: EditedModel,
    edit_set: EditSet,
    *,
    cancel: Cancel | None = None,
    report: Callable[[int, int], None] | None = None,
    thorough: bool = False,
    most: int | None = None,
    batch: int | None = None,
    known: Sequence[Asked] = (),
    keep: Callable[[Sequence[Asked]], None] | None = None,
) -> Report:
    """Ask every enabled edit's prompt, paraphrases and probes, evenly spread `most` of each kind where that is given.

    A `thorough` evaluation also asks the original model every query, and what near misses of the gate would be
    answered. `report` is told how many queries of how many are done; `keep` is given what was asked, `batch` queries
    at a time; `known` is what `keep` was given by an evaluation that was stopped, and is not asked again. Raises
    Cancelled when asked to stop.
    """
    planned = plan(edit_set, most)
    rows = ask(edited, planned, cancel=cancel, report=report, thorough=thorough, batch=batch, known=known, keep=keep)
    return Report.of(rows)


def ask(
    edited: EditedModel,
    planned: Sequence[Planned],
    *,
    cancel: Cancel | None = None,
    report: Callable[[int, int], None] | None = None,
    thorough: bool = False,
    batch: int | None = None,
    known: Sequence[Asked] = (),
    keep: Callable[[Sequence[Asked]], None] | None = None,
) -> list[Asked]:
    """Ask what is `planned`, in the order of KINDS; everything else as in `evaluate`."""
    rows = list(known)
    size = batch or BATCH
    for _, group in groupby(planned[len(rows) :], key=lambda one: one.kind):
        left = list(group)
        for start in range(0, len(left), size):
            if cancel is not None:
                cancel.check()
            answered = _ask(edited, left[start : start + size], cancel, thorough=thorough)
            rows.extend(answered)
            if keep is not None:
                keep(answered)
            if report is not None:
                report(len(rows), len(planned))
    return rows


def _ask(edited: EditedModel, planned: Sequence[Planned], cancel: Cancel | None, *, thorough: bool) -> list[Asked]:
    """Ask queries of one kind."""
    queries = [one.query for one in planned]
    are_probes = planned[0].kind in PROBES
    answers = edited.answer(queries, cancel=cancel, originals=are_probes or thorough)
    wanted = [answer.original if are_probes else one.wanted for answer, one in zip(answers, planned, strict=True)]
    if cancel is not None:
        cancel.check()
    shares = edited.teacher_forced(queries, wanted)
    rows = [
        Asked(
            edit=one.edit,
            kind=one.kind,
            relation=one.relation,
            query=one.query,
            wanted=target,
            given=answer.edited,
            share=right,
            familiarity=answer.routing.familiarity,
            entropy=answer.routing.entropy,
            nearest_edit=answer.routing.nearest_edit,
            routed=answer.routing.routed,
            original=answer.original if are_probes or thorough else None,
        )
        for one, target, answer, right in zip(planned, wanted, answers, shares, strict=True)
    ]
    return _open_the_gate(edited, rows, cancel) if thorough else rows


def _open_the_gate(edited: EditedModel, rows: list[Asked], cancel: Cancel | None) -> list[Asked]:
    """`rows`, the near misses among them with what they would be answered."""
    near = [place for place, row in enumerate(rows) if not row.routed and row.familiarity >= NEAR_MISS]
    if not near:
        return rows
    threshold = edited.threshold
    edited.threshold = NEAR_MISS
    try:
        answers = edited.answer([rows[place].query for place in near], cancel=cancel, originals=False)
    finally:
        edited.threshold = threshold
    for place, answer in zip(near, answers, strict=True):
        rows[place] = replace(rows[place], opened=answer.edited)
    return rows
