"""What the table of runs says of each run."""

from __future__ import annotations

from collections.abc import Callable

from studio.store.runs import RunRow, RunState
from studio.widgets.figures import figure, moment, share
from studio.widgets.rows import Column
from studio.widgets.run_words import editor_name, model_name, state_name
from studio.words import tr

ICONS = {
    RunState.WAITING: "history",
    RunState.RUNNING: "train",
    RunState.FINISHED: "good",
    RunState.CANCELLED: "stop",
    RunState.FAILED: "error",
    RunState.INTERRUPTED: "warning",
}
NAME = 1
"""The column that can be written in."""


def run_columns(in_use: Callable[[RunRow], bool]) -> tuple[Column[RunRow], ...]:
    """The columns; `in_use` says whether a run's pack answers now."""

    def state(run: RunRow) -> str:
        return tr("{state}, in use", state=state_name(run)) if in_use(run) else state_name(run)

    def started(run: RunRow) -> str:
        return "" if run.state is RunState.WAITING else moment(run.created)

    return (
        Column(tr("State"), state, icon=lambda run: ICONS[run.state]),
        Column(tr("Name"), lambda run: run.name, wide=True, help=tr("Press F2, or Rename, to write in it.")),
        Column(tr("Started"), started, lambda run: run.created),
        Column(tr("Editor"), editor_name),
        Column(tr("Model"), lambda run: model_name(run.model)),
        Column(tr("Edits"), lambda run: f"{run.edits:,}", lambda run: run.edits, number=True),
        Column(tr("Seed"), lambda run: str(run.seed), lambda run: run.seed, number=True),
        *(_figure(name) for name in ("reliability", "generality", "locality", "score")),
    )


def _figure(name: str) -> Column[RunRow]:
    return Column(
        tr(name.capitalize()),
        lambda run: share(figure(run.figures, name)),
        lambda run: figure(run.figures, name),
        number=True,
    )
