"""The runs that wait for their turn, in the order in which they will be trained."""

from __future__ import annotations

from collections.abc import Sequence

from studio.store.changes import Changes
from studio.store.project import Project
from studio.store.runs import RunRow, RunState, runs
from studio.store.settings import get_setting, set_setting

ORDER = "queue"
"""The setting that holds the ids in their order; one that it does not name comes last, one that is gone is left out."""


def waiting(project: Project) -> list[RunRow]:
    """The waiting runs, the next one first."""
    told = get_setting(project, ORDER, [])
    order = [key for key in told if isinstance(key, int)] if isinstance(told, list) else []
    place = {key: number for number, key in enumerate(order)}
    rows = [run for run in runs(project) if run.state is RunState.WAITING]
    return sorted(rows, key=lambda run: (place.get(run.id, len(place)), run.id))


def reorder(project: Project, ids: Sequence[int]) -> Changes:
    """Let the waiting runs be trained in the order of `ids`."""
    set_setting(project, ORDER, list(ids))
    return Changes(runs=tuple(ids))
