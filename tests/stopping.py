"""A stop that comes at a chosen moment."""

from __future__ import annotations

from engine.runs import Cancel


class Stopping(Cancel):
    """Asks for a stop after so many looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.set()
        super().check()
