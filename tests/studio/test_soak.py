"""A day with the window in small: what was done leaves nothing behind but the edits."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from studio.benchmark import start
from studio.benchmark._operations import Soak
from studio.window import MainWindow


@pytest.fixture
def soak(window: MainWindow, tmp_path: Path) -> Soak:
    made = Soak(window, tmp_path, seed=1, ask=True)
    made.settle()
    made.every_kind()
    return made


def test_operations_leave_no_widget_no_timer_and_no_thread(soak: Soak) -> None:
    before = soak.census()
    done = {soak.step() for _ in range(60)}
    after = soak.census()
    assert len(done) > 12
    for kind in ("widgets", "objects", "windows", "timers", "threads"):
        assert getattr(after, kind) <= getattr(before, kind), (kind, before, after)
    assert after.timers == 0


def test_no_dialog_outlives_its_closing(soak: Soak) -> None:
    for number in range(len(soak._dialogs())):
        before = dataclasses.replace(soak.census(), memory=0, python=0)
        for _ in range(2):
            soak._open(number)
        assert dataclasses.replace(soak.census(), memory=0, python=0) == before


def test_the_window_is_painted_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    """A process of its own, from nothing to the sample project on show."""
    told = start.measure(tmp_path)
    assert told["heavy modules"] == []
    assert told["edits shown"]
