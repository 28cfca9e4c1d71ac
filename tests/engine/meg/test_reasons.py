from __future__ import annotations

import random

import pytest

from engine.meg.evidence import FEATURES, SIGNS, features_of
from engine.meg.fusion import Fusion
from engine.meg.reasons import EVIDENCE, reasons


def fusion_of(weights, centre=None, bias=-1.0):
    nothing, one = (0.0,) * len(FEATURES), (1.0,) * len(FEATURES)
    chosen = tuple(weights.get(name, 0.0) for name in FEATURES)
    least, most = (-100.0,) * len(FEATURES), (100.0,) * len(FEATURES)
    return Fusion(least, most, centre or nothing, one, chosen, bias, entropy_threshold=0.5)


def row_of(**signs):
    return features_of([signs.get(name.replace(" ", "_"), 0.0) for name in SIGNS])


def test_every_sign_belongs_to_one_kind_of_evidence():
    assert sorted(sign for signs in EVIDENCE.values() for sign in signs) == sorted(SIGNS)


def test_together_they_are_what_the_query_has_more_than_the_usual_one():
    draw = random.Random(0)
    fusion = fusion_of({name: draw.gauss(0, 1) for name in FEATURES}, tuple(draw.random() for _ in FEATURES))
    row = features_of([draw.random() for _ in SIGNS])
    usual = fusion.log_odds(features_of(fusion.centre[: len(SIGNS)]))
    found = reasons(fusion, row)
    assert sum(reason.weight for reason in found) == pytest.approx(fusion.log_odds(row) - usual)
    assert [abs(reason.weight) for reason in found] == sorted((abs(reason.weight) for reason in found), reverse=True)


def test_a_kind_that_weighs_nothing_adds_nothing():
    told = {
        r.evidence: r for r in reasons(fusion_of({"similarity": 2.0}), row_of(similarity=0.5, state_similarity=1.0))
    }
    assert told["nearness"].weight == pytest.approx(1.0)
    assert told["nearness"].value == 0.5
    assert all(reason.weight == 0 for name, reason in told.items() if name != "nearness")


def test_what_counts_only_together_is_shared():
    both = row_of(names_the_subject=1.0, relation_readout=3.0)
    told = {r.evidence: r.weight for r in reasons(fusion_of({"named and relation readout": 1.0}), both)}
    assert told["subject"] == told["relation"] == pytest.approx(1.5)


def test_what_is_less_than_usual_speaks_against():
    centre = (0.0, 0.5, *[0.0] * (len(FEATURES) - 2))
    told = {r.evidence: r for r in reasons(fusion_of({"names the subject": 4.0}, centre), row_of())}
    assert told["subject"].weight == pytest.approx(-2.0)
    assert told["subject"].usual == 0.5
