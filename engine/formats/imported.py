"""What comes of reading and writing a file of edits: every row is accounted for, none vanishes silently."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.edits import EditSet
from engine.formats.source import FormatError


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
class RejectedRow:
    """A row that was left out as the file has it, so that it can be mended and imported again."""

    row: int
    content: Any  # a table's cells, a record, or the text of what could not even be taken apart


@dataclass(frozen=True, slots=True)
class Imported:
    """The edits of a file, and an account of its rows: `rows` in = `accepted` + `rejected`."""

    file: str
    format: str
    edit_set: EditSet
    rows: int
    rejections: tuple[Rejection, ...]  # a row with two faults has two of them
    notes: tuple[str, ...]  # sentences: what was left out of accepted rows, what looks odd
    unit: str = "line"  # what rows are counted in, as in `Rejection`
    places: tuple[int, ...] = ()  # the row of each edit
    rejected_rows: tuple[RejectedRow, ...] = ()
    header: tuple[str, ...] | None = None  # of a table: our name for each column, the file's where we have none

    @property
    def accepted(self) -> int:
        """Rows that became edits."""
        return len(self.edit_set.edits)

    @property
    def rejected(self) -> int:
        """Rows that did not."""
        return len({rejection.row for rejection in self.rejections})

    def faults(self) -> dict[int, list[tuple[str, str]]]:
        """The columns and reasons of each rejected row."""
        found: dict[int, list[tuple[str, str]]] = {}
        for rejection in self.rejections:
            found.setdefault(rejection.row, []).append((rejection.column, rejection.reason))
        return found

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
