"""The runs of a project: one row for each training of an editor; the run itself is a folder under runs/."""

from __future__ import annotations

import json
import logging
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TypedDict, Unpack

from sqlalchemy import select

from engine.editors.registry import EDITORS, EditorKind
from engine.edits import EditError, check_text, storable
from studio.store.changes import Changes
from studio.store.errors import ProjectError
from studio.store.project import Project
from studio.store.schema import RunNoteRecord, RunRecord
from studio.words import tr

_logger = logging.getLogger(__name__)


class RunState(StrEnum):
    """How a run stands."""

    WAITING = "waiting"  # in the queue: its snapshot is taken, nothing is trained yet
    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # the studio ended while it ran: it can be resumed


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run."""

    id: int
    created: datetime  # UTC: when its training began; when it was queued where it waits
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
    name: str = ""  # given by a person
    note: str = ""
    threshold: float | None = None  # of the gate, where it was moved by hand

    @property
    def kind(self) -> EditorKind | None:
        """Its editor; None where this version of the studio knows none of that name."""
        return EDITORS.get(self.editor)

    @property
    def gated(self) -> bool:
        """Whether its pack tells questions about edits from others."""
        return self.kind is None or self.kind.gated

    @property
    def undoes_one(self) -> bool:
        """Whether its pack can leave out one edit."""
        return self.kind is None or self.kind.undoes_one


class RunFields(TypedDict, total=False):
    """The parts of a run that `update_run` can change."""

    created: datetime
    state: RunState
    figures: Mapping[str, object]
    message: str
    name: str
    note: str
    threshold: float | None


GOES_ON_FROM = "goes on from"
"""The setting that holds the name of the folder of the run whose pack a run goes on from."""
ASIDE = ".deleted-"
"""How the names of the folders of deleted runs begin, until they are gone."""
MAX_NAME = 200
"""Characters that a run's name may have."""


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
    now = datetime.now(UTC)
    with project.write() as session:
        record = RunRecord(
            created=now.isoformat(),
            folder=_make_folder(project.runs_folder, now, editor),
            editor=editor,
            model=model,
            state=RunState.RUNNING.value,
            seed=seed,
            snapshot=snapshot,
            edits=edits,
            settings=json.dumps(dict(settings or {})),
            figures="{}",
            message="",
        )
        session.add(record)
        session.flush()
        return _row(project, record)


def update_run(project: Project, run_id: int, **fields: Unpack[RunFields]) -> Changes:
    """Note how a run stands; nothing happens where it was deleted.

    Raises EditError for a name, a note or a threshold that cannot be one.
    """
    note = _checked_note(fields)
    with project.write() as session:
        record = session.get(RunRecord, run_id)
        if record is None:
            return Changes()
        if "created" in fields:
            record.created = fields["created"].isoformat()
        if "state" in fields:
            record.state = RunState(fields["state"]).value
        if "figures" in fields:
            record.figures = json.dumps(dict(fields["figures"]))
        if "message" in fields:
            record.message = storable(fields["message"])
        if note:
            kept = session.get(RunNoteRecord, run_id)
            if kept is None:
                kept = RunNoteRecord(run_id=run_id, name="", note="", threshold=None)
                session.add(kept)
            for name, value in note.items():
                setattr(kept, name, value)
    return Changes(runs=(run_id,))


def delete_run(project: Project, run_id: int) -> Changes:
    """Delete a run and its folder; the history keeps what it answered.

    A job that still writes to the folder (an evaluation that is about to stop) does not find it any more. Raises
    ProjectError, and deletes nothing, while the run is trained or where its folder cannot be moved.
    """
    moved: Path | None = None
    try:
        with project.write() as session:
            record = session.get(RunRecord, run_id)
            if record is None:
                return Changes()
            _check_ended(record)
            folder = project.runs_folder / record.folder
            session.delete(record)
            session.flush()
            moved = _put_aside(folder)
    except BaseException:
        if moved is not None:
            moved.rename(folder)
        raise
    _remove_put_aside(project.runs_folder)
    return Changes(runs=(run_id,), comparisons=True)


def _check_ended(record: RunRecord) -> None:
    if record.state == RunState.RUNNING.value:
        raise ProjectError(tr("This run is being trained."), tr("Cancel the training, then delete the run."))


def _put_aside(folder: Path) -> Path | None:
    """Give `folder` a name that nobody writes to; None where it is gone. Raises ProjectError."""
    aside = folder.with_name(f"{ASIDE}{secrets.token_hex(4)}-{folder.name}")
    try:
        folder.rename(aside)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ProjectError(
            tr("The folder of the run cannot be deleted: {why}.", why=error.strerror or str(error)),
            tr("Close what has a file of {folder} open, then delete the run again.", folder=folder),
        ) from error
    return aside


def _remove_put_aside(parent: Path) -> None:
    """Delete the folders of deleted runs; one of which a file is still open goes with the next run that is deleted."""
    for aside in parent.glob(f"{ASIDE}*"):
        try:
            shutil.rmtree(aside)
        except OSError as error:
            _logger.warning("The folder %s of a deleted run is still there: %s", aside, error)


def get_run(project: Project, run_id: int) -> RunRow | None:
    """One run, or None where it is gone."""
    with project.read() as session:
        record = session.get(RunRecord, run_id)
        return None if record is None else _row(project, record, session.get(RunNoteRecord, run_id))


def runs(project: Project) -> list[RunRow]:
    """Every run, newest first."""
    with project.read() as session:
        return [
            _row(project, record, note)
            for record, note in session.execute(
                select(RunRecord, RunNoteRecord)
                .outerjoin(RunNoteRecord, RunNoteRecord.run_id == RunRecord.id)
                .order_by(RunRecord.id.desc())
            )
        ]


def _checked_note(fields: RunFields) -> dict[str, object]:
    """The parts of `fields` that a person gives. Raises EditError."""
    found: dict[str, object] = {}
    if "name" in fields:
        name = " ".join(fields["name"].split())
        check_text(name)
        if len(name) > MAX_NAME:
            raise EditError(
                tr(
                    "A run's name has at most {max_name} characters: this one has {number}.",
                    max_name=MAX_NAME,
                    number=f"{len(name):,}",
                )
            )
        found["name"] = name
    if "note" in fields:
        check_text(fields["note"])
        found["note"] = fields["note"]
    if "threshold" in fields:
        threshold = fields["threshold"]
        if threshold is not None and not 0 <= threshold <= 1:
            raise EditError(
                tr("The threshold {threshold} is out of range: give a familiarity from 0 to 1.", threshold=threshold)
            )
        found["threshold"] = threshold
    return found


def _row(project: Project, record: RunRecord, note: RunNoteRecord | None = None) -> RunRow:
    return RunRow(
        id=record.id,
        created=datetime.fromisoformat(record.created),
        folder=project.runs_folder / record.folder,
        editor=record.editor,
        model=record.model,
        state=RunState(record.state),
        seed=record.seed,
        snapshot=record.snapshot,
        edits=record.edits,
        settings=json.loads(record.settings),
        figures=json.loads(record.figures),
        message=record.message,
        name=note.name if note else "",
        note=note.note if note else "",
        threshold=note.threshold if note else None,
    )


def _make_folder(parent: Path, now: datetime, editor: str) -> str:
    """Make a new folder and give its name, which every file system can hold whatever the editor is called."""
    stem = f"{now:%Y-%m-%d-%H%M%S}-{re.sub('[^a-z0-9]+', '-', editor.casefold()).strip('-')[:40] or 'run'}"
    attempt = 1
    while True:
        name = stem if attempt == 1 else f"{stem}-{attempt}"
        try:
            (parent / name).mkdir(parents=True)
        except FileExistsError:
            attempt += 1
        else:
            return name
