"""Duplicates and contradictions, group by group: a person says which edit is kept and what becomes of the rest.

Nothing is chosen before the user chooses it, and each choice is one step of undo.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from studio.errors import UserMessage
from studio.pages.facts.columns import Column, cell_text
from studio.store import conflicts as settling
from studio.store import listing
from studio.store.changes import Changes
from studio.store.conflicts import EditConflict, Resolution
from studio.store.listing import EditRow
from studio.store.project import Project
from studio.theme import SECTION_TITLE, SPACE
from studio.widgets.buttons import button
from studio.widgets.figures import count
from studio.widgets.labels import Label, hint, page_title
from studio.widgets.tables import fill, text_table
from studio.words import deferred, tr
from studio.workspace import Workspace

TITLES = (
    deferred("Subject"),
    deferred("Relation"),
    deferred("New object"),
    deferred("Prompt"),
    deferred("Original answer"),
)


class ConflictDialog(QDialog):
    """The edits of one group in a table, and what can be done about them."""

    def __init__(self, workspace: Workspace, edit_id: int | None = None, parent: QWidget | None = None) -> None:
        """Begins with the group of `edit_id` where that is in one."""
        super().__init__(parent)
        self.setWindowTitle(tr("Duplicates and contradictions"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(110 * SPACE, 60 * SPACE)
        self._workspace = workspace
        self._groups: list[EditConflict] = []
        self._place = 0
        self._rows: list[EditRow] = []
        self._told = Label("", scale=SECTION_TITLE, bold=True, wrap=True)
        self._advice = hint("")
        self.edits = text_table("Edits that ask the same", TITLES, stretch=(3,), framed=True)
        self.previous = button("Previous")
        self.next = button("Next")
        self.keep = button("Keep this, switch the others off", "good", primary=True)
        self.delete = button("Keep this, delete the others", "delete")
        self.switch_off = button("Switch this one off", "stop")
        self.merge = button(
            "Merge into this one", "copy", tip=tr("Its paraphrases, aliases and probes and the others’.")
        )
        self.every = button("Settle every duplicate…")
        self.every_merge = button("Yes: keep the first of each, merged", primary=True)
        self.every_back = button("No")
        self.close_button = button("Close")
        around = QHBoxLayout()
        around.setSpacing(SPACE)
        around.addWidget(self._told, 1)
        around.addWidget(self.previous)
        around.addWidget(self.next)
        deeds = QGridLayout()  # in one row, large text would make the dialog wider than a small screen
        deeds.setSpacing(SPACE)
        for place, deed in enumerate((self.keep, self.merge, self.delete, self.switch_off)):
            deeds.addWidget(deed, place // 2, place % 2)
        deeds.setColumnStretch(2, 1)
        last = QHBoxLayout()
        last.setSpacing(SPACE)
        last.addWidget(self.every)
        last.addWidget(self.every_merge)
        last.addWidget(self.every_back)
        last.addStretch(1)
        last.addWidget(self.close_button)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addWidget(page_title("Duplicates and contradictions"))
        box.addLayout(around)
        box.addWidget(self._advice)
        box.addWidget(self.edits, 1)
        box.addLayout(deeds)
        box.addLayout(last)
        self.edits.itemSelectionChanged.connect(self._chosen)
        self.previous.clicked.connect(partial(self._turn, -1))
        self.next.clicked.connect(partial(self._turn, 1))
        self.keep.clicked.connect(partial(self._settle, Resolution.SWITCH_OFF))
        self.delete.clicked.connect(partial(self._settle, Resolution.DELETE))
        self.merge.clicked.connect(partial(self._settle, Resolution.MERGE))
        self.switch_off.clicked.connect(self._switch_off)
        self.every.clicked.connect(partial(self._ask_every, True))
        self.every_back.clicked.connect(partial(self._ask_every, False))
        self.every_merge.clicked.connect(self._settle_every)
        self.close_button.clicked.connect(self.accept)
        workspace.changed.connect(self._take_changes)
        self._ask_every(False)
        self._load(edit_id)

    def _load(self, edit_id: int | None = None) -> None:
        self._workspace.database.run(
            settling.conflicts, on_success=partial(self._loaded, edit_id), owner=self, name="Read the conflicts"
        )

    def _take_changes(self, changes: Changes) -> None:
        if changes.edits:
            self._load()

    def _loaded(self, edit_id: int | None, groups: list[EditConflict]) -> None:
        self._groups = groups
        if edit_id is not None:
            self._place = next((at for at, group in enumerate(groups) if edit_id in group.edit_ids), 0)
        self._turn(0)

    def _turn(self, step: int) -> None:
        """Show another group, or the one in the place of a group that was settled."""
        self._place = max(0, min(self._place + step, len(self._groups) - 1))
        self.previous.setEnabled(self._place > 0)
        self.next.setEnabled(self._place < len(self._groups) - 1)
        self._ask_every(False)
        if not self._groups:
            self._show([])
            return
        ids = self._groups[self._place].edit_ids
        self._workspace.database.run(
            lambda project: listing.rows(project, ids), on_success=self._show, owner=self, name="Read the edits"
        )

    def _show(self, rows: Sequence[EditRow]) -> None:
        self._rows = list(rows)
        columns = (Column.SUBJECT, Column.RELATION, Column.NEW_OBJECT)
        fill(
            self.edits,
            [(*(cell_text(row, column) for column in columns), row.prompt, row.original_answer) for row in self._rows],
        )
        self.edits.clearSelection()
        if not self._groups:
            self._told.setText(tr("No two edits ask the same."))
            self._advice.setText(tr("Duplicates and contradictions show here as soon as there are any."))
        else:
            contradiction = self._groups[self._place].contradiction
            told = {
                "place": f"{self._place + 1:,}",
                "number": f"{len(self._groups):,}",
                "edits": count(len(self._rows), "edit"),
            }
            self._told.setText(
                tr("Contradiction {place} of {number}: {edits} ask the same", **told)
                if contradiction
                else tr("Duplicate {place} of {number}: {edits} ask the same", **told)
            )
            self._advice.setText(
                tr("They want different objects: only one can be true. Choose the edit that is right.")
                if contradiction
                else tr("They want the same object. Choose the edit to keep; merging keeps what the others add to it.")
            )
        self._chosen()

    def _row(self) -> EditRow | None:
        places = {index.row() for index in self.edits.selectionModel().selectedRows()}
        return self._rows[places.pop()] if len(places) == 1 else None

    def _chosen(self) -> None:
        one = self._row() is not None
        for deed in (self.keep, self.delete, self.merge, self.switch_off):
            deed.setEnabled(one)

    def _settle(self, how: Resolution) -> None:
        row = self._row()
        if row is not None:
            others = [other.id for other in self._rows if other.id != row.id]
            self._run(partial(_resolve, kept=row.id, others=others, how=how))

    def _switch_off(self) -> None:
        row = self._row()
        rest = [other for other in self._rows if row is None or other.id != row.id]
        if row is not None and rest:
            self._run(partial(_resolve, kept=rest[0].id, others=[row.id], how=Resolution.SWITCH_OFF))

    def _ask_every(self, asked: bool) -> None:
        duplicates = sum(not group.contradiction for group in self._groups)
        self.every.setVisible(not asked)
        self.every.setEnabled(duplicates > 1)
        self.every_merge.setVisible(asked)
        self.every_back.setVisible(asked)
        if asked:
            self._advice.setText(
                tr(
                    "Of each of the {duplicates} duplicates the edit that was entered first is kept and takes over "
                    "the paraphrases, aliases and probes of the others, which are deleted. Contradictions are left "
                    "to you. It is one step: Undo brings all of them back.",
                    duplicates=f"{duplicates:,}",
                )
            )

    def _settle_every(self) -> None:
        self._run(partial(settling.resolve_duplicates, how=Resolution.MERGE))

    def _run(self, deed: partial[Changes]) -> None:
        self._workspace.database.run(deed, on_error=self._refused, owner=self, name="Settle a conflict")

    def _refused(self, message: UserMessage) -> None:
        self._advice.setText(f"{message.sentence} {message.action}".strip())


def _resolve(project: Project, kept: int, others: Sequence[int], how: Resolution) -> Changes:
    return settling.resolve(project, kept, others, how)
