"""The gate's evidence, in words."""

from __future__ import annotations

import pytest

from engine.editor import Reason, Routing
from engine.meg.reasons import EVIDENCE
from studio.pages.compare.words import bearing, decision, evidence


@pytest.mark.parametrize("kind", EVIDENCE)
def test_every_kind_of_evidence_has_its_words_for_and_against(kind: str) -> None:
    much, little = evidence(Reason(kind, 0.9, 0.5, 1.0)), evidence(Reason(kind, -0.1, 0.5, -1.0))
    assert much
    assert much != little


def test_evidence_of_no_known_kind_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="smell"):
        evidence(Reason("smell", 1.0, 0.0, 1.0))


@pytest.mark.parametrize(
    ("weight", "told"), [(1.234, "for it, 1.2"), (-3.0, "against it, 3.0"), (-0.2, "hardly counts")]
)
def test_how_evidence_counts(weight: float, told: str) -> None:
    assert bearing(Reason("subject", 1.0, 0.5, weight)) == told


@pytest.mark.parametrize(
    ("familiarity", "routed", "told"),
    [(0.9, True, "Familiar:"), (0.9, False, "Familiar, but"), (0.1, False, "Not familiar")],
)
def test_the_decision(familiarity: float, routed: bool, told: str) -> None:
    assert decision(Routing("q", familiarity, routed, 0.5, 0.5, "e", 0.5)).startswith(told)
