"""What can be done on the Facts page: each deed is one operation of the store, or one job of the model worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication

from engine.edits import Relation
from engine.runs import Cancel, ProgressBoard
from studio import model_jobs
from studio.errors import UserMessage
from studio.jobs import Job
from studio.messages import Deed, Kind
from studio.pages.facts import clipboard
from studio.pages.facts.clipboard import Overwritten, Refusal
from studio.pages.facts.columns import Column
from studio.store import edits as editing
from studio.store import listing
from studio.store.cells import CellChanges, update_edits
from studio.store.changes import Changes
from studio.store.edits import EditDraft, EditFields
from studio.store.listing import EditFilter
from studio.store.project import Project
from studio.widgets.editor_words import AT_THE_NEXT_TRAINING
from studio.widgets.figures import count
from studio.words import plural, tr
from studio.workspace import Workspace


class FactDeeds(QObject):
    """Add, change, delete, switch, copy, paste, ask."""

    added = Signal(object)  # Changes of an addition
    asking = Signal(object, object)  # Job and ProgressBoard of a question to the model
    refused_change = Signal(int, object)  # row id of an edit, and the UserMessage that says why it stays as it is
    refused_rows = Signal(object)  # clipboard.Pasted with refusals: the user decides

    def __init__(self, workspace: Workspace, parent: QObject) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._asked: Job | None = None
        workspace.project_changed.connect(self._stop_asking)

    def add(self, drafts: Sequence[EditDraft], name: str = "") -> Job:
        """Add edits as one step."""
        return self._add(drafts, name, self.added.emit)

    def _add(self, drafts: Sequence[EditDraft], name: str, then: Callable[[Changes], object]) -> Job:
        return self._workspace.database.run(
            lambda project: editing.add_edits(project, drafts, name=name),
            on_success=then,
            owner=self,
            name="Add edits",
        )

    def change(self, edit_id: int, fields: EditFields) -> None:
        """Change parts of one edit."""
        self._workspace.database.run(
            lambda project: editing.update_edit(project, edit_id, **fields),
            on_error=partial(self.refused_change.emit, edit_id),
            owner=self,
            name="Change an edit",
        )

    def delete(self, ids: Sequence[int]) -> None:
        """Delete edits; the message offers to take it back."""
        if ids:
            self._workspace.database.run(
                lambda project: editing.delete_edits(project, ids),
                on_success=self._deleted,
                owner=self,
                name="Delete edits",
            )

    def _deleted(self, changes: Changes) -> None:
        number = len(changes.removed)
        told = count(number, "edit")
        deleted = plural(
            number, "Deleted {told}. Ctrl+Z brings it back.", "Deleted {told}. Ctrl+Z brings them back.", told=told
        )
        later = self._why_later()
        self._workspace.say(Kind.WARNING if later else Kind.INFO, f"{deleted} {later}".strip())

    def switch(self, ids: Sequence[int], on: bool) -> None:
        """Switch edits on or off."""
        if ids:
            self._workspace.database.run(
                lambda project: editing.set_enabled(project, ids, on),
                on_success=lambda _: None if on else self.tell_switched_off(),
                owner=self,
                name="Switch edits",
            )

    def tell_switched_off(self) -> None:
        """Say so where an edit that was switched off is answered all the same."""
        later = self._why_later()
        if later:
            self._workspace.say(Kind.WARNING, later)

    def _why_later(self) -> str:
        """Why the pack in use answers an edit that was taken out; empty where it does not."""
        run = self._workspace.run
        return "" if run is None or run.undoes_one else tr(AT_THE_NEXT_TRAINING)

    # --- the clipboard -----------------------------------------------------------------------------------------

    def copy(self, ids: Sequence[int]) -> None:
        """Put edits on the clipboard as a spreadsheet takes them."""
        if ids:
            self._workspace.database.run(
                lambda project: clipboard.to_tsv(listing.rows(project, ids)),
                on_success=partial(self._copied, len(ids)),
                owner=self,
                name="Copy edits",
            )

    def _copied(self, number: int, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self._workspace.say(Kind.INFO, tr("Copied {edits}: paste into a spreadsheet.", edits=count(number, "edit")))

    def copy_cells(self, cells: Mapping[int, frozenset[Column]]) -> None:
        """Put cells, by the edit they belong to, on the clipboard as a spreadsheet takes them."""
        number = sum(map(len, cells.values()))
        self._workspace.database.run(
            lambda project: clipboard.cells_to_tsv((row, cells[row.id]) for row in listing.rows(project, list(cells))),
            on_success=partial(self._cells_copied, number),
            owner=self,
            name="Copy cells",
        )

    def _cells_copied(self, number: int, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self._workspace.say(
            Kind.INFO, tr("Copied {cells}: paste into a spreadsheet or over cells.", cells=count(number, "cell"))
        )

    def paste_over(self, ids: Sequence[int], first: Column, height: int, width: int) -> None:
        """Write the clipboard's cells over those of `ids`, as one step.

        `ids` are the edits from the first selected row to the end of the table; `first` is the first selected column,
        `height` × `width` the size of the selection, which one cell or row fills as often as it fits.
        """
        text = QGuiApplication.clipboard().text()
        relations: Mapping[str, Relation] = {relation.id: relation for relation in self._workspace.relations}
        if not text.strip():
            self._workspace.say(Kind.INFO, tr("The clipboard holds no text: copy cells first."))
            return

        def write(project: Project) -> CellChanges | None:
            cells = clipboard.spread(clipboard.read_cells(text), height, width)
            covered = ids[: len(cells)]
            there = {row.id: row for row in listing.rows(project, covered)}
            plan = clipboard.over(cells, [there.get(edit_id) for edit_id in covered], first, relations)
            done = update_edits(
                project, plan.fields, name=tr("paste over {edits}", edits=count(len(plan.fields), "edit"))
            )
            told.append((plan, done))
            return done

        told: list[tuple[Overwritten, CellChanges]] = []
        self._workspace.database.run(
            write, on_success=lambda _: self._pasted_over(*told[0]), owner=self, name="Paste over cells"
        )

    def _pasted_over(self, plan: Overwritten, done: CellChanges) -> None:
        refused = [
            *plan.refusals,
            *(Refusal(plan.pasted_rows[edit_id], "", _clause(reason)) for edit_id, reason in done.refused),
        ]
        changed = tr("Pasted over {edits}.", edits=count(len(done.updated), "edit"))
        if not refused:
            self._workspace.say(Kind.GOOD if done.updated else Kind.INFO, changed)
            return
        refused.sort(key=lambda refusal: refusal.row)
        self._workspace.say(
            Kind.WARNING,
            tr(
                "{changed} {cells} could not be taken. {refused}",
                changed=changed,
                cells=count(len(refused), "cell"),
                refused=refused[0],
            ),
            details="\n".join(map(str, refused)),
        )

    def paste(self) -> None:
        """Add what a spreadsheet put on the clipboard, as one step; rows that cannot be edits are shown first."""
        text = QGuiApplication.clipboard().text()
        relations: Mapping[str, Relation] = {relation.id: relation for relation in self._workspace.relations}
        if not text.strip():
            self._workspace.say(
                Kind.INFO, tr("The clipboard holds no text: copy rows of subject, relation and new object first.")
            )
            return
        # Reading a hundred thousand rows takes a moment: not in the window's thread.
        self._workspace.database.run(
            lambda _project: clipboard.from_tsv(text, relations),
            on_success=self._pasted,
            owner=self,
            name="Read the clipboard",
        )

    def _pasted(self, pasted: clipboard.Pasted) -> None:
        if pasted.refusals:
            self.refused_rows.emit(pasted)
        elif pasted.drafts:
            self.add_pasted(pasted)
        else:
            self._workspace.say(
                Kind.INFO, tr("The clipboard holds no edits: copy rows of subject, relation, new object.")
            )

    def add_pasted(self, pasted: clipboard.Pasted) -> None:
        """Add the rows of a paste that can be edits."""
        told = count(len(pasted.drafts), "edit")
        self._add(pasted.drafts, tr("Paste {told}", told=told), self._rows_pasted)

    def _rows_pasted(self, changes: Changes) -> None:
        self.added.emit(changes)
        self._workspace.say(Kind.GOOD, tr("Pasted {told}.", told=count(len(changes.added), "edit")))

    # --- the model ---------------------------------------------------------------------------------------------

    @property
    def is_asking(self) -> bool:
        """Whether the model is being asked for original answers."""
        return self._asked is not None and not self._asked.state.ended

    def ask_model(self, ids: Sequence[int] = ()) -> None:
        """Fill in the original answers of `ids`, or of every edit that has none."""
        if not self.is_asking:
            self._workspace.database.run(
                lambda project: _questions(project, ids),
                on_success=self._ask,
                owner=self,
                name="Read the prompts",
            )

    def _ask(self, questions: dict[int, str]) -> None:
        if not questions:
            self._workspace.say(
                Kind.INFO, tr("Every edit has its original answer: select edits to ask for them again.")
            )
            return
        source, board, cancel, answers = self._workspace.source, ProgressBoard(), Cancel(), list[str]()
        self._asked = self._workspace.models.run(
            lambda shelf: model_jobs.original_answers(shelf, source, list(questions.values()), board, cancel, answers),
            on_success=self._workspace.while_open(partial(self._answered, questions)),
            on_error=self._workspace.while_open(partial(self._failed, questions, answers)),
            cancel=cancel,
            owner=self,
            name=tr("Ask the model"),
        )
        self.asking.emit(self._asked, board)

    def _stop_asking(self) -> None:
        """The edits that the model is asked for are those of the project before."""
        if self._asked is not None:
            self._asked.stop()

    def _failed(self, questions: dict[int, str], answers: list[str], message: UserMessage) -> None:
        self._answered(questions, answers)
        self._workspace.report(message, Deed(tr("Ask the rest"), self.ask_model))

    def _answered(self, questions: dict[int, str], answers: list[str]) -> None:
        found = dict(zip(questions, answers, strict=False))
        if not found:
            return
        self._workspace.database.run(
            lambda project: editing.set_original_answers(project, found), owner=self, name="Keep the original answers"
        )
        left = len(questions) - len(found)
        rest = tr(" {edits} not asked yet.", edits=count(left, "edit")) if left else ""
        deeds = [Deed(tr("Ask the rest"), self.ask_model)] if left else []
        self._workspace.say(
            Kind.GOOD,
            tr("The model answered {prompts}.{rest}", prompts=count(len(found), "prompt"), rest=rest),
            deeds=deeds,
        )


def _clause(sentence: str) -> str:
    """A sentence as the end of another one."""
    return sentence[:1].lower() + sentence[1:].removesuffix(".")


def _questions(project: Project, ids: Sequence[int]) -> dict[int, str]:
    """The prompts of `ids`, or of every edit without an original answer."""
    asked = ids or listing.edit_ids(project, filter=EditFilter.UNANSWERED)
    return {row.id: row.prompt for row in listing.rows(project, asked)}
