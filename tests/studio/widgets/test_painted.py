"""Widgets that paint themselves: what they tell a screen reader, and that they paint in both themes."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.language_model import TokenChance
from studio.appearance import Appearance
from studio.theme import Scheme, tokens
from studio.widgets.chances import Chances, visible
from studio.widgets.gauge import Gauge
from studio.widgets.labels import ElidedLabel, plain_tooltip
from studio.widgets.word_diff import Mark, MarkedText, Piece


def test_gauge_tells_its_value_and_paints_the_fill(qtbot: QtBot, qapp: QApplication) -> None:
    for scheme in (Scheme.LIGHT, Scheme.DARK):
        Appearance(qapp, scheme)
        gauge = Gauge()
        qtbot.addWidget(gauge)
        gauge.resize(400, gauge.sizeHint().height())
        gauge.show_value(0.9, 0.5)
        image = gauge.grab().toImage()
        assert image.pixelColor(100, 14) == QColor(tokens().accent)
        assert image.pixelColor(390, 14) == QColor(tokens().border)
        gauge.show_value(0.3, 0.5)
        assert gauge.grab().toImage().pixelColor(60, 14) == QColor(tokens().muted)
        assert "30.0 %" in gauge.accessibleDescription()
        gauge.clear()
        assert gauge.accessibleDescription() == "not known yet"


@pytest.mark.parametrize(
    ("token", "shown"), [(" Paris", "Paris"), (" ", "␣"), ("\n", "⏎"), ("", "∅"), ("  x", "␣x"), ("日", "日")]
)
def test_tokens_are_visible(token: str, shown: str) -> None:
    assert visible(token) == shown


def test_chances_tell_their_rows(qtbot: QtBot) -> None:
    bars = Chances("Next tokens", edited=True)
    qtbot.addWidget(bars)
    assert bars.accessibleDescription() == ""
    bars.show_rows([TokenChance(" Paris", 0.75), TokenChance(" Lyon", 0.25)])
    assert bars.accessibleDescription() == "Paris 75.0 %, Lyon 25.0 %"
    bars.resize(300, 200)
    bars.grab()


def test_a_bar_keeps_its_room_where_the_text_is_large(qtbot: QtBot) -> None:
    bars = Chances("Next tokens", edited=True)
    qtbot.addWidget(bars)
    font = bars.font()
    font.setPointSizeF(font.pointSizeF() * 1.5)
    bars.setFont(font)
    bars.show_rows([TokenChance(" an-uncommonly-long-word", 1.0)])
    bars.resize(200, bars.sizeHint().height())
    image = bars.grab().toImage()
    filled = [x for x in range(200) if image.pixelColor(x, bars._line() // 2) == QColor(tokens().edited)]
    assert len(filled) > 40


def written_lines(image: QImage) -> int:
    """Lines of text in a picture: bands of rows that are not all of one colour."""
    blank = image.pixel(0, image.height() - 1)
    inked = [any(image.pixel(x, y) != blank for x in range(2, image.width() - 2)) for y in range(2, image.height() - 2)]
    return sum(here and not above for above, here in zip([False, *inked], inked, strict=False))


def test_what_stands_for_an_empty_place_wraps(qtbot: QtBot) -> None:
    text = MarkedText("Answer", "what stands here until there is an answer")
    bars = Chances("Next tokens", edited=True)
    for widget in (text, bars):
        qtbot.addWidget(widget)
        widget.resize(120, 120)
        assert written_lines(widget.grab().toImage()) > 1
    text.show_pieces([Piece("yes", Mark.SAME)])
    assert written_lines(text.grab().toImage()) == 1


def test_a_tooltip_is_never_markup() -> None:
    assert "<script>" not in plain_tooltip("<script>alert(1)</script>")
    assert plain_tooltip("") == ""


def test_a_long_line_is_shortened_and_whole_in_the_tooltip(qtbot: QtBot) -> None:
    label = ElidedLabel("a very long line " * 20)
    qtbot.addWidget(label)
    label.resize(120, 20)
    label.show()
    assert "…" in label.text()
    assert "a very long line" in label.toolTip()
    assert label.accessibleName() == "a very long line " * 20
