"""The measurements of a run on disk: one JSON object a line, appended as they are made.

A line is whole or it does not count: what a killed process leaves half-written is passed over, and the next line begins
anew. `CurveLog` keeps the curves of a training in such a file, so that a training that goes on has them from its start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from engine.runs import Progress
from engine.strict_json import JsonFault, dump, parse

T = TypeVar("T")


class MetricsError(RuntimeError):
    """Measurements that cannot be read or written; the message is one sentence for the user."""


def end_line(file: IO[bytes]) -> None:
    """End the line that a killed process left half-written: it stays by itself."""
    if file.seek(0, 2):
        file.seek(-1, 2)
        if file.read(1) != b"\n":
            file.write(b"\n")


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """All measurements, oldest first, each with the place in the file where it ends; nothing without a file."""
    try:
        with path.open("rb") as file:
            end = 0
            for line in file:
                end += len(line)
                try:
                    value = parse(line.decode(errors="replace"))
                except JsonFault:
                    continue
                if isinstance(value, dict):
                    yield end, value
    except FileNotFoundError:
        return
    except OSError as error:
        raise MetricsError(f"The figures in {path} cannot be read: {error.strerror}.") from error


class CurveLog:
    """The curves of one training: every point that a board is told, and where its checkpoints fell.

    Used by the thread that trains; `read_points` may be called by any.
    """

    def __init__(self, path: Path, kept: Callable[[str, int], bool] | None = None) -> None:
        """Go on with the file at `path`; what came after the last checkpoint that there is, by `kept`, is cut off.

        A training that goes on comes by there again. With `kept` None nothing is cut. Raises MetricsError.
        """
        self._path = path
        self._before: dict[str, tuple[int, float | None]] = {}
        if kept is not None and path.is_file():
            whole = 0
            for end, line in read_lines(path):
                if "kept" in line and kept(str(line["kept"]), int(line.get("step", 0))):
                    whole = end
            self._do(lambda: _cut(path, whole))
        self._points = list(read_points(path))
        self._file: IO[bytes] = self._do(lambda: path.open("ab+", buffering=0))
        self._do(lambda: end_line(self._file))

    @property
    def points(self) -> Sequence[tuple[float, Progress]]:
        """What the file held when it was gone on with."""
        return self._points

    def add(self, moment: float, progress: Progress) -> None:
        """Keep a point that has a loss, a new share of edits answered or new answers. Raises MetricsError."""
        share = (progress.step, progress.answered)
        if progress.loss is None and (progress.answered is None or self._before.get(progress.stage) == share):
            return
        self._before[progress.stage] = share
        line = {"at": round(moment, 3), "stage": progress.stage, "step": progress.step, "of": progress.of}
        self._write(line | {"loss": _finite(progress.loss), "answered": _finite(progress.answered)})

    def mark(self, stage: str, step: int) -> None:
        """Note that a checkpoint is about to be written: what comes after it is drawn again after a crash."""
        self._write({"kept": stage, "step": step})

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _write(self, values: Mapping[str, Any]) -> None:
        line = dump(values).encode() + b"\n"
        self._do(lambda: self._file.write(line))

    def _do(self, deed: Callable[[], T]) -> T:
        try:
            return deed()
        except OSError as error:
            raise MetricsError(f"The curves in {self._path} cannot be written: {error.strerror}.") from error


def read_points(path: Path) -> Iterator[tuple[float, Progress]]:
    """The points that a CurveLog keeps: seconds since the start, and the progress then. Raises MetricsError."""
    for _, line in read_lines(path):
        if "stage" in line and "at" in line:
            yield (
                float(line["at"]),
                Progress(
                    stage=str(line["stage"]),
                    step=int(line["step"]),
                    of=int(line["of"]),
                    loss=line.get("loss"),
                    answered=line.get("answered"),
                ),
            )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _cut(path: Path, size: int) -> None:
    with path.open("rb+") as file:
        file.truncate(size)
