"""The account of an import: rows in = added + updated + skipped + rejected, and why a row was not taken."""

from __future__ import annotations

from dataclasses import dataclass

from engine.formats.imported import Imported
from studio.store.importing import ImportChanges
from studio.widgets.figures import count
from studio.words import tr

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
        return tr(
            "{file}: {rows} in – {added} added, {updated} updated, {skipped} skipped, {rejected} rejected.",
            file=self.imported.file,
            rows=count(self.imported.rows, "row"),
            added=f"{added:,}",
            updated=f"{updated:,}",
            skipped=f"{skipped:,}",
            rejected=f"{rejected:,}",
        )

    def details(self) -> str:
        """A line for each row that was not taken, and for what is worth knowing of the others."""
        rejections = self.imported.rejections
        lines = [str(rejection) for rejection in rejections[:TOLD]]
        for place, reason in self.changes.passed_over[:TOLD]:
            row = f"{self.imported.unit} {self.imported.places[place]:,}"
            lines.append(tr("{file}, {row}: skipped, since {reason}.", file=self.imported.file, row=row, reason=reason))
        untold = max(len(rejections) - TOLD, 0) + max(len(self.changes.passed_over) - TOLD, 0)
        if untold:
            lines.append(tr("… and {untold} more.", untold=f"{untold:,}"))
        return "\n".join([*lines, *self.changes.notes, *self.imported.notes])
