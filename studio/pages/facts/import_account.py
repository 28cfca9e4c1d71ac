"""The account of an import: rows in = added + updated + skipped + rejected, and why a row was not taken."""

from __future__ import annotations

from dataclasses import dataclass

from engine.formats.imported import Imported
from studio.store.importing import ImportChanges
from studio.widgets.figures import count

TOLD = 1_000
"""Rows that the details name; the file of rejected rows has them all."""


@dataclass(frozen=True, slots=True)
class ImportAccount:
    """What became of every row of a file."""

    imported: Imported
    changes: ImportChanges

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Rows added, updated, skipped and rejected: together they are the rows of the file."""
        changes = self.changes
        return len(changes.added), len(changes.updated), changes.skipped, self.imported.rejected

    def sentence(self) -> str:
        """The account in one sentence."""
        added, updated, skipped, rejected = self.counts
        return (
            f"{self.imported.file}: {count(self.imported.rows, 'row')} in – {added:,} added, {updated:,} updated, "
            f"{skipped:,} skipped, {rejected:,} rejected."
        )

    def details(self) -> str:
        """A line for each row that was not taken, and for what is worth knowing of the others."""
        rejections = self.imported.rejections
        lines = [str(rejection) for rejection in rejections[:TOLD]]
        for place, reason in self.changes.passed_over[:TOLD]:
            row = f"{self.imported.unit} {self.imported.places[place]:,}"
            lines.append(f"{self.imported.file}, {row}: skipped, since {reason}.")
        untold = max(len(rejections) - TOLD, 0) + max(len(self.changes.passed_over) - TOLD, 0)
        if untold:
            lines.append(f"… and {untold:,} more.")
        return "\n".join([*lines, *self.changes.notes, *self.imported.notes])
