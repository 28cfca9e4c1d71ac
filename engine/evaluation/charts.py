"""The two charts of a report as SVG that a browser draws by itself: bars of shares, and curves in a square."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement

WIDE, HIGH = 440, 300
LEFT, TOP, RIGHT, BOTTOM = 56, 16, 16, 84
COLOURS = ("#3451b8", "#b35c00", "#1b7446", "#8a3ab9")
"""Told apart by more than their hue: by lightness, by dashes, and by the name beside each."""
DASHES = ("", "7 4", "2 3", "9 3 2 3")
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def histogram(title: str, shares: Mapping[str, Sequence[float]], threshold: float) -> Element:
    """For each named group the share of its queries in equally wide steps of familiarity, as steps of a line."""
    svg = _chart(title, "familiarity, 0 to 1", "questions of the kind, %")
    for number, (name, values) in enumerate(shares.items()):
        points = []
        for place, value in enumerate(values):
            points += [(place / len(values), value), ((place + 1) / len(values), value)]
        _curve(svg, number, name, points, beside=2)
    _line(svg, [(threshold, 0), (threshold, 1)], "#666666", "4 3")
    label = SubElement(svg, "text", {"x": f"{_x(threshold):.1f}", "y": str(TOP - 4), "text-anchor": "middle"})
    label.text = f"threshold {threshold:.2f}"
    return svg


def curves(title: str, named: Mapping[str, Sequence[tuple[float, float]]]) -> Element:
    """Named curves of (share of probes let by, share of queries about edits let by)."""
    svg = _chart(title, "probes let by, %", "questions about edits let by, %")
    _line(svg, [(0, 0), (1, 1)], "#999999", "3 4")
    for number, (name, points) in enumerate(named.items()):
        _curve(svg, number, name, points, beside=1)
    return svg


def _chart(title: str, bottom: str, left: str) -> Element:
    svg = Element("svg", {"viewBox": f"0 0 {WIDE} {HIGH}", "role": "img", "aria-label": title})
    SubElement(svg, "title").text = title
    per_cent = bottom.endswith("%")
    for tick in _TICKS:
        _line(svg, [(tick, 0), (tick, 1)], "#dddddd")
        _line(svg, [(0, tick), (1, tick)], "#dddddd")
        below = SubElement(svg, "text", {"x": f"{_x(tick):.1f}", "y": str(HIGH - BOTTOM + 15), "text-anchor": "middle"})
        below.text = f"{100 * tick:.0f}" if per_cent else f"{tick:g}"
        beside = SubElement(svg, "text", {"x": str(LEFT - 6), "y": f"{_y(tick) + 4:.1f}", "text-anchor": "end"})
        beside.text = f"{100 * tick:.0f}"
    middle = f"{(LEFT + WIDE - RIGHT) / 2:.0f}"
    SubElement(svg, "text", {"x": middle, "y": str(HIGH - BOTTOM + 32), "text-anchor": "middle"}).text = bottom
    across = (TOP + HIGH - BOTTOM) / 2
    SubElement(
        svg,
        "text",
        {"x": "14", "y": f"{across:.0f}", "text-anchor": "middle", "transform": f"rotate(-90 14 {across:.0f})"},
    ).text = left
    return svg


def _curve(svg: Element, number: int, name: str, points: Sequence[tuple[float, float]], *, beside: int) -> None:
    """The curve and its key below the chart, so many keys `beside` one another."""
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    _line(svg, points, colour, dash, wide=2)
    x, y = LEFT + number % beside * 200, HIGH - 32 + number // beside * 16
    key = {"x1": str(x), "x2": str(x + 24), "y1": str(y), "y2": str(y), "stroke": colour, "stroke-width": "2"}
    SubElement(svg, "line", {**key, **({"stroke-dasharray": dash} if dash else {})})
    SubElement(svg, "text", {"x": str(x + 30), "y": str(y + 4)}).text = name


def _line(svg: Element, points: Sequence[tuple[float, float]], colour: str, dash: str = "", wide: float = 1) -> None:
    told = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    look = {"points": told, "fill": "none", "stroke": colour, "stroke-width": f"{wide:g}"}
    SubElement(svg, "polyline", {**look, **({"stroke-dasharray": dash} if dash else {})})


def _x(share: float) -> float:
    return LEFT + share * (WIDE - LEFT - RIGHT)


def _y(share: float) -> float:
    return HIGH - BOTTOM - share * (HIGH - TOP - BOTTOM)
