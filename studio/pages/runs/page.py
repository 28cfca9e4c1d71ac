"""The Runs page: every training of this project, its settings, its figures and its pack."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QItemSelectionModel, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QFont
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QMessageBox, QStackedWidget, QVBoxLayout, QWidget

from engine.runs import Cancel, ProgressBoard
from studio import icons, model_jobs
from studio.errors import UserFixable
from studio.messages import Kind
from studio.pages.runs.details import MOST, Details
from studio.store import listing
from studio.store import runs as keeping
from studio.store.changes import Changes
from studio.store.edits import set_familiarity
from studio.store.project import Project
from studio.store.runs import RunRow, RunState
from studio.theme import SPACE, tokens
from studio.trainer import RESUMABLE, Trainer
from studio.widgets.buttons import button
from studio.widgets.empty_state import EmptyState
from studio.widgets.figures import count, figure, moment, share
from studio.widgets.files import choose_folder
from studio.widgets.job_strip import JobStrip
from studio.widgets.labels import Label, page_title
from studio.widgets.layer_curve import LayerCurve
from studio.widgets.tables import cell, fill, text_table
from studio.workspace import Workspace, pack_folder

_TITLES = ("State", "Started", "Editor", "Model", "Edits", "Seed", "Reliability", "Generality", "Locality")
_ICONS = {
    RunState.WAITING: "history",
    RunState.RUNNING: "train",
    RunState.FINISHED: "good",
    RunState.CANCELLED: "stop",
    RunState.FAILED: "error",
    RunState.INTERRUPTED: "warning",
}


class RunsPage(QWidget):
    """A table of runs, and what can be done with the selected one."""

    def __init__(self, workspace: Workspace, trainer: Trainer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._trainer = trainer
        self._runs: list[RunRow] = []
        self.table = text_table("Runs", _TITLES, stretch=(_TITLES.index("Model"),), framed=True)
        self.details = Details()
        self.layers = LayerCurve()
        self.strip = JobStrip()
        self.use = button("Use this pack", "check", primary=True, tip="Answer with this pack on the Compare page.")
        self.resume = button("Resume", "resume", tip="Go on with this training from its checkpoints.")
        self.export = button("Export the pack…", "export", tip="Copy the pack to another folder.")
        self.reveal = button("Open the folder", "folder")
        self.delete = button("Delete…", "delete")
        self._told = Label(muted=True)
        self._lay_out()
        self.setFocusProxy(self.table)
        self._connect()
        self._project_changed()

    def _lay_out(self) -> None:
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        to_training = button("Go to Training", "training", primary=True)
        to_training.clicked.connect(lambda _checked=False: self._workspace.page_asked.emit("training"))
        self._places = QStackedWidget()
        self._places.addWidget(self.table)
        self._places.addWidget(
            EmptyState(
                "runs",
                "No runs yet",
                "A run is one training of an editor on the edits of this project. Its settings, its figures and its "
                "pack are kept here.",
                to_training,
            )
        )
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(page_title("Runs"))
        head.addSpacing(SPACE)
        head.addWidget(self._told, 1)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        for control in (self.use, self.resume, self.export, self.reveal):
            row.addWidget(control)
        row.addStretch(1)
        row.addWidget(self.delete)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addLayout(head)
        box.addWidget(self._places, 3)
        box.addLayout(row)
        box.addWidget(self.strip)
        box.addWidget(self.details, 2)
        box.addWidget(self.layers)

    def _connect(self) -> None:
        workspace = self._workspace
        workspace.project_changed.connect(self._project_changed)
        workspace.changed.connect(self._take_changes)
        workspace.engagement_changed.connect(self._fill)
        workspace.training_changed.connect(lambda _: self._selected())
        self.table.itemSelectionChanged.connect(self._selected)
        self.table.cellActivated.connect(self._use)
        self.use.clicked.connect(self._use)
        self.resume.clicked.connect(self._resume)
        self.export.clicked.connect(self._export)
        self.reveal.clicked.connect(self._reveal)
        self.delete.clicked.connect(self._ask_delete)

    # --- the list ----------------------------------------------------------------------------------------------

    def _project_changed(self) -> None:
        self.setEnabled(self._workspace.project is not None)
        self._runs = []
        self._fill()
        if self._workspace.project is not None:
            self._read()

    def _take_changes(self, changes: Changes) -> None:
        if changes.runs:
            self._read()

    def _read(self) -> None:
        self._workspace.database.run(keeping.runs, on_success=self._take, owner=self, name="Read the runs")

    def _take(self, runs: list[RunRow]) -> None:
        self._runs = runs
        self._fill()

    def _fill(self) -> None:
        chosen = {run.id for run in self.selected_runs()}
        in_use = self._workspace.run
        fill(self.table, [_in_words(run, _is(run, in_use)) for run in self._runs])
        for place, run in enumerate(self._runs):
            font = QFont(self.table.font())
            font.setBold(_is(run, in_use))
            for column in range(len(_TITLES)):
                cell(self.table, place, column).setFont(font)
            cell(self.table, place, 0).setIcon(icons.icon(_ICONS[run.state], tokens().muted))
        self._places.setCurrentIndex(0 if self._runs else 1)
        self._told.setText(count(len(self._runs), "run") if self._runs else "")
        self._select([place for place, run in enumerate(self._runs) if run.id in chosen] or [0])
        self._selected()

    def _select(self, places: Sequence[int]) -> None:
        selection = self.table.selectionModel()
        selection.clearSelection()
        for place in places:
            selection.select(
                self.table.model().index(place, 0),
                QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows,
            )

    def changeEvent(self, event: QEvent) -> None:
        """Draw the icons anew after a change of scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_places"):
            self._fill()

    def selected_runs(self) -> list[RunRow]:
        """The selected runs, from the top."""
        places = sorted(index.row() for index in self.table.selectionModel().selectedRows())
        return [self._runs[place] for place in places if place < len(self._runs)]

    def selected(self) -> RunRow | None:
        """The run that the buttons are for, where just one is selected."""
        chosen = self.selected_runs()
        return chosen[0] if len(chosen) == 1 else None

    def _selected(self) -> None:
        run, busy = self.selected(), self._workspace.training
        in_use = self._workspace.run
        finished = run is not None and run.state is RunState.FINISHED
        used = run is not None and _is(run, in_use)
        self.use.setEnabled(finished and not busy)
        self.use.setText("Put this pack aside" if used else "Use this pack")
        self.use.setAccessibleName(self.use.text())
        self.resume.setEnabled(run is not None and run.state in RESUMABLE and not busy)
        self.export.setEnabled(finished)
        self.reveal.setEnabled(run is not None)
        self.delete.setEnabled(run is not None and run.state is not RunState.RUNNING)
        self.details.show_runs(self.selected_runs()[:MOST])
        self.layers.show_run(self.selected())

    # --- deeds -------------------------------------------------------------------------------------------------

    def _use(self) -> None:
        run, in_use = self.selected(), self._workspace.run
        if run is None or run.state is not RunState.FINISHED or self._workspace.training:
            return
        self._workspace.use_run(None if _is(run, in_use) else run)
        self._measure_familiarity()

    def _measure_familiarity(self) -> None:
        """Fill the familiarity column of the Facts page anew for the pack that is in use now."""
        self._workspace.database.run(_prompts, on_success=self._measure, owner=self, name="Read the prompts")

    def _measure(self, prompts: dict[int, str]) -> None:
        engagement, board, cancel = self._workspace.engagement, ProgressBoard(), Cancel()
        if engagement.pack is None:
            self._keep_familiarity(dict.fromkeys(prompts))
            return
        job = self._workspace.models.run(
            lambda shelf: model_jobs.familiarities(shelf, engagement, prompts, board, cancel),
            on_success=self._keep_familiarity,
            on_error=self._workspace.report,
            cancel=cancel,
            owner=self,
            name="Measure familiarity",
        )
        self.strip.follow(job, board)

    def _keep_familiarity(self, found: dict[int, float | None]) -> None:
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
            choose_folder(self, "Choose the folder that gets a copy of the pack", partial(self.export_to, run))

    def export_to(self, run: RunRow, folder: Path) -> None:
        """Copy the pack of `run` into `folder`, under a name of its own."""
        target = folder / f"{run.folder.name}-pack"
        self._workspace.database.run(
            lambda _project: _copy(pack_folder(run), target),
            on_success=lambda _: self._workspace.say(Kind.GOOD, f"The pack is in {target}."),
            owner=self,
            name="Export the pack",
        )

    def _reveal(self) -> None:
        run = self.selected()
        if run is not None and not QDesktopServices.openUrl(QUrl.fromLocalFile(str(run.folder))):
            self._workspace.say(Kind.INFO, f"The run is in {run.folder}.")

    def _ask_delete(self) -> None:
        run = self.selected()
        if run is None:
            return
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Delete a run")
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(f"Delete the run of {moment(run.created)} with its pack and its checkpoints?")
        box.setInformativeText("This cannot be undone. The edits stay.")
        delete = box.addButton("Delete the run", QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(box.addButton("Keep it", QMessageBox.ButtonRole.RejectRole))
        delete.clicked.connect(lambda _checked=False: self.delete_run(run))
        box.open()

    def delete_run(self, run: RunRow) -> None:
        """Delete `run`; its pack is put aside first where it is in use."""
        if _is(run, self._workspace.run):
            self._workspace.use_run(None)
            self._measure_familiarity()
        self._workspace.database.run(
            lambda project: keeping.delete_run(project, run.id), owner=self, name="Delete a run"
        )


def _is(run: RunRow, other: RunRow | None) -> bool:
    return other is not None and run.id == other.id


def _in_words(run: RunRow, used: bool) -> tuple[str, ...]:
    """One row of the table."""
    return (
        f"{run.state.value}, in use" if used else run.state.value,
        moment(run.created),
        "MeG" if run.editor == "meg" else run.editor,
        run.model if run.model != "embedded" else "embedded model",
        f"{run.edits:,}",
        str(run.seed),
        *(share(figure(run.figures, name)) for name in ("reliability", "generality", "locality")),
    )


def _prompts(project: Project) -> dict[int, str]:
    return {row.id: row.prompt for row in listing.rows(project, listing.edit_ids(project))}


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        raise UserFixable(f"{target} is there already.", "Choose another folder, or move it away.")
    shutil.copytree(source, target)
