"""The log of a run: when it began, how long each stage took, what the engine complained of, how it ended.

It is a text file in the run's folder, appended to whenever the run goes on, so that what a training that was killed
had to say is there too.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

from engine.runs import Cancel, Cancelled, Progress, ProgressBoard
from studio.errors import describe
from studio.jobs import Shelf

if TYPE_CHECKING:
    from studio.model_jobs import Trained, TrainingOrder

LOG = "log.txt"
"""The name of the log in a run's folder."""
MOST = 200_000
"""Characters of a log that are shown: its end."""
_FORM = logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S")

_logger = logging.getLogger(__name__)

Training = Callable[["Shelf", "TrainingOrder", ProgressBoard, Cancel], "Trained"]


def logged(train: Training) -> Training:
    """`train`, which now writes the log of the run that it is given."""

    @wraps(train)
    def training(shelf: Shelf, order: TrainingOrder, board: ProgressBoard, cancel: Cancel) -> Trained:
        with _log(order.folder / LOG) as say:
            chosen = ", ".join(f"{name} {value}" for name, value in order.settings.items() if _is_plain(value))
            say(f"Training begins: model {order.source.name}, device {order.source.device}, seed {order.seed}.")
            say(f"Editor {order.editor}: {chosen}.")
            try:
                trained = train(shelf, order, board, cancel)
            except Cancelled:
                _say_stages(board, say)
                say("Stopped. What was finished is kept.")
                raise
            except BaseException as error:
                _say_stages(board, say)
                say(f"Failed: {describe(error).details.strip()}")
                raise
            _say_stages(board, say)
            told = ", ".join(f"{name} {value:.4g}" for name, value in trained.figures.items() if _is_number(value))
            say(f"Finished: {told}.")
            return trained

    return training


def read_log(folder: Path) -> str:
    """What the log in a run's folder says, its end where it is very long; empty where there is none."""
    try:
        return (folder / LOG).read_text(encoding="utf-8", errors="replace")[-MOST:]
    except FileNotFoundError:
        return ""


@contextmanager
def _log(path: Path) -> Iterator[Callable[[str], None]]:
    """Append to `path` what is said, and what this thread logs as a warning or worse, until the block ends.

    A log that cannot be written to must not keep a training from going on.
    """
    try:
        handler = logging.FileHandler(path, encoding="utf-8", errors="replace")
    except OSError:
        _logger.exception("The log of a run cannot be written.")
        yield lambda _: None
        return
    handler.setFormatter(_FORM)
    handler.setLevel(logging.WARNING)
    thread = threading.get_ident()
    handler.addFilter(lambda record: record.thread == thread)
    root = logging.getLogger()
    root.addHandler(handler)

    def say(text: str) -> None:
        handler.emit(logging.LogRecord(__name__, logging.INFO, "", 0, text, None, None))

    try:
        yield say
    finally:
        root.removeHandler(handler)
        handler.close()


def _say_stages(board: ProgressBoard, say: Callable[[str], None]) -> None:
    """What was stated of its memory, and one line a stage.

    A stage's line says how far it came, how long it took, its last loss and share of edits answered.
    """
    stated = board.stated()
    if stated is not None:
        say(f"Memory beside the model: {stated / 2**20:,.0f} MiB at most, as stated before it began.")
    stages: dict[str, list[tuple[float, Progress]]] = {}
    for moment, progress in board.history():
        stages.setdefault(progress.stage, []).append((moment, progress))
    starts = [points[0][0] for points in stages.values()] + [points[-1][0] for points in stages.values()][-1:]
    for place, (stage, points) in enumerate(stages.items()):
        last = points[-1][1]
        parts = [f"{stage}: {max(starts[place + 1] - starts[place], 0):.1f} s"]
        if last.of:
            parts.append(f"step {last.step:,} of {last.of:,}")
        if last.loss is not None:
            parts.append(f"loss {last.loss:.4g}")
        if last.answered is not None:
            parts.append(f"{100 * last.answered:.1f} % of the edits answered")
        say(", ".join(parts))


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
