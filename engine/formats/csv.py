"""CSV and TSV, for people who keep facts in a spreadsheet.

One row an edit; the header names the columns, in any order and case. Lists take numbered columns (“paraphrase 1”,
“paraphrase 2”, …). A file that we wrote says so in its last header cell: its cells are then taken to the letter, and
where it was made safe for spreadsheets, the apostrophes come off again. In any other file spaces around a cell are
dropped.

A table holds no relations' phrasings, and it gathers probes by kind; JSON Lines is the exact format.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.edits import Edit, EditSet, Probe, ProbeKind, Relation, fold
from engine.formats.cells import protect, unprotect
from engine.formats.imported import Imported
from engine.formats.intake import Draft, Intake, RowError
from engine.formats.source import NOT_DECODED, FormatError, Source
from engine.formats.target import Outgoing

VERSION = 1
_Row = tuple[int, "list[str] | _Unreadable"]  # the number of its first line, its cells
Delimiter = Literal[",", "\t", ";", "|"]
MAX_HEADER = 100_000
"""Characters that the header is looked for in."""
DELIMITERS: tuple[Delimiter, ...] = (",", "\t", ";", "|")

SINGLE = ("id", "subject", "relation", "new object", "prompt", "original answer", "enabled")
MANY = ("alias", "paraphrase", "neighbour probe", "same-subject probe", "far probe")
_PROBES = tuple((f"{kind.value} probe", kind) for kind in ProbeKind)
_OTHER_NAMES = {
    "object": "new object",
    "target new": "new object",
    "ground truth": "original answer",
    "aliases": "alias",
    "paraphrases": "paraphrase",
    "rephrase prompt": "paraphrase",
    "neighbor probe": "neighbour probe",
    "locality prompt": "neighbour probe",
    "same subject probe": "same-subject probe",
}
REJECT_COLUMNS = ("rejected line", "rejected column", "rejected because")
"""Columns of a table of rejected rows, which readers pass over."""
_TRUE, _FALSE = {"", "yes", "true", "1", "on"}, {"no", "false", "0", "off"}
_SEPARATOR = re.compile(r"sep=[,;\t|]\s*")  # Excel's own line above the header, which names the delimiter
_NAME = "meg-edits"
_MARK = re.compile(rf"{_NAME}/(\d+)( spreadsheet-safe)?")


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A row that cannot be taken apart into cells."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class _Header:
    fields: tuple[str, ...]  # our name for each column; empty where the column is left out
    names: tuple[str, ...]  # as the file has them
    exact: bool  # we wrote the file: spaces around a cell belong to it
    protected: bool


def read(
    source: Source,
    relations: Mapping[str, Relation],
    *,
    delimiter: Delimiter | None = None,
    columns: Mapping[str, str] | None = None,
    skip_rows: int = 0,
) -> Imported:
    """The edits of `source`.

    `delimiter` is found by the header where it is not given; `columns` maps header cells of the file to our column
    names (an empty name leaves the column out); `skip_rows` lines above the header are passed over. Raises FormatError.
    """
    delimiter, cells, rows = _opened(source, delimiter, skip_rows)
    header = _header(source, cells, columns or {})
    intake = Intake(source, _name(delimiter), relations.values(), unit="line", of=source.text.count("\n") + 1)
    for name, field in zip(header.names, header.fields, strict=True):
        passed_over = _MARK.fullmatch(name) or name in REJECT_COLUMNS or name in (columns or {})
        if not field and name.strip() and not passed_over:
            intake.note(f"The column {name[:60]!a} is not known here and was left out")
    return _read_rows(rows, header, intake)


def columns_of(source: Source, *, delimiter: Delimiter | None = None, skip_rows: int = 0) -> dict[str, str]:
    """The names of the columns as the file has them, whatever they are, each with what its first row holds.

    Raises FormatError where the file has no header.
    """
    _, names, rows = _opened(source, delimiter, skip_rows)
    first = next((cells for _, cells in rows if not isinstance(cells, _Unreadable)), [])
    return {name: first[place] if place < len(first) else "" for place, name in enumerate(names) if name.strip()}


def cells_by_column(source: Source) -> dict[str, list[str]]:
    """Every column of a table of any kind, by its name, without its empty cells; a row that cannot be read is left out.

    Raises FormatError where the table has no header.
    """
    _, names, rows = _opened(source, find_delimiter(header_line(source)), 0)
    columns: dict[str, list[str]] = {name.strip(): [] for name in names}
    for _, cells in rows:
        if not isinstance(cells, _Unreadable):
            for name, cell in zip(names, cells, strict=False):
                if cell.strip():
                    columns[name.strip()].append(cell)
    return columns


def column_of(cell: str) -> str:
    """What a header cell is taken for: one of SINGLE and MANY, or nothing."""
    return _field(cell)


def _opened(source: Source, delimiter: Delimiter | None, skip_rows: int) -> tuple[Delimiter, list[str], Iterator[_Row]]:
    """The delimiter, the header's cells, and the rows below it."""
    _check_decoded(source)
    lines = list(io.StringIO(source.text, newline=""))
    start = skip_rows
    if start < len(lines) and _SEPARATOR.fullmatch(lines[start]):
        delimiter = delimiter or _delimiter(lines[start][4])
        start += 1
    while start < len(lines) and not lines[start].strip():
        start += 1
    if start >= len(lines):
        raise FormatError(f"{source.name} has no header: its first row must name the columns.")
    delimiter = delimiter or find_delimiter(lines[start])
    rows = _rows(lines, start, delimiter)
    _, cells = next(rows, (start, _Unreadable("it has no text in it", "")))
    if isinstance(cells, _Unreadable):
        raise FormatError(f"The header of {source.name} cannot be read: {cells.reason}.")
    return delimiter, cells, rows


def outgoing(edit_set: EditSet, path: Path, *, delimiter: Delimiter = ",", spreadsheet_safe: bool = False) -> Outgoing:
    """All of `edit_set`, ready to be written to `path`."""

    def chunks() -> Iterator[bytes]:
        yield to_text(edit_set.edits, delimiter=delimiter, spreadsheet_safe=spreadsheet_safe).encode()

    notes = []
    if edit_set.relations:
        notes.append(f"A relation's name and phrasings have no place: {len(edit_set.relations):,}.")
    notes += probe_order_notes(edit_set.edits)
    return Outgoing(path, _name(delimiter), chunks(), len(edit_set.edits), (), tuple(notes))


def probe_order_notes(edits: Iterable[Edit]) -> tuple[str, ...]:
    """What is to be said where each kind of probe has columns of its own."""
    mixed = sum(list(edit.probes) != sorted(edit.probes, key=_kind_order) for edit in edits)
    return (f"Edits whose probes are gathered by kind, which changes their order: {mixed:,}.",) if mixed else ()


def to_text(edits: Sequence[Edit], *, delimiter: Delimiter = ",", spreadsheet_safe: bool = False) -> str:
    """The table of `edits` as text.

    `spreadsheet_safe` puts an apostrophe before each cell that a spreadsheet would execute ("=1+1", but "-40" too); the
    header says so, and our reader takes it off.
    """
    longest = {name: max((len(_listed(edit)[name]) for edit in edits), default=0) for name in MANY}
    numbered = [f"{name} {number}" for name in MANY for number in range(1, longest[name] + 1)]
    mark = f"{_NAME}/{VERSION}" + (" spreadsheet-safe" if spreadsheet_safe else "")
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow([*SINGLE, *numbered, mark])
    for edit in edits:
        enabled = "yes" if edit.enabled else "no"
        cells = [edit.id, edit.subject, edit.relation, edit.new_object, edit.prompt, edit.original_answer, enabled]
        for name, texts in _listed(edit).items():
            cells += [*texts, *[""] * (longest[name] - len(texts))]
        writer.writerow([protect(cell) if spreadsheet_safe else cell for cell in cells] + [""])
    return text.getvalue()


def rejects_text(imported: Imported) -> str:
    """The rejected rows of a table as a table of its own, each with why it was, to be mended and read again.

    It is safe for spreadsheets, and columns go by our names. A row that could not be taken apart into cells stands
    whole in the first.
    """
    names = imported.header or ()
    mark = next(filter(None, map(_MARK.fullmatch, names)), None)
    kept = [place for place, name in enumerate(names) if not (_MARK.fullmatch(name) or name in REJECT_COLUMNS)]
    rows = []
    for rejected in imported.rejected_rows:
        cells = [rejected.content] if isinstance(rejected.content, str) else list(rejected.content)
        cells = [_plain(cell, exact=mark is not None, protected=mark is not None and bool(mark[2])) for cell in cells]
        beyond = cells[len(names) :]
        cells += [""] * (len(names) - len(cells))
        rows.append([cells[place] for place in kept] + beyond)
    width = max([len(kept), *map(len, rows)])
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    more = [""] * (width - len(kept))
    writer.writerow([*(names[place] for place in kept), *more, *REJECT_COLUMNS, f"{_NAME}/{VERSION} spreadsheet-safe"])
    faults = imported.faults()
    for rejected, cells in zip(imported.rejected_rows, rows, strict=True):
        columns, reasons = zip(*faults[rejected.row], strict=True)
        told = [str(rejected.row), "; ".join(filter(None, columns)), "; ".join(reasons), ""]
        padded = cells + [""] * (width - len(cells))
        writer.writerow([protect(cell) for cell in (*padded, *told)])
    return text.getvalue()


def is_table(source: Source) -> bool:
    """Whether the first line names columns of ours, so that the file is a table and nothing else."""
    first = header_line(source)
    return "new object" in map(_field, _cells(first, find_delimiter(first)))


def header_line(source: Source) -> str:
    """The first line that can name columns; empty where there is none."""
    start = io.StringIO(source.text[:MAX_HEADER])
    return next((line for line in start if line.strip() and not _SEPARATOR.fullmatch(line)), "")


def find_delimiter(header: str) -> Delimiter:
    """The delimiter that makes most columns of ours out of a header line, or else most columns at all."""

    def columns(delimiter: Delimiter) -> tuple[int, int]:
        cells = _cells(header, delimiter)
        return sum(bool(_field(cell)) for cell in cells), len(cells)

    return max(DELIMITERS, key=columns)


def _cells(line: str, delimiter: Delimiter) -> list[str]:
    """The cells of a line, roughly: only to look for names in."""
    return [cell.strip().strip('"') for cell in line.split(delimiter)]


def _field(cell: str) -> str:
    """Our name for a header cell, without its number; empty where there is none."""
    name = re.sub(r"\s*\d+$", "", fold(cell).replace("_", " "))
    name = _OTHER_NAMES.get(name, name)
    if name.endswith(" probes"):
        name = _OTHER_NAMES.get(name[:-1], name[:-1])
    return name if name in SINGLE or name in MANY else ""


def _name(delimiter: Delimiter) -> str:
    return "tsv" if delimiter == "\t" else "csv"


def _delimiter(character: str) -> Delimiter:
    return next(delimiter for delimiter in DELIMITERS if delimiter == character)


def _check_decoded(source: Source) -> None:
    found = NOT_DECODED.search(source.text)
    if found:
        line = source.text.count("\n", 0, found.start()) + 1
        raise FormatError(
            f"{source.name} is not written in UTF-8 (line {line:,}): choose its encoding, cp1252 for a spreadsheet "
            "saved on Windows."
        )


def _header(source: Source, cells: Sequence[str], columns: Mapping[str, str]) -> _Header:
    mark = next(filter(None, map(_MARK.fullmatch, cells)), None)
    if mark and int(mark[1][:9]) > VERSION:
        raise FormatError(
            f"{source.name} was written by a newer MeG Studio (version {mark[1]} of the format, this one reads "
            f"{VERSION}): update to open it."
        )
    fields = tuple(_field(columns[cell]) if cell in columns else _field(cell) for cell in cells)
    for cell, name in columns.items():
        if cell not in cells:
            raise FormatError(f"{source.name} has no column {cell!a}.")
        if name and not _field(name):
            raise FormatError(f"There is no column “{name}” here: use one of {', '.join((*SINGLE, *MANY))}.")
    twice = [name for name, count in Counter(fields).items() if count > 1 and name in SINGLE]
    if twice:
        raise FormatError(f"{source.name} has the column “{twice[0]}” more than once.")
    if "new object" not in fields or not ("prompt" in fields or {"subject", "relation"} <= set(fields)):
        shown = ", ".join(cell[:40] for cell in cells[:12])
        raise FormatError(
            f"The header of {source.name} must name “new object” and either “prompt” or “subject” and “relation”; it "
            f"has {shown!a}."
        )
    return _Header(fields, tuple(cells), exact=mark is not None, protected=mark is not None and mark[2] is not None)


def _rows(lines: Sequence[str], start: int, delimiter: Delimiter) -> Iterator[_Row]:
    """The rows from line index `start` on.

    A quote that is opened and never closed would swallow all that follows: reading goes on with the line after it.
    """
    while start < len(lines):
        taken = 0

        def feed(first: int) -> Iterator[str]:
            nonlocal taken
            for index in range(first, len(lines)):
                taken += 1
                yield lines[index]

        reader = csv.reader(feed(start), delimiter=delimiter, strict=True)
        while True:
            taken = 0
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield start + 1, _Unreadable(_reason(error, taken), lines[start].rstrip("\r\n"))
                start += 1
                break
            if any(cell.strip() for cell in cells):
                yield start + 1, cells
            start += taken


def _reason(error: csv.Error, taken: int) -> str:
    text = str(error)
    if "field larger" in text:
        return "a cell is longer than a table may hold"
    if "unexpected end" in text or taken > 1:
        return "a quotation mark is opened and not closed: double the marks that belong to the text"
    if "expected after" in text:
        return "a quotation mark stands within a cell: double the marks that belong to the text"
    return text


def _read_rows(rows: Iterator[_Row], header: _Header, intake: Intake) -> Imported:
    def draft(cells: Sequence[str]) -> Draft:
        return _draft(cells, header)

    for line, cells in rows:
        if isinstance(cells, _Unreadable):
            intake.turn_away(line, cells.reason, cells.text, at=line)
        else:
            intake.take(line, draft, cells, at=line)
    return intake.finish(header=_plain_names(header))


def _plain_names(header: _Header) -> tuple[str, ...]:
    """A header that reads by itself what `header` read: our names, numbered where a name may stand several times."""
    numbers: Counter[str] = Counter()
    names = []
    for field, name in zip(header.fields, header.names, strict=True):
        numbers[field] += 1
        names.append(f"{field} {numbers[field]}" if field in MANY else field or name)
    return tuple(names)


def _draft(cells: Sequence[str], header: _Header) -> Draft:
    if len(cells) != len(header.fields):
        raise RowError(("", f"it has {len(cells)} cells and the header has {len(header.fields)}"))
    single = dict.fromkeys(SINGLE, "")
    many: dict[str, list[str]] = {name: [] for name in MANY}
    columns = {}
    for cell, field, name in zip(cells, header.fields, header.names, strict=True):
        text = _plain(cell, exact=header.exact, protected=header.protected)
        if field in many and text:
            many[field].append(text)
        elif field in single:
            single[field] = text
            columns[field] = name
    state = fold(single["enabled"])
    if state not in _TRUE | _FALSE:
        raise RowError((columns["enabled"], f"{single['enabled'][:40]!a} is neither yes nor no"))
    return Draft(
        id=single["id"],
        new_object=single["new object"],
        subject=single["subject"],
        relation=single["relation"],
        prompt=single["prompt"],
        original_answer=single["original answer"],
        aliases=tuple(many["alias"]),
        paraphrases=tuple(many["paraphrase"]),
        probes=tuple(Probe(kind, text) for name, kind in _PROBES for text in many[name]),
        enabled=state in _TRUE,
        columns=columns,
    )


def _plain(cell: str, *, exact: bool, protected: bool) -> str:
    text = cell.replace("\r\n", "\n")
    return (unprotect(text) if protected else text) if exact else text.strip()


def _kind_order(probe: Probe) -> int:
    return list(ProbeKind).index(probe.kind)


def _listed(edit: Edit) -> dict[str, list[str]]:
    """The texts of the numbered columns, in the order of `MANY`."""
    probes = {f"{kind.value} probe": [p.prompt for p in edit.probes if p.kind == kind] for kind in ProbeKind}
    return {"alias": list(edit.aliases), "paraphrase": list(edit.paraphrases), **probes}
