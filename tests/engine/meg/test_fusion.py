from __future__ import annotations

import math
import random

import pytest

from engine.meg.evidence import FEATURES, Evidence
from engine.meg.fusion import BOUNDS, THRESHOLD, Example, learn_fusion


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
    routed = [max(fusion.familiarity(c.row) for c in ex.evidence) >= THRESHOLD for ex in fresh]
    hits = [hit for hit, ex in zip(routed, fresh, strict=True) if ex.about is not None]
    false = [hit for hit, ex in zip(routed, fresh, strict=True) if ex.about is None]
    assert sum(hits) / len(hits) > 0.9
    assert sum(false) / len(false) < 0.06
    assert 0.2 < fusion.entropy_threshold <= 0.8


@pytest.mark.parametrize("separation", [0.2, 30.0])
def test_the_rate_moves_the_bias_within_bounds_only(separation):
    strict, lax = (learn_fusion(examples(separation), false_routing=rate).bias for rate in (0.0, 0.999))
    odds = [math.log(bound / (1 - bound)) for bound in BOUNDS]
    assert 0 <= lax - strict <= odds[1] - odds[0] + 1e-9


def test_more_false_routings_allowed_makes_every_query_more_familiar():
    made = examples(0.7)
    assert learn_fusion(made, 0.2).bias > learn_fusion(made, 0.01).bias


def test_what_was_never_seen_tells_no_more_than_the_most_that_was():
    fusion = learn_fusion(examples(1.5), false_routing=0.02)
    assert fusion.familiarity(fusion.most) == fusion.familiarity([value + 1_000 for value in fusion.most])
    assert fusion.familiarity(fusion.least) == fusion.familiarity([value - 1_000 for value in fusion.least])
