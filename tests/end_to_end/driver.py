"""Drives the real window as a person would, and measures how long it was away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from PySide6.QtCore import QObject, QTimer
from pytestqt.qtbot import QtBot

from studio.store.project import Project
from studio.window import MainWindow

T = TypeVar("T")
SOON = 60_000
"""Milliseconds that anything but training may take on a busy machine."""
PARTS = (0.5, 0.99, 0.999, 1.0)
TRAINED = 600_000
"""Milliseconds that a training of three edits may take on a busy machine."""


class Pulse(QObject):
    """Measures how long the window's thread was away: the gaps between two ticks of a timer of 10 ms."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.gaps: list[float] = []
        self.stages: list[str] = []
        self.stage: Callable[[], str] = lambda: ""
        self._last = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(10)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self.stages.append(self.stage())
        self._last = now

    def check(self) -> None:
        """Fail where the window was away as only work on its own thread keeps it away.

        How long a pause is when another program has the processor says nothing of the window: 99 of 100 ticks come
        within 50 ms on a machine that is twice as busy as it can be, and a pause of a second is no such thing.
        """
        ordered = sorted(self.gaps)
        assert ordered[int(0.99 * (len(ordered) - 1))] < 0.05, f"the window was slow: {self}"
        assert ordered[-1] < 1, f"the window was away: {self}"

    def __str__(self) -> str:
        ordered = sorted(self.gaps)
        told = ", ".join(f"{share:.1%} {ordered[int((len(ordered) - 1) * share)] * 1000:.0f} ms" for share in PARTS)
        return f"{len(ordered)} ticks; longest gap of {told}; above 50 ms: {self.over(0.05)}"

    def over(self, limit: float) -> list[tuple[str, float]]:
        """The gaps above `limit` seconds, each with the stage in which it was."""
        return [(stage, gap) for stage, gap in zip(self.stages, self.gaps, strict=True) if gap > limit]


@dataclass
class Studio:
    """A window and the means to drive it as a person would."""

    window: MainWindow
    qtbot: QtBot
    trouble: list[str] = field(default_factory=list)

    def page(self, name: str) -> Any:
        self.window.show_page(name)
        return self.window.page(name)

    def wait(self, done: Callable[[], bool], timeout: int = SOON) -> None:
        self.qtbot.waitUntil(done, timeout=timeout)

    def settle(self) -> None:
        window = self.window
        for _ in range(2):
            self.wait(lambda: not window.database.busy and not window.models.busy)
            self.qtbot.wait(20)

    def ask(self, question: Callable[[Project], T]) -> T:
        found: list[T] = []
        self.window.database.run(question, on_success=found.append)
        self.wait(lambda: bool(found))
        return found[0]
