from __future__ import annotations

import datetime

import pytest

from studio.widgets.figures import count, figure, moment, seconds, share


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.84, "0.8 s"), (42.4, "42 s"), (59.7, "1 min 00 s"), (185, "3 min 05 s"), (7_800, "2 h 10 min")],
)
def test_seconds(value: float, told: str) -> None:
    assert seconds(value) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "–"), (0.0, "0 %"), (1.0, "100 %"), (0.9999, "99.9 %"), (0.5, "50.0 %"), (0.0004, "< 0.1 %")],
)
def test_share_never_claims_all_for_less_nor_none_for_some(value: float | None, told: str) -> None:
    assert share(value) == told


def test_counts() -> None:
    assert count(1, "edit") == "1 edit"
    assert count(1_024, "edit") == "1,024 edits"


def test_figure_takes_numbers_only() -> None:
    assert figure({"a": 1, "b": "x"}, "a") == 1.0
    assert figure({"a": 1, "b": "x"}, "b") is None
    assert figure({}, "a") is None


def test_moment_is_short() -> None:
    assert moment(datetime.datetime(2026, 1, 2, 3, 4)) == "2026-01-02 03:04"
    assert moment(datetime.datetime(2026, 1, 2, 3, 4, 5), exact=True) == "2026-01-02 03:04:05"
