"""The relations that edits of a project can use: the built-in catalogue, and what the project adds to it.

A built-in relation is copied into the project when an edit first uses it, so that the project stays whole when the
catalogue changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine.edits import EditError, Relation, fill, fold
from studio.store.changes import Changes
from studio.store.journal import step
from studio.store.project import Project
from studio.store.records import (
    delete_edit_rows,
    delete_relation_rows,
    read_edits,
    read_relations,
    refresh_derived,
    replace_edits,
    replace_relations,
)
from studio.store.schema import EditRecord
from studio.words import counted, tr


@dataclass(frozen=True, slots=True)
class RelationRow:
    """One relation, and how many edits use it."""

    relation: Relation
    edits: int
    built_in: bool  # it stands in the catalogue as it is
    in_catalogue: bool = False  # it stands there, reworded here or not


def relations(project: Project) -> list[RelationRow]:
    """Every relation an edit can use, by name."""
    with project.read() as session:
        everything = _everything(project, session)
        used = _uses(session)
    rows = [
        RelationRow(
            relation,
            used.get(relation.id, 0),
            project.catalogue.get(relation.id) == relation,
            relation.id in project.catalogue,
        )
        for relation in everything.values()
    ]
    return sorted(rows, key=lambda row: (fold(row.relation.name), row.relation.id))


def add_relation(project: Project, relation: Relation) -> Changes:
    """Add a relation of one's own; EditError where the id or the name is taken."""
    with step(project, tr("add the relation “{name}”", name=relation.name)) as under_way:
        everything = _everything(project, under_way.session)
        if relation.id in everything:
            raise EditError(tr("There is a relation with the id “{id}” already.", id=relation.id))
        _check_name(relation, everything)
        under_way.relations([relation.id])
        replace_relations(under_way.session, [relation])
        relabelled = refresh_derived(under_way.session, [relation.id])
        return Changes(updated=tuple(relabelled), relations=True, undo=True)


def update_relation(project: Project, relation: Relation) -> Changes:
    """Give a relation another name or other phrasings; EditError where it is not there or the name is taken.

    Prompts that were made of a phrasing that is gone are made anew of the one in its place, or of the first; their
    original answers and familiarity, which belong to the old prompts, are emptied.
    """
    with step(project, tr("change the relation “{name}”", name=relation.name)) as under_way:
        session = under_way.session
        everything = _everything(project, session)
        before = everything.get(relation.id)
        if before is None:
            raise EditError(tr("There is no relation “{name}” in this project.", name=relation.name))
        if before == relation:
            return Changes()
        _check_name(relation, everything)
        under_way.relations([relation.id])
        replace_relations(session, [relation])
        using = session.execute(select(EditRecord.id).where(EditRecord.relation == relation.id)).scalars().all()
        rephrased = {
            edit_id: replace(edit, prompt=prompt, original_answer="", familiarity=None)
            for edit_id, edit in read_edits(session, using).items()
            if (prompt := _rephrased(edit.prompt, edit.subject, before, relation)) != edit.prompt
        }
        under_way.edits(rephrased)
        replace_edits(session, rephrased)
        relabelled = refresh_derived(session, [relation.id])
        return Changes(updated=tuple(sorted({*rephrased, *relabelled})), relations=True, undo=True)


class OnUse(StrEnum):
    """What becomes of the edits of a relation that is deleted."""

    REFUSE = "refuse"  # the relation stays while edits use it
    FREE = "free"  # they keep their prompts and have no relation
    DELETE = "delete"


def delete_relation(project: Project, relation_id: str, on_use: OnUse = OnUse.REFUSE) -> Changes:
    """Delete a relation of one's own, or give a built-in one its own phrasings back, as one step."""
    with step(project, tr("delete a relation")) as under_way:
        session = under_way.session
        own = read_relations(session, [relation_id]).get(relation_id)
        if own is None:
            return Changes()
        using = session.execute(select(EditRecord.id).where(EditRecord.relation == relation_id)).scalars().all()
        if using and on_use is OnUse.REFUSE:
            raise EditError(
                tr(
                    "{edits} of this project use “{name}”: delete them or give them another relation.",
                    edits=counted(len(using), "edit"),
                    name=own.name,
                )
            )
        under_way.name = f"delete the relation “{own.name}”"
        under_way.relations([relation_id])
        delete_relation_rows(session, [relation_id])
        edits = under_way.edits(using)
        if on_use is OnUse.DELETE:
            delete_edit_rows(session, using)
            return Changes(removed=tuple(using), relations=True, undo=True)
        replace_edits(session, {edit_id: replace(edit, relation="") for edit_id, edit in edits.items()})
        return Changes(updated=tuple(using), relations=True, undo=True)


def built_in(project: Project, relation_id: str) -> Relation | None:
    """The relation as the catalogue has it, whatever the project made of it."""
    return project.catalogue.get(relation_id)


def count_rephrased(project: Project, relation: Relation) -> int:
    """How many prompts `update_relation` would make anew."""
    with project.read() as session:
        before = _everything(project, session).get(relation.id)
        if before is None or not set(before.phrasings) - set(relation.phrasings):
            return 0
        using = session.execute(
            select(EditRecord.prompt, EditRecord.subject).where(EditRecord.relation == relation.id)
        ).all()
    return sum(_rephrased(row.prompt, row.subject, before, relation) != row.prompt for row in using)


def subjects(project: Project, relation_id: str, most: int) -> tuple[str, ...]:
    """Some subjects of the relation's edits, for a preview; of any edits where it has none."""
    with project.read() as session:
        named = select(EditRecord.subject).where(EditRecord.subject != "").distinct().limit(most)
        own = session.execute(named.where(EditRecord.relation == relation_id)).scalars().all()
        return tuple(own or session.execute(named).scalars().all())


def _everything(project: Project, session: Session) -> dict[str, Relation]:
    return {**project.catalogue, **read_relations(session)}


def _uses(session: Session) -> dict[str, int]:
    number = func.count().label("number")
    statement = select(EditRecord.relation, number).where(EditRecord.relation != "").group_by(EditRecord.relation)
    return {row.relation: row.number for row in session.execute(statement)}


def _check_name(relation: Relation, everything: dict[str, Relation]) -> None:
    if not relation.name.strip():
        raise EditError(tr("The relation has no name: give it one."))
    for other in everything.values():
        if other.id != relation.id and fold(other.name) == fold(relation.name):
            raise EditError(tr("There is a relation called “{name}” already: choose another name.", name=other.name))


def _rephrased(prompt: str, subject: str, before: Relation, after: Relation) -> str:
    """`prompt` in the words of `after`, where it was in words of `before` that are gone."""
    for place, phrasing in enumerate(before.phrasings):
        if subject and phrasing not in after.phrasings and fill(phrasing, subject) == prompt:
            return fill(after.phrasings[place if place < len(after.phrasings) else 0], subject)
    return prompt
