"""How the studio looks: one small table of colours for each scheme, shared by the widgets and the plots.

Fusion draws the controls; this module gives it a palette, the few style rules that Fusion has no word for, icons in the
text's colour, and the zoom. A widget that paints itself asks `tokens()` while it paints: the answer follows the
application's palette, so that a change of scheme needs no registry of who has to be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from PySide6.QtGui import QColor, QGuiApplication, QPalette

SPACE = 8
"""The grid: every margin and gap is a multiple of it, in device-independent pixels."""

WINDOW = (160 * SPACE, 100 * SPACE)
"""Width and height of the window at its first start."""

LINE = 1
"""A border; what has the focus is twice as wide."""

FOCUS = 2 * LINE

HALF = SPACE // 2
"""Between things that belong together closely."""

WIDE = SPACE + HALF
"""The padding of what is pressed: left and right of the words."""

SNUG = HALF + FOCUS
"""The padding of what is pressed or typed into: above and below the words."""

RADIUS = SPACE
"""The corner of a card."""

CORNER = SNUG
"""The corner of a control."""

MARK = 2 * SPACE
"""An icon beside words, a tick box."""

TOOL = MARK + FOCUS
"""The icon of a button that has nothing else."""

PLACE = 3 * SPACE
"""The icon of a page in the rail; the arrow's part of a list that opens."""

PICTURE = 6 * SPACE
"""The icon of a page that is empty."""


PAGE_TITLE, FIGURE, EMPTY_TITLE, SECTION_TITLE, BODY, SMALL = 1.6, 1.5, 1.25, 1.1, 1.0, 0.9
"""The type scale: times the size of the application's font, so that all of it follows the zoom."""


class Scheme(StrEnum):
    """Which colours the user asked for."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The colours by what they are for, as #rrggbb."""

    window: str
    rail: str
    surface: str
    stripe: str
    control: str
    border: str
    text: str
    muted: str
    faint: str
    accent: str
    on_accent: str
    selection: str
    original: str
    edited: str
    good: str
    warn: str
    bad: str
    bug: str
    warn_surface: str
    bad_surface: str
    bug_surface: str
    good_surface: str
    info_surface: str


LIGHT = Tokens(
    window="#f4f5f7",
    rail="#e9ebef",
    surface="#ffffff",
    stripe="#f8f9fb",
    control="#ffffff",
    border="#d3d8e0",
    text="#1a1e26",
    muted="#566070",
    faint="#9aa3b1",
    accent="#3451b8",
    on_accent="#ffffff",
    selection="#dbe3ff",
    original="#5f6b7c",
    edited="#3451b8",
    good="#1b7446",
    warn="#8a5200",
    bad="#ad2218",
    bug="#7a2f9c",
    warn_surface="#fdf1dc",
    bad_surface="#fde8e6",
    bug_surface="#f5e8fa",
    good_surface="#e2f4ea",
    info_surface="#e6ecff",
)

DARK = Tokens(
    window="#17191e",
    rail="#121418",
    surface="#1f2228",
    stripe="#23262d",
    control="#272b33",
    border="#3a404b",
    text="#e7eaf0",
    muted="#a3abb9",
    faint="#646c7a",
    accent="#94aaff",
    on_accent="#10131b",
    selection="#2f3d6e",
    original="#a3abb9",
    edited="#94aaff",
    good="#63cb97",
    warn="#e8b661",
    bad="#ff8f85",
    bug="#d6a1ee",
    warn_surface="#3a2f1a",
    bad_surface="#412220",
    bug_surface="#38223f",
    good_surface="#1c3529",
    info_surface="#242d4b",
)


def tokens() -> Tokens:
    """The colours in force, read from the application's palette."""
    return DARK if QGuiApplication.palette().color(QPalette.ColorRole.Window).lightness() < 128 else LIGHT


def palette(colours: Tokens) -> QPalette:
    """`colours` as Qt's palette."""
    roles = QPalette.ColorRole
    made = QPalette()
    for role, colour in (
        (roles.Window, colours.window),
        (roles.WindowText, colours.text),
        (roles.Base, colours.surface),
        (roles.AlternateBase, colours.stripe),
        (roles.Text, colours.text),
        (roles.Button, colours.control),
        (roles.ButtonText, colours.text),
        (roles.BrightText, colours.bad),
        (roles.Highlight, colours.selection),
        (roles.HighlightedText, colours.text),
        (roles.Accent, colours.accent),
        (roles.Link, colours.accent),
        (roles.LinkVisited, colours.accent),
        (roles.ToolTipBase, colours.surface),
        (roles.ToolTipText, colours.text),
        (roles.PlaceholderText, colours.muted),
        (roles.Light, colours.surface),
        (roles.Midlight, colours.stripe),
        (roles.Mid, colours.border),
        (roles.Dark, colours.border),
        (roles.Shadow, colours.border),
    ):
        made.setColor(role, QColor(colour))
    for role in (roles.WindowText, roles.Text, roles.ButtonText, roles.HighlightedText):
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(colours.faint))
    return made
