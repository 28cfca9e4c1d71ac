"""The records of a JSON file, whether it is a list of them or has one a line; and both ways to write them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.edits import Edit, EditSet
from engine.formats.imported import Rejection
from engine.formats.source import NOT_DECODED, FormatError, Source
from engine.formats.target import Outgoing
from engine.strict_json import JsonFault, StrictDecoder, dump, parse

MAX_LINE = 32_000_000
"""Characters in one line of JSONL: whatever an edit may hold fits."""
_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Record:
    """One record, or the `fault` that keeps it from being one."""

    row: int
    value: Any = None
    fault: str | None = None
    text: str = ""  # of a record with a fault
    at: int = 0  # how far into the file it stands, in the measure of `Records.of`


@dataclass(frozen=True, slots=True)
class Records:
    """All records of a file in order; `unit` says what their rows count, "line" or "record"."""

    unit: str
    items: Iterable[Record]
    of: int


def read_records(source: Source) -> Records:
    """The records of `source`: the members of its one list, or one a line, or its one object.

    A bad record is given with its fault. Raises FormatError, perhaps only while iterating, where a list breaks off or
    is broken between its records, since its later records cannot be told apart then.
    """
    start = len(source.text) - len(source.text.lstrip(_SPACE))
    if source.text.startswith("[", start):
        return Records("record", _members(source, start + 1), len(source.text))
    if source.text.startswith("{", start):
        one = _single(source.text, start)
        if one:
            return Records("record", [one], 1)
        return Records("line", _lines(source.text), source.text.count("\n") + 1)
    raise FormatError(f"{source.name} is no JSON: it begins with neither a list nor an object.")


def first_value(source: Source) -> Any:
    """The first record that can be read, to tell the format by; None where there is none."""
    return next((record.value for record in read_records(source).items if record.value is not None), None)


class Outlet:
    """Gathers the records that a format makes of an edit set, and the account of what it could not hold."""

    def __init__(self, edit_set: EditSet, path: Path, format: str) -> None:
        """`path` decides the form: one record a line where it ends in .jsonl, else one list."""
        self._path = path
        self._format = format
        self._records: list[Mapping[str, Any]] = []
        self._left_out: list[Rejection] = []
        self._notes: dict[str, int] = {}
        self._edits = edit_set.edits
        self._relations = len(edit_set.relations)

    def enabled(self) -> Iterator[tuple[int, Edit]]:
        """The enabled edits with their numbers, from 1; the others are accounted for as left out."""
        for row, edit in enumerate(self._edits, start=1):
            if edit.enabled:
                yield row, edit
            else:
                self.leave_out(row, "enabled", "it is switched off, and the format has no word for that")

    def add(self, record: Mapping[str, Any]) -> None:
        """Put a record down for writing."""
        self._records.append(record)

    def leave_out(self, row: int, column: str, reason: str) -> None:
        """Account for edit number `row`, which the format has no form for."""
        self._left_out.append(Rejection(self._path.name, "edit", row, column, reason))

    def note(self, what: str, count: int) -> None:
        """Account for `count` parts of written edits that the format has no place for."""
        if count:
            self._notes[what] = self._notes.get(what, 0) + count

    def finish(self) -> Outgoing:
        """What was added, ready to be written."""
        self.note("A relation's name and phrasings have no place", self._relations)
        lines = (dump(record).encode() for record in self._records)
        chunks = (line + b"\n" for line in lines) if self._path.suffix.lower() == ".jsonl" else as_list(lines)
        notes = tuple(f"{what}: {count:,}." for what, count in self._notes.items())
        return Outgoing(self._path, self._format, chunks, len(self._records), tuple(self._left_out), notes)


def as_list(lines: Iterable[bytes]) -> Iterator[bytes]:
    """`lines`, each a JSON value, as one list."""
    before = b"[\n"
    for line in lines:
        yield before + line
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _single(text: str, start: int) -> Record | None:
    """The one object that a file spreads over several lines; None where its lines are records of their own."""
    end = text.find("\n", start)
    try:
        StrictDecoder().value_at(text[start : end if end >= 0 else len(text)], 0)
    except JsonFault:
        pass
    else:
        return None
    try:
        value = parse(text)
    except JsonFault:
        return None
    return Record(1, value, _undecoded(text), text, at=1)


def _lines(text: str) -> Iterator[Record]:
    for row, line in enumerate(text.split("\n"), start=1):
        if not line.strip(_SPACE):
            continue
        if len(line) > MAX_LINE:
            yield Record(row, fault=f"the line is longer than {MAX_LINE:,} characters", text=line, at=row)
            continue
        fault = _undecoded(line)
        if fault:
            yield Record(row, fault=fault, text=line, at=row)
            continue
        try:
            yield Record(row, parse(line), at=row)
        except JsonFault as error:
            # The line's own number stands in front of the sentence already.
            fault = str(error).replace("at line 1, character", "at character")
            yield Record(row, fault=fault, text=line, at=row)


def _members(source: Source, position: int) -> Iterator[Record]:
    text, decoder, row = source.text, StrictDecoder(), 0
    position = _skip(text, position)
    while not text.startswith("]", position):
        row += 1
        try:
            value, end, fault = decoder.value_at(text, position)
        except JsonFault as error:
            raise FormatError(f"{source.name} cannot be read: in record {row:,}, {error}.") from None
        fault = fault or _undecoded(text, position, end)
        yield Record(row, fault=fault, text=text[position:end], at=end) if fault else Record(row, value, at=end)
        position = _skip(text, end)
        if text.startswith(",", position):
            position = _skip(text, position + 1)
        elif not text.startswith("]", position):
            raise FormatError(f"{source.name} breaks off after record {row:,}: the file is damaged or not complete.")
    if text[position + 1 :].strip(_SPACE):
        raise FormatError(f"{source.name} goes on after the end of its list: it is no valid JSON.")


def _undecoded(text: str, start: int = 0, end: int | None = None) -> str | None:
    found = NOT_DECODED.search(text, start, len(text) if end is None else end)
    return "it has bytes that are not UTF-8" if found else None


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position
