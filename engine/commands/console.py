"""A command and the person before it: sentences and progress bars go to standard error, Ctrl+C comes back."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from engine import processes
from engine.runs import Cancel, ProgressBoard


def say(sentence: str) -> None:
    """Tell a sentence; of several processes, the main one alone speaks."""
    if processes.is_main():
        print(sentence, file=sys.stderr)


def give_account(rejections: Sequence[object], notes: Sequence[str]) -> None:
    """Say of a file that was read or written what was left out and what is worth knowing, a sentence each."""
    for sentence in (*map(str, rejections), *notes):
        say(sentence)


@contextmanager
def progress(stages: Sequence[str]) -> Iterator[ProgressBoard]:
    """A board whose progress is drawn on standard error, a bar a stage."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    board, done = ProgressBoard(), threading.Event()
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console) as bars:
        tasks = {stage: bars.add_task(stage, total=1, figures="") for stage in stages}

        def draw() -> None:
            now = board.latest()
            if now.stage in tasks:
                loss = "" if now.loss is None else f"loss {now.loss:.3f}  "
                answered = "" if now.answered is None else f"answered {100 * now.answered:.1f} %"
                bars.update(tasks[now.stage], completed=now.step, total=max(now.of, 1), figures=loss + answered)

        def watch() -> None:
            while not done.wait(0.2):
                draw()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield board
        finally:
            done.set()
            watcher.join()
            draw()


@contextmanager
def stop_at_interrupt() -> Iterator[Cancel]:
    """A Cancel that Ctrl+C sets; a second Ctrl+C ends the program at once."""
    cancel = Cancel()

    def stop(*_: object) -> None:
        say("Stopping after this step …")
        cancel.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield cancel
    finally:
        signal.signal(signal.SIGINT, before)
