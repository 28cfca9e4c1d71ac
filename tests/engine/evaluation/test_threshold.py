"""Other thresholds, on queries of which both answers are known."""

from __future__ import annotations

import pytest

from engine.evaluation.report import NEAR_MISS, Asked, Report
from engine.evaluation.threshold import Count, Tradeoff


def asked(kind: str, familiarity: float, *, given: str = "Oslo", wanted: str = "Oslo", **more: object) -> Asked:
    values: dict = {"original": "London", "opened": None, "routed": familiarity >= 0.5, **more}
    return Asked("1", kind, "P19", "q", wanted, given, 1.0, familiarity, 0.5, "1", **values)


ROWS = (
    asked("reliability", 1.0),
    asked("generality", 0.9),
    asked("generality", 0.6),
    asked("generality", 0.3, given="London", opened="Oslo"),
    asked("generality", 0.01, given="London"),
    asked("neighbour", 0.8, wanted="Paris", original="Paris"),  # let by, and spoilt
    asked("neighbour", 0.4, wanted="Rome", given="Rome", original="Rome", opened="Oslo"),
    asked("far", 0.2, wanted="Bern", given="Bern", original="Bern", opened="Bern"),
)


def test_at_its_own_threshold_it_says_what_the_report_says() -> None:
    found, report = Tradeoff(ROWS).at(0.5), Report.of(ROWS)
    assert found.right["generality"].share == report.generality.ag
    assert found.right["reliability"].share == report.reliability.ag
    assert found.locality == report.mean_locality()[0]
    assert found.recall == Count(2, 4)
    assert found.routed == {"neighbour": Count(1, 2), "same-subject": Count(0, 0), "far": Count(0, 1)}


def test_a_lower_one_answers_more_and_spoils_more() -> None:
    found = Tradeoff(ROWS).at(0.1)
    assert found.recall == Count(3, 4)
    assert found.right["generality"] == Count(3, 4)
    assert found.right["neighbour"] == Count(0, 2)
    assert found.right["far"] == Count(1, 1)  # let by, and answered as before
    assert found.locality == 0.5


def test_a_higher_one_answers_less_and_spoils_nothing() -> None:
    found = Tradeoff(ROWS).at(0.95)
    assert found.recall == Count(0, 4)
    assert found.right["generality"] == Count(0, 4)
    assert found.right["reliability"] == Count(1, 1)
    assert found.locality == 1.0


def test_prompts_stand_for_paraphrases_where_there_are_none() -> None:
    tradeoff = Tradeoff(ROWS[:1] + ROWS[5:])
    assert tradeoff.about_edits() == "reliability"
    assert tradeoff.at(0.5).recall == Count(1, 1)
    assert tradeoff.familiarity("neighbour") == [0.8, 0.4]


@pytest.mark.parametrize("threshold", [0.0, NEAR_MISS - 0.001, 1.01])
def test_what_is_not_known_is_not_told(threshold: float) -> None:
    with pytest.raises(ValueError, match="not known"):
        Tradeoff(ROWS).at(threshold)


def test_of_nothing_there_is_no_share() -> None:
    found = Tradeoff(()).at(0.5)
    assert found.recall.share is None
    assert found.locality is None
