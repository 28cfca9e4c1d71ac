"""The product's own format: JSON Lines, exact, so that what is exported comes back the same.

The first line is a header with the name of the edit set and its relations; every other line is an edit. Reading does
without the header, and without everything that can be made: an id, a prompt from the relation's first phrasing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.edits import Edit, EditError, EditSet, Probe, ProbeKind, Relation
from engine.formats.imported import Imported, Written
from engine.formats.intake import Draft, Intake, extra_keys, validated
from engine.formats.records import Record, Records, read_records
from engine.formats.source import FormatError, Source
from engine.formats.target import write_bytes
from engine.strict_json import dump

NAME = "jsonl"
MARK = "meg-edits"
VERSION = 1


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
    enabled: bool = True


def read(source: Source, relations: Mapping[str, Relation]) -> Imported:
    """The edits of `source`; the relations in its header go before `relations`. Raises FormatError."""
    records = read_records(source)
    items = iter(records.items)
    first = next(items, None)
    if first is not None and first.fault and MARK in source.text[:200]:
        raise FormatError(f"The first line of {source.name} is damaged: {first.fault}.")
    header = _header(source, first) if first is not None and is_header(first.value) else None
    if first is not None and header is None:
        items = chain([first], items)
    if header is None:
        intake = Intake(source, NAME, relations.values(), unit=records.unit)
        return _read_rows(Records(records.unit, items), intake, {})
    own = _relations(source, header)
    intake = Intake(source, NAME, {**relations, **own}.values(), unit=records.unit, title=header.name)
    intake.note_unknown(extra_keys(header))
    return _read_rows(Records(records.unit, items), intake, own)


def write(edit_set: EditSet, path: Path) -> Written:
    """Write all of `edit_set` to `path`. Raises FormatError where the disk refuses."""
    write_bytes(path, lines(edit_set))
    return Written(path, NAME, len(edit_set.edits), (), ())


def lines(edit_set: EditSet) -> Iterator[bytes]:
    """The lines of the file, header first, each with its line feed."""
    header = {
        "format": MARK,
        "version": VERSION,
        "name": edit_set.name,
        "relations": [
            {
                "id": relation.id,
                "name": relation.name,
                "phrasings": list(relation.phrasings),
                "held_out": list(relation.held_out),
            }
            for relation in edit_set.relations.values()
        ],
    }
    for line in chain([header], map(_as_json, edit_set.edits)):
        yield dump(line).encode() + b"\n"


def is_header(value: object) -> bool:
    """Whether a first record is our header, of whatever version."""
    return isinstance(value, dict) and value.get("format") == MARK and "version" in value


def _read_rows(records: Records, intake: Intake, own: Mapping[str, Relation]) -> Imported:
    def draft(value: object) -> Draft:
        row = validated(_Row, value, intake)
        return Draft(
            id=row.id,
            new_object=row.new_object,
            subject=row.subject,
            relation=row.relation,
            prompt=row.prompt,
            original_answer=row.original_answer,
            aliases=tuple(row.aliases),
            paraphrases=tuple(row.paraphrases),
            probes=tuple(Probe(ProbeKind(probe.kind), probe.prompt) for probe in row.probes),
            enabled=row.enabled,
            columns={"new object": "new_object", "original answer": "original_answer"},
        )

    intake.take_records(records, draft)
    return intake.finish(relations_of_file=own)


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


def _as_json(edit: Edit) -> dict[str, Any]:
    return {
        "id": edit.id,
        "subject": edit.subject,
        "relation": edit.relation,
        "new_object": edit.new_object,
        "prompt": edit.prompt,
        "original_answer": edit.original_answer,
        "aliases": list(edit.aliases),
        "paraphrases": list(edit.paraphrases),
        "probes": [{"kind": probe.kind.value, "prompt": probe.prompt} for probe in edit.probes],
        "enabled": edit.enabled,
    }
