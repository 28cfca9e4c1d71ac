"""The product's own format: JSON Lines, exact, so that what is exported comes back the same.

The first line is a header with the name of the edit set and its relations; every other line is an edit. Reading does
without the header, and without everything that can be made: an id, a prompt from the relation's first phrasing. It
also takes records with other keys, where each is known by a column's name (“object”) or is said to be one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.edits import Edit, EditError, EditSet, Probe, ProbeKind, Relation
from engine.formats.csv import MANY, SINGLE
from engine.formats.csv import column_of as named
from engine.formats.imported import Imported, Written
from engine.formats.intake import REJECTED, Draft, Intake, RowError, extra_keys, validated
from engine.formats.records import Record, Records, as_list, read_records
from engine.formats.source import FormatError, Source
from engine.formats.target import Outgoing
from engine.strict_json import dump

NAME = "jsonl"
MARK = "meg-edits"
VERSION = 1
MAX_SHOWN = 100
"""Records that are looked through for the keys that a file has."""


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Relation(_Model):
    id: str
    name: str
    phrasings: list[str]
    held_out: list[str] = []


class _Header(_Model):
    format: str
    version: int
    name: str = ""
    relations: list[_Relation] = []


class _Probe(_Model):
    kind: Literal["neighbour", "same-subject", "far"]
    prompt: str


class _Row(_Model):
    new_object: str
    id: str = ""
    subject: str = ""
    relation: str = ""
    prompt: str = ""
    original_answer: str = ""
    aliases: list[str] = []
    paraphrases: list[str] = []
    probes: list[_Probe] = []
    neighbour_probes: list[str] = []
    same_subject_probes: list[str] = []
    far_probes: list[str] = []
    enabled: bool = True


_LISTS = {
    "alias": "aliases",
    "paraphrase": "paraphrases",
    "neighbour probe": "neighbour_probes",
    "same-subject probe": "same_subject_probes",
    "far probe": "far_probes",
}
_SINGLES = {name: name.replace(" ", "_") for name in SINGLE}
_OWN = frozenset(_Row.model_fields) | {REJECTED}


def read(source: Source, relations: Mapping[str, Relation], *, columns: Mapping[str, str] | None = None) -> Imported:
    """The edits of `source`; the relations in its header go before `relations`.

    `columns` says what other keys hold, in the names of a table's columns (an empty name leaves the key out). Raises
    FormatError.
    """
    columns = dict(columns or {})
    for name in columns.values():
        if name and name not in SINGLE and name not in MANY:
            raise FormatError(f"There is no column “{name}” here: use one of {', '.join((*SINGLE, *MANY))}.")
    records = read_records(source)
    items = iter(records.items)
    first = next(items, None)
    if first is not None and first.fault and MARK in source.text[:200]:
        raise FormatError(f"The first line of {source.name} is damaged: {first.fault}.")
    header = _header(source, first) if first is not None and is_header(first.value) else None
    if first is not None and header is None:
        items = chain([first], items)
    if header is None:
        intake = Intake(source, NAME, relations.values(), unit=records.unit, of=records.of)
        return _read_rows(replace(records, items=items), intake, {}, columns)
    own = _relations(source, header)
    intake = Intake(source, NAME, {**relations, **own}.values(), unit=records.unit, of=records.of, title=header.name)
    intake.note_unknown(extra_keys(header))
    return _read_rows(replace(records, items=items), intake, own, columns)


def outgoing(edit_set: EditSet, path: Path, *, one_list: bool = False) -> Outgoing:
    """All of `edit_set`, ready to be written to `path`; nothing of it is lost.

    `one_list` makes one JSON list of the lines, for programs that take no others.
    """
    chunks = as_list(line.rstrip(b"\n") for line in lines(edit_set)) if one_list else lines(edit_set)
    return Outgoing(path, "json" if one_list else NAME, chunks, len(edit_set.edits))


def write(edit_set: EditSet, path: Path) -> Written:
    """Write all of `edit_set` to `path`. Raises FormatError where the disk refuses."""
    return outgoing(edit_set, path).write()


def lines(edit_set: EditSet) -> Iterator[bytes]:
    """The lines of the file, header first, each with its line feed."""
    for line in chain([header_of(edit_set)], map(_as_json, edit_set.edits)):
        yield dump(line).encode() + b"\n"


def header_of(edit_set: EditSet) -> dict[str, Any]:
    """The file's first line: the name of `edit_set` and its relations."""
    relations = [relation_json(relation) for relation in edit_set.relations.values()]
    return {"format": MARK, "version": VERSION, "name": edit_set.name, "relations": relations}


def relation_json(relation: Relation) -> dict[str, Any]:
    """A relation as a line of a file has it."""
    return {
        "id": relation.id,
        "name": relation.name,
        "phrasings": list(relation.phrasings),
        "held_out": list(relation.held_out),
    }


def is_header(value: object) -> bool:
    """Whether a first record is our header, of whatever version."""
    return isinstance(value, dict) and value.get("format") == MARK and "version" in value


def columns_of(source: Source) -> dict[str, str]:
    """The keys of the records of `source`, as far as its first hundred show them, each with what it holds at first.

    Empty for a file of ours, whose keys are known. Raises FormatError where it holds no records.
    """
    found: dict[str, str] = {}
    for place, record in enumerate(islice(read_records(source).items, MAX_SHOWN)):
        if place == 0 and is_header(record.value):
            return {}
        if isinstance(record.value, dict):
            for key, value in record.value.items():
                if key != REJECTED and key.strip() and not found.get(key):
                    found[key] = value if isinstance(value, str) else "" if value is None else dump([value])[1:-1]
    return found


def column_of(key: str) -> str:
    """What a key is taken for: one of SINGLE and MANY, or nothing."""
    return next((name for name, own in (*_SINGLES.items(), *_LISTS.items()) if own == key), "") or named(key)


def _read_rows(records: Records, intake: Intake, own: Mapping[str, Relation], columns: Mapping[str, str]) -> Imported:
    def draft(value: object) -> Draft:
        if isinstance(value, dict) and not (_OWN.issuperset(value) and _OWN.isdisjoint(columns)):
            value = _with_our_keys(value, columns)
        row = validated(_Row, value, intake)
        by_kind = zip(ProbeKind, (row.neighbour_probes, row.same_subject_probes, row.far_probes), strict=True)
        return Draft(
            id=row.id,
            new_object=row.new_object,
            subject=row.subject,
            relation=row.relation,
            prompt=row.prompt,
            original_answer=row.original_answer,
            aliases=tuple(row.aliases),
            paraphrases=tuple(row.paraphrases),
            probes=(
                *(Probe(ProbeKind(probe.kind), probe.prompt) for probe in row.probes),
                *(Probe(kind, prompt) for kind, prompts in by_kind for prompt in prompts),
            ),
            enabled=row.enabled,
            columns={"new object": "new_object", "original answer": "original_answer"},
        )

    intake.take_records(records, draft)
    return intake.finish(relations_of_file=own)


def _with_our_keys(record: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """`record` with the keys that are known by another name under ours; those that are not known stay."""
    ours: dict[str, Any] = {}
    held: dict[str, str] = {}  # our key -> the file's
    for key, value in record.items():
        name = columns.get(key, "" if key in _OWN else named(key))
        if key in columns and not name:
            continue
        our = _LISTS.get(name) or _SINGLES.get(name) or key
        if our in held and name not in _LISTS:
            raise RowError((key, f"“{held[our]}” holds the {name or key} already"))
        held[our] = key
        if name in _LISTS:
            texts = value if isinstance(value, list) else [] if value in (None, "") else [value]
            ours[our] = [*ours.get(our, []), *texts]
        else:
            ours[our] = str(value) if type(value) in (int, float) and our != key else value
    return ours


def _header(source: Source, first: Record) -> _Header:
    version = first.value["version"]
    if isinstance(version, int) and version > VERSION:
        raise FormatError(
            f"{source.name} was written by a newer MeG Studio (version {version} of the format, this one reads "
            f"{VERSION}): update to open it."
        )
    try:
        header = _Header.model_validate(first.value)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise FormatError(f"The first line of {source.name} is damaged: “{place}” is not as it should be.") from None
    if header.version != VERSION:
        raise FormatError(f"The first line of {source.name} names version {version}, which does not exist.")
    return header


def _relations(source: Source, header: _Header) -> dict[str, Relation]:
    relations: dict[str, Relation] = {}
    for entry in header.relations:
        if entry.id in relations:
            raise FormatError(f"The first line of {source.name} has the relation {entry.id!a} twice.")
        try:
            relation = Relation(entry.id, entry.name, tuple(entry.phrasings), tuple(entry.held_out))
        except EditError as error:
            raise FormatError(f"The first line of {source.name} cannot be used: {error}") from None
        relations[entry.id] = relation
    return relations


def plain_json(edit: Edit) -> dict[str, Any]:
    """Everything of an edit but its probes, in the words of our formats."""
    return {
        "id": edit.id,
        "subject": edit.subject,
        "relation": edit.relation,
        "new_object": edit.new_object,
        "prompt": edit.prompt,
        "original_answer": edit.original_answer,
        "aliases": list(edit.aliases),
        "paraphrases": list(edit.paraphrases),
        "enabled": edit.enabled,
    }


def _as_json(edit: Edit) -> dict[str, Any]:
    return plain_json(edit) | {"probes": [{"kind": probe.kind.value, "prompt": probe.prompt} for probe in edit.probes]}
