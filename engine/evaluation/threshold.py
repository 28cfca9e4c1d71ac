"""What another threshold of the gate would have cost: told from what was asked, without asking again.

A query that the gate lets by is answered as the editor answers it, any other as the original model does. A thorough
evaluation knows both answers of every query from the familiarity NEAR_MISS on, so that every threshold from there on
can be weighed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.edits import ProbeKind
from engine.evaluation.answers import is_answer, share
from engine.evaluation.report import GENERALITY, KINDS, NEAR_MISS, PROBES, RELIABILITY, Asked


@dataclass(frozen=True, slots=True)
class Count:
    """So many of so many."""

    some: int
    of: int

    @property
    def share(self) -> float | None:
        """None of nothing."""
        return self.some / self.of if self.of else None


@dataclass(frozen=True, slots=True)
class Consequence:
    """What one threshold comes to."""

    threshold: float
    recall: Count  # queries about edits that are let by
    routed: dict[str, Count]  # probes that are let by, by kind
    right: dict[str, Count]  # queries that are answered as they should be, by kind of query

    @property
    def locality(self) -> float | None:
        """The mean over the kinds of probe that were asked, as `Report.mean_locality` has it under AG."""
        kinds = (self.right[kind].share for kind in KINDS if kind in PROBES)
        return share([value for value in kinds if value is not None])


class Tradeoff:
    """What was asked, ready to be weighed at any threshold from `least` to 1."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self.least = NEAR_MISS
        self._kinds = {kind: _Answers([row for row in asked if row.kind == kind]) for kind in KINDS}

    def familiarity(self, kind: str) -> list[float]:
        """The familiarity of every query of one kind."""
        return [float(value) for value in self._kinds[kind].familiarity]

    def about_edits(self) -> str:
        """The kind that queries about edits are judged by: paraphrases, or prompts where there are none."""
        return GENERALITY if len(self._kinds[GENERALITY].familiarity) else RELIABILITY

    def at(self, threshold: float) -> Consequence:
        """What `threshold` would have come to. Raises ValueError below `least`, where answers are not known."""
        if not self.least <= threshold <= 1:
            raise ValueError(f"what the threshold {threshold} comes to is not known")
        return Consequence(
            threshold,
            recall=self._kinds[self.about_edits()].let_by(threshold),
            routed={kind.value: self._kinds[kind].let_by(threshold) for kind in ProbeKind},
            right={kind: answers.right(threshold) for kind, answers in self._kinds.items()},
        )


class _Answers:
    """The queries of one kind: how familiar each is, and whether it is right with the gate open and with it shut."""

    def __init__(self, rows: Sequence[Asked]) -> None:
        self.familiarity = np.array([row.familiarity for row in rows], dtype=float)
        self._open = np.array([_right_if_open(row) for row in rows], dtype=bool)
        self._shut = np.array([_right_if_shut(row) for row in rows], dtype=bool)

    def let_by(self, threshold: float) -> Count:
        return Count(int((self.familiarity >= threshold).sum()), len(self.familiarity))

    def right(self, threshold: float) -> Count:
        right = np.where(self.familiarity >= threshold, self._open, self._shut)
        return Count(int(right.sum()), len(self.familiarity))


def _right_if_open(row: Asked) -> bool:
    if row.routed:
        return row.right
    return row.opened is not None and is_answer(row.opened, row.wanted)


def _right_if_shut(row: Asked) -> bool:
    if row.kind in PROBES:
        return True
    if not row.routed:
        return row.right
    return row.original is not None and is_answer(row.original, row.wanted)
