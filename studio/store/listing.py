"""Reading edits: ids in the order the table shows them, rows a page at a time, conflicts, the whole edit set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, SQLColumnExpression, case, column, func, select, table
from sqlalchemy.orm import InstrumentedAttribute

from engine.edits import Edit, EditSet, fold
from studio.store.conflicts import conflict_marks
from studio.store.keys import fact_key
from studio.store.project import Project
from studio.store.records import among, among_texts, read_edits, read_relations, relation_names
from studio.store.schema import EditRecord
from studio.store.trained import Since, changes_since, run_in_use, with_since


class EditSort(StrEnum):
    """What edits can be sorted by."""

    ENTERED = "entered"
    SUBJECT = "subject"
    RELATION = "relation"
    NEW_OBJECT = "new_object"
    ORIGINAL_ANSWER = "original_answer"
    STATE = "state"  # what needs a look comes first
    FAMILIARITY = "familiarity"


class EditFilter(StrEnum):
    """Which edits are listed."""

    ALL = "all"
    ENABLED = "enabled"
    DISABLED = "disabled"
    CONFLICTS = "conflicts"  # duplicates and contradictions
    CONTRADICTIONS = "contradictions"
    UNANSWERED = "unanswered"  # the original answer is not filled in
    CHANGED = "changed"  # added or changed since the run in use was trained


class EditState(StrEnum):
    """What the state column says of an edit."""

    READY = "ready"
    KNOWN = "known"  # the original model answers the new object already
    DUPLICATE = "duplicate"  # another enabled edit asks the same and wants the same object
    CONTRADICTION = "contradiction"  # another enabled edit asks the same and wants another object
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class EditRow:
    """One row of the table."""

    id: int
    key: str  # the edit's id in an edit set
    subject: str
    relation: str  # the relation's id, empty for a free prompt
    relation_name: str
    prompt: str
    new_object: str
    original_answer: str
    familiarity: float | None
    enabled: bool
    state: EditState
    since: Since = Since.SAME


@dataclass(frozen=True, slots=True)
class EditCounts:
    """How many edits there are, for the status bar and for the filters."""

    total: int
    enabled: int
    conflicts: int  # edits that take part in a conflict
    unanswered: int
    since: Mapping[Since, int] | None = None  # how many differ from what the run in use was trained on; None: unknown


def edit_ids(
    project: Project,
    search: str = "",
    sort: EditSort | str = EditSort.SUBJECT,
    descending: bool = False,
    filter: EditFilter | str = EditFilter.ALL,
) -> list[int]:
    """The ids of the edits whose texts contain every word of `search`, cases and spellings folded, in order."""
    words = fold(search).split()
    statement = _containing(project, select(EditRecord.id), words)
    statement = _filtered(project, statement, EditFilter(filter))
    statement = _sorted(project, statement, EditSort(sort), descending, whole=not words)
    ordered = statement.subquery()
    with project.read() as session:
        # One JSON text: fetching 100,000 rows of one number each takes several times as long as finding them.
        found: list[int] = json.loads(session.execute(select(func.json_group_array(ordered.c.id))).scalar_one())
    return found


def rows(project: Project, edit_ids: Sequence[int]) -> list[EditRow]:
    """The rows of `edit_ids`, in that order; ids that are gone are left out."""
    marks = conflict_marks(project)
    with project.read() as session:
        statement, since = with_since(select(EditRecord.id), run_in_use(session))
        statement = statement.add_columns(
            EditRecord.key,
            EditRecord.subject,
            EditRecord.relation,
            EditRecord.prompt,
            EditRecord.new_object,
            EditRecord.original_answer,
            EditRecord.familiarity,
            EditRecord.enabled,
            _KNOWN,
            since.label("since"),
        )
        found = session.execute(statement.where(among(EditRecord.id, edit_ids))).all()
        names = relation_names(session, {row.relation for row in found})
    by_id = {
        row.id: EditRow(
            id=row.id,
            key=row.key,
            subject=row.subject,
            relation=row.relation,
            relation_name=names.get(row.relation, row.relation),
            prompt=row.prompt,
            new_object=row.new_object,
            original_answer=row.original_answer,
            familiarity=row.familiarity,
            enabled=row.enabled,
            state=_state(row.enabled, row.known, marks.get(row.id)),
            since=Since(row.since),
        )
        for row in found
    }
    return [by_id[edit_id] for edit_id in edit_ids if edit_id in by_id]


def get_edit(project: Project, edit_id: int) -> Edit | None:
    """One edit with its paraphrases and probes, or None where it is gone."""
    with project.read() as session:
        stored = read_edits(session, [edit_id]).get(edit_id)
    return stored.to_edit() if stored else None


def counts(project: Project) -> EditCounts:
    """How many edits there are of each kind."""
    marks = conflict_marks(project)
    with project.read() as session:
        total, enabled, unanswered = session.execute(
            select(
                func.count(),
                func.count().filter(EditRecord.enabled),
                func.count().filter(EditRecord.answer_key == ""),
            ).select_from(EditRecord)
        ).one()
        run_id = run_in_use(session)
    since = None if run_id is None else changes_since(project, run_id)
    return EditCounts(total, enabled, len(marks), unanswered, since)


def edit_set(project: Project, edit_ids: Sequence[int] | None = None) -> EditSet:
    """A snapshot of the project's edits (all, or `edit_ids`) in the order entered, with the relations they use."""
    with project.read() as session:
        stored = read_edits(session, edit_ids)
        used = dict.fromkeys(edit.relation for edit in stored.values())
        own = read_relations(session, used)
    relations = {**{key: project.catalogue[key] for key in used if key in project.catalogue}, **own}
    return EditSet(project.name, tuple(edit.to_edit() for edit in stored.values()), relations)


def edited_facts(project: Project, facts: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of `facts`, each a subject and a relation, that an enabled edit is about, however it spells the subject."""
    keys = {fact: fact_key(*fact) for fact in facts}
    with project.read() as session:
        found = session.execute(
            select(EditRecord.fact_key).where(EditRecord.enabled, among_texts(EditRecord.fact_key, keys.values()))
        ).scalars()
        taken = set(found)
    return {fact for fact, key in keys.items() if key in taken}


def unedited_facts(project: Project, *, subject: str = "", relation: str = "", answer: str = "") -> list[EditRow]:
    """Some switched-off edits about `subject`, or of `relation` with this original answer: facts left as they are."""
    wanted = (
        (EditRecord.subject_key == fold(subject),)
        if subject
        else (EditRecord.answer_key == fold(answer), EditRecord.relation == relation)
    )
    with project.read() as session:
        found = session.execute(
            select(EditRecord.id).where(~EditRecord.enabled, EditRecord.fact_key != "", *wanted).limit(_SOME)
        ).scalars()
        ids = list(found)
    return rows(project, ids)


def ids_of_keys(project: Project, keys: Sequence[str]) -> dict[str, int]:
    """The row id of each key (an `Edit.id`) that the project has."""
    with project.read() as session:
        found = session.execute(select(EditRecord.key, EditRecord.id).where(among_texts(EditRecord.key, keys)))
        return {row.key: row.id for row in found}


def enabled_keys(project: Project) -> frozenset[str]:
    """The keys (each an `Edit.id`) of the edits that are switched on; quick for any number of them."""
    with project.read() as session:
        keys = select(func.json_group_array(EditRecord.key)).where(EditRecord.enabled)
        return frozenset(json.loads(session.execute(keys).scalar_one()))


_SOME = 50
"""Facts looked at where a few are wanted."""

_KNOWN = (
    (EditRecord.answer_key != "") & (func.rtrim(EditRecord.answer_key, ".") == func.rtrim(EditRecord.object_key, "."))
).label("known")


def _state(enabled: bool, known: bool, contradiction: bool | None) -> EditState:
    if not enabled:
        return EditState.DISABLED
    if contradiction is not None:
        return EditState.CONTRADICTION if contradiction else EditState.DUPLICATE
    return EditState.KNOWN if known else EditState.READY


_SEARCH = table("edit_search", column("edit_search"), column("rowid"))
_TRIGRAM = 3
"""Characters of the shortest word that the full-text index knows; shorter ones are looked for in every row."""
_MANY = 10_000
"""Rows found from which on looking into every row is quicker than looking up those found."""


def _containing(project: Project, statement: Select[int], words: Sequence[str]) -> Select[int]:
    """`statement` for the rows whose texts contain every word; the words are folded, as the texts are."""
    quoted = " AND ".join('"' + word.replace('"', '""') + '"' for word in words if len(word) >= _TRIGRAM)
    if quoted:
        found = select(_SEARCH.c.rowid).where(_SEARCH.c.edit_search.op("MATCH")(quoted))
        with project.read() as session:
            number = session.execute(select(func.count()).select_from(found.limit(_MANY).subquery())).scalar_one()
        if number < _MANY:
            statement = statement.where(EditRecord.id.in_(found))
            words = [word for word in words if len(word) < _TRIGRAM]
    return statement.where(*(func.instr(EditRecord.search, word) > 0 for word in words))


def _filtered(project: Project, statement: Select[int], wanted: EditFilter) -> Select[int]:
    match wanted:
        case EditFilter.ALL:
            return statement
        case EditFilter.ENABLED:
            return statement.where(EditRecord.enabled)
        case EditFilter.DISABLED:
            return statement.where(~EditRecord.enabled)
        case EditFilter.CONFLICTS:
            return statement.where(among(EditRecord.id, conflict_marks(project)))
        case EditFilter.CONTRADICTIONS:
            marks = conflict_marks(project)
            return statement.where(among(EditRecord.id, [edit_id for edit_id in marks if marks[edit_id]]))
        case EditFilter.UNANSWERED:
            return statement.where(EditRecord.answer_key == "")
        case EditFilter.CHANGED:
            with project.read() as session:
                joined, since = with_since(statement, run_in_use(session))
            return joined.where(since != Since.SAME.value)


def _sorted(project: Project, statement: Select[int], sort: EditSort, descending: bool, *, whole: bool) -> Select[int]:
    """`statement` in order; `whole` says that most rows are wanted, so that walking an index pays."""

    def key(column: InstrumentedAttribute[str]) -> SQLColumnExpression[str]:
        # Text joined to nothing: the same values, but SQLite sorts the rows found and does not walk its index.
        return column if whole else column + ""

    subject = key(EditRecord.subject_key)
    keys: list[SQLColumnExpression[Any]]
    match sort:
        case EditSort.ENTERED:
            keys = []
        case EditSort.SUBJECT:
            keys = [subject]
        case EditSort.RELATION:
            keys = [key(EditRecord.relation_key), subject]
        case EditSort.NEW_OBJECT:
            keys = [key(EditRecord.object_key), subject]
        case EditSort.ORIGINAL_ANSWER:
            keys = [key(EditRecord.answer_key), subject]
        case EditSort.STATE:
            keys = [_state_rank(project), subject]
        case EditSort.FAMILIARITY:
            keys = [EditRecord.familiarity, subject]
    keys.append(EditRecord.id)
    ordered = [each.desc() if descending else each.asc() for each in keys]
    if sort is EditSort.FAMILIARITY:
        # What was not measured comes last, whichever way.
        ordered.insert(0, EditRecord.familiarity.is_(None).asc())
    return statement.order_by(*ordered)


def _state_rank(project: Project) -> SQLColumnExpression[int]:
    marks = conflict_marks(project)
    return case(
        (~EditRecord.enabled, 4),
        (among(EditRecord.id, [edit_id for edit_id in marks if marks[edit_id]]), 0),
        (among(EditRecord.id, [edit_id for edit_id in marks if not marks[edit_id]]), 1),
        (_KNOWN, 2),
        else_=3,
    )
