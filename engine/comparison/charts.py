"""The charts of a comparison: Score, by bars or against the number of edits, and what is forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from engine.charts import LABEL, Axis, Chart, Frame, bar, count_axis, picture, ratio_axis, share_axis, write
from engine.comparison.comparison import Comparison

NAMES = 150  # room for the names of the contenders, …
MOST_LETTERS = 21  # … so many letters of them
BAR = 20  # height of a bar with the gap below it
WIDE, HIGH = 560, 320
OURS = "meg"
"""The contender whose curve is drawn thicker."""
SCORE = "Score"
FORGETTING: tuple[tuple[str, str, str], ...] = (
    ("kept", "Edits still answered", "edits answered by their new objects, %"),
    ("unrelated", "Unrelated answers kept", "unrelated questions answered as before, %"),
    ("perplexity", "Perplexity of plain text", "perplexity, lower is better"),
)
"""By a figure of CurvePoint: the title of its chart, and what its axis says."""


def score_chart(
    comparison: Comparison,
    title: str = SCORE,
    up: str = "Score, %",
    across: str = "edits",
    *,
    wide: int = WIDE,
    high: int = HIGH,
) -> Element | None:
    """Bars where one number of edits was compared, curves where several were; None where no Score is known.

    `title` is the picture's, `up` and `across` what the axes of curves say. It is `wide`, and curves are `high` or as
    high as their names need.
    """
    scores = comparison.scores()
    if not scores:
        return None
    if len(comparison.sizes()) == 1:
        return _bars(title, comparison, {name: points[0][1] for name, points in scores.items()}, wide)
    return _curves(title, comparison, scores, share_axis(up), across, wide, high)


def forgetting_charts(comparison: Comparison) -> list[tuple[str, Element]]:
    """Each chart of what is forgotten with its title, as far as it was measured."""
    found = []
    for figure, title, up in FORGETTING:
        chart = forgetting_chart(comparison, figure, title, up)
        if chart is not None:
            found.append((title, chart))
    return found


def forgetting_chart(
    comparison: Comparison,
    figure: str,
    title: str,
    up: str,
    across: str = "edits learnt, one batch after the other",
    *,
    wide: int = WIDE,
    high: int = HIGH,
) -> Element | None:
    """Curves of one `figure` of FORGETTING, named as in `score_chart`; None where it was not measured."""
    named = comparison.forgetting(figure)
    if not named:
        return None
    # The perplexity of one that falls apart is a hundred times that of the others.
    values = [value for points in named.values() for _, value in points]
    axis = ratio_axis(up, values) if figure == "perplexity" else share_axis(up)
    return _curves(title, comparison, named, axis, across, wide, high)


def _curves(
    title: str,
    comparison: Comparison,
    named: Mapping[str, Sequence[tuple[int, float]]],
    up: Axis,
    across: str,
    wide: int = WIDE,
    high: int = HIGH,
) -> Element:
    counts = [edits for points in named.values() for edits, _ in points]
    frame = Frame(wide=wide, high=max(high, 80 + LABEL * len(named)), right=NAMES, bottom=52)
    chart = Chart(title, count_axis(across, counts), up, frame)
    for number, (name, called) in enumerate(comparison.titles().items()):
        if name in named:
            chart.curve(number, _short(called), named[name], wide=3.5 if name == OURS else 1.8, marked=True)
    chart.names()
    return chart.svg


def _bars(title: str, comparison: Comparison, values: Mapping[str, float], wide: int) -> Element:
    """A bar a contender, the longest first; the number stands at its end."""
    ordered = sorted(values.items(), key=lambda one: -one[1])
    high = BAR * len(ordered) + 8
    svg = picture(title, wide, high)
    numbers = {name: number for number, name in enumerate(comparison.titles())}
    room = wide - NAMES - 60
    for place, (name, value) in enumerate(ordered):
        top = 4 + place * BAR
        write(svg, NAMES - 8, top + 13, _short(comparison.titles()[name]), "end")
        bar(svg, numbers[name], NAMES, top + 2, room * value, BAR - 6)
        write(svg, NAMES + room * value + 6, top + 13, f"{100 * value:.2f} %")
    return svg


def _short(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"
