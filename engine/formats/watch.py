"""How far the reading of a file has come, and whether it shall go on: looked at with every row."""

from __future__ import annotations

from engine.runs import Cancel, ProgressBoard

EVERY = 500
"""Rows between two reports: a report costs as much as a row."""


class Watch:
    """What a reader tells of itself; without a board and a cancel of their own, nobody listens and nobody stops it."""

    def __init__(self, board: ProgressBoard | None = None, cancel: Cancel | None = None) -> None:
        self.board = board or ProgressBoard()
        self.cancel = cancel or Cancel()
        self._rows = 0

    def row(self, stage: str, step: int, of: int) -> None:
        """One more row is done; `step` of `of` is what the bar shows. Raises Cancelled."""
        self.cancel.check()
        self._rows += 1
        if self._rows % EVERY == 1 or step == of:
            self.board.report(stage, min(step, of), of)
