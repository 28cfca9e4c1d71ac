"""Colours that can be read, in both themes."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from studio import icons
from studio.stylesheet import sheet
from studio.theme import DARK, LIGHT, Tokens

THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@THEMES
def test_text_can_be_read(theme: Tokens) -> None:
    for surface in (theme.window, theme.rail, theme.surface, theme.stripe, theme.control, theme.selection):
        assert contrast(theme.text, surface) >= 7
    for surface in (theme.window, theme.rail, theme.surface, theme.stripe):
        assert contrast(theme.muted, surface) >= 4.5
    for colour in (theme.accent, theme.good, theme.warn, theme.bad, theme.bug, theme.edited, theme.original):
        assert contrast(colour, theme.surface) >= 4.5
    assert contrast(theme.on_accent, theme.accent) >= 4.5
    for surface in (theme.warn_surface, theme.bad_surface, theme.bug_surface, theme.good_surface, theme.info_surface):
        assert contrast(theme.text, surface) >= 7
    assert contrast(theme.edited, theme.info_surface) >= 4.5


@THEMES
def test_every_colour_is_a_colour(theme: Tokens) -> None:
    for field in fields(theme):
        assert re.fullmatch("#[0-9a-f]{6}", getattr(theme, field.name)), field.name


@THEMES
def test_the_sheet_names_only_files_that_are_there(theme: Tokens) -> None:
    named = re.findall(r"url\(([^)]+)\)", sheet(theme, icons.folder()))
    assert named
    for path in named:
        assert (icons.folder() / path.rsplit("/", 1)[-1]).is_file()
