"""From the rows of any format to an edit set: fills prompts, finds relations, gives ids, turns bad rows away."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from engine.edits import (
    MAX_TEXTS,
    Edit,
    EditError,
    EditSet,
    Probe,
    Relation,
    check_id,
    check_text,
    fill,
    find_oddity,
    fold,
    storable,
)
from engine.formats.imported import Imported, RejectedRow, Rejection
from engine.formats.records import Records
from engine.formats.source import FormatError, Source

MAX_ROWS = 1_000_000
MAX_FAULTS = 5
"""Faults told of one row."""
MAX_NOTES = 50
"""Remarks told of one file."""
REJECTED = "rejected"
"""The key of a rejected record that says why it was; readers pass over it, so that a mended record is taken."""

Value = TypeVar("Value")
Model = TypeVar("Model", bound=BaseModel)


class RowError(ValueError):
    """A row that cannot become an edit: its faults as (column, reason) pairs, reasons without a full stop."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{column}: {reason}" for column, reason in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Draft:
    """An edit as a row gives it: anything but the new object may be missing.

    `columns` says what the file calls a field of ours where it uses another word.
    """

    new_object: str
    id: str = ""
    subject: str = ""
    relation: str = ""  # an id or a name
    prompt: str = ""
    original_answer: str = ""
    aliases: tuple[str, ...] = ()
    paraphrases: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    enabled: bool = True
    columns: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str) -> str:
        """The file's word for our field `name`."""
        return self.columns.get(name, name)


class Intake:
    """Takes the rows of one file one by one and gives the account of them.

    A relation is looked for in `relations` by its id, then by its name, then by its id in another spelling; one that is
    not found is kept as it is where the row has a prompt.
    """

    def __init__(
        self,
        source: Source,
        format: str,
        relations: Iterable[Relation],
        *,
        unit: str,
        of: int,
        title: str | None = None,
    ) -> None:
        """`unit` is what rows are counted in; `of` is how far a row can stand `at`, for the progress."""
        self._file = source.name
        self._watch = source.watch
        self._of = of
        self._title = source.title if title is None else title
        self._format = format
        self._unit = unit
        self.relations = {relation.id: relation for relation in relations}
        self._names: dict[str, list[Relation]] = defaultdict(list)
        for relation in self.relations.values():
            self._names[fold(relation.name)].append(relation)
        self._folded_ids = {fold(relation.id): relation for relation in self.relations.values()}
        self._rows = 0
        self._drafts: list[tuple[int, Draft]] = []
        self._taken: dict[str, int] = {}  # id -> the row that has it
        self._rejections: list[Rejection] = []
        self._rejected: list[RejectedRow] = []
        self._notes: Counter[str] = Counter()
        self._oddities: dict[str, list[int]] = defaultdict(list)

    def take(self, row: int, read: Callable[[Value], Draft], value: Value, *, at: int) -> None:
        """Count row number `row` and read its draft out of `value`; what `read` raises as RowError is put down."""
        self._count(at)
        try:
            draft = self._unclaimed(self._completed(read(value)))
        except RowError as error:
            self._put_down(row, error, value)
        else:
            self._drafts.append((row, draft))
            if draft.id:
                self._taken[draft.id] = row

    def turn_away(self, row: int, reason: str, text: str, *, at: int) -> None:
        """Count row number `row`, which is not even readable and stands in the file as `text`."""
        self._count(at)
        self._put_down(row, RowError(("", reason)), text)

    def take_records(self, records: Records, read: Callable[[object], Draft]) -> None:
        """`take` every record, or turn it away for its fault."""
        for record in records.items:
            if record.fault is None:
                self.take(record.row, read, record.value, at=record.at)
            else:
                self.turn_away(record.row, record.fault, record.text, at=record.at)

    def note(self, sentence: str, times: int = 1) -> None:
        """Remark `sentence` once, with the number of `times` that it held."""
        self._notes[sentence] += times

    def note_unknown(self, keys: Iterable[str]) -> None:
        """Remark keys or columns of an accepted row that nothing is known of."""
        for key in keys:
            self.note(f"“{storable(key[:60])}” is not known here and was left out")

    def finish(
        self, *, relations_of_file: Mapping[str, Relation] | None = None, header: tuple[str, ...] | None = None
    ) -> Imported:
        """The account; the edit set carries the file's own relations, and of the others those that its edits use."""
        self._watch.board.report("Reading", self._of, self._of)
        edits = []
        for place, (row, draft) in enumerate(self._drafts, start=1):
            self._watch.row("Checking", place, len(self._drafts))
            # Only now, since a row further down may bring the very id that would be made for this one.
            edit_id = draft.id or _made_id(draft, self._taken)
            self._taken[edit_id] = row
            edits.append(_edit(edit_id, draft))
            for text in (draft.subject, draft.new_object, draft.prompt):
                oddity = find_oddity(text)
                if oddity and self._oddities[oddity][-1:] != [row]:
                    self._oddities[oddity].append(row)
        used = {edit.relation for edit in edits}
        relations = {key: relation for key, relation in self.relations.items() if key in used}
        imported = Imported(
            file=self._file,
            format=self._format,
            edit_set=EditSet(self._title, tuple(edits), {**relations, **(relations_of_file or {})}),
            rows=self._rows,
            rejections=tuple(self._rejections),
            notes=tuple(self._sentences()),
            unit=self._unit,
            places=tuple(row for row, _ in self._drafts),
            rejected_rows=tuple(self._rejected),
            header=header,
        )
        if imported.accepted + imported.rejected != imported.rows:
            raise AssertionError(f"the account of {self._file} does not add up: {imported.summary()}")
        return imported

    def _count(self, at: int) -> None:
        self._watch.row("Reading", at, self._of)
        self._rows += 1
        if self._rows > MAX_ROWS:
            raise FormatError(f"{self._file} has more than {MAX_ROWS:,} rows: split it.")

    def _put_down(self, row: int, error: RowError, content: object) -> None:
        self._rejected.append(RejectedRow(row, content))
        for column, reason in error.faults[:MAX_FAULTS]:
            self._rejections.append(Rejection(self._file, self._unit, row, storable(column[:60]), storable(reason)))

    def _unclaimed(self, draft: Draft) -> Draft:
        if draft.id in self._taken:
            reason = f"the id {draft.id[:60]!a} is taken by {self._unit} {self._taken[draft.id]:,}"
            raise RowError((draft.column("id"), reason))
        return draft

    def _completed(self, draft: Draft) -> Draft:
        """`draft` checked text by text, its relation found and its prompt filled in."""
        faults: list[tuple[str, str]] = []
        for name, texts in _texts(draft):
            column = draft.column(name)
            if len(texts) > MAX_TEXTS:
                faults.append((column, f"there are {len(texts):,} texts and {MAX_TEXTS:,} is the most"))
            for number, text in enumerate(texts, start=1):
                place = column if len(texts) == 1 else f"{column} {number}"
                fault = _fault(text, may_be_empty=name in ("subject", "prompt", "original answer"))
                if fault:
                    faults.append((place, fault))
        for name, text, what in (("id", draft.id, "edit"), ("relation", draft.relation, "relation")):
            fault = _id_fault(text, what)
            if fault:
                faults.append((draft.column(name), fault))
        if faults:
            raise RowError(*faults)
        relation = self._relation_id(draft)
        if relation != draft.relation:
            draft = replace(draft, relation=relation)
        return draft if draft.prompt.strip() else replace(draft, prompt=self._prompt(draft))

    def _relation_id(self, draft: Draft) -> str:
        text = draft.relation
        if not text or text in self.relations:
            return text
        named = self._names.get(fold(text), [])
        if len(named) > 1:
            ids = ", ".join(relation.id for relation in named)
            raise RowError(
                (draft.column("relation"), f"“{text}” is the name of several relations ({ids}): give the id")
            )
        found = named[0] if named else self._folded_ids.get(fold(text))
        return found.id if found else text

    def _prompt(self, draft: Draft) -> str:
        if not draft.subject.strip():
            raise RowError((draft.column("prompt"), "there is neither a prompt nor a subject with a relation"))
        if not draft.relation:
            raise RowError((draft.column("relation"), "there is neither a relation nor a prompt"))
        relation = self.relations.get(draft.relation)
        if relation is None:
            reason = f"the relation “{draft.relation[:60]}” is not known: add it first, or give the row a prompt"
            raise RowError((draft.column("relation"), reason))
        prompt = fill(relation.phrasings[0], draft.subject)
        fault = _fault(prompt, may_be_empty=False)
        if fault:
            raise RowError((draft.column("subject"), fault))
        return prompt

    def _sentences(self) -> Iterable[str]:
        for sentence, times in list(self._notes.items())[:MAX_NOTES]:
            yield f"{sentence} ({times:,} times)." if times > 1 else f"{sentence}."
        if len(self._notes) > MAX_NOTES:
            yield f"There are {len(self._notes) - MAX_NOTES:,} more remarks."
        for oddity, rows in self._oddities.items():
            shown = ", ".join(f"{row:,}" for row in rows[:5]) + (
                f" and {len(rows) - 5:,} more" if len(rows) > 5 else ""
            )
            unit = self._unit if len(rows) == 1 else f"{self._unit}s"
            yield f"{unit.capitalize()} {shown}: there are {oddity} in the text."


def _case_id(value: Any) -> Any:
    return str(value) if type(value) is int else value


CaseId = Annotated[str, BeforeValidator(_case_id)]
"""An id that files of the field give as a number or as a text."""


def validated(model: type[Model], value: object, intake: Intake) -> Model:
    """`value`, out of a file, as `model`; keys without a value count as absent, unknown ones are remarked.

    Raises RowError with a reason for each fault.
    """
    if not isinstance(value, dict):
        raise RowError(("", f"it is {_kind(value)} and not an object with keys"))
    if REJECTED in value and len(value) == 1:
        raise RowError((REJECTED, "it could not be read before: write the record anew in place of its text"))
    try:
        given = {key: item for key, item in value.items() if item is not None and key != REJECTED}
        checked = model.model_validate(given)
    except ValidationError as error:
        raise RowError(*(_explained(fault) for fault in error.errors(include_url=False))) from None
    intake.note_unknown(extra_keys(checked))
    return checked


def as_texts(value: Any) -> Any:
    """For a key that files fill with one text, a list of texts or nothing: a list; anything else unchanged."""
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) else value


def extra_keys(model: BaseModel, prefix: str = "") -> Iterable[str]:
    """The keys that `model` and what is in it were given and know nothing of, each with its way there."""
    for key in model.model_extra or {}:
        yield prefix + key
    for name, value in vars(model).items():  # the fields alone: much sooner read than asked for one by one
        items = value if isinstance(value, list) else (value,)
        if items and isinstance(items[0], BaseModel):  # what is in a list is all of a kind
            below = f"{prefix}{type(model).model_fields[name].alias or name}."
            for item in items:
                yield from extra_keys(item, below)


_EXPECTED = {
    "string_type": "a text",
    "list_type": "a list",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "dict_type": "an object with keys",
    "model_type": "an object with keys",
    "model_attributes_type": "an object with keys",
}
_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "nothing")


def _explained(fault: Any) -> tuple[str, str]:
    """One of pydantic's error details as our column and reason; list places count from 1."""
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in fault["loc"])
    kind = fault["type"]
    if kind == "missing":
        return place, "it is missing"
    if kind == "literal_error":
        return place, f"it must be {fault['ctx']['expected']}"
    if kind in _EXPECTED:
        return place, f"it must be {_EXPECTED[kind]}, not {_kind(fault['input'])}"
    return place, fault["msg"][:1].lower() + fault["msg"][1:]


def _texts(draft: Draft) -> Iterable[tuple[str, tuple[str, ...]]]:
    yield "subject", (draft.subject,)
    yield "new object", (draft.new_object,)
    yield "prompt", (draft.prompt,)
    yield "original answer", (draft.original_answer,)
    yield "aliases", draft.aliases
    yield "paraphrases", draft.paraphrases
    yield "probes", tuple(probe.prompt for probe in draft.probes)


def _fault(text: str, *, may_be_empty: bool) -> str | None:
    if not may_be_empty and not text.strip():
        return "it is empty"
    try:
        check_text(text)
    except EditError as error:
        return _clause(error)
    return None


def _id_fault(text: str, what: str) -> str | None:
    try:
        if text:
            check_id(text, what)
    except EditError as error:
        return _clause(error)
    return None


def _clause(error: EditError) -> str:
    text = str(error).removesuffix(".")
    return text[:1].lower() + text[1:]


def _made_id(draft: Draft, taken: Mapping[str, int]) -> str:
    """An id out of the content, so that the same file read twice gives the same ids."""
    content = f"{draft.subject}\x00{draft.relation}\x00{draft.prompt}\x00{draft.new_object}"
    made = "e" + hashlib.sha256(content.encode()).hexdigest()[:12]
    number, edit_id = 1, made
    while edit_id in taken:
        number += 1
        edit_id = f"{made}-{number}"
    return edit_id


def _edit(edit_id: str, draft: Draft) -> Edit:
    return Edit(
        id=edit_id,
        prompt=draft.prompt,
        new_object=draft.new_object,
        subject=draft.subject,
        relation=draft.relation,
        original_answer=draft.original_answer,
        aliases=draft.aliases,
        paraphrases=draft.paraphrases,
        probes=draft.probes,
        enabled=draft.enabled,
    )
