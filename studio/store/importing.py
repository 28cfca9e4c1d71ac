"""Taking an edit set in: what is new is added, what is there already is passed over, updated or added all the same.

An imported edit is *there already* where the project has an edit of the same id, or one that asks the same (equal
subject and relation, or equal prompt, after folding). All of it is one transaction and one step of undo; stopped on
the way, it leaves the project untouched.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import TypeVar

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from engine.edits import Edit, EditSet, fold
from engine.formats.watch import Watch
from studio.store.changes import Changes
from studio.store.edits import adopt
from studio.store.journal import Step, step
from studio.store.keys import fact_key
from studio.store.project import Project
from studio.store.records import (
    StoredEdit,
    among_texts,
    insert_edits,
    next_edit_id,
    read_edits,
    read_relations,
    replace_edits,
)
from studio.store.schema import EditRecord
from studio.words import counted, tr

CHUNK = 2_000
"""Edits that are written between two looks at the cancel."""

Item = TypeVar("Item")


class WhenThere(StrEnum):
    """What becomes of an imported edit that is there already."""

    SKIP = "skip"  # the one that is there stays as it is
    UPDATE = "update"  # it takes over what the imported one gives
    ADD = "add"  # both: the imported one is added under an id of its own


@dataclass(frozen=True, slots=True)
class Standing:
    """How an edit set stands to the project's edits, before anything is imported."""

    new: int
    same: int  # there already, word for word
    differing: int  # there already, in other words


@dataclass(frozen=True, slots=True)
class ImportChanges(Changes):
    """What an import changed, and which edits it passed over."""

    passed_over: tuple[tuple[int, str], ...] = ()  # (place in the edit set from 0, the reason as a clause)
    notes: tuple[str, ...] = ()


def compare(project: Project, edit_set: EditSet, watch: Watch | None = None) -> Standing:
    """How `edit_set` stands to what is there; nothing is changed."""
    watch = watch or Watch()
    with project.read() as session:
        there = _There(session, edit_set.edits)
        new = same = 0
        for place, edit in enumerate(edit_set.edits, start=1):
            watch.row("Comparing", place, len(edit_set.edits))
            found = there.find(edit)
            new += found is None
            same += found is not None and _merged(there.edits[found], edit) == there.edits[found]
    return Standing(new, same, len(edit_set.edits) - new - same)


def import_edit_set(
    project: Project, edit_set: EditSet, when_there: WhenThere = WhenThere.SKIP, *, watch: Watch | None = None
) -> ImportChanges:
    """Import every edit of `edit_set`, with the relations it brings, as one step.

    An edit that is there under its id, word for word, is always passed over. `UPDATE` takes over what an imported edit
    gives: a text that it has none of stays, so that a table of three columns empties no paraphrases. A relation that
    the project has already, under the same id, keeps its own phrasings. Raises Cancelled where `watch` says so.
    """
    watch = watch or Watch()
    with step(project, tr("import {edits}", edits=counted(len(edit_set.edits), "edit"))) as under_way:
        session = under_way.session
        used = {edit.relation for edit in edit_set.edits} | set(edit_set.relations)
        known = {**project.catalogue, **edit_set.relations}
        notes = _relation_notes(session, edit_set)
        adopted = adopt(under_way, [known[relation] for relation in used if relation in known])
        there = _There(session, edit_set.edits)
        added: list[Edit] = []
        updated: dict[int, Edit] = {}
        passed_over: list[tuple[int, str]] = []
        for place, edit in enumerate(edit_set.edits):
            watch.row("Comparing", place, len(edit_set.edits))
            found = there.find(edit)
            if found is None:
                added.append(edit)
                continue
            before = there.edits[found]
            if when_there is WhenThere.ADD and before != edit:
                added.append(replace(edit, id=_free_key()) if edit.id in there.keys else edit)
            elif found in updated:
                passed_over.append((place, tr("an earlier row of the file has updated the same edit")))
            elif (after := _merged(before, edit)) == before:
                passed_over.append((place, tr("it is there already, word for word")))
            elif when_there is WhenThere.UPDATE:
                updated[found] = after
            else:
                passed_over.append(
                    (place, tr("it is there already, and answers “{new_object}”", new_object=before.new_object))
                )
        _write_updates(under_way, updated, there, watch)
        ids = _write_new(under_way, added, watch)
        return ImportChanges(
            added=ids,
            updated=tuple(updated),
            skipped=len(passed_over),
            relations=adopted,
            undo=under_way.kept,
            passed_over=tuple(passed_over),
            notes=notes,
        )


class _There:
    """The project's edits that an import may meet: by id, by fact, by prompt."""

    def __init__(self, session: Session, edits: Iterable[Edit]) -> None:
        edits = list(edits)
        self.edits: dict[int, Edit] = {}
        self.stored: dict[int, StoredEdit] = {}
        self.keys: dict[str, int] = {}
        self._facts: dict[str, int] = {}
        self._prompts: dict[str, int] = {}
        if session.execute(select(EditRecord.id).limit(1)).first() is None:
            return
        facts = {fact_key(edit.subject, edit.relation) for edit in edits} - {""}
        found = session.execute(
            select(EditRecord.id, EditRecord.key, EditRecord.fact_key, EditRecord.prompt_key).where(
                or_(
                    among_texts(EditRecord.key, [edit.id for edit in edits]),
                    among_texts(EditRecord.fact_key, facts),
                    among_texts(EditRecord.prompt_key, {fold(edit.prompt) for edit in edits}),
                )
            )
        ).all()
        # Of several that ask the same, the oldest is the one that is meant.
        for row in sorted(found, reverse=True):
            self.keys[row.key] = row.id
            self._facts[row.fact_key] = row.id
            self._prompts[row.prompt_key] = row.id
        self._facts.pop("", None)
        self.stored = read_edits(session, [row.id for row in found])
        self.edits = {row_id: stored.to_edit() for row_id, stored in self.stored.items()}

    def find(self, edit: Edit) -> int | None:
        """The row of the edit that is `edit`, or asks the same."""
        if not self.edits:
            return None
        if edit.id in self.keys:
            return self.keys[edit.id]
        found = self._facts.get(fact_key(edit.subject, edit.relation))
        return self._prompts.get(fold(edit.prompt)) if found is None else found


def _merged(before: Edit, edit: Edit) -> Edit:
    """`before` with what `edit` gives. Whether it is switched on is taken over only from one of the same id."""
    kept_answer = before.original_answer if edit.prompt == before.prompt else ""
    return replace(
        before,
        prompt=edit.prompt,
        new_object=edit.new_object,
        subject=edit.subject or before.subject,
        relation=edit.relation or before.relation,
        original_answer=edit.original_answer or kept_answer,
        aliases=edit.aliases or before.aliases,
        paraphrases=edit.paraphrases or before.paraphrases,
        probes=edit.probes or before.probes,
        enabled=edit.enabled if edit.id == before.id else before.enabled,
    )


def _write_updates(under_way: Step, updated: Mapping[int, Edit], there: _There, watch: Watch) -> None:
    done = 0
    for chunk in _chunks(updated.items()):
        watch.cancel.check()
        stored = {row_id: there.stored[row_id] for row_id, _ in chunk}
        under_way.edits(stored, stored)
        # A familiarity was measured on its prompt.
        measured = {
            row_id: stored[row_id].familiarity if edit.prompt == stored[row_id].prompt else None
            for row_id, edit in chunk
        }
        replace_edits(
            under_way.session, {row_id: StoredEdit.from_edit(edit, measured[row_id]) for row_id, edit in chunk}, stored
        )
        done += len(chunk)
        watch.board.report("Updating", done, len(updated))


def _write_new(under_way: Step, edits: list[Edit], watch: Watch) -> tuple[int, ...]:
    start = next_edit_id(under_way.session)
    done = 0
    for chunk in _chunks(edits):
        watch.cancel.check()
        numbered = {start + done + place: StoredEdit.from_edit(edit) for place, edit in enumerate(chunk)}
        under_way.edits(numbered, {})
        insert_edits(under_way.session, numbered)
        done += len(chunk)
        watch.board.report("Adding", done, len(edits))
    return tuple(range(start, start + done))


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while chunk := list(islice(left, CHUNK)):
        yield chunk


def _relation_notes(session: Session, edit_set: EditSet) -> tuple[str, ...]:
    own = read_relations(session, edit_set.relations)
    other = [relation.name for key, relation in own.items() if relation != edit_set.relations[key]]
    if not other:
        return ()
    names = ", ".join(f"“{name}”" for name in other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
    return (f"The file has other phrasings for {names}: the project keeps its own.",)


def _free_key() -> str:
    """A key that no edit anywhere has: sets made in different projects can be put together."""
    return secrets.token_hex(8)
