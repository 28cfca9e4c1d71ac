"""The records of a JSON file, whether it is a list of them or has one a line; and both ways to write them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.edits import Edit, EditSet
from engine.formats.imported import Rejection, Written
from engine.formats.source import NOT_DECODED, FormatError, Source
from engine.formats.target import write_bytes
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


@dataclass(frozen=True, slots=True)
class Records:
    """All records of a file in order; `unit` says what their rows count, "line" or "record"."""

    unit: str
    items: Iterable[Record]


def read_records(source: Source) -> Records:
    """The records of `source`: the members of its one list, or one a line, or its one object.

    A bad record is given with its fault. Raises FormatError, perhaps only while iterating, where a list breaks off or
    is broken between its records, since its later records cannot be told apart then.
    """
    start = len(source.text) - len(source.text.lstrip(_SPACE))
    if source.text.startswith("[", start):
        return Records("record", _members(source, start + 1))
    if source.text.startswith("{", start):
        one = _single(source.text, start)
        return Records("record", [one]) if one else Records("line", _lines(source.text))
    raise FormatError(f"{source.name} is no JSON: it begins with neither a list nor an object.")


def first_value(source: Source) -> Any:
    """The first record that can be read, to tell the format by; None where there is none."""
    return next((record.value for record in read_records(source).items if record.value is not None), None)


def write_records(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write one record a line where `path` ends in .jsonl, else one list. Raises FormatError where the disk refuses."""
    lines = (dump(record).encode() for record in records)
    write_bytes(path, (line + b"\n" for line in lines) if path.suffix.lower() == ".jsonl" else _as_list(lines))


class Outlet:
    """Gathers the records that a format makes of an edit set, and the account of what it could not hold."""

    def __init__(self, edit_set: EditSet, path: Path, format: str) -> None:
        self._path = path
        self._format = format
        self._records: list[Mapping[str, Any]] = []
        self._left_out: list[Rejection] = []
        self._notes: dict[str, int] = {}
        self._edits = edit_set.edits

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

    def write(self) -> Written:
        """Write what was added. Raises FormatError where the disk refuses."""
        write_records(self._path, self._records)
        notes = tuple(f"{what}: {count:,}." for what, count in self._notes.items())
        return Written(self._path, self._format, len(self._records), tuple(self._left_out), notes)


def _as_list(lines: Iterable[bytes]) -> Iterator[bytes]:
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
    return Record(1, value, _undecoded(text))


def _lines(text: str) -> Iterator[Record]:
    for row, line in enumerate(text.split("\n"), start=1):
        if not line.strip(_SPACE):
            continue
        if len(line) > MAX_LINE:
            yield Record(row, fault=f"the line is longer than {MAX_LINE:,} characters")
            continue
        fault = _undecoded(line)
        if fault:
            yield Record(row, fault=fault)
            continue
        try:
            yield Record(row, parse(line))
        except JsonFault as error:
            # The line's own number stands in front of the sentence already.
            yield Record(row, fault=str(error).replace("at line 1, character", "at character"))


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
        yield Record(row, fault=fault) if fault else Record(row, value)
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
