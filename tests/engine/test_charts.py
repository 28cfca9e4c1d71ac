"""Axes, curves and their names."""

from __future__ import annotations

import itertools

import pytest

from engine.charts import (
    COLOURS,
    DARK_COLOURS,
    LABEL,
    Chart,
    Frame,
    count_axis,
    ratio_axis,
    recolour,
    share_axis,
    value_axis,
)


def test_counts_are_as_far_apart_as_their_factors() -> None:
    axis = count_axis("edits", [1000, 1, 10, 100, 10])
    assert [axis.place(value) for value in (1, 10, 100, 1000)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert [text for _, text in axis.ticks] == ["1", "10", "100", "1,000"]
    assert count_axis("edits", [7]).place(7) == pytest.approx(0.5)
    many = count_axis("edits", [2**power for power in range(11)])
    assert 4 < len(many.ticks) < 11


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [([3.7, 37.2], 0, 40), ([0.013], 0, 0.015), ([-2.0, 5.0], -2, 6), ([], 0, 1), ([0], 0, 1)],
)
def test_an_axis_ends_at_round_numbers(values: list[float], low: float, high: float) -> None:
    axis = value_axis("x", values)
    assert axis.low == pytest.approx(low)
    assert axis.high == pytest.approx(high)
    assert axis.ticks[0][0] == axis.low
    assert 3 <= len(axis.ticks) <= 8


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([4.6, 220.0], 1, 1_000),
        ([4.6, 4.6], 2, 5),
        ([1.0, 10.0], 1, 20),
        ([3.0, 4e5], 1, 1e6),
        ([2.0, 1e217], 1, 1e220),
    ],
)
def test_ratios_end_at_round_numbers(values: list[float], low: float, high: float) -> None:
    axis = ratio_axis("perplexity", values)
    assert (axis.low, axis.high) == pytest.approx((low, high))
    assert (axis.ticks[0][0], axis.ticks[-1][0]) == (axis.low, axis.high)
    assert 2 <= len(axis.ticks) <= 9
    assert all(0 <= axis.place(value) < 1 for value in values)


def chart(curves: int) -> Chart:
    made = Chart("Title", count_axis("edits", [1, 10]), share_axis("share, %"), Frame(right=140))
    for number in range(curves):
        made.curve(number, f"curve {number}", [(1, 0.5), (10, 0.5)], marked=True)
    made.names()
    return made


def test_names_at_the_ends_do_not_lie_over_each_other() -> None:
    svg = chart(14).svg
    heights = sorted(float(text.get("y", 0)) for text in svg.iter("text") if "name" in text.get("class", ""))
    assert len(heights) == 14
    assert min(b - a for a, b in itertools.pairwise(heights)) >= LABEL - 0.11
    assert heights[-1] < 300


def test_curves_of_one_colour_differ_in_their_dashes() -> None:
    looks = {
        (line.get("stroke"), line.get("stroke-dasharray"))
        for line in chart(16).svg.iter("polyline")
        if line.get("class", "").startswith("c")
    }
    assert len(looks) == 16


def test_a_curve_that_ends_sooner_is_not_drawn_on() -> None:
    made = Chart("Title", count_axis("edits", [1, 10]), share_axis("share, %"), Frame(right=140))
    made.curve(0, "short", [(1, 0.5)])
    made.names()
    (_, leader) = (line.get("points", "") for line in made.svg.iter("polyline") if line.get("class") == "c0")
    assert len(leader.split()) == 2


def test_a_picture_takes_the_colours_of_its_surroundings() -> None:
    svg = chart(2).svg
    recolour(svg, text="#010101", grid="#020202", mark="#030303", dark=True, font="Sans")
    texts = list(svg.iter("text"))
    assert {text.get("fill") for text in texts} == {"#010101"}
    lines = {line.get("class"): line.get("stroke") for line in svg.iter("polyline")}
    assert lines == {"grid": "#020202", "c0": DARK_COLOURS[0], "c1": DARK_COLOURS[1]}
    assert {mark.get("fill") for mark in svg.iter("circle")} == {DARK_COLOURS[0]}
    assert len(COLOURS) == len(DARK_COLOURS)
