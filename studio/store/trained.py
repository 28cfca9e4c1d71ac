"""What a run was trained on, and how the edits differ from it by now.

Taking a run's snapshot notes of each edit what it said, as a number, and whether it was switched on. An edit that was
switched off is no part of a training: switching one off after it is a change, adding one that is off is none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Select, SQLColumnExpression, and_, case, func, insert, literal, or_, select
from sqlalchemy.orm import Session, aliased

from studio.store.project import Project
from studio.store.schema import EditPrintRecord, EditRecord, SettingRecord, TrainedEditRecord

RUN_IN_USE = "run"
"""The setting that holds the id of the run whose pack answers now."""


class Since(StrEnum):
    """How an edit differs from what the run in use was trained on."""

    SAME = ""
    ADDED = "added"  # the run does not know it
    CHANGED = "changed"  # another text, or switched off


@dataclass(frozen=True, slots=True)
class ChangesSince:
    """How many edits differ from what a run was trained on."""

    added: int = 0
    changed: int = 0
    removed: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def note_trained(project: Project, run_id: int) -> None:
    """Note the edits as they are now as those that the run is trained on."""
    now = select(literal(run_id), EditRecord.key, EditPrintRecord.print, EditRecord.enabled).join(
        EditPrintRecord, EditPrintRecord.edit_id == EditRecord.id
    )
    columns = [
        TrainedEditRecord.run_id,
        TrainedEditRecord.key,
        TrainedEditRecord.print,
        TrainedEditRecord.enabled,
    ]
    with project.write() as session:
        session.execute(insert(TrainedEditRecord).from_select(columns, now))


def changes_since(project: Project, run_id: int) -> ChangesSince | None:
    """How the edits differ from those that the run was trained on; None where nothing was noted of it."""
    with project.read() as session:
        if not _is_noted(session, run_id):
            return None
        statement, since = with_since(select(EditRecord.id), run_id)
        differing = statement.add_columns(since.label("since")).subquery()
        number = func.count()
        found = {
            row.since: row.number
            for row in session.execute(
                select(differing.c.since, number.label("number"))
                .where(differing.c.since != Since.SAME.value)
                .group_by(differing.c.since)
            )
        }
        gone = session.execute(
            select(number)
            .select_from(TrainedEditRecord)
            .where(
                TrainedEditRecord.run_id == run_id,
                TrainedEditRecord.enabled,
                ~select(EditRecord.id).where(EditRecord.key == TrainedEditRecord.key).exists(),
            )
        ).scalar_one()
    return ChangesSince(found.get(Since.ADDED.value, 0), found.get(Since.CHANGED.value, 0), gone)


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
        (and_(EditRecord.enabled, or_(then.enabled.is_(None), ~then.enabled)), Since.ADDED.value),
        (and_(then.enabled, or_(~EditRecord.enabled, now.print.is_distinct_from(then.print))), Since.CHANGED.value),
        else_=Since.SAME.value,
    )
    return joined, since


def _is_noted(session: Session, run_id: int) -> bool:
    found = select(TrainedEditRecord.key).where(TrainedEditRecord.run_id == run_id).limit(1)
    return session.execute(found).first() is not None
