"""What every long job shares: progress that can be polled, cancellation, seeds."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from engine.usage import Usage


class Cancelled(Exception):
    """The user asked the job to stop; what was finished is kept in its checkpoints."""


class Cancel:
    """A flag that the window sets and the job reads at every step and every decoded token.

    The job may also be held: it then waits, where it next looks at the flag, until it is let go on or stopped.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._free = threading.Event()
        self._free.set()
        self._waiting = False

    def set(self) -> None:
        """Ask the job to stop, also where it is held."""
        self._event.set()
        self._free.set()

    def hold(self) -> None:
        """Ask the job to wait; nothing happens where it was asked to stop."""
        self._free.clear()
        if self._event.is_set():
            self._free.set()

    def go_on(self) -> None:
        """Let a job that is held go on."""
        self._free.set()

    @property
    def requested(self) -> bool:
        """Whether a stop was asked for."""
        return self._event.is_set()

    @property
    def waiting(self) -> bool:
        """Whether the job stands still because it is held; for the window."""
        return self._waiting

    def check(self) -> None:
        """Raise Cancelled once a stop was asked for; wait while the job is held."""
        self.wait_while_held()
        if self._event.is_set():
            raise Cancelled

    def wait_while_held(self) -> None:
        """For the job: stand still while it is held."""
        if not self._free.is_set():
            self._waiting = True
            self._free.wait()
            self._waiting = False


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


class Recorder(Protocol):
    """What keeps the points of a board beyond the board's own life; see `engine.metrics`."""

    @property
    def points(self) -> Sequence[tuple[float, Progress]]:
        """What was kept before: seconds since the start of the job, and the progress then."""

    def add(self, moment: float, progress: Progress) -> None:
        """Keep one more point."""

    def mark(self, stage: str, step: int) -> None:
        """Note that a checkpoint is about to be written."""


class ProgressBoard:
    """The one place where a job puts its progress; safe to read from any thread.

    `report` replaces the current value and keeps the points of the curves (loss and share of edits answered a
    stage), thinned so that memory stays flat however long the job runs, its peaks kept. With a `recorder` the points
    of a job that goes on are there from the start, and its clock goes on from the last of them.
    """

    POINTS = 4_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress = Progress()
        self._history: list[tuple[float, Progress]] = []
        self._stages: dict[str, float] = {}
        self._recorder: Recorder | None = None
        self._usage: Usage | None = None
        self._stated: int | None = None
        self._at_mark: Callable[[], None] | None = None
        self._held: float | None = None  # since when the clock stands still
        self._started = time.monotonic()
        self._stage_started, self._stage_first = 0.0, 0

    def record(self, recorder: Recorder) -> None:
        """Take over the points that `recorder` has, and give it all that follow; before the first report."""
        with self._lock:
            self._recorder = recorder
            for point in recorder.points:
                self._keep(*point)
            if self._history:
                self._started -= self._history[-1][0]

    def recall(self, moment: float, progress: Progress) -> None:
        """Take up a point of a job that is over, so that its curves can be drawn."""
        with self._lock:
            self._keep(moment, progress)

    def seconds(self) -> float:
        """How long the job has been at work, without the time that it was held."""
        return (time.monotonic() if self._held is None else self._held) - self._started

    def hold(self) -> None:
        """Stop the clock: the job is held."""
        with self._lock:
            if self._held is None:
                self._held = time.monotonic()

    def go_on(self) -> None:
        """Let the clock run again."""
        with self._lock:
            if self._held is not None:
                self._started += time.monotonic() - self._held
                self._held = None

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
        with self._lock:
            now, before = self.seconds(), self._progress
            if stage != before.stage:
                self._stage_started, self._stage_first = now, step
                before = Progress(answered=before.answered, answers=before.answers)
            elif step < self._stage_first or before.step == 0 < step - 1:
                # A job that goes on leaps to where it was: what it did not do now tells nothing of how fast it is.
                self._stage_started, self._stage_first = now, step
            elapsed, done = now - self._stage_started, step - self._stage_first
            self._progress = replace(
                before,
                stage=stage,
                step=step,
                of=of,
                eta=elapsed / done * (of - step) if done > 0 else None,
                loss=before.loss if loss is None else loss,
                answered=before.answered if answered is None else answered,
                answers=before.answers if answers is None else dict(answers),
            )
            self._keep(now, self._progress)
            if self._recorder is not None:
                self._recorder.add(now, self._progress)

    def note_usage(self, usage: Usage) -> None:
        """Replace what is known of the machine."""
        self._usage = usage

    def note_stated(self, memory: int | None) -> None:
        """Note how many bytes the job said beforehand that it takes at most beside the model."""
        self._stated = memory

    def stated(self) -> int | None:
        """What `note_stated` was told last."""
        return self._stated

    def usage(self) -> Usage | None:
        """How much of the machine is in use, as last noted."""
        return self._usage

    def mark(self, stage: str, step: int) -> None:
        """Note that a checkpoint is about to be written."""
        if self._recorder is not None:
            self._recorder.mark(stage, step)
        if self._at_mark is not None:
            self._at_mark()

    @contextmanager
    def at_marks(self, told: Callable[[], None]) -> Iterator[None]:
        """Call `told` whenever a checkpoint is about to be written while the block runs."""
        self._at_mark = told
        try:
            yield
        finally:
            self._at_mark = None

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

    def _keep(self, moment: float, progress: Progress) -> None:
        self._stages.setdefault(progress.stage, moment)
        self._history.append((moment, progress))
        if len(self._history) > self.POINTS:
            self._history = list(_thinned(self._history))


def _thinned(history: Sequence[tuple[float, Progress]]) -> Iterator[tuple[float, Progress]]:
    """About half of `history`: of every four points the lowest and the highest, and each stage's first and last."""
    for start in range(0, len(history), 4):
        some = range(start, min(start + 4, len(history)))
        told = [row for row in some if history[row][1].loss is not None] or list(some)
        low = min(told, key=lambda row: history[row][1].loss or 0.0)
        high = max(told, key=lambda row: history[row][1].loss or 0.0)
        for row in some:
            stage = history[row][1].stage
            ends = row == 0 or row + 1 == len(history) or stage != history[row - 1][1].stage
            if row in (low, high) or ends or stage != history[row + 1][1].stage:
                yield history[row]


@contextmanager
def seeded(seed: int, stage: str) -> Iterator[None]:
    """Torch's random numbers fixed for one stage, whatever ran before it, and given back as they were after it."""
    import torch

    # What forks them knows of CUDA alone.
    apple = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    with torch.random.fork_rng():
        torch.manual_seed(stage_seed(seed, stage))
        try:
            yield
        finally:
            if apple is not None:
                torch.mps.set_rng_state(apple)


def stage_seed(seed: int, stage: str) -> int:
    """A seed for one stage of a run: stages resumed alone draw the same numbers as in one go."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{stage}".encode()).digest()[:7], "big")
