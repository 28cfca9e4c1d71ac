"""Why the gate decides as it does: how much each kind of evidence adds to the log-odds of a query's familiarity.

The fusion multiplies some signs with others (that a subject is named counts for more where its relation is asked too),
so no single weight tells what a kind of evidence did. What it added is its Shapley value: its mean effect over every
order in which the kinds may become known, each unknown one standing at its mean over the calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import factorial

from engine.editor import Reason
from engine.meg.evidence import SIGNS, features_of
from engine.meg.fusion import Fusion

EVIDENCE: Mapping[str, tuple[str, ...]] = {
    "nearness": ("similarity",),
    "subject": ("names the subject",),
    "wording": ("relation margin", "relation similarity"),
    "relation": ("relation readout",),
    "state": ("state similarity",),
    "answer": ("answer agreement",),
    "entropy": ("familiarity network",),
}
"""The kinds of evidence and their SIGNS, the telling one first."""

_PLACES = tuple(tuple(SIGNS.index(sign) for sign in signs) for signs in EVIDENCE.values())
_KINDS = len(EVIDENCE)
_SHARES = tuple(
    factorial(known) * factorial(_KINDS - known - 1) / factorial(_KINDS) for known in range(_KINDS)
)  # of the orders in which so many of the others come first


def reasons(fusion: Fusion, row: Sequence[float]) -> tuple[Reason, ...]:
    """What each kind of evidence in `row` (in the order of FEATURES) added, the weightiest first.

    Together they are what the log-odds of `row` have more than those of a query about which nothing is known.
    """
    found, usual = row[: len(SIGNS)], fusion.centre[: len(SIGNS)]
    known = fusion.log_odds([features_of(_mixed(found, usual, kinds)) for kinds in range(1 << _KINDS)]).tolist()
    told = []
    for kind, (name, places) in enumerate(zip(EVIDENCE, _PLACES, strict=True)):
        bit = 1 << kind
        weight = sum(
            _SHARES[kinds.bit_count()] * (known[kinds | bit] - known[kinds])
            for kinds in range(1 << _KINDS)
            if not kinds & bit
        )
        told.append(Reason(name, found[places[0]], usual[places[0]], weight))
    return tuple(sorted(told, key=lambda reason: -abs(reason.weight)))


def _mixed(found: Sequence[float], usual: Sequence[float], kinds: int) -> list[float]:
    """The signs as they were found for the kinds whose bit is set, as they usually are for the others."""
    signs = list(usual)
    for kind, places in enumerate(_PLACES):
        if kinds >> kind & 1:
            for place in places:
                signs[place] = found[place]
    return signs
