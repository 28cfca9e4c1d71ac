"""What a run was trained on, and how the edits differ from it by now.

Taking a run's snapshot notes of each edit what it said, as a number, and whether it was switched on. An edit that was
switched off is no part of a training: adding one that is off makes no difference to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Select, SQLColumnExpression, and_, case, func, insert, literal, select
from sqlalchemy.orm import Session, aliased

from engine.edits import Edit, EditSet, Probe
from studio.store.project import Project
from studio.store.records import StoredEdit, read_edits
from studio.store.schema import EditPrintRecord, EditRecord, SettingRecord, TrainedEditRecord

RUN_IN_USE = "run"
"""The setting that holds the id of the run whose pack answers now."""


class Since(StrEnum):
    """How an edit differs from what a run was trained on; each in one way at most."""

    SAME = ""
    ADDED = "added"  # was not there
    REMOVED = "removed"  # was trained, and is gone
    CHANGED = "changed"  # was trained with another text
    OFF = "switched off"  # was trained
    ON = "switched on"  # was there, switched off


@dataclass(frozen=True, slots=True)
class EditSince:
    """One edit that is no longer as a run was trained on it."""

    since: Since
    key: str  # its id
    prompt: str
    before: str  # what differs, as it was; empty for what was added
    now: str  # and as it is; empty for what was removed


_PARTS = (
    ("new object", "new_object"),
    ("prompt", "prompt"),
    ("subject", "subject"),
    ("relation", "relation"),
    ("aliases", "aliases"),
    ("paraphrases", "paraphrases"),
    ("probes", "probes"),
)


def note_trained(project: Project, run_id: int, edits: EditSet) -> None:
    """Note `edits` as those that the run is trained on; nothing happens where some are noted of it."""
    with project.write() as session:
        if not edits.edits or _is_noted(session, run_id):
            return
        session.execute(
            insert(TrainedEditRecord.__table__),  # type: ignore[arg-type]  # the plain table: no object of each row
            [
                {
                    "run_id": run_id,
                    "key": edit.id,
                    "print": StoredEdit.from_edit(edit).print(),
                    "enabled": edit.enabled,
                }
                for edit in edits.edits
            ],
        )


def changes_since(project: Project, run_id: int) -> Mapping[Since, int] | None:
    """How many edits differ from those that the run was trained on, and how; None where nothing was noted of it."""
    with project.read() as session:
        if not _is_noted(session, run_id):
            return None
        statement, since = with_since(select(EditRecord.id), run_id)
        differing = statement.add_columns(since.label("since")).subquery()
        number = func.count()
        found = {
            Since(row.since): row.number
            for row in session.execute(
                select(differing.c.since, number.label("number"))
                .where(differing.c.since != Since.SAME.value)
                .group_by(differing.c.since)
            )
        }
        gone = session.execute(select(number).select_from(_gone(run_id).subquery())).scalar_one()
    return {**found, Since.REMOVED: gone} if gone else found


def edits_since(project: Project, run_id: int, snapshot: EditSet) -> list[EditSince]:
    """Every edit that differs from what the run was trained on, with its texts in `snapshot`, the run's own.

    In the order of `snapshot`, what was added last.
    """
    note_trained(project, run_id, snapshot)  # a run of an earlier version
    with project.read() as session:
        statement, since = with_since(select(EditRecord.id), run_id)
        differing = {
            row.id: Since(row.since)
            for row in session.execute(
                statement.add_columns(since.label("since")).where(since != Since.SAME.value).order_by(EditRecord.id)
            )
        }
        now = {stored.key: (differing[key], stored.to_edit()) for key, stored in read_edits(session, differing).items()}
        gone = set(session.execute(_gone(run_id)).scalars())
    found = []
    for edit in snapshot.edits:
        if edit.id in gone:
            found.append(EditSince(Since.REMOVED, edit.id, edit.prompt, edit.new_object, ""))
        elif edit.id in now:
            how, there = now.pop(edit.id)
            found.append(EditSince(how, there.id, there.prompt, *_differing(edit, there)))
    return found + [EditSince(how, edit.id, edit.prompt, "", edit.new_object) for how, edit in now.values()]


def run_in_use(session: Session) -> int | None:
    """The run whose pack answers now, where it is known what it was trained on."""
    value = session.execute(select(SettingRecord.value).where(SettingRecord.name == RUN_IN_USE)).scalar()
    run_id = json.loads(value) if value is not None else None
    return run_id if isinstance(run_id, int) and _is_noted(session, run_id) else None


def with_since(statement: Select[int], run_id: int | None) -> tuple[Select[int], SQLColumnExpression[str]]:
    """`statement`, which reads edits, with what it takes to say how each differs from the run; and that, a `Since`."""
    if run_id is None:
        return statement, literal(Since.SAME.value)
    then, now = aliased(TrainedEditRecord), aliased(EditPrintRecord)
    joined = statement.outerjoin(then, and_(then.run_id == run_id, then.key == EditRecord.key)).outerjoin(
        now, now.edit_id == EditRecord.id
    )
    since = case(
        (and_(EditRecord.enabled, then.enabled.is_(None)), Since.ADDED.value),
        (and_(EditRecord.enabled, ~then.enabled), Since.ON.value),
        (and_(~EditRecord.enabled, then.enabled), Since.OFF.value),
        (and_(then.enabled, now.print.is_distinct_from(then.print)), Since.CHANGED.value),
        else_=Since.SAME.value,
    )
    return joined, since


def _is_noted(session: Session, run_id: int) -> bool:
    found = select(TrainedEditRecord.key).where(TrainedEditRecord.run_id == run_id).limit(1)
    return session.execute(found).first() is not None


def _gone(run_id: int) -> Select[str]:
    """The keys of the edits that the run was trained on and that are there no more."""
    return select(TrainedEditRecord.key).where(
        TrainedEditRecord.run_id == run_id,
        TrainedEditRecord.enabled,
        ~select(EditRecord.id).where(EditRecord.key == TrainedEditRecord.key).exists(),
    )


def _differing(before: Edit, now: Edit) -> tuple[str, str]:
    """What differs between two edits, as it was and as it is; the new objects where only the switch does."""
    parts = [(name, part) for name, part in _PARTS if getattr(before, part) != getattr(now, part)]
    if not parts:
        return before.new_object, now.new_object
    was, told = (
        "; ".join(
            f"{name}: {_told(getattr(edit, part))}" if part != "new_object" else _told(edit.new_object)
            for name, part in parts
        )
        for edit in (before, now)
    )
    return was, told


def _told(value: object) -> str:
    """A text as it is, several beside one another."""
    if isinstance(value, tuple):
        return " · ".join(part.prompt if isinstance(part, Probe) else str(part) for part in value) or "none"
    return str(value) or "none"
