"""The Facts page: enter facts, see and change them, ask the model what it answers now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QItemSelection, QItemSelectionModel, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QMenu, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from assets import catalogue
from engine.edits import Edit
from engine.formats.imported import Imported
from engine.formats.registry import read_edits
from engine.formats.rejects import write_rejects
from studio import icons
from studio.errors import UserMessage
from studio.jobs import Job, JobState
from studio.messages import Deed, Kind
from studio.pages.facts.add_form import AddForm
from studio.pages.facts.clipboard import Pasted
from studio.pages.facts.columns import Column
from studio.pages.facts.conflict_dialog import ConflictDialog
from studio.pages.facts.deeds import FactDeeds
from studio.pages.facts.export import Export, Scope
from studio.pages.facts.import_account import ImportAccount
from studio.pages.facts.import_dialog import ImportDialog, save_rejects
from studio.pages.facts.inspector import Inspector
from studio.pages.facts.relations_dialog import RelationsDialog
from studio.pages.facts.table import EditTable
from studio.pages.facts.view import EditView
from studio.store import listing
from studio.store.changes import Changes
from studio.store.edits import EditDraft, EditFields
from studio.store.importing import ImportChanges, import_edit_set
from studio.store.listing import EditFilter
from studio.store.project import Project
from studio.suggestions import SuggestedTexts, suggested_texts
from studio.theme import SPACE
from studio.undo_actions import UndoActions
from studio.widgets.buttons import action_button, button
from studio.widgets.empty_state import EmptyState
from studio.widgets.fields import line
from studio.widgets.figures import count
from studio.widgets.files import choose_file
from studio.widgets.job_strip import JobStrip
from studio.widgets.labels import ElidedLabel, page_title
from studio.widgets.since_words import since_in_words
from studio.words import deferred, plural, tr
from studio.workspace import Workspace

_FILTERS = (
    (EditFilter.ALL, deferred("All edits")),
    (EditFilter.ENABLED, deferred("Switched on")),
    (EditFilter.DISABLED, deferred("Switched off")),
    (EditFilter.CONFLICTS, deferred("Duplicates and contradictions")),
    (EditFilter.CONTRADICTIONS, deferred("Contradictions")),
    (EditFilter.UNANSWERED, deferred("Without original answer")),
    (EditFilter.CHANGED, deferred("Changed since this pack")),
)


class FactsPage(QWidget):
    """The table, what surrounds it, and the deeds."""

    search_asked = Signal()  # the search box is about to take the focus: the page must be on show

    def __init__(self, workspace: Workspace, undoing: UndoActions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._undoing = undoing
        self.deeds = FactDeeds(workspace, self)
        self.export = Export(workspace, self)
        self.table = EditTable(workspace.database, self)
        self.view = EditView(self.table)
        self.form = AddForm()
        self.inspector = Inspector()
        self.strip = JobStrip()
        self.search = line("Search the edits", "Search")
        self.search.setClearButtonEnabled(True)
        self.filter = QComboBox()
        self.filter.setAccessibleName(tr("Show which edits"))
        for value, words in _FILTERS:
            self.filter.addItem(tr(words), value)
        self.filter.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.filter.setMinimumContentsLength(6)
        self._count = ElidedLabel(muted=True)
        self._entered: dict[EditDraft, Job] = {}  # what was given in the form, on its way into the project
        self._make_actions()
        self._lay_out()
        self.setFocusProxy(self.form.subject)
        self._connect()
        self._project_changed()

    # --- building ----------------------------------------------------------------------------------------------

    def _make_actions(self) -> None:
        self.copy = self._action("Copy edits", "copy", QKeySequence.StandardKey.Copy, self._copy, self.view)
        self.paste = self._action("Paste edits", "", QKeySequence.StandardKey.Paste, self.deeds.paste, self.view)
        # Wherever the focus is on the page: the table is hidden while it is empty. A text field takes its keys first.
        self.paste.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.addAction(self.paste)
        self.paste_over = self._action("Paste over the selected cells", "", "Ctrl+Shift+V", self._paste_over, self.view)
        self.delete = self._action("Delete edits", "delete", QKeySequence.StandardKey.Delete, self._delete, self.view)
        self.switch_on = self._action("Switch on", "good", None, partial(self._switch, True), self.view)
        self.switch_off = self._action("Switch off", "stop", None, partial(self._switch, False), self.view)
        self.ask = self._action("Ask the model", "ask", None, self._ask, self.view)
        self.find_edits = self._action("Find edits", "search", QKeySequence.StandardKey.Find, self._find, self)
        self.import_file = self._action("Import edits…", "import", "Ctrl+I", self._choose_import, self)
        self.export_all = self._action("Export edits…", "export", "Ctrl+E", partial(self._export, 0), self)
        self.export_listed = self._action("Export the listed edits…", "", None, partial(self._export, 1), self)
        self.export_selected = self._action("Export the selected edits…", "", None, partial(self._export, 2), self)
        self.relations = self._action("Relations…", "settings", None, self._show_relations, self)
        self.settle = self._action("Duplicates and contradictions…", "warning", None, self._show_conflicts, self)
        self.sample = self._action("Add the sample edits", "", None, self.add_sample, self)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.view.addAction(self.settle)
        self.ask.setToolTip(
            tr("Fill in what the original model answers: of the selected edits, or where it is missing.")
        )

    def _action(
        self,
        text: str,
        icon: str,
        keys: QKeySequence.StandardKey | str | None,
        deed: Callable[[], object],
        place: QWidget,
    ) -> QAction:
        made = QAction(tr(text), self)
        if icon:
            icons.dress(made, icon)
        if isinstance(keys, QKeySequence.StandardKey):
            made.setShortcuts([QKeySequence.keyBindings(keys)[0]])
        elif keys:
            made.setShortcut(QKeySequence(keys))
        if place is self.view:
            made.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        made.triggered.connect(lambda _checked=False: deed())
        place.addAction(made)
        return made

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(page_title("Facts"))
        head.addSpacing(SPACE)
        head.addWidget(self._count, 1)
        head.addWidget(action_button(self.import_file))
        head.addWidget(self._export_button())
        head.addWidget(action_button(self.ask))
        tools = QHBoxLayout()
        tools.setSpacing(SPACE)
        tools.addWidget(self.search, 2)
        tools.addWidget(self.filter, 1)
        for action in (
            self._undoing.undo,
            self._undoing.redo,
            self.settle,
            self.switch_on,
            self.switch_off,
            self.delete,
        ):
            tools.addWidget(action_button(action, icon_only=True))
        self._places = QStackedWidget()
        self._places.addWidget(self.view)
        nothing = EmptyState(
            "facts",
            "No facts yet",
            "Add what the model shall answer from now on: a subject, a relation, a new object. "
            "Or import a file, paste rows from a spreadsheet, or start with the sample edits.",
            action_button(self.sample, primary=True),
            action_button(self.import_file),
            action_button(self.paste),
        )
        nothing.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # a click beside the fields, then Ctrl+V
        self._places.addWidget(nothing)
        self._clear = button("Show all edits")
        self._places.addWidget(
            EmptyState("search", "No edit matches", "Search for other words, or show all edits again.", self._clear)
        )
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addLayout(tools)
        column.addWidget(self.strip)
        column.addWidget(self._places, 1)
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.setHandleWidth(2 * SPACE)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.addWidget(left)
        self._splitter.addWidget(self.inspector)
        self._splitter.setStretchFactor(0, 1)
        self._splitter.setSizes([100 * SPACE, 30 * SPACE])
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addLayout(head)
        box.addWidget(self.form)
        box.addWidget(self._splitter, 1)

    def _export_button(self) -> QWidget:
        made = button("Export", "export", tip=tr("Write edits to a file."))
        made.setProperty("hasMenu", True)
        menu = QMenu(made)
        menu.addActions([self.export_all, self.export_listed, self.export_selected])
        made.setMenu(menu)
        return made

    def _connect(self) -> None:
        self._workspace.project_changed.connect(self._project_changed)
        self._workspace.changed.connect(self._take_changes)
        self._workspace.counts_changed.connect(self._tell_counts)
        self._workspace.relations_changed.connect(self._relations_changed)
        self._workspace.engagement_changed.connect(self._engagement_changed)
        self.search.textChanged.connect(self._narrow)
        self.filter.currentIndexChanged.connect(self._narrow)
        self._clear.clicked.connect(self._show_all)
        self.form.add_asked.connect(self._add)
        self.form.relations_asked.connect(self._show_relations)
        self.table.listed.connect(self._listed)
        self.table.refused.connect(self._workspace.report)
        self.table.switched_off.connect(self.deeds.tell_switched_off)
        self.view.toggle_asked.connect(self._toggle)
        self.view.selectionModel().selectionChanged.connect(self._selection_changed)
        self.inspector.changed.connect(self._inspected)
        self.deeds.added.connect(self._added)
        self.deeds.refused_change.connect(self._refused)
        self.deeds.asking.connect(self.strip.follow)
        self.deeds.refused_rows.connect(self._offer_rest)

    # --- what the workspace says -------------------------------------------------------------------------------

    def _project_changed(self) -> None:
        is_open = self._workspace.project is not None
        self.inspector.forget()
        self.search.clear()
        self.filter.setCurrentIndex(0)
        self.setEnabled(is_open)
        self.table.set_project_open(is_open)
        self._selection_changed()

    def _take_changes(self, changes: Changes) -> None:
        self.table.take_changes(changes)
        if self.inspector.edit_id in changes.removed:
            self.inspector.clear()
        elif self.inspector.edit_id in changes.updated:
            self._inspect(self.inspector.edit_id)

    def _relations_changed(self) -> None:
        self.form.set_relations(self._workspace.relations)
        self.view.set_relations(self._workspace.relations)

    def _engagement_changed(self) -> None:
        """Familiarity is a gate's; what switching an edit off does depends on the pack in use."""
        run = self._workspace.run
        self.table.undoes_one = run is None or run.undoes_one
        self.view.show_familiarity(run is None or run.gated)

    def _tell_counts(self) -> None:
        counts = self._workspace.counts
        told = [count(counts.total, "edit")]
        if counts.enabled != counts.total:
            told.append(tr("{enabled} switched on", enabled=f"{counts.enabled:,}"))
        if counts.conflicts:
            told.append(tr("{conflicts} in conflict", conflicts=f"{counts.conflicts:,}"))
        if counts.unanswered:
            told.append(tr("{unanswered} without original answer", unanswered=f"{counts.unanswered:,}"))
        if counts.since:
            told.append(tr("{told} since this pack", told=since_in_words(counts.since)))
        self.settle.setEnabled(bool(counts.conflicts))
        self._count.set_whole(" · ".join(told) if counts.total else "")
        self._listed()

    def _listed(self) -> None:
        if self.table.ids:
            self._places.setCurrentIndex(0)
        else:
            self._places.setCurrentIndex(2 if self.table.narrowed and self._workspace.counts.total else 1)
        self._selection_changed()

    # --- the table ---------------------------------------------------------------------------------------------

    def selected_ids(self) -> list[int]:
        """The selected edits, from the top."""
        ids = self.table.ids
        return [ids[row] for row in self.view.selected_rows() if row < len(ids)]

    def show_edits(self, keys: tuple[str, ...]) -> None:
        """Select the edits with these ids, all edits listed again."""
        self._show_all()
        self._workspace.database.run(
            lambda project: listing.ids_of_keys(project, keys),
            on_success=lambda found: self._select(frozenset(found.values())),
            owner=self,
            name="Find edits",
        )

    def _select(self, ids: frozenset[int]) -> None:
        chosen = QItemSelection()
        for row, edit_id in enumerate(self.table.ids):
            if edit_id in ids:
                chosen.select(self.table.index(row, 0), self.table.index(row, self.table.columnCount() - 1))
        self.view.selectionModel().select(chosen, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if not chosen.isEmpty():
            self.view.scrollTo(chosen.indexes()[0])

    def _narrow(self) -> None:
        self.table.narrow(self.search.text().strip(), EditFilter(self.filter.currentData()))

    def _show_all(self) -> None:
        self.search.clear()
        self.filter.setCurrentIndex(0)
        self._narrow()

    def _find(self) -> None:
        self.search_asked.emit()
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def _selection_changed(self) -> None:
        ids = self.selected_ids()
        for action in (self.copy, self.paste_over, self.delete, self.switch_on, self.switch_off, self.export_selected):
            action.setEnabled(bool(ids))
        self.export_listed.setEnabled(self.table.narrowed and bool(self.table.ids))
        if len(ids) == 1:
            if ids[0] != self.inspector.edit_id:
                self._inspect(ids[0])
        else:
            self.inspector.clear()

    def _inspect(self, edit_id: int) -> None:
        self._workspace.database.run(
            lambda project: listing.get_edit(project, edit_id),
            on_success=partial(self._inspect_now, edit_id),
            owner=self,
            name="Read an edit",
        )

    def _inspect_now(self, edit_id: int, edit: Edit | None) -> None:
        if edit is not None and self.selected_ids() == [edit_id]:
            self.inspector.show_edit(edit_id, edit)
            self._workspace.database.run(
                lambda project: suggested_texts(project, edit_id),
                on_success=partial(self._suggest, edit_id),
                owner=self,
                name="Suggest texts",
            )

    def _suggest(self, edit_id: int, suggested: SuggestedTexts) -> None:
        if self.inspector.edit_id == edit_id:
            self.inspector.show_suggestions(suggested)

    def _refused(self, edit_id: int, message: UserMessage) -> None:
        if self.inspector.edit_id == edit_id:
            self.inspector.refuse(message.sentence)
        else:
            self._workspace.report(message)

    def _inspected(self, edit_id: int, fields: EditFields) -> None:
        self.deeds.change(edit_id, fields)

    # --- deeds -------------------------------------------------------------------------------------------------

    def _add(self, draft: EditDraft) -> None:
        """Add what was given, once: Enter pressed twice, before the database has answered, means one edit."""
        before = self._entered.get(draft)
        if before is None or before.state.ended:
            self._entered[draft] = self.deeds.add([draft], tr("Add “{fact}”", fact=draft.subject or draft.prompt))

    def _added(self, changes: Changes) -> None:
        if any(job.state is JobState.FINISHED and self.form.holds(draft) for draft, job in self._entered.items()):
            self.form.clear()
        self._entered = {draft: job for draft, job in self._entered.items() if not job.state.ended}
        if not changes.added:
            return
        newest = changes.added[-1]

        def select() -> None:
            self.table.listed.disconnect(select)
            row = self.table.row_of(newest)
            if row >= 0:
                self.view.selectionModel().setCurrentIndex(
                    self.table.index(row, 1),
                    QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows,
                )
                self.view.scrollTo(self.table.index(row, 1))

        self.table.listed.connect(select)

    def _copy(self) -> None:
        cells = self.view.selected_cells()
        if cells is None:
            self.deeds.copy(self.selected_ids())
        else:
            ids = ((self.table.id_at(row), columns) for row, columns in cells.items())
            self.deeds.copy_cells({edit_id: columns for edit_id, columns in ids if edit_id is not None})

    def _paste_over(self) -> None:
        rows = self.view.selected_rows()
        cells = self.view.selected_cells() or dict.fromkeys(rows, frozenset(Column))
        columns = frozenset[Column]().union(*cells.values())
        height, width = rows[-1] - rows[0] + 1, max(columns) - min(columns) + 1
        self.deeds.paste_over(self.table.ids[rows[0] :], min(columns), height, width)

    def _delete(self) -> None:
        self.deeds.delete(self.selected_ids())

    def _switch(self, on: bool) -> None:
        self.deeds.switch(self.selected_ids(), on)

    def _toggle(self) -> None:
        first = next((self.table.known_row(row) for row in self.view.selected_rows()), None)
        self._switch(first is not None and not first.enabled)

    def _ask(self) -> None:
        self.deeds.ask_model(self.selected_ids() if len(self.view.selected_rows()) > 1 else ())

    def _offer_rest(self, pasted: Pasted) -> None:
        refused = pasted.refusals
        details = "\n".join(map(str, refused))
        rest = [
            Deed(
                tr("Paste the other {number}", number=f"{len(pasted.drafts):,}"), partial(self.deeds.add_pasted, pasted)
            )
        ]
        self._workspace.say(
            Kind.WARNING,
            plural(
                len(refused),
                "{rows} cannot be an edit; nothing was pasted. {refused}",
                "{rows} cannot be edits; nothing was pasted. {refused}",
                rows=count(len(refused), "pasted row"),
                refused=refused[0],
            ),
            details=details,
            deeds=rest if pasted.drafts else (),
        )

    # --- files -------------------------------------------------------------------------------------------------

    def _choose_import(self) -> None:
        kinds = [tr("Edits (*.jsonl *.json *.csv *.tsv *.tab *.txt)"), tr("Any file (*)")]
        choose_file(self, tr("Import edits"), kinds, self.import_from)

    def take_dropped(self, paths: Sequence[Path]) -> None:
        """Import a file that was dragged onto the window."""
        if self._workspace.project is None:
            self._workspace.say(Kind.INFO, tr("No project is open: open one, or create one, then drop the file again."))
        elif len(paths) > 1:
            self._workspace.say(
                Kind.INFO, tr("{number} files were dropped: drop them one at a time.", number=len(paths))
            )
        else:
            self.import_from(paths[0])

    def import_from(self, path: Path) -> ImportDialog:
        """Show what `path` holds; the user decides."""
        dialog = ImportDialog(path, self._workspace.relations, self._workspace.database, self)
        dialog.imported.connect(partial(self._imported, path))
        dialog.open()
        return dialog

    def _imported(self, path: Path, account: ImportAccount) -> None:
        rejected = bool(account.imported.rejections)
        deeds = [Deed(tr("Save the rejected rows…"), partial(self._save_rejects, path, account.imported))]
        self._workspace.say(
            Kind.WARNING if rejected else Kind.GOOD,
            tr("Import done. {sentence}", sentence=account.sentence()),
            details=account.details(),
            deeds=deeds if rejected else (),
        )

    def _save_rejects(self, path: Path, imported: Imported) -> None:
        save_rejects(self, path, imported, partial(self._write_rejects, imported))

    def _write_rejects(self, imported: Imported, path: Path) -> None:
        self._workspace.database.run(
            lambda _project: write_rejects(path, imported),
            on_success=lambda _: self._workspace.say(Kind.GOOD, tr("The rejected rows are in {path}.", path=path)),
            owner=self,
            name="Save the rejected rows",
        )

    def add_sample(self) -> None:
        """Add the edits that ship with the studio, as one step."""

        def add(project: Project) -> ImportChanges:
            sample = read_edits(catalogue.SAMPLE_EDITS, relations=catalogue.relations()).or_nothing()
            return import_edit_set(project, sample)

        self._workspace.database.run(add, on_success=self._sample_added, owner=self, name="Add the sample edits")

    def _sample_added(self, changes: ImportChanges) -> None:
        there = tr(", {skipped} were there already", skipped=f"{changes.skipped:,}") if changes.skipped else ""
        self._workspace.say(
            Kind.GOOD, tr("{edits} added{there}.", edits=count(len(changes.added), "sample edit"), there=there)
        )

    def _export(self, chosen: int) -> None:
        """Ask what to export: 0 all edits, 1 the listed ones, 2 the selected ones."""
        listed, selected = tuple(self.table.ids), tuple(self.selected_ids())
        scopes = [Scope(tr("All edits"), None, self._workspace.counts.total)]
        if self.table.narrowed and listed:
            scopes.append(Scope(tr("The listed edits"), listed, len(listed)))
        if selected:
            scopes.append(Scope(tr("The selected edits"), selected, len(selected)))
        # The action was enabled, so that its edits are among the scopes.
        self.export.ask(scopes, 0 if chosen == 0 else len(scopes) - 1 if chosen == 2 else 1)

    def _show_conflicts(self) -> None:
        chosen = self.selected_ids()
        ConflictDialog(self._workspace, chosen[0] if chosen else None, self).open()

    def _show_relations(self) -> None:
        RelationsDialog(self._workspace, self).open()
