"""The Runs page: every training of this project, its settings, figures and log, its edits since, and its pack."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QItemSelection, QItemSelectionModel, Qt, QTimer, QUrl
from PySide6.QtGui import QAction, QDesktopServices
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from engine.edits import MAX_TEXT
from engine.formats.registry import read_edits
from engine.runs import Cancel, ProgressBoard
from studio import model_jobs
from studio.dialogs.question import question
from studio.errors import UserFixable
from studio.jobs import Job
from studio.messages import Kind
from studio.model_jobs import EDITS
from studio.pages.runs.columns import NAME, run_columns
from studio.pages.runs.details import MOST, Details
from studio.pages.runs.packs import export_archive, export_folder, import_pack
from studio.pages.runs.since import SinceTab
from studio.run_log import read_log
from studio.store import listing
from studio.store import runs as keeping
from studio.store.changes import Changes
from studio.store.edits import set_familiarity
from studio.store.project import Project
from studio.store.runs import RunRow, RunState
from studio.store.trained import EditSince, Since, changes_since, edits_since
from studio.theme import SPACE
from studio.trainer import RESUMABLE, Trainer
from studio.widgets.buttons import button
from studio.widgets.empty_state import EmptyState
from studio.widgets.figures import count
from studio.widgets.files import choose_file, choose_folder, choose_target
from studio.widgets.job_strip import JobStrip
from studio.widgets.labels import Label, page_title
from studio.widgets.layer_curve import LayerCurve
from studio.widgets.rows import RowsModel, chosen_rows, rows_view
from studio.widgets.run_words import called
from studio.widgets.since_words import since_in_words
from studio.words import plural, tr
from studio.workspace import Workspace

WRITING = 400
"""Milliseconds after the last key until a note is kept."""


class RunsPage(QWidget):
    """A table of runs, and what can be done with the selected one."""

    def __init__(self, workspace: Workspace, trainer: Trainer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._trainer = trainer
        self.model: RowsModel[RunRow] = RowsModel(
            run_columns(self._in_use), bold=self._in_use, rename=(NAME, self._rename), key=lambda run: run.id
        )
        self.table = rows_view(tr("Runs"), self.model, framed=True)
        self.details = Details()
        self.since = SinceTab()
        self.note = QPlainTextEdit()
        self.log = QPlainTextEdit()
        self.layers = LayerCurve()
        self.tabs = QTabWidget()
        self.strip = JobStrip()
        self.use = button("Use this pack", "check", primary=True, tip=tr("Answer with this pack on the Compare page."))
        self.resume = button("Resume", "resume", tip=tr("Go on with this training from its checkpoints."))
        self.rename = button("Rename", tip=tr("Give the run a name of your own (F2)."))
        self.export = button("Export the pack", "export", tip=tr("A copy that `meg ask` and other projects open."))
        self.bring = button(
            "Import a pack", "import", tip=tr("Take in a pack that was exported, or that `meg fit` wrote.")
        )
        self.reveal = button("Open the folder", "folder")
        self.delete = button("Delete…", "delete")
        self._told = Label(muted=True)
        self._measuring: Job | None = None
        self._measured_pack: Path | None = None
        self._note_of: RunRow | None = None
        self._written = False  # whether the note was changed and is not kept yet
        self._writing = QTimer(self)
        self._writing.setSingleShot(True)
        self._writing.setInterval(WRITING)
        self._lay_out()
        self.setFocusProxy(self.table)
        self._connect()
        self._project_changed()

    def _lay_out(self) -> None:
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.note.setAccessibleName(tr("Note on the run"))
        self.note.setPlaceholderText(tr("What this run was for, what you saw. It is kept as you type."))
        self.note.setTabChangesFocus(True)
        self.log.setAccessibleName(tr("Log of the run"))
        self.log.setReadOnly(True)
        self.log.setTabChangesFocus(True)
        self.log.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.tabs.setAccessibleName(tr("About the run"))
        for title, tab in (
            (tr("Settings and figures"), self.details),
            (tr("Edits since then"), self.since),
            (tr("Note"), self.note),
            (tr("Log"), self.log),
            (tr("Layers"), self.layers),
        ):
            self.tabs.addTab(tab, title)
        to_training = button("Go to Training", "training", primary=True)
        to_training.clicked.connect(lambda _checked=False: self._workspace.page_asked.emit("training"))
        self._places = QStackedWidget()
        self._places.addWidget(self.table)
        self._places.addWidget(
            EmptyState(
                "runs",
                "No runs yet",
                "A run is one training of an editor on the edits of this project. Its settings, its figures and its "
                "pack are kept here. A pack from elsewhere can be imported.",
                to_training,
            )
        )
        for made, deeds in (
            (self.export, ((tr("As a folder…"), self._export), (tr("As one zip file…"), self._export_archive))),
            (self.bring, ((tr("From a folder…"), self._import_folder), (tr("From a zip file…"), self._import_archive))),
        ):
            menu = QMenu(made)
            for words, deed in deeds:
                action = QAction(words, menu)
                action.triggered.connect(lambda _checked=False, deed=deed: deed())
                menu.addAction(action)
            made.setProperty("hasMenu", True)
            made.setMenu(menu)
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(page_title("Runs"))
        head.addSpacing(SPACE)
        head.addWidget(self._told, 1)
        head.addWidget(self.bring)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        for control in (self.use, self.resume, self.rename, self.export, self.reveal):
            row.addWidget(control)
        row.addStretch(1)
        row.addWidget(self.delete)
        upper = QWidget()
        above = QVBoxLayout(upper)
        above.setContentsMargins(0, 0, 0, 0)
        above.setSpacing(2 * SPACE)
        above.addWidget(self._places, 1)
        above.addLayout(row)
        above.addWidget(self.strip)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.setChildrenCollapsible(False)
        parts.addWidget(upper)
        parts.addWidget(self.tabs)
        parts.setStretchFactor(0, 1)
        parts.setStretchFactor(1, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addLayout(head)
        box.addWidget(parts, 1)

    def _connect(self) -> None:
        workspace = self._workspace
        workspace.project_changed.connect(self._project_changed)
        workspace.changed.connect(self._take_changes)
        workspace.engagement_changed.connect(self._show_again)
        workspace.training_changed.connect(lambda _: self._selected())
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._selected())
        self.table.activated.connect(lambda _: self._use())
        self.tabs.currentChanged.connect(lambda _: self._read_tab())
        self.since.edits_asked.connect(workspace.edits_asked)
        self.note.textChanged.connect(self._note_changed)
        self._writing.timeout.connect(self._keep_note)
        self.use.clicked.connect(lambda _checked=False: self._use())
        self.resume.clicked.connect(lambda _checked=False: self._resume())
        self.rename.clicked.connect(lambda _checked=False: self._begin_renaming())
        self.reveal.clicked.connect(lambda _checked=False: self._reveal())
        self.delete.clicked.connect(lambda _checked=False: self._ask_delete())

    # --- the list ----------------------------------------------------------------------------------------------

    def _project_changed(self) -> None:
        self.setEnabled(self._workspace.project is not None)
        self._writing.stop()
        self._written = False
        self._take([])
        if self._workspace.project is not None:
            self._read()

    def _take_changes(self, changes: Changes) -> None:
        if changes.runs:
            self._read()
        elif changes.edits:
            self._read_tab()

    def _read(self) -> None:
        self._workspace.database.run(keeping.runs, on_success=self._take, owner=self, name="Read the runs")

    def _take(self, runs: list[RunRow]) -> None:
        self._fill(runs, {run.id for run in self.selected_runs()})

    def _show_again(self) -> None:
        """The pack in use may be another one: the same runs, marked anew."""
        if self._measuring is not None and self._workspace.engagement.pack != self._measured_pack:
            self._measuring.stop()
        self._take(list(self.model.rows))

    def _fill(self, runs: list[RunRow], chosen: set[int]) -> None:
        selection = self.table.selectionModel()
        selection.blockSignals(True)
        self.model.show_rows(runs)
        places = [place for place, run in enumerate(self.model.rows) if run.id in chosen] or [0] * bool(runs)
        wanted = QItemSelection()
        for place in places:
            wanted.select(self.model.index(place, 0), self.model.index(place, self.model.columnCount() - 1))
        selection.select(wanted, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if places and self.table.currentIndex().row() not in places:
            selection.setCurrentIndex(self.model.index(places[0], NAME), QItemSelectionModel.SelectionFlag.NoUpdate)
        selection.blockSignals(False)
        self._places.setCurrentIndex(0 if runs else 1)
        self._told.setText(count(len(runs), "run") if runs else "")
        self._selected()

    def _in_use(self, run: RunRow) -> bool:
        return _is(run, self._workspace.run)

    def changeEvent(self, event: QEvent) -> None:
        """Draw the icons anew after a change of scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_places"):
            self.table.viewport().update()

    def selected_runs(self) -> list[RunRow]:
        """The selected runs, from the top."""
        return chosen_rows(self.table, self.model)

    def selected(self) -> RunRow | None:
        """The run that the buttons are for, where just one is selected."""
        chosen = self.selected_runs()
        return chosen[0] if len(chosen) == 1 else None

    def _selected(self) -> None:
        run, busy = self.selected(), self._workspace.training
        finished = run is not None and run.state is RunState.FINISHED
        used = run is not None and self._in_use(run)
        self.use.setEnabled(finished and not busy)
        self.use.setText(tr("Put this pack aside") if used else tr("Use this pack"))
        self.use.setAccessibleName(self.use.text())
        self.resume.setEnabled(run is not None and run.state in RESUMABLE and not busy)
        self.rename.setEnabled(run is not None)
        self.export.setEnabled(finished)
        self.reveal.setEnabled(run is not None)
        self.delete.setEnabled(run is not None and run.state is not RunState.RUNNING)
        self.tabs.setVisible(bool(self.model.rows))
        self.details.show_runs(self.selected_runs()[:MOST])
        self.layers.show_run(run)
        self.tabs.setTabVisible(self.tabs.indexOf(self.layers), self.layers.has_run)
        self._show_note(run)
        self._read_tab()

    def _read_tab(self) -> None:
        """Read what the tab in front shows of the selected run: nobody waits for the others."""
        run, tab = self.selected(), self.tabs.currentWidget()
        if tab is self.log:
            self._read_log(run)
        elif tab is self.since:
            self._read_since(run)

    def _read_log(self, run: RunRow | None) -> None:
        if run is None:
            self.log.setPlainText(tr("Select one run to read its log."))
            return
        self._workspace.database.run(
            lambda _project: read_log(run.folder),
            on_success=partial(self._show_log, run),
            owner=self,
            name="Read the log",
        )

    def _show_log(self, run: RunRow, text: str) -> None:
        if not _is(run, self.selected()):
            return
        self.log.setPlainText(text or tr("This run has no log: it was trained elsewhere, or before logs were kept."))
        bar = self.log.verticalScrollBar()
        bar.setValue(bar.maximum())

    def _read_since(self, run: RunRow | None) -> None:
        if run is None:
            self.since.show_changes(None, ())
            return
        self._workspace.database.run(
            lambda project: _edits_since(project, run),
            on_success=partial(self._show_since, run),
            owner=self,
            name="Compare with the snapshot",
        )

    def _show_since(self, run: RunRow, changes: list[EditSince]) -> None:
        if _is(run, self.selected()):
            self.since.show_changes(run, changes)

    # --- name and note -----------------------------------------------------------------------------------------

    def _begin_renaming(self) -> None:
        run = self.selected()
        if run is not None:
            place = next(place for place, one in enumerate(self.model.rows) if one.id == run.id)
            self.table.edit(self.model.index(place, NAME))

    def _rename(self, run: RunRow, name: str) -> None:
        self._workspace.database.run(
            lambda project: keeping.update_run(project, run.id, name=name), owner=self, name="Rename a run"
        )

    def _show_note(self, run: RunRow | None) -> None:
        if _same(run, self._note_of):
            self._note_of = run
            return  # what is being written must not be taken away
        self._keep_note()
        self._note_of = run
        self.note.setEnabled(run is not None)
        self.note.blockSignals(True)
        self.note.setPlainText(run.note if run is not None else "")
        self.note.blockSignals(False)

    def _note_changed(self) -> None:
        self._written = True
        self._writing.start()

    def hand_over(self) -> None:
        """Keep the name and the note that were being written."""
        for editor in self.table.viewport().findChildren(QLineEdit):
            self.table.commitData(editor)
        self._keep_note()

    def _keep_note(self) -> None:
        run, text = self._note_of, self.note.toPlainText()[:MAX_TEXT]
        written, self._written = self._written, False
        self._writing.stop()
        if run is not None and written and self._workspace.project is not None:
            self._workspace.database.run(
                lambda project: keeping.update_run(project, run.id, note=text), owner=self, name="Keep the note"
            )

    # --- deeds -------------------------------------------------------------------------------------------------

    def _use(self) -> None:
        run, in_use = self.selected(), self._workspace.run
        if run is None or run.state is not RunState.FINISHED or self._workspace.training:
            return
        self._workspace.use_run(None if _is(run, in_use) else run)
        if self._workspace.run is not None and self._workspace.run.gated:
            self._measure_familiarity()

    def _measure_familiarity(self) -> None:
        """Fill the familiarity column of the Facts page anew for the pack that is in use now."""
        self._workspace.database.run(_prompts, on_success=self._measure, owner=self, name="Read the prompts")

    def _measure(self, prompts: dict[int, str]) -> None:
        engagement, board, cancel = self._workspace.engagement, ProgressBoard(), Cancel()
        if engagement.pack is None:
            return
        self._measured_pack = engagement.pack
        self._measuring = self._workspace.models.run(
            lambda shelf: model_jobs.familiarities(shelf, engagement, prompts, board, cancel),
            on_success=partial(self._keep_familiarity, engagement.pack),
            on_error=self._workspace.report,
            cancel=cancel,
            owner=self,
            name=tr("Measure familiarity"),
        )
        self.strip.follow(self._measuring, board)

    def _keep_familiarity(self, pack: Path, found: dict[int, float | None]) -> None:
        if self._workspace.engagement.pack != pack:
            return  # another pack is in use by now, or another project open
        self._workspace.database.run(
            lambda project: set_familiarity(project, found), owner=self, name="Keep the familiarity"
        )

    def _resume(self) -> None:
        run = self.selected()
        if run is not None and run.state in RESUMABLE:
            self._workspace.page_asked.emit("training")
            self._trainer.resume(run)

    def _export(self) -> None:
        run = self.selected()
        if run is not None:
            choose_folder(self, tr("Choose the folder that gets a copy of the pack"), partial(self.export_to, run))

    def export_to(self, run: RunRow, folder: Path) -> None:
        """Copy the pack of `run` into `folder`, under a name of its own."""
        self._workspace.database.run(
            lambda project: (export_folder(run, folder), _outlived(project, run)),
            on_success=partial(self._exported, run),
            owner=self,
            name="Export the pack",
        )

    def _export_archive(self) -> None:
        run = self.selected()
        if run is not None:
            name = f"{run.folder.name}-pack.zip"
            choose_target(
                self,
                tr("Export the pack"),
                name,
                [(tr("Pack in one file"), ".zip")],
                lambda path, _: self.export_archive_to(run, path),
            )

    def export_archive_to(self, run: RunRow, path: Path) -> None:
        """Write the pack of `run` to the zip `path`."""
        self._workspace.database.run(
            lambda project: (export_archive(run, path), _outlived(project, run)),
            on_success=partial(self._exported, run),
            owner=self,
            name="Export the pack",
        )

    def _exported(self, run: RunRow, made: tuple[Path, Mapping[Since, int]]) -> None:
        target, outlived = made
        told = tr("The pack is in {target}.", target=target)
        if run.threshold is not None:
            told += tr(
                " Its threshold is the calibrated one: with yours, ask with --threshold {threshold}.",
                threshold=f"{run.threshold:.3f}",
            )
        if outlived:
            told += tr(
                " It still answers edits as they were trained: {told} since then. ", told=since_in_words(outlived)
            )
            told += (
                tr("Train anew and export that pack, or call disable() on the edited model in Python.")
                if run.undoes_one
                else tr("Train anew and export that pack.")
            )
        self._workspace.say(Kind.WARNING if outlived else Kind.GOOD, told)

    def _import_folder(self) -> None:
        choose_folder(self, tr("Choose the folder of a pack"), self.import_from)

    def _import_archive(self) -> None:
        choose_file(self, tr("Choose a pack"), [tr("Pack in one file (*.zip)")], self.import_from)

    def import_from(self, path: Path) -> None:
        """Take the pack at `path` into the project as a run."""
        self._workspace.database.run(
            lambda project: import_pack(project, path),
            on_success=lambda _: self._workspace.say(
                Kind.GOOD, tr("The pack {name} is among the runs: select it and press “Use this pack”.", name=path.name)
            ),
            owner=self,
            name="Import a pack",
        )

    def _reveal(self) -> None:
        run = self.selected()
        if run is not None and not QDesktopServices.openUrl(QUrl.fromLocalFile(str(run.folder))):
            self._workspace.say(Kind.INFO, tr("The run is in {folder}.", folder=run.folder))

    def _ask_delete(self) -> None:
        run = self.selected()
        if run is None:
            return
        question(
            self,
            tr("Delete a run"),
            tr("Delete the run “{run}” with its pack, its log and its checkpoints?", run=called(run)),
            self._depending(run) + tr("This cannot be undone. The edits stay."),
            yes=tr("Delete the run"),
            no=tr("Keep it"),
            go_on=partial(self.delete_run, run),
            destructive=True,
        )

    def _depending(self, run: RunRow) -> str:
        """What is said of the runs that are still to be trained and go on from `run`."""
        number = sum(
            other.settings.get(keeping.GOES_ON_FROM) == run.folder.name
            and other.state in (RunState.WAITING, *RESUMABLE)
            for other in self.model.rows
        )
        return (
            plural(
                number,
                "{runs} that is not finished goes on from its pack and cannot be trained without it. ",
                "{runs} that are not finished go on from its pack and cannot be trained without it. ",
                runs=count(number, "run"),
            )
            if number
            else ""
        )

    def delete_run(self, run: RunRow) -> None:
        """Delete `run`; its pack is put aside first where it is in use."""
        if _is(run, self._workspace.run):
            self._workspace.use_run(None)
        self._workspace.database.run(
            lambda project: keeping.delete_run(project, run.id), owner=self, name="Delete a run"
        )


def _is(run: RunRow, other: RunRow | None) -> bool:
    return other is not None and run.id == other.id


def _same(run: RunRow | None, other: RunRow | None) -> bool:
    return (run and run.id) == (other and other.id)


def _edits_since(project: Project, run: RunRow) -> list[EditSince]:
    if not (run.folder / EDITS).is_file():
        raise UserFixable(
            tr("The snapshot of the run “{run}” is gone.", run=called(run)), tr("Its folder was changed from outside.")
        )
    return edits_since(project, run.id, read_edits(run.folder / EDITS, "jsonl").or_nothing())


def _outlived(project: Project, run: RunRow) -> dict[Since, int]:
    """How many edits the pack of `run` holds that are not in the project any more as they were trained."""
    since = changes_since(project, run.id) or {}
    return {how: since[how] for how in (Since.REMOVED, Since.CHANGED, Since.OFF) if how in since}


def _prompts(project: Project) -> dict[int, str]:
    return {row.id: row.prompt for row in listing.rows(project, listing.edit_ids(project))}
