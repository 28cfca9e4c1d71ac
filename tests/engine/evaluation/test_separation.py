"""Scores that are known, and how well they tell queries apart."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import roc_auc_score

from engine.evaluation import separation
from engine.evaluation.separation import auroc, false_routings, roc, shares_by_step


def test_auroc_is_the_chance_of_the_right_order() -> None:
    assert auroc([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert auroc([0.1, 0.2], [0.9, 0.8]) == 0.0
    assert auroc([0.9, 0.3], [0.5, 0.1]) == 0.75
    assert auroc([0.5], [0.5]) == 0.5
    assert auroc([], [0.5]) is None
    assert auroc([0.5], []) is None


def test_false_routings_at_a_recall() -> None:
    familiar = [number / 100 for number in range(1, 101)]  # 0.01 to 1: 95 of them are at least 0.06
    assert false_routings(familiar, [0.02, 0.05, 0.1, 0.5]) == 0.5
    assert false_routings(familiar, [0.0, 0.5], recall=1.0) == 0.5
    assert false_routings(familiar, [0.4, 0.6], recall=0.5) == 0.5
    assert false_routings([], [0.5]) is None


def test_auroc_is_what_others_make_of_it_ties_included() -> None:
    draw = random.Random(3)
    familiar = [round(draw.gauss(0.7, 0.2), 2) for _ in range(200)]
    strange = [round(draw.gauss(0.4, 0.2), 2) for _ in range(300)]
    known = roc_auc_score([1] * 200 + [0] * 300, familiar + strange)
    assert auroc(familiar, strange) == pytest.approx(known)


def test_a_curve_goes_from_nothing_to_everything() -> None:
    curve = roc([0.9, 0.3], [0.5, 0.1])
    assert curve is not None
    assert curve.false == (0, 0, 0.5, 0.5, 1)
    assert curve.true == (0, 0.5, 0.5, 1, 1)
    assert curve.auroc == 0.75
    assert roc([], [0.5]) is None
    assert roc([0.5], []) is None


def test_a_curve_keeps_its_ends_when_it_is_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separation, "POINTS", 10)
    curve = roc([number / 100 for number in range(100)], [number / 150 for number in range(100)])
    assert curve is not None
    assert len(curve.true) <= 10
    assert (curve.false[0], curve.true[0]) == (0, 0)
    assert (curve.false[-1], curve.true[-1]) == (1, 1)


def test_steps_hold_every_score_once() -> None:
    assert shares_by_step([0.0, 0.49, 0.5, 1.0], 2) == [0.5, 0.5]
    assert shares_by_step([], 2) == [0.0, 0.0]
