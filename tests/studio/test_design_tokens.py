"""One hand drew it: colours, sizes and the type scale come from the token module, and icons from our own drawings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import studio
from studio import icons

ROOT = Path(studio.__file__).parent
TOKENS = ROOT / "theme.py"
SIZED = {
    "QSize", "QSizeF", "pixmap", "resize", "drawRoundedRect",
    "setFixedWidth", "setFixedHeight", "setFixedSize", "setIconSize",
    "setMinimumWidth", "setMinimumHeight", "setMinimumSize",
    "setMaximumWidth", "setMaximumHeight", "setMaximumSize",
    "setContentsMargins", "setSpacing", "setHorizontalSpacing", "setVerticalSpacing",
    "setColumnWidth", "setRowHeight", "setDefaultSectionSize", "setMinimumSectionSize", "setIndent",
    "setPixelSize", "setPointSize", "setPointSizeF",
}  # fmt: skip
COLOUR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})\b|\brgba?\(")
PIXELS = re.compile(r"\d(?:px|pt)\b")
LINE_WIDTHS = 2
"""A pen of one or two is a line; anything above it is a size."""


def called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def bare_numbers(node: ast.expr) -> Iterator[float]:
    """Numbers that stand alone or are added; a number of steps of the grid, or a share of a width, is no size."""
    if isinstance(node, ast.UnaryOp):
        yield from bare_numbers(node.operand)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from bare_numbers(node.left)
        yield from bare_numbers(node.right)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        yield node.value


def faults(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = called(node)
            if name in SIZED:
                numbers = [number for argument in node.args for number in bare_numbers(argument)]
                found += [f"{node.lineno}: {name}({number})" for number in numbers if abs(number) > LINE_WIDTHS]
            if name in ("QColor", "fromRgb", "mkColor") and any(isinstance(each, ast.Constant) for each in node.args):
                found.append(f"{node.lineno}: a colour of its own")
            found += [
                f"{node.lineno}: scale={value.value}"
                for keyword in node.keywords
                if keyword.arg == "scale" and isinstance(value := keyword.value, ast.Constant)
            ]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if COLOUR.search(node.value):
                found.append(f"{node.lineno}: colour in “{node.value[:40]}”")
            if PIXELS.search(node.value):
                found.append(f"{node.lineno}: size in “{node.value[:40]}”")
        elif getattr(getattr(node, "value", None), "attr", "") == "GlobalColor" and node.attr != "transparent":  # type: ignore[attr-defined]
            found.append(f"{node.lineno}: {node.attr}")  # type: ignore[attr-defined]
    return found


SOURCES = sorted(path for path in ROOT.rglob("*.py") if path != TOKENS)


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(ROOT)) for path in SOURCES])
def test_no_colour_and_no_size_outside_of_the_tokens(path: Path) -> None:
    assert faults(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "QColor('red')",
        "x.setStyleSheet('color: #ff0000')",
        "'padding: 4px'",
        "f'margin: 12px {x}'",
        "layout.setSpacing(12)",
        "QSize(240, high)",
        "x.resize(3 * SPACE + 20, 10)",
        "Qt.GlobalColor.red",
        "Label('x', scale=1.3)",
    ],
)
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    assert faults(source)


@pytest.mark.parametrize("source", ["layout.setSpacing(2 * SPACE)", "layout.setSpacing(0)", "Label('x', scale=SMALL)"])
def test_steps_of_the_grid_are_fine(source: str) -> None:
    assert faults(source) == []


def used_icons() -> set[str]:
    """Every string in the sources that is the name of a drawing."""
    drawings = {path.stem for path in icons.folder().glob("*.svg")}
    texts = {
        node.value
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    sheet = (ROOT / "stylesheet.py").read_text("utf-8")
    return {name for name in drawings if name in texts or f"{name}.svg" in sheet or name.startswith("tick-")}


@pytest.mark.parametrize("path", sorted(icons.folder().glob("*.svg")), ids=lambda path: path.stem)
def test_every_icon_is_a_drawing_of_ours_and_in_use(path: Path) -> None:
    """One grid, one pen, no picture from elsewhere inside, none that nothing shows."""
    root = ElementTree.parse(path).getroot()
    assert root.get("viewBox") is not None
    text = path.read_text("utf-8")
    for foreign in ("<image", "<metadata", "href", "font-family", "inkscape", "sketch", "Font Awesome", "Copyright"):
        assert foreign not in text, foreign
    if path.stem not in ("app", "tick-dark", "tick-light", "chevron-up", "chevron-down", "blank"):
        assert root.get("viewBox") == "0 0 24 24"
        assert "currentColor" in text
    assert path.stem in used_icons()
