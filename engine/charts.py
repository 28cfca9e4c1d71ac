"""Charts as SVG that a browser draws by itself: two axes, lines with their names, bars.

Colours stand in the elements themselves, so that a chart that is cut out of its page keeps them, and each element has a
class by which `engine.html_page` recolours it where a reader prefers a dark page. Lines are told apart by more than
their hue: by dashes, by marks, and by the name that stands at each line's end or in the key.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from engine.edits import storable

COLOURS = ("#3451b8", "#b35c00", "#1b7446", "#8a3ab9", "#b3261e", "#00707d", "#7a5c00", "#5a5a5a")
DARK_COLOURS = ("#94aaff", "#ffb066", "#6fd6a0", "#d6a3ff", "#ff9a93", "#6fd3e0", "#e0c060", "#c0c0c0")
"""The same hues on a dark page."""
DASHES = ("", "7 4", "2 3", "9 3 2 3")
LETTERS = 11  # height of the letters, …
LABEL = 13  # … and of a line of them
_TICKS = 5  # of an axis whose ends are found, about so many


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: what it is called, what lies at its ends, and where its ticks are."""

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]  # values and what is written there
    log: bool = False

    def place(self, value: float) -> float:
        """Where `value` is, from 0 to 1."""
        if self.log:
            low, high, value = math.log10(self.low), math.log10(self.high), math.log10(value)
        else:
            low, high = self.low, self.high
        return (value - low) / (high - low)


def share_axis(title: str, *, per_cent: bool = True) -> Axis:
    """From nothing to all."""
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    return Axis(title, 0.0, 1.0, tuple((tick, f"{100 * tick:.0f}" if per_cent else f"{tick:g}") for tick in ticks))


def count_axis(title: str, counts: Sequence[int]) -> Axis:
    """Numbers from 1 on, each ten times as far on as the one before: a tick at every number that was measured."""
    known = sorted(set(counts)) or [1]
    shown: list[int] = []
    for count in known:  # ticks nearer than this write over each other
        if not shown or math.log10(count / shown[-1]) > 0.12 * math.log10(max(10, known[-1] / known[0])):
            shown.append(count)
    low, high = float(known[0]), float(known[-1])
    if low == high:
        low, high = low / 2, high * 2
    return Axis(title, low, high, tuple((count, f"{count:,}") for count in shown), log=True)


def value_axis(title: str, values: Sequence[float]) -> Axis:
    """From 0, or from a round number below the least of `values`, to one above the greatest."""
    low, high = min([0.0, *values]), max([*values, 0.0])
    high = high if high > low else low + 1
    step = 10 ** math.floor(math.log10((high - low) / _TICKS))
    step *= next(times for times in (1, 2, 5, 10) if (high - low) / (times * step) <= _TICKS + 1)
    first, last = math.floor(low / step), math.ceil(high / step)
    return Axis(title, first * step, last * step, tuple((n * step, f"{n * step:,.6g}") for n in range(first, last + 1)))


def ratio_axis(title: str, values: Sequence[float]) -> Axis:
    """Each ten times as far up as the one before: from a round number below the least of `values`, all above 0.

    It ends at a round number above the greatest; there is one value at least.
    """
    low, high = min(values), max(values)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = -(-(last - first) // _TICKS)  # powers of ten from one tick to the next
    if last - first > 2:
        marks = [10.0**power for power in range(first, last + every, every)]
    else:
        marks = [times * 10.0**power for power in range(first, last + 1) for times in (1, 2, 5)]
    begin = max(mark for mark in marks if mark <= low)
    end = min(mark for mark in marks if mark > high)
    return Axis(title, begin, end, tuple((mark, f"{mark:,.6g}") for mark in marks if begin <= mark <= end), log=True)


@dataclass(frozen=True, slots=True)
class Frame:
    """The room of a chart and what lies around its axes, in units of the picture."""

    wide: int = 440
    high: int = 300
    left: int = 56
    top: int = 16
    right: int = 16
    bottom: int = 84


class Chart:
    """A chart with axes, to which lines are added; `svg` is the picture."""

    def __init__(self, title: str, across: Axis, up: Axis, frame: Frame | None = None) -> None:
        self._frame = frame = frame or Frame()
        self._across, self._up = across, up
        self._ends: list[tuple[float, float, int, str]] = []
        self.svg = picture(title, frame.wide, frame.high)
        for tick, text in across.ticks:
            self.rule([(tick, up.low), (tick, up.high)], "grid")
            write(self.svg, self.x(tick), frame.high - frame.bottom + 15, text, "middle")
        for tick, text in up.ticks:
            self.rule([(across.low, tick), (across.high, tick)], "grid")
            write(self.svg, frame.left - 6, self.y(tick) + 4, text, "end")
        write(
            self.svg,
            (frame.left + frame.wide - frame.right) / 2,
            frame.high - frame.bottom + 32,
            across.title,
            "middle",
        )
        middle = (frame.top + frame.high - frame.bottom) / 2
        turned = write(self.svg, 14, middle, up.title, "middle")
        turned.set("transform", f"rotate(-90 14 {middle:.0f})")

    def x(self, value: float) -> float:
        """Where `value` is on the axis across."""
        frame = self._frame
        return frame.left + self._across.place(value) * (frame.wide - frame.left - frame.right)

    def y(self, value: float) -> float:
        """Where `value` is on the axis upwards."""
        frame = self._frame
        return frame.high - frame.bottom - self._up.place(value) * (frame.high - frame.top - frame.bottom)

    def rule(self, points: Sequence[tuple[float, float]], kind: str, dash: str = "") -> None:
        """A thin line that is no curve: of the grid, or one that curves are compared with (“mark”)."""
        look = {"grid": "#dddddd", "mark": "#777777"}[kind]
        _line(self.svg, self._told(points), {"stroke": look, "class": kind, "stroke-width": "1"}, dash)

    def label(self, value: float, text: str) -> None:
        """A text above the chart, over `value`."""
        write(self.svg, self.x(value), self._frame.top - 4, text, "middle")

    def curve(
        self,
        number: int,
        name: str,
        points: Sequence[tuple[float, float]],
        *,
        wide: float = 2,
        marked: bool = False,
    ) -> None:
        """The `number`th curve; `marked` puts a mark on every point."""
        look = _look(number) | {"stroke-width": f"{wide:g}"}
        _line(self.svg, self._told(points), look, _dash(number))
        if marked:
            for x, y in points:
                mark(self.svg, number, self.x(x), self.y(y))
        if points:
            self._ends.append((self.x(points[-1][0]), self.y(points[-1][1]), number, name))

    def key(self, *, beside: int) -> None:
        """The names of the curves below the chart, so many `beside` one another."""
        for place, (_, _, number, name) in enumerate(self._ends):
            x, y = self._frame.left + place % beside * 200, self._frame.high - 32 + place // beside * 16
            line = {"x1": str(x), "x2": str(x + 24), "y1": str(y), "y2": str(y), "stroke-width": "2", **_look(number)}
            SubElement(self.svg, "line", line | _dashed(_dash(number)))
            write(self.svg, x + 30, y + 4, name)

    def names(self) -> None:
        """The names of the curves at the right, each joined to a curve that ends there, none over another."""
        frame = self._frame
        ends = sorted(self._ends, key=lambda end: end[1])
        lowest = frame.high - frame.bottom - LABEL * (len(ends) - 1)
        free = float(frame.top)
        for place, (x, y, number, name) in enumerate(ends):
            at = max(free, min(y, lowest + LABEL * place))
            free = at + LABEL
            right = frame.wide - frame.right
            start = f"{x:.1f},{y:.1f} " if x > right - 1 else ""
            _line(self.svg, f"{start}{right + 8},{at:.1f} {right + 20},{at:.1f}", _look(number), _dash(number))
            write(self.svg, right + 24, at + 4, name).set("class", f"name c{number % len(COLOURS)}")

    def _told(self, points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


def recolour(svg: Element, *, text: str, grid: str, mark: str, dark: bool, font: str) -> None:
    """Give a picture that no page surrounds the colours of its surroundings, and letters of `font`."""
    hues = DARK_COLOURS if dark else COLOURS
    for element in svg.iter():
        kind = element.get("class", "").split()[-1:]
        if element.tag == "text":
            element.attrib |= {"fill": text, "font-family": font, "font-size": str(LETTERS)}
        elif kind in (["grid"], ["mark"]):
            element.set("stroke", grid if kind == ["grid"] else mark)
        elif kind:
            element.set("stroke" if kind[0][0] == "c" else "fill", hues[int(kind[0][1:])])


def picture(title: str, wide: int, high: int) -> Element:
    """An empty picture."""
    svg = Element("svg", {"viewBox": f"0 0 {wide} {high}", "role": "img", "aria-label": title})
    SubElement(svg, "title").text = storable(title)
    return svg


def write(svg: Element, x: float, y: float, text: str, anchor: str = "start") -> Element:
    """A text in the picture."""
    made = SubElement(svg, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor})
    made.text = storable(text)
    return made


def bar(svg: Element, number: int, x: float, y: float, wide: float, high: float) -> None:
    """A bar in the `number`th colour."""
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{max(wide, 0):.1f}", "height": f"{high:.1f}"}
    SubElement(svg, "rect", {**place, "fill": COLOURS[number % len(COLOURS)], "class": f"b{number % len(COLOURS)}"})


def mark(svg: Element, number: int, x: float, y: float) -> None:
    """A mark on a curve, of one of four shapes."""
    r = 3.5
    corners = (
        [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)],
        [(x, y - 1.3 * r), (x + 1.2 * r, y + r), (x - 1.2 * r, y + r)],
        [(x, y - 1.3 * r), (x + 1.3 * r, y), (x, y + 1.3 * r), (x - 1.3 * r, y)],
    )
    colour = number % len(COLOURS)
    look = {"fill": COLOURS[colour], "class": f"b{colour}"}
    if number % 4 == 0:
        SubElement(svg, "circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{r:g}", **look})
    else:
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners[number % 4 - 1])
        SubElement(svg, "polygon", {"points": points, **look})


def _look(number: int) -> dict[str, str]:
    colour = number % len(COLOURS)
    return {"stroke": COLOURS[colour], "class": f"c{colour}"}


def _dash(number: int) -> str:
    # Two curves of one colour differ in their dashes.
    return DASHES[(number + number // len(COLOURS)) % len(DASHES)]


def _dashed(dash: str) -> dict[str, str]:
    return {"stroke-dasharray": dash} if dash else {}


def _line(svg: Element, points: str, look: dict[str, str], dash: str = "") -> None:
    SubElement(svg, "polyline", {"points": points, "fill": "none", **look, **_dashed(dash)})
