"""The command's options, and the table that it prints without a display."""

from __future__ import annotations

import datetime

import pytest

from studio.app import _options, has_display
from studio.store.comparisons import Asking, ComparisonRow
from studio.tour import table


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": ":0", "QT_QPA_PLATFORM": "offscreen"}, False),
        ({"QT_QPA_PLATFORM": "xcb"}, True),
    ],
)
def test_whether_there_is_a_display(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], shown: bool) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert has_display() is shown


def test_other_systems_have_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setattr("sys.platform", "darwin")
    assert has_display()


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_a_bad_number_of_edits_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _options(["--edits", text])
    assert "whole number" in capsys.readouterr().err


def row(query: str, original: str, edited: str, routed: bool) -> ComparisonRow:
    now = datetime.datetime.now(datetime.UTC)
    asking = Asking(run=1, model="embedded")
    return ComparisonRow(1, now, asking, query, original, edited, 0.5, routed, 0.5, 0.5, "e", 0.5, None, None)


def test_the_table_lines_up_whatever_the_script() -> None:
    lines = table([row("The capital of France is", "Paris", "Lyon", True), row("日本の首都は", "東京", "東京", False)])
    assert lines[0].startswith("Question")
    assert [line.rstrip().rsplit("  ", 1)[-1].strip() for line in lines[2:]] == ["edited", "left alone"]
    long = table([row("x" * 300, "a", "b", True)])
    assert max(len(line) for line in long) < 140
    assert "…" in long[2]
