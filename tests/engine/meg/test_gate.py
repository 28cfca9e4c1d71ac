from __future__ import annotations

import random

import pytest

from engine.meg.gate import FEATURES, Evidence, Example, learn_fusion


def examples(separation, count=400, seed=0):
    draw = random.Random(seed)

    def evidence(edit, about):
        row = tuple(draw.gauss(separation if about else 0, 1) for _ in FEATURES)
        return Evidence(edit, row[0], row)

    made = []
    for number in range(count):
        about = number % 3 == 0
        candidates = [evidence(7, about), evidence(8, False)]
        made.append(Example(candidates, 7 if about else None, 0.2 if about else 0.8))
    return made


def test_the_fusion_tells_queries_apart_and_keeps_to_the_stated_rate():
    fusion = learn_fusion(examples(1.5), false_routing=0.02)
    fresh = examples(1.5, seed=1)
    routed = [max(fusion.familiarity(c.row) for c in ex.evidence) >= fusion.threshold for ex in fresh]
    hits = [hit for hit, ex in zip(routed, fresh, strict=True) if ex.about is not None]
    false = [hit for hit, ex in zip(routed, fresh, strict=True) if ex.about is None]
    assert sum(hits) / len(hits) > 0.9
    assert sum(false) / len(false) < 0.06
    assert 0.2 < fusion.entropy_threshold <= 0.8


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_the_threshold_stays_within_bounds(rate):
    assert 0.2 <= learn_fusion(examples(0.2), false_routing=rate).threshold <= 0.9


def test_more_false_routings_allowed_means_a_lower_threshold():
    made = examples(0.7)
    assert learn_fusion(made, 0.2).threshold < learn_fusion(made, 0.01).threshold
