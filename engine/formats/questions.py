"""Questions to ask, from a file: one a line, a column of a table, or a key of JSON records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.edits import fold
from engine.formats.csv import cells_by_column
from engine.formats.records import read_records
from engine.formats.source import NOT_DECODED, FormatError, Source

LINES = "lines"
"""The name of the one column of a plain text."""
SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".json")
_LIKELY = ("question", "query", "prompt", "text", "src")


@dataclass(frozen=True, slots=True)
class Questions:
    """What a file may ask: texts by column. `likely` is the column that most probably holds the questions."""

    columns: Mapping[str, tuple[str, ...]]
    likely: str


def read_questions(path: Path, encoding: str = "utf-8") -> Questions:
    """The texts of the file at `path`, told by its suffix; each without line ends, and empty ones left out.

    Raises FormatError where it cannot be read or holds no text.
    """
    source = Source.open(path, encoding)
    suffix = path.suffix.casefold()
    if suffix in (".csv", ".tsv"):
        found = cells_by_column(source)
    elif suffix in (".json", ".jsonl"):
        found = _keys(source)
    else:
        if NOT_DECODED.search(source.text):
            raise FormatError(f"{source.name} is not written in UTF-8: choose its encoding.")
        found = {LINES: source.text.splitlines()}
    columns = {name: tuple(filter(None, (" ".join(text.split()) for text in texts))) for name, texts in found.items()}
    columns = {name: texts for name, texts in columns.items() if texts}
    if not columns:
        raise FormatError(f"{source.name} holds no question: it has no text in it.")
    likely = min(columns, key=lambda name: _LIKELY.index(fold(name)) if fold(name) in _LIKELY else len(_LIKELY))
    return Questions(columns, likely)


def _keys(source: Source) -> dict[str, list[str]]:
    """The texts of records by key; a record may be a text itself."""
    found: dict[str, list[str]] = {}
    for record in read_records(source).items:
        parts = record.value.items() if isinstance(record.value, dict) else [(LINES, record.value)]
        for name, value in parts:
            if isinstance(value, str):
                found.setdefault(name, []).append(value)
    return found
