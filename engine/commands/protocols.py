"""What `meg evaluate --protocols` adds: each protocol measured by itself and told as its own block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from engine.commands.console import progress, stop_at_interrupt
from engine.edits import EditSet
from engine.evaluation.protocol import (
    PROTOCOLS,
    Figure,
    Options,
    ProtocolError,
    ProtocolReport,
    protocol_kind,
)

if TYPE_CHECKING:
    from engine.editor import EditedModel

PROTOCOLS_HELP = "Measure these too, each by itself, separated by commas: " + " ".join(
    f"{kind.name}: {kind.about}" for kind in PROTOCOLS.values()
)


def chosen_protocols(text: str | None) -> tuple[str, ...]:
    """The protocols that an option names. Raises ProtocolError for one that there is not."""
    names = [name.strip() for name in (text or "").split(",")]
    return tuple(protocol_kind(name).name for name in dict.fromkeys(names) if name)


def chosen_tasks(texts: Sequence[str]) -> dict[str, Path]:
    """The data files of tasks, given as NAME=FILE."""
    tasks = {}
    for text in texts:
        name, given, path = text.partition("=")
        if not given or not path:
            raise typer.BadParameter(f"“{text}” is no NAME=FILE, as in gsm8k=problems.jsonl.", param_hint="--task")
        tasks[name.strip()] = Path(path)
    return tasks


def chosen_harness(texts: Sequence[str]) -> dict[str, Path | None]:
    """The tasks that lm-eval runs, given as NAME or, to be read from a file, as NAME=FILE."""
    named = (text.partition("=") for text in texts)
    return {name.strip(): Path(path) if path else None for name, _, path in named}


def measure_protocols(
    names: Sequence[str], edited: EditedModel, edit_set: EditSet, options: Options
) -> list[ProtocolReport]:
    """A report of each protocol, with a progress bar each; Ctrl+C stops."""
    if not names:
        return []
    kinds = [PROTOCOLS[name] for name in names]
    with progress([kind.title for kind in kinds]) as board, stop_at_interrupt() as cancel:
        return [
            kind.measure(edited, edit_set, options, cancel=cancel, report=partial(board.report, kind.title))
            for kind in kinds
        ]


def check_options(names: Sequence[str], given: Mapping[str, tuple[object, str]]) -> None:
    """Raise ProtocolError where an option is given whose protocol is not measured."""
    for option, (value, name) in given.items():
        if value and name not in names:
            raise ProtocolError(f"{option} is for the protocol {name}: add --protocols {name}, or leave it out.")


def check_data(options: Options) -> None:
    """Raise ProtocolError where a file cannot be used, or lm-eval: before minutes of work, not after them."""
    from engine.evaluation import harness
    from engine.evaluation.perplexity import read_texts
    from engine.evaluation.tasks import read_task

    for path in options.texts:
        read_texts(path)
    for name, path in options.tasks.items():
        read_task(name, path)
    if options.harness:
        harness.check(options.harness)


def block(report: ProtocolReport) -> str:
    """A protocol's figures as lines of text: its title, what it is, its table, its notes."""
    wide = max(28, *(len(figure.name) + 2 for figure in report.figures))
    lines = ["", report.title, report.about, f"{'':<{wide}}{'original':>10}{'edited':>10}{'asked':>8}"]
    for figure in report.figures:
        if figure.asked:
            cells = f"{_cell(figure, figure.original)}{_cell(figure, figure.edited)}{figure.asked:8,}"
        else:
            cells = f"{'not measured':>28}"
        lines.append(f"{figure.name:<{wide}}{cells}")
    return "\n".join([*lines, *report.notes])


def _cell(figure: Figure, value: float | None) -> str:
    if value is None:
        return f"{'–':>10}"
    if figure.unit == "share":
        return f"{100 * value:8.2f} %"
    if figure.unit == "perplexity":
        return f"{value:10.2f}" if value < 1e6 else f"{value:10.1e}"
    return f"{value:10.4f}"
