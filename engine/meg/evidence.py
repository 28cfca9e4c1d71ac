"""Evidence that a query is about an edit: what its words, its z and the frozen model say, as one row of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# The state after a paraphrase is very near that after the prompt, and not so near after another question about the same
# subject: what lies above these similarities counts apart.
STATE_LEVELS = (0.8, 0.9, 0.96)
AGREEMENT_LEVEL = 0.5  # where the answer's first token is as likely as not: what lies above counts apart too
SIGNS = (
    "similarity",
    "names the subject",
    "relation similarity",
    "relation margin",
    "relation readout",
    "state similarity",
    "answer agreement",
    "familiarity network",
)
"""What is found out about a query and a candidate: the first of the FEATURES, of which the others are made."""
FEATURES = (
    *SIGNS,
    "named and relation margin",
    "named and relation readout",
    "named and state",
    "named and agreement",
    "named, agreement and relation margin",
    *(f"named and state above {level}" for level in STATE_LEVELS),
    f"named and agreement above {AGREEMENT_LEVEL}",
)
LEAST_CHANCE = 1e-3  # of an answer's first token, and its counterpart: what lies beyond tells no more
READOUT_BOUND = 8.0  # log-odds beyond which one relation is as good as certain


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for one candidate edit: one row of numbers in the order of FEATURES."""

    edit: int
    similarity: float
    row: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An edit that a query may be about, and what the query's words say of it."""

    edit: int
    similarity: float
    named: bool
    own: float  # similarity to the edit's relation, the subject masked
    margin: float  # its lead over the best other relation


@dataclass(frozen=True, slots=True)
class Thought:
    """What the frozen model makes of a query, as far as one candidate goes."""

    asked: float  # lead of the edit's relation in the readout
    state: float  # similarity of the state to that after the edit's prompt
    agreement: float  # log-odds of the answer's first token, from 0 (never) to 1 (surely)


# No thought can speak much louder for a candidate than one of these: familiarity is a sigmoid of what is linear in the
# three, between one level and the next, but for the bounds of the fusion's features.
EXTREMES = tuple(
    Thought(asked, state, agreement)
    for asked in (-READOUT_BOUND, READOUT_BOUND)
    for state in (-1.0, *STATE_LEVELS, 1.0)
    for agreement in (0.0, AGREEMENT_LEVEL, 1.0)
)


def features(candidate: Candidate, disorder: float, thought: Thought) -> tuple[float, ...]:
    """One row in the order of FEATURES: a candidate, given the network's `disorder` and what the model thinks."""
    return features_of(
        (
            candidate.similarity,
            float(candidate.named),
            candidate.own,
            candidate.margin,
            thought.asked,
            thought.state,
            thought.agreement,
            1 - disorder,
        )
    )


def features_of(signs: Sequence[float]) -> tuple[float, ...]:
    """One row in the order of FEATURES, of the SIGNS in theirs."""
    _, named, _, margin, asked, state, agreement, _ = signs
    return (
        *signs,
        named * margin,
        named * asked,
        named * state,
        named * agreement,
        named * agreement * margin,
        *(named * max(state - level, 0.0) for level in STATE_LEVELS),
        named * max(agreement - AGREEMENT_LEVEL, 0.0),
    )


def agreement(chances: np.ndarray) -> np.ndarray:
    """The log-odds of `chances`, bounded and brought to 0 to 1: of two near certainties one may be ten times surer."""
    odds = np.log((chances + LEAST_CHANCE) / (1 - chances + LEAST_CHANCE))
    return np.asarray(np.clip((odds / np.log(1 / LEAST_CHANCE) + 1) / 2, 0.0, 1.0))


def lead(scores: np.ndarray, number: int | None) -> float:
    """By how much a relation's score is above the best other one, bounded; 0 where the readout does not know it."""
    if number is None:
        return 0.0
    return float(np.clip(scores[number] - np.delete(scores, number).max(), -READOUT_BOUND, READOUT_BOUND))
