"""Edits that ask the same thing: found as the engine finds them, and resolved the way a person chose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import text

from engine.edits import Edit, fold
from studio.store.changes import Changes
from studio.store.journal import step
from studio.store.project import Project
from studio.store.records import StoredEdit, delete_edit_rows, read_edits, replace_edits, switch_edits
from studio.words import counted, tr

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EditConflict:
    """Edits that ask the same thing: a contradiction when their new objects differ, else a duplicate."""

    edit_ids: tuple[int, ...]
    contradiction: bool


class Resolution(StrEnum):
    """What becomes of the edits that are not kept."""

    SWITCH_OFF = "switch off"
    DELETE = "delete"
    MERGE = "merge"  # their aliases, paraphrases and probes go to the one that is kept, they are deleted


def conflicts(project: Project) -> list[EditConflict]:
    """Enabled edits that ask the same, as `engine.edits.find_conflicts` finds them, in the order entered."""
    return list(project.computed("conflicts", lambda: _find_conflicts(project)))


def conflict_marks(project: Project) -> dict[int, bool]:
    """The edits that take part in a conflict, and whether it is a contradiction."""
    return project.computed(
        "marks",
        lambda: {edit_id: found.contradiction for found in conflicts(project) for edit_id in found.edit_ids},
    )


def resolve(project: Project, kept: int, others: Iterable[int], how: Resolution) -> Changes:
    """Keep one edit of a conflict and do with the others as was chosen; one step, nothing where the one is gone."""
    return _resolve(project, [(kept, tuple(others))], how, "settle a conflict")


def resolve_duplicates(project: Project, how: Resolution) -> Changes:
    """Of each group of duplicates keep the edit that was entered first; one step."""
    groups = [(found.edit_ids[0], found.edit_ids[1:]) for found in conflicts(project) if not found.contradiction]
    return _resolve(project, groups, how, tr("settle {duplicates}", duplicates=counted(len(groups), "duplicate")))


def _resolve(project: Project, groups: Sequence[tuple[int, tuple[int, ...]]], how: Resolution, name: str) -> Changes:
    with step(project, name) as under_way:
        session = under_way.session
        there = read_edits(session, [edit_id for kept, others in groups for edit_id in (kept, *others)])
        groups = [
            (kept, tuple(other for other in others if other in there and other != kept))
            for kept, others in groups
            if kept in there
        ]
        rest = [other for _, others in groups for other in others]
        if how is Resolution.SWITCH_OFF:
            rest = [other for other in rest if there[other].enabled]
            under_way.edits(rest)
            switch_edits(session, rest, False)
            return Changes(updated=tuple(rest), undo=under_way.kept)
        merged: dict[int, StoredEdit] = {}
        if how is Resolution.MERGE:
            for kept, others in groups:
                stored = there[kept]
                whole = StoredEdit.from_edit(
                    _merged(stored.to_edit(), [there[other].to_edit() for other in others]), stored.familiarity
                )
                if whole != stored:
                    merged[kept] = whole
        under_way.edits([*merged, *rest])
        replace_edits(session, merged)
        delete_edit_rows(session, rest)
        return Changes(updated=tuple(merged), removed=tuple(rest), undo=under_way.kept)


def _merged(kept: Edit, others: Sequence[Edit]) -> Edit:
    """`kept` with what the others have and it lacks; their prompts are paraphrases of its own where they differ."""
    asked = [text for other in others for text in (other.prompt, *other.paraphrases)]
    named = [text for other in others for text in (other.subject, *other.aliases) if text]
    probes = [probe for other in others for probe in other.probes]
    return replace(
        kept,
        paraphrases=_added(kept.paraphrases, asked, without=kept.prompt),
        aliases=_added(kept.aliases, named, without=kept.subject),
        probes=(*kept.probes, *_new(kept.probes, probes, lambda probe: (probe.kind, fold(probe.prompt)))),
        original_answer=kept.original_answer
        or next((other.original_answer for other in others if other.prompt == kept.prompt), ""),
    )


def _added(own: tuple[str, ...], more: Iterable[str], *, without: str) -> tuple[str, ...]:
    return (*own, *_new((*own, without), more, fold))


def _new(own: Iterable[T], more: Iterable[T], key: Callable[[T], object]) -> list[T]:
    """Those of `more` that are not among `own`, each once."""
    seen = {key(each) for each in own}
    found = []
    for each in more:
        if key(each) not in seen:
            seen.add(key(each))
            found.append(each)
    return found


def _find_conflicts(project: Project) -> list[EditConflict]:
    with project.read() as session:
        rows = session.execute(_CANDIDATES).all()
    groups = _Groups()
    for edit_id, fact_key, prompt_key, _ in rows:
        groups.join(edit_id, ("prompt", prompt_key))
        if fact_key:
            groups.join(edit_id, ("fact", fact_key))
    objects = {row.id: row.object_key for row in rows}
    return [
        EditConflict(tuple(group), len({objects[edit_id] for edit_id in group}) > 1)
        for group in groups.all(objects)
        if len(group) > 1
    ]


class _Groups:
    """Edits joined by the keys they share, directly or through others."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self._first: dict[tuple[str, str], int] = {}

    def join(self, edit_id: int, key: tuple[str, str]) -> None:
        """Put the edit into the group of all that have `key`."""
        one, other = sorted((self._root(self._first.setdefault(key, edit_id)), self._root(edit_id)))
        self._parent[other] = one

    def all(self, edit_ids: Iterable[int]) -> list[list[int]]:
        """The groups, in the order of their first edit."""
        groups: dict[int, list[int]] = defaultdict(list)
        for edit_id in edit_ids:
            groups[self._root(edit_id)].append(edit_id)
        return list(groups.values())

    def _root(self, edit_id: int) -> int:
        parent = self._parent
        while (above := parent.setdefault(edit_id, edit_id)) != edit_id:
            parent[edit_id] = parent[above]
            edit_id = above
        return edit_id


# Written out, so that SQLite sees that its partial indexes hold just these rows.
_CANDIDATES = text(
    "SELECT id, fact_key, prompt_key, object_key FROM edits WHERE enabled AND (prompt_key IN "
    "(SELECT prompt_key FROM edits WHERE enabled GROUP BY prompt_key HAVING count(*) > 1) OR fact_key IN "
    "(SELECT fact_key FROM edits WHERE enabled AND fact_key <> '' GROUP BY fact_key HAVING count(*) > 1)) ORDER BY id"
)
