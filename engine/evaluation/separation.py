"""How well scores tell queries about edits from others: AUROC, the ROC curve, false routings at a recall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.evaluation.answers import share

RECALL = 0.95
POINTS = 400
"""Most points of a curve: more cannot be seen."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A ROC curve: from letting nothing through to letting everything through."""

    false: tuple[float, ...]  # share of the strange scores that are let through
    true: tuple[float, ...]  # share of the familiar ones
    auroc: float


def auroc(familiar: Sequence[float], strange: Sequence[float]) -> float | None:
    """The chance that a query about an edit scores above one that is not; None where either is missing."""
    if not familiar or not strange:
        return None
    others = np.sort(np.asarray(strange, dtype=float))
    scores = np.asarray(familiar, dtype=float)
    below, up_to = np.searchsorted(others, scores, "left"), np.searchsorted(others, scores, "right")
    return float((below + up_to).mean() / 2 / len(others))


def false_routings(familiar: Sequence[float], strange: Sequence[float], recall: float = RECALL) -> float | None:
    """The share of `strange` scores let through by the highest threshold that lets `recall` of `familiar` through."""
    if not familiar or not strange:
        return None
    threshold = sorted(familiar, reverse=True)[math.ceil(recall * len(familiar) - 1e-9) - 1]
    return share([score >= threshold for score in strange])


def roc(familiar: Sequence[float], strange: Sequence[float]) -> Curve | None:
    """The curve over every threshold, thinned where it has more points than can be seen; None where one is missing."""
    area = auroc(familiar, strange)
    if area is None:
        return None
    scores, others = np.sort(np.asarray(familiar, dtype=float)), np.sort(np.asarray(strange, dtype=float))
    levels = np.unique(np.concatenate([scores, others]))[::-1]
    true = np.concatenate([[0.0], 1 - np.searchsorted(scores, levels, "left") / len(scores)])
    false = np.concatenate([[0.0], 1 - np.searchsorted(others, levels, "left") / len(others)])
    if len(true) > POINTS:
        chosen = np.unique(np.linspace(0, len(true) - 1, POINTS).round().astype(int))
        true, false = true[chosen], false[chosen]
    return Curve(tuple(false.tolist()), tuple(true.tolist()), area)


def shares_by_step(scores: Sequence[float], steps: int) -> list[float]:
    """The share of `scores` in each of `steps` equally wide steps from 0 to 1; the last one holds 1 too."""
    counts, _ = np.histogram(np.asarray(scores, dtype=float), bins=steps, range=(0.0, 1.0))
    return [int(number) / max(len(scores), 1) for number in counts]
