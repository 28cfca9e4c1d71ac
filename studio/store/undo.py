"""Undo and redo, kept in the project's file beside what they undo.

A step remembers each row as it was before the step. Undoing swaps the two: the remembered row is written back and the
row that stood there is remembered in its place, so redo is the same operation once more.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from studio.store.changes import Changes
from studio.store.journal import EDIT, RELATION, ROWS, relation_from_payload, relation_payload, too_large
from studio.store.project import Project
from studio.store.records import (
    StoredEdit,
    delete_edit_rows,
    delete_relation_rows,
    insert_edits,
    read_edits,
    read_relations,
    refresh_derived,
    replace_relations,
    switch_edits,
)
from studio.store.schema import UndoRowRecord, UndoStepRecord

_NEWEST_DONE = (
    select(UndoStepRecord).where(UndoStepRecord.undone.is_(False)).order_by(UndoStepRecord.id.desc()).limit(1)
)
_OLDEST_UNDONE = select(UndoStepRecord).where(UndoStepRecord.undone.is_(True)).order_by(UndoStepRecord.id).limit(1)

REMEMBERED = ROWS
"""Edits that all steps together remember, at most."""


def undo(project: Project) -> Changes:
    """Take the newest step back; nothing happens where there is none."""
    with project.write() as session:
        return _swap(session, session.execute(_NEWEST_DONE).scalar_one_or_none())


def redo(project: Project) -> Changes:
    """Do the step again that was taken back last; nothing happens where there is none."""
    with project.write() as session:
        return _swap(session, session.execute(_OLDEST_UNDONE).scalar_one_or_none())


def undo_name(project: Project) -> str | None:
    """What `undo` would take back, to be said after the word ("delete 3 edits"), or None."""
    with project.read() as session:
        found = session.execute(_NEWEST_DONE).scalar_one_or_none()
        return found.name if found else None


def redo_name(project: Project) -> str | None:
    """What `redo` would do again, to be said after the word, or None."""
    with project.read() as session:
        found = session.execute(_OLDEST_UNDONE).scalar_one_or_none()
        return found.name if found else None


def steps_gone(project: Project) -> int:
    """How many steps cannot be taken back any more because they and later ones remembered too many edits."""
    with project.read() as session:
        return too_large(session)


def _swap(session: Session, step: UndoStepRecord | None) -> Changes:
    """Exchange the rows of the project with those that `step` remembers."""
    if step is None:
        return Changes()
    remembered: dict[str, dict[str, str | None]] = {EDIT: {}, RELATION: {}}
    for kind, row, payload in session.execute(
        select(UndoRowRecord.kind, UndoRowRecord.row, UndoRowRecord.payload).where(UndoRowRecord.step_id == step.id)
    ):
        remembered[kind][row] = payload
    renamed = _swap_relations(session, step.id, remembered[RELATION])
    changes = _swap_edits(session, step.id, remembered[EDIT])
    relabelled = [edit_id for edit_id in refresh_derived(session, renamed) if edit_id not in set(changes.added)]
    step.undone = not step.undone
    session.flush()
    return replace(
        changes,
        updated=tuple(sorted({*changes.updated, *relabelled})),
        relations=bool(renamed),
        undo=True,
    )


def _swap_relations(session: Session, step_id: int, remembered: dict[str, str | None]) -> list[str]:
    if not remembered:
        return []
    there = read_relations(session, remembered)
    delete_relation_rows(session, [key for key, payload in remembered.items() if payload is None])
    replace_relations(session, [relation_from_payload(payload) for payload in remembered.values() if payload])
    _remember(
        session,
        step_id,
        RELATION,
        {key: relation_payload(there[key]) if key in there else None for key in remembered},
    )
    return list(remembered)


def _swap_edits(session: Session, step_id: int, remembered: dict[str, str | None]) -> Changes:
    before = {int(row): StoredEdit.from_payload(payload) for row, payload in remembered.items() if payload}
    there = read_edits(session, map(int, remembered))
    for edit_id, edit in before.items():
        now = there.get(edit_id)
        if now is not None and now.prompt == edit.prompt:
            # Familiarity is measured, not entered: it follows the prompt, not the step.
            before[edit_id] = replace(edit, familiarity=now.familiarity)
    switched, rewritten = _only_switched(there, before)
    for enabled in (True, False):
        switch_edits(session, [edit_id for edit_id in switched if before[edit_id].enabled is enabled], enabled)
    delete_edit_rows(session, there.keys() - switched)
    insert_edits(session, rewritten)
    _remember(
        session,
        step_id,
        EDIT,
        {row: there[int(row)].payload() if int(row) in there else None for row in remembered},
    )
    return Changes(
        added=tuple(sorted(before.keys() - there.keys())),
        updated=tuple(sorted(before.keys() & there.keys())),
        removed=tuple(sorted(there.keys() - before.keys())),
    )


def _only_switched(
    there: dict[int, StoredEdit], before: dict[int, StoredEdit]
) -> tuple[set[int], dict[int, StoredEdit]]:
    """The edits that the step only switched on or off, the likeliest change to thousands; and the rest of `before`."""
    switched = {
        edit_id
        for edit_id, edit in before.items()
        if edit_id in there and replace(there[edit_id], enabled=edit.enabled) == edit
    }
    return switched, {edit_id: edit for edit_id, edit in before.items() if edit_id not in switched}


def _remember(session: Session, step_id: int, kind: str, payloads: dict[str, str | None]) -> None:
    if not payloads:
        return
    table = UndoRowRecord.__table__
    session.connection().execute(
        update(table)  # type: ignore[arg-type]
        .where(table.c.step_id == step_id, table.c.kind == kind, table.c.row == bindparam("its_row"))
        .values(payload=bindparam("its_payload")),
        [{"its_row": row, "its_payload": payload} for row, payload in payloads.items()],
    )
