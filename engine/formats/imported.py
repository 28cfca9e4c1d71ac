"""What comes of reading and writing a file of edits: every row is accounted for, none vanishes silently."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.edits import EditSet
from engine.formats.cells import protect
from engine.formats.source import FormatError
from engine.formats.target import write_bytes


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that was left out, and why; `str()` gives the sentence for the user."""

    file: str
    unit: str  # what `row` counts: "line" (the first is 1, as an editor shows it), "record" or "edit"
    row: int
    column: str  # empty where the whole row is at fault
    reason: str  # a clause without a full stop

    def __str__(self) -> str:
        column = f", column “{self.column}”" if self.column else ""
        return f"{self.file}, {self.unit} {self.row:,}{column}: {self.reason}."


@dataclass(frozen=True, slots=True)
class Imported:
    """The edits of a file, and an account of its rows: `rows` in = `accepted` + `rejected`."""

    file: str
    format: str
    edit_set: EditSet
    rows: int
    rejections: tuple[Rejection, ...]  # a row with two faults has two of them
    notes: tuple[str, ...]  # sentences: what was left out of accepted rows, what looks odd

    @property
    def accepted(self) -> int:
        """Rows that became edits."""
        return len(self.edit_set.edits)

    @property
    def rejected(self) -> int:
        """Rows that did not."""
        return len({rejection.row for rejection in self.rejections})

    def summary(self) -> str:
        """The account in one sentence."""
        return f"{self.file}: {self.rows:,} rows in, {self.accepted:,} accepted, {self.rejected:,} rejected."

    def or_nothing(self) -> EditSet:
        """The edits, for a user who wants all rows or none. Raises FormatError where a row was rejected."""
        if self.rejections:
            raise FormatError(f"{self.summary()} Nothing was imported. The first: {self.rejections[0]}")
        return self.edit_set


@dataclass(frozen=True, slots=True)
class Written:
    """What a file took of an edit set: `rows` written and `left_out` make up the set."""

    path: Path
    format: str
    rows: int
    left_out: tuple[Rejection, ...]  # edits that the format has no form for
    notes: tuple[str, ...]  # sentences: what the format could not hold of the edits that were written

    def summary(self) -> str:
        """The account in one sentence."""
        return f"{self.path.name}: {self.rows:,} edits written, {len(self.left_out):,} left out."


def write_rejections(path: Path, rejections: Iterable[Rejection]) -> None:
    """A CSV file of file, row, column and reason, for a user who mends the rows in a spreadsheet.

    Raises FormatError where the disk refuses.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("file", "unit", "row", "column", "reason"))
    for rejection in rejections:
        row = (rejection.file, rejection.unit, str(rejection.row), rejection.column, rejection.reason)
        writer.writerow([protect(cell) for cell in row])
    write_bytes(path, [text.getvalue().encode("utf-8", errors="backslashreplace")])
