"""Reading and writing whole rows: an edit with its texts, a relation. Undo remembers rows in this form."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter

from sqlalchemy import ColumnElement, bindparam, delete, func, insert, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from engine.edits import Edit, Probe, ProbeKind, Relation
from studio.store.keys import content_print, derived
from studio.store.schema import Base, EditPrintRecord, EditRecord, EditTextRecord, RelationRecord

# One encoder for all rows: making one for each takes longer than encoding it.
_to_json = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class StoredEdit:
    """One edit as its two rows hold it, without what is derived. The last three are JSON."""

    key: str
    subject: str
    relation: str
    prompt: str
    new_object: str
    original_answer: str
    enabled: bool
    familiarity: float | None
    aliases: str
    paraphrases: str
    probes: str

    def print(self) -> int:
        """What a training depends on, as one number."""
        return content_print(*_CONTENT(self))

    def payload(self) -> str:
        """This edit as undo remembers it."""
        return _to_json(dict(zip(_COLUMNS, _VALUES(self), strict=True)))

    @classmethod
    def from_payload(cls, payload: str) -> StoredEdit:
        """The edit that `payload` remembers."""
        return cls(**json.loads(payload))

    @classmethod
    def from_edit(cls, edit: Edit, familiarity: float | None = None) -> StoredEdit:
        """The rows that hold `edit`."""
        return cls(
            key=edit.id,
            subject=edit.subject,
            relation=edit.relation,
            prompt=edit.prompt,
            new_object=edit.new_object,
            original_answer=edit.original_answer,
            enabled=edit.enabled,
            familiarity=familiarity,
            aliases=texts_json(edit.aliases),
            paraphrases=texts_json(edit.paraphrases),
            probes=_to_json([[probe.kind.value, probe.prompt] for probe in edit.probes]) if edit.probes else "[]",
        )

    def rewritten(self, before: Edit, after: Edit, familiarity: float | None) -> StoredEdit:
        """These rows, which hold `before`, with what differs in `after`: nothing else is encoded again."""
        whole = before.aliases, before.paraphrases, before.probes
        if whole != (after.aliases, after.paraphrases, after.probes):
            return StoredEdit.from_edit(after, familiarity)
        return replace(
            self,
            key=after.id,
            subject=after.subject,
            relation=after.relation,
            prompt=after.prompt,
            new_object=after.new_object,
            original_answer=after.original_answer,
            enabled=after.enabled,
            familiarity=familiarity,
        )

    def to_edit(self) -> Edit:
        """The edit that these rows hold."""
        return Edit(
            id=self.key,
            prompt=self.prompt,
            new_object=self.new_object,
            subject=self.subject,
            relation=self.relation,
            original_answer=self.original_answer,
            aliases=texts(self.aliases),
            paraphrases=texts(self.paraphrases),
            probes=tuple(Probe(ProbeKind(kind), prompt) for kind, prompt in json.loads(self.probes)),
            enabled=self.enabled,
        )


_COLUMNS = tuple(column.name for column in fields(StoredEdit))
_VALUES = attrgetter(*_COLUMNS)
_TEXT_COLUMNS = ("aliases", "paraphrases", "probes")
_OWN_COLUMNS = tuple(name for name in _COLUMNS if name not in _TEXT_COLUMNS)
_TEXTS, _OWN = attrgetter(*_TEXT_COLUMNS), attrgetter(*_OWN_COLUMNS)
_DERIVED_FROM = {
    "subject": ("fact_key", "subject_key", "search"),
    "relation": ("fact_key", "relation_key", "search"),
    "prompt": ("prompt_key", "search"),
    "new_object": ("object_key", "search"),
    "original_answer": ("answer_key", "search"),
}
"""The derived columns that follow from each; see `derived`."""
# What a training depends on, in the order in which version 2 of the file first took its prints.
_CONTENT = attrgetter("subject", "relation", "prompt", "new_object", "aliases", "paraphrases", "probes")


def texts_json(values: Sequence[str]) -> str:
    """A list of texts as a column holds it."""
    return _to_json(list(values)) if values else "[]"


def texts(column: str) -> tuple[str, ...]:
    """The texts that a column holds."""
    return tuple(json.loads(column))


def among(column: InstrumentedAttribute[int], ids: Iterable[int]) -> ColumnElement[bool]:
    """`column IN ids` for any number of ids: they travel as one JSON value, never as 100,000 variables."""
    return column.in_(select(func.json_each(json.dumps(list(ids))).table_valued("value").c.value))


def among_texts(column: InstrumentedAttribute[str], values: Iterable[str]) -> ColumnElement[bool]:
    """`column IN values` for any number of texts."""
    return column.in_(select(func.json_each(json.dumps(list(values))).table_valued("value").c.value))


def read_edits(session: Session, edit_ids: Iterable[int] | None = None) -> dict[int, StoredEdit]:
    """The edits that exist of `edit_ids` (None: all), by id, in the order entered."""
    statement = (
        select(
            EditRecord.id,
            EditRecord.key,
            EditRecord.subject,
            EditRecord.relation,
            EditRecord.prompt,
            EditRecord.new_object,
            EditRecord.original_answer,
            EditRecord.enabled,
            EditRecord.familiarity,
            EditTextRecord.aliases,
            EditTextRecord.paraphrases,
            EditTextRecord.probes,
        )
        .join(EditTextRecord, EditTextRecord.edit_id == EditRecord.id)
        .order_by(EditRecord.id)
    )
    if edit_ids is not None:
        statement = statement.where(among(EditRecord.id, edit_ids))
    return {row[0]: StoredEdit(*tuple(row)[1:]) for row in session.execute(statement)}


def next_edit_id(session: Session) -> int:
    """The first id that no edit has or had."""
    used = session.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'edits'")).scalar()
    return int(used or 0) + 1


def insert_edits(session: Session, edits: Mapping[int, StoredEdit]) -> None:
    """Write new rows under the ids given."""
    if not edits:
        return
    names = relation_names(session, {edit.relation for edit in edits.values()})
    session.execute(
        insert(EditRecord.__table__),  # type: ignore[arg-type]  # the plain table: no object is made of each row
        [_edit_columns(edit_id, edit, names) for edit_id, edit in edits.items()],
    )
    session.execute(
        insert(EditTextRecord.__table__),  # type: ignore[arg-type]
        [
            {"edit_id": edit_id, "aliases": edit.aliases, "paraphrases": edit.paraphrases, "probes": edit.probes}
            for edit_id, edit in edits.items()
        ],
    )
    session.execute(
        insert(EditPrintRecord.__table__),  # type: ignore[arg-type]
        [{"edit_id": edit_id, "print": edit.print()} for edit_id, edit in edits.items()],
    )
    _index(session, edits)


def delete_edit_rows(session: Session, edit_ids: Iterable[int]) -> None:
    """Delete edits with their texts."""
    edit_ids = list(edit_ids)
    _unindex(session, edit_ids)
    session.execute(delete(EditRecord).where(among(EditRecord.id, edit_ids)), execution_options=_PLAIN)


def replace_edits(
    session: Session, edits: Mapping[int, StoredEdit], there: Mapping[int, StoredEdit] | None = None
) -> None:
    """Write rows in the place of those that have the same ids; of each table only the columns that differ anywhere.

    `there` are the rows as they are, where they have been read in this transaction.
    """
    if there is None:
        there = read_edits(session, edits)
    pairs = {edit_id: (there[edit_id], edit) for edit_id, edit in edits.items() if there[edit_id] != edit}
    own = _differing(_OWN_COLUMNS, ((_OWN(before), _OWN(edit)) for before, edit in pairs.values()))
    if own:
        written = own.union(*(_DERIVED_FROM.get(name, ()) for name in own))
        names = relation_names(session, {edit.relation for _, edit in pairs.values()})
        rows = [
            {"row_id": edit_id}
            | {name: value for name, value in _edit_columns(edit_id, edit, names).items() if name in written}
            for edit_id, (_, edit) in pairs.items()
        ]
        searched = "search" in written
        if searched:
            _unindex(session, pairs)
        _update(session, EditRecord, "id", rows)
        if searched:
            _index(session, pairs)
    texts_written = _differing(_TEXT_COLUMNS, ((_TEXTS(before), _TEXTS(edit)) for before, edit in pairs.values()))
    if texts_written:
        _update(
            session,
            EditTextRecord,
            "edit_id",
            [
                {"row_id": edit_id} | {name: getattr(edit, name) for name in texts_written}
                for edit_id, (_, edit) in pairs.items()
            ],
        )
    prints: list[dict[str, object]] = [
        {"row_id": edit_id, "print": edit.print()}
        for edit_id, (before, edit) in pairs.items()
        if _CONTENT(before) != _CONTENT(edit)
    ]
    if prints:
        _update(session, EditPrintRecord, "edit_id", prints)


def _differing(names: Sequence[str], pairs: Iterable[tuple[tuple[object, ...], tuple[object, ...]]]) -> set[str]:
    """Which of the columns `names` differ in any of `pairs` of their values."""
    found: set[str] = set()
    for one, other in pairs:
        if one != other:
            found.update(name for name, was, now in zip(names, one, other, strict=True) if was != now)
    return found


def _update(session: Session, record: type[Base], key: str, rows: list[dict[str, object]]) -> None:
    """Write columns of many rows in one statement; each of `rows` has its `row_id`, and all the same columns."""
    table = record.__table__
    session.connection().execute(
        update(table)  # type: ignore[arg-type]
        .where(table.c[key] == bindparam("row_id"))
        .values({name: bindparam(name) for name in rows[0] if name != "row_id"}),
        rows,
    )


def switch_edits(session: Session, edit_ids: Iterable[int], enabled: bool) -> None:
    """Switch edits on or off and change nothing else of them."""
    session.execute(
        update(EditRecord).where(among(EditRecord.id, edit_ids)).values(enabled=enabled), execution_options=_PLAIN
    )


def refresh_derived(session: Session, relation_ids: Collection[str] | None = None) -> list[int]:
    """Derive the columns anew of the edits that use `relation_ids` (None: of all); returns the ids that changed."""
    statement = select(EditRecord.__table__)
    if relation_ids is not None:
        statement = statement.where(among_texts(EditRecord.relation, relation_ids))
    names = relation_names(session, relation_ids)
    changed = []
    for row in session.execute(statement).mappings().all():
        columns = derived(
            subject=row["subject"],
            relation=row["relation"],
            relation_name=names.get(row["relation"], ""),
            prompt=row["prompt"],
            new_object=row["new_object"],
            original_answer=row["original_answer"],
        )
        if any(row[name] != value for name, value in columns.items()):
            changed.append({"row_id": row["id"], **columns})
    ids = [int(str(row["row_id"])) for row in changed]
    if changed:
        table = EditRecord.__table__
        _unindex(session, ids)
        session.connection().execute(update(table).where(table.c.id == bindparam("row_id")), changed)  # type: ignore[arg-type]
        _index(session, ids)
    return ids


def relation_names(session: Session, relation_ids: Collection[str] | None = None) -> dict[str, str]:
    """The names of the project's own relations, by id."""
    statement = select(RelationRecord.id, RelationRecord.name)
    if relation_ids is not None:
        statement = statement.where(among_texts(RelationRecord.id, relation_ids))
    return {row.id: row.name for row in session.execute(statement)}


def read_relations(session: Session, relation_ids: Iterable[str] | None = None) -> dict[str, Relation]:
    """The project's own relations (of `relation_ids`, or all), by id."""
    statement = select(RelationRecord.id, RelationRecord.name, RelationRecord.phrasings, RelationRecord.held_out)
    if relation_ids is not None:
        statement = statement.where(among_texts(RelationRecord.id, relation_ids))
    return {
        relation_id: Relation(relation_id, name, texts(phrasings), texts(held_out))
        for relation_id, name, phrasings, held_out in session.execute(statement)
    }


def replace_relations(session: Session, relations: Iterable[Relation]) -> None:
    """Write relations, in the place of those that have the same ids."""
    for relation in relations:
        session.merge(
            RelationRecord(
                id=relation.id,
                name=relation.name,
                phrasings=texts_json(relation.phrasings),
                held_out=texts_json(relation.held_out),
            )
        )
    session.flush()


def delete_relation_rows(session: Session, relation_ids: Iterable[str]) -> None:
    """Delete relations; edits that use them keep their ids."""
    session.execute(
        delete(RelationRecord).where(among_texts(RelationRecord.id, relation_ids)), execution_options=_PLAIN
    )


def _index(session: Session, edit_ids: Iterable[int]) -> None:
    """Put edits into the full-text index, as their rows are now."""
    session.execute(
        text(
            "INSERT INTO edit_search (rowid, search) "
            "SELECT id, search FROM edits WHERE id IN (SELECT value FROM json_each(:ids))"
        ),
        {"ids": json.dumps(list(edit_ids))},
    )


def _unindex(session: Session, edit_ids: Iterable[int]) -> None:
    """Take edits out of the full-text index, before their rows change: it must be told what it holds of them."""
    session.execute(
        text(
            "INSERT INTO edit_search (edit_search, rowid, search) "
            "SELECT 'delete', id, search FROM edits WHERE id IN (SELECT value FROM json_each(:ids))"
        ),
        {"ids": json.dumps(list(edit_ids))},
    )


# Rows are never kept as objects between two statements, so there are none to keep in step.
_PLAIN = {"synchronize_session": False}


def _edit_columns(edit_id: int, edit: StoredEdit, names: Mapping[str, str]) -> dict[str, object]:
    return {
        "id": edit_id,
        "key": edit.key,
        "subject": edit.subject,
        "relation": edit.relation,
        "prompt": edit.prompt,
        "new_object": edit.new_object,
        "original_answer": edit.original_answer,
        "enabled": edit.enabled,
        "familiarity": edit.familiarity,
        **derived(
            subject=edit.subject,
            relation=edit.relation,
            relation_name=names.get(edit.relation, ""),
            prompt=edit.prompt,
            new_object=edit.new_object,
            original_answer=edit.original_answer,
        ),
    }
