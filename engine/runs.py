"""What every long job shares: progress that can be polled, cancellation, seeds."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace


class Cancelled(Exception):
    """The user asked the job to stop; what was finished is kept in its checkpoints."""


class Cancel:
    """A flag that the window sets and the job reads at every step and every decoded token."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the job to stop."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether a stop was asked for."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise Cancelled once a stop was asked for."""
        if self._event.is_set():
            raise Cancelled


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job stands: a value that the worker replaces and the window polls."""

    stage: str = ""
    step: int = 0
    of: int = 0
    eta: float | None = None  # seconds to the end of this stage
    loss: float | None = None
    answered: float | None = None  # share of edits answered so far, 0 to 1
    answers: Mapping[str, str] = field(default_factory=dict)  # watched question -> what is answered now


class ProgressBoard:
    """The one place where a job puts its progress; safe to read from any thread.

    `report` replaces the current value and keeps the points of the curves (loss and share of edits answered a
    stage), thinned so that memory stays flat however long the job runs.
    """

    POINTS = 4_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress = Progress()
        self._history: list[tuple[float, Progress]] = []
        self._stages: dict[str, float] = {}
        self._started = time.monotonic()
        self._stage_started = self._started

    def report(
        self,
        stage: str,
        step: int,
        of: int,
        *,
        loss: float | None = None,
        answered: float | None = None,
        answers: Mapping[str, str] | None = None,
    ) -> None:
        """Replace the progress; what is not given is carried over within the same stage."""
        now = time.monotonic()
        with self._lock:
            before = self._progress
            if stage != before.stage:
                self._stage_started = now
                before = Progress(answered=before.answered, answers=before.answers)
            elapsed = now - self._stage_started
            self._progress = replace(
                before,
                stage=stage,
                step=step,
                of=of,
                eta=elapsed / step * (of - step) if step else None,
                loss=before.loss if loss is None else loss,
                answered=before.answered if answered is None else answered,
                answers=before.answers if answers is None else dict(answers),
            )
            self._stages.setdefault(stage, now - self._started)
            self._history.append((now - self._started, self._progress))
            if len(self._history) > self.POINTS:
                self._history = self._history[::2]

    def latest(self) -> Progress:
        """The progress as it stands."""
        with self._lock:
            return self._progress

    def history(self) -> list[tuple[float, Progress]]:
        """The progress over time: (seconds since the start, value), oldest first."""
        with self._lock:
            return list(self._history)

    def stages(self) -> dict[str, float]:
        """When each stage was first reported, in seconds since the start, in that order; no thinning moves it."""
        with self._lock:
            return dict(self._stages)


@contextmanager
def seeded(seed: int, stage: str) -> Iterator[None]:
    """Torch's random numbers fixed for one stage, whatever ran before it, and given back as they were after it."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(stage_seed(seed, stage))
        yield


def stage_seed(seed: int, stage: str) -> int:
    """A seed for one stage of a run: stages resumed alone draw the same numbers as in one go."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{stage}".encode()).digest()[:7], "big")
