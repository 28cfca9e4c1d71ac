"""The runs of a project: one row for each training of an editor; the run itself is a folder under runs/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypedDict, Unpack

from studio.store.changes import Changes
from studio.store.project import Project


class RunState(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # the studio ended while it ran: it can be resumed


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run."""

    id: int
    created: datetime  # UTC
    folder: Path  # absolute, under the project's runs folder
    editor: str
    model: str
    state: RunState
    seed: int
    snapshot: str  # hash of the edit set it was trained on
    edits: int  # how many edits it was trained on
    settings: Mapping[str, object]
    figures: Mapping[str, object]
    message: str  # why it failed, one sentence


class RunFields(TypedDict, total=False):
    """The parts of a run that `update_run` can change."""

    state: RunState
    figures: Mapping[str, object]
    message: str


def add_run(
    project: Project,
    *,
    editor: str,
    model: str,
    seed: int,
    snapshot: str,
    edits: int,
    settings: Mapping[str, object] | None = None,
) -> RunRow:
    """Note a run that starts now and make its folder, named after the moment and the editor."""
    raise NotImplementedError


def update_run(project: Project, run_id: int, **fields: Unpack[RunFields]) -> Changes:
    """Note how a run stands."""
    raise NotImplementedError


def delete_run(project: Project, run_id: int) -> Changes:
    """Delete a run and its folder; the history keeps what it answered."""
    raise NotImplementedError


def runs(project: Project) -> list[RunRow]:
    """Every run, newest first."""
    raise NotImplementedError
