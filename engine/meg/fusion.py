"""The fusion: several kinds of evidence as one calibrated probability, learnt by logistic regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression

from engine.meg.evidence import Evidence

THRESHOLD = 0.5  # familiarity from which queries are routed, unless it is moved
BOUNDS = (0.01, 0.9)  # of what becomes it: few queries about no edit tell little of the regression's tails


@dataclass(frozen=True, slots=True)
class Fusion:
    """The logistic regression over FEATURES: weights of the standardised features; THRESHOLD is where it routes."""

    least: tuple[float, ...]  # of each feature in the calibration; …
    most: tuple[float, ...]  # … what lies beyond tells no more than these: a weight is known within them alone
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    entropy_threshold: float

    @classmethod
    def restored(cls, values: Mapping[str, Any]) -> Fusion:
        """The fusion of `dataclasses.asdict`, also after it went through JSON."""
        parts: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**parts)

    def familiarity(self, evidence: ArrayLike) -> np.ndarray:
        """The probability that the query is about the candidate: `evidence` […, features] → […]."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.log_odds(evidence), -40, 40))))

    def log_odds(self, evidence: ArrayLike) -> np.ndarray:
        """The logarithm of the odds that the query is about the candidate: `evidence` […, features] → […]."""
        within = np.clip(np.asarray(evidence, dtype=float), self.least, self.most)
        return np.asarray((within - self.centre) / self.scale @ np.array(self.weights) + self.bias)


@dataclass(frozen=True, slots=True)
class Example:
    """One query of the calibration: its evidence, the edit it is about or None, and its entropy."""

    evidence: Sequence[Evidence]
    about: int | None
    entropy: float


def learn_fusion(examples: Sequence[Example], false_routing: float) -> Fusion:
    """Learn the fusion from queries that are about their edit and queries that are about none.

    The threshold lets through a share `false_routing` of the queries about none, each judged by a regression that
    was fitted without it. It becomes the familiarity THRESHOLD: the regression knows nothing of how seldom a query is
    about an edit, nor of what a false routing costs, and that rate says both. The entropy gate's own threshold is the
    one that tells most queries rightly.
    """
    rows, right, owner = [], [], []
    for number, example in enumerate(examples):
        for candidate in example.evidence:
            rows.append(candidate.row)
            right.append(candidate.edit == example.about)
            owner.append(number)
    features, wanted, owners = np.array(rows), np.array(right), np.array(owner)
    least, most = features.min(0), features.max(0)
    centre, scale = features.mean(0), features.std(0)
    scale = np.where(scale < 1e-6, 1.0, scale)
    features = (features - centre) / scale

    def fitted(chosen: np.ndarray) -> LogisticRegression:
        regression = LogisticRegression(C=1.0, class_weight="balanced", max_iter=2_000)
        return regression.fit(features[chosen], wanted[chosen])

    judged = np.zeros(len(examples))
    for half in (0, 1):
        inside = owners % 2 == half
        chances = fitted(~inside).predict_proba(features[inside])[:, 1]
        np.maximum.at(judged, owners[inside], chances)
    about = np.array([example.about is not None for example in examples])
    let_through = float(np.clip(np.quantile(judged[~about], 1 - false_routing), *BOUNDS))
    regression = fitted(np.ones(len(features), dtype=bool))
    entropies = np.array([example.entropy for example in examples])
    grid = np.linspace(0.02, 0.98, 49)
    rightly = [(entropies[about] < level).mean() + (entropies[~about] >= level).mean() for level in grid]
    return Fusion(
        tuple(least.tolist()),
        tuple(most.tolist()),
        tuple(centre.tolist()),
        tuple(scale.tolist()),
        tuple(regression.coef_[0].tolist()),
        float(regression.intercept_[0] - np.log(let_through / (1 - let_through))),
        float(grid[int(np.argmax(rightly))]),
    )
