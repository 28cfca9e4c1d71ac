"""Cells of several edits written at once: what a spreadsheet's rectangle is pasted over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.edits import EditError
from studio.store.changes import Changes
from studio.store.edits import EditFields, adopt, updated_edit, usable_relations
from studio.store.journal import step
from studio.store.project import Project
from studio.store.records import StoredEdit, read_edits, replace_edits
from studio.words import counted, tr


@dataclass(frozen=True, slots=True)
class CellChanges(Changes):
    """What was written, and which edits could not take what was given for them."""

    refused: tuple[tuple[int, str], ...] = ()  # (the edit's row id, the reason as a sentence)


def update_edits(project: Project, fields: Mapping[int, EditFields], *, name: str = "") -> CellChanges:
    """Change parts of many edits as one step; each as `update_edit` would change it alone.

    An edit that cannot take its part stays as it is and is named in `refused`, as is one that is gone.
    """
    with step(project, name or tr("change {edits}", edits=counted(len(fields), "edit"))) as under_way:
        session = under_way.session
        stored = read_edits(session, fields)
        wanted = {row.relation for row in stored.values()} | {part.get("relation", "") for part in fields.values()}
        known = usable_relations(project, session, wanted - {""})
        changed: dict[int, StoredEdit] = {}
        used: set[str] = set()
        refused: list[tuple[int, str]] = []
        for edit_id, part in fields.items():
            row = stored.get(edit_id)
            if row is None:
                refused.append((edit_id, tr("It was deleted meanwhile.")))
                continue
            before = row.to_edit()
            try:
                after = updated_edit(before, part, known)
            except EditError as error:
                refused.append((edit_id, str(error)))
                continue
            if after != before:
                used.add(after.relation)
                familiarity = row.familiarity if after.prompt == before.prompt else None
                changed[edit_id] = row.rewritten(before, after, familiarity)
        under_way.edits(changed, stored)
        adopted = adopt(under_way, [known[relation] for relation in used if relation in known])
        replace_edits(session, changed, stored)
        return CellChanges(updated=tuple(changed), relations=adopted, undo=under_way.kept, refused=tuple(refused))
