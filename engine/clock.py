"""What the parts of a piece of work take."""

from __future__ import annotations

import time


class Clock:
    """Measures what one part of the work after the other takes."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def share(self, of: int) -> float:
        """The seconds since the last look, for each of so many."""
        before, self._last = self._last, time.perf_counter()
        return (self._last - before) / max(of, 1)
