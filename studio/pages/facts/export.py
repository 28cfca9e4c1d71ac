"""Writing the project's edits to a file: which formats are offered, and what is told afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from engine.formats.imported import Written
from engine.formats.registry import FORMATS, write_edits
from studio.messages import Kind
from studio.store import listing
from studio.store.project import Project
from studio.widgets.files import choose_target
from studio.workspace import Workspace


@dataclass(frozen=True, slots=True)
class _Choice:
    """A line of the file dialog."""

    title: str
    format: str
    spreadsheet_safe: bool = False

    @property
    def suffix(self) -> str:
        return FORMATS[self.format].suffixes[0]


CHOICES = (
    _Choice("MeG Studio edits, exact: JSON Lines", "jsonl"),
    _Choice("Table: CSV", "csv"),
    _Choice("Table safe to open in a spreadsheet: CSV", "csv", spreadsheet_safe=True),
    _Choice("EasyEdit: JSON", "easyedit"),
    _Choice("CounterFact: JSON", "counterfact"),
    _Choice("zsRE: JSON", "zsre"),
    _Choice("KnowEdit: JSON", "knowedit"),
)


class Export(QObject):
    """Asks where to, then writes in the database worker's thread."""

    def __init__(self, workspace: Workspace, window: QWidget) -> None:
        super().__init__(window)
        self._workspace = workspace
        self._window = window

    def ask(self, ids: Sequence[int] | None = None) -> None:
        """Export `ids`, or every edit."""
        project = self._workspace.project
        if project is None or self._workspace.counts.total == 0:
            self._workspace.say(Kind.INFO, "There is no edit to export: add or import some first.")
            return
        kinds = [(choice.title, choice.suffix) for choice in CHOICES]
        choose_target(self._window, "Export edits", project.name, kinds, partial(self._chosen, ids))

    def _chosen(self, ids: Sequence[int] | None, path: Path, kind: int) -> None:
        self.write(path, CHOICES[kind], ids)

    def write(self, path: Path, choice: _Choice, ids: Sequence[int] | None = None) -> None:
        """Write `ids`, or every edit, to `path`."""

        def write(project: Project) -> Written:
            edit_set = listing.edit_set(project, ids)
            answers = {edit.prompt: edit.original_answer for edit in edit_set.edits if edit.original_answer}
            return write_edits(
                edit_set,
                path,
                choice.format,
                spreadsheet_safe=choice.spreadsheet_safe,
                probe_answers=answers,
            )

        self._workspace.database.run(write, on_success=self._written, owner=self, name="Export edits")

    def _written(self, written: Written) -> None:
        left = [str(rejection) for rejection in written.left_out]
        details = "\n".join([*written.notes, *left])
        note = f" {written.notes[0]}" if written.notes else ""
        kind = Kind.WARNING if left else Kind.GOOD
        self._workspace.say(kind, f"{written.summary()}{note}", details=details if details != note.strip() else "")
