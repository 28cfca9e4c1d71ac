"""The main window: rail at the left, message bar and page at the right, status bar below."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QByteArray, QTimer
from PySide6.QtGui import QAction, QCloseEvent
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QMessageBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from studio import diagnostics, icons
from studio.appearance import Appearance
from studio.dialogs.about import AboutDialog
from studio.dialogs.log import LogDialog
from studio.dialogs.question import question
from studio.dialogs.shortcuts import ShortcutsDialog
from studio.examination import Examination
from studio.first_steps import FirstSteps, Step
from studio.jobs import DatabaseWorker, Job, JobState, ModelWorker
from studio.menus import action, menu, scheme_menu
from studio.messages import Kind, Message
from studio.notification import Notifier
from studio.pages.facts.page import FactsPage
from studio.project_actions import ProjectActions
from studio.projects import Projects
from studio.remembered import Remembered
from studio.settings import Locations
from studio.single_instance import ProjectDoor
from studio.theme import SPACE, WINDOW, Scheme
from studio.trainer import Trainer
from studio.undo_actions import UndoActions
from studio.widgets.buttons import action_button
from studio.widgets.empty_state import EmptyState
from studio.widgets.figures import count
from studio.widgets.file_drop import FileDrop
from studio.widgets.message_bar import MessageBar
from studio.widgets.page_holder import PageHolder
from studio.widgets.rail import Rail
from studio.widgets.run_words import model_name
from studio.widgets.status import Status
from studio.words import deferred, tr
from studio.workspace import Workspace

if TYPE_CHECKING:
    from studio.pages.compare.page import ComparePage
    from studio.pages.runs.page import RunsPage
    from studio.pages.training.page import TrainingPage

_logger = logging.getLogger(__name__)

PAGES = (
    ("facts", deferred("Facts")),
    ("training", deferred("Training")),
    ("compare", deferred("Compare")),
    ("evaluation", deferred("Evaluation")),
    ("runs", deferred("Runs")),
)
SHUTDOWN = 20.0
"""Seconds that closing waits for the models to let go; what the project is still told is waited for however long."""
AT_ONCE = 1.0
"""Seconds that closing at once gives the workers."""
PATIENCE = 50
"""Milliseconds after which it is looked whether the project has been read."""


class MainWindow(QMainWindow):
    """One project, five pages. Pages other than the first are built when they are first needed."""

    def __init__(self, places: Locations, remembered: Remembered, appearance: Appearance) -> None:
        super().__init__()
        self._places = places
        self._remembered = remembered
        self.appearance = appearance
        self._closing = False
        self._finishing = False  # it was asked to close, and the workers are not done
        self._closes_after_training = False
        self._impatient: QMessageBox | None = None
        self.database = DatabaseWorker(self)
        self.models = ModelWorker(self)
        self.workspace = Workspace(self.database, self.models, self)
        self.trainer = Trainer(self.workspace, self)
        self.projects = Projects(self.workspace, remembered, places.projects, self)
        self.undoing = UndoActions(self.workspace, self)
        self.messages = MessageBar(self.diagnostics)
        self.facts = FactsPage(self.workspace, self.undoing)
        self._pages: dict[str, QWidget] = {"facts": self.facts}
        self._holders: dict[str, PageHolder] = {}
        self._rail = Rail()
        self._stack = QStackedWidget()
        self._status = Status()
        self.project_actions = ProjectActions(self.workspace, self.projects, remembered, self)
        self.examination = Examination(self.workspace, self.project_actions.backups.trigger, self)
        self.door = ProjectDoor(self)
        self._lay_out()
        self._make_menus()
        self.first_steps = FirstSteps(self)
        self._connect()
        self._tell()
        self.show_page(remembered.settings.page if remembered.settings.page in dict(PAGES) else "facts")
        self._restore_geometry()
        if remembered.complaint:
            self.workspace.say(Kind.WARNING, remembered.complaint)

    # --- building ----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.setWindowTitle("MeG Studio")
        self.setMinimumSize(120 * SPACE, 80 * SPACE)
        for name, word in PAGES:
            self._rail.add(tr(word), name)
            holder = self._holders[name] = PageHolder()
            self._stack.addWidget(holder)
        self._hold("facts")
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        bar = QVBoxLayout()
        bar.setContentsMargins(3 * SPACE, SPACE, 3 * SPACE, 0)
        bar.addWidget(self.messages)
        bar.addWidget(self.project_actions.strip)
        column.addLayout(bar)
        self._no_project = EmptyState(
            "project",
            "No project is open",
            "A project is a folder with your facts, the runs on them, and their backups. Open one, or begin a new one.",
            action_button(self.project_actions.sample, primary=True),
            action_button(self.project_actions.open),
            action_button(self.project_actions.new),
        )
        self._room = QStackedWidget()
        self._room.addWidget(self._stack)
        self._room.addWidget(self._no_project)
        column.addWidget(self._room, 1)
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._rail)
        row.addWidget(right, 1)
        self.setCentralWidget(whole)
        self.setStatusBar(self._status)

    def _make_menus(self) -> None:
        facts, bar = self.facts, self.menuBar()
        menu(
            bar,
            tr("&File"),
            (
                *self.project_actions.entries(),
                None,
                facts.import_file,
                facts.export_all,
                None,
                action(self, tr("Quit"), self.close, "Ctrl+Q"),
            ),
        )
        menu(
            bar,
            tr("&Edit"),
            (
                self.undoing.undo,
                self.undoing.redo,
                None,
                facts.copy,
                facts.paste,
                facts.paste_over,
                facts.delete,
                None,
                facts.switch_on,
                facts.switch_off,
                None,
                facts.find_edits,
                facts.relations,
                facts.settle,
                facts.ask,
            ),
        )
        view: list[QAction | QMenu | None] = [
            action(self, tr("{page} page", page=tr(word)), partial(self.show_page, name), f"Ctrl+{place}")
            for place, (name, word) in enumerate(PAGES, start=1)
        ]
        self._schemes = scheme_menu(self, self.appearance.scheme, self.choose_scheme)
        view += [
            None,
            self._schemes,
            action(self, tr("Larger text"), partial(self._zoom, 1), ("Ctrl++", "Ctrl+=")),
            action(self, tr("Smaller text"), partial(self._zoom, -1), "Ctrl+-"),
            action(self, tr("Text as it was"), partial(self._zoom, 0), "Ctrl+0"),
            None,
            action(self, tr("Reset the settings…"), self._ask_before_reset),
        ]
        menu(bar, tr("&View"), view)
        log = action(self, tr("Log…"), self._show_log, "Ctrl+Shift+L")
        icons.dress(log, "log")
        self._help = menu(
            bar,
            tr("&Help"),
            (
                action(self, tr("First steps"), self.take_first_steps),
                action(self, tr("Keyboard shortcuts"), self._show_shortcuts, "F1"),
                None,
                log,
                action(self, tr("About and diagnostics"), self._show_about),
            ),
        )

    def _connect(self) -> None:
        workspace = self.workspace
        workspace.said.connect(self._say)
        workspace.page_asked.connect(self.show_page)
        workspace.edits_asked.connect(self._show_edits)
        workspace.project_left.connect(self.messages.leave_project)
        workspace.project_left.connect(self._close_dialogs)
        workspace.project_changed.connect(self._tell)
        workspace.counts_changed.connect(self._tell)
        workspace.engagement_changed.connect(self._tell)
        self._rail.chosen.connect(lambda place: self._bring(PAGES[place][0]))
        FileDrop(self, tr("Drop a file here to import its edits")).dropped.connect(self._take_dropped)
        self.facts.search_asked.connect(partial(self.show_page, "facts"))
        self.models.job_changed.connect(self._job_changed)
        self.database.job_changed.connect(self._written)
        for worker in (self.database, self.models):
            worker.busy_changed.connect(lambda _: QTimer.singleShot(0, self, self._close_if_done))
        self.models.busy_changed.connect(lambda _: self._job_changed(None))
        self.projects.hand_over_asked.connect(self._hand_over)
        self.projects.replacing.connect(self.examination.stop)
        self.trainer.ended.connect(Notifier(self).training_ended)
        self.trainer.ended.connect(lambda _: self._close_after_training())
        self.trainer.stopping.connect(lambda: self._job_changed(None))
        self._remembered.failed.connect(workspace.report)
        workspace.project_changed.connect(self._listen_at_the_door)
        workspace.project_changed.connect(
            lambda: self._room.setCurrentWidget(self._stack if workspace.project else self._no_project)
        )
        self.door.knocked.connect(self.come_to_the_front)
        self.first_steps.ended.connect(lambda: self._remembered.update(tour_seen=True))
        self._job_changed(None)

    # --- pages -------------------------------------------------------------------------------------------------

    def page(self, name: str) -> QWidget:
        """The page called `name`, built where it is not there yet."""
        if name not in self._pages:
            self._pages[name] = self._make(name)
            self._hold(name)
        return self._pages[name]

    def _hold(self, name: str) -> None:
        self._holders[name].hold(self._pages[name])

    def _make(self, name: str) -> QWidget:
        # The plots and what they import are not needed for the first picture of the window.
        if name == "training":
            from studio.pages.training.page import TrainingPage

            return TrainingPage(self.workspace, self.trainer)
        if name == "compare":
            from studio.pages.compare.page import ComparePage

            return ComparePage(self.workspace)
        if name == "evaluation":
            from studio.pages.evaluation.page import EvaluationPage

            return EvaluationPage(self.workspace)
        from studio.pages.runs.page import RunsPage

        return RunsPage(self.workspace, self.trainer)

    def show_page(self, name: str) -> None:
        """Bring the page called `name` to the front, its first control ready for the keys."""
        self._bring(name)
        self.page(name).setFocus()

    def _show_edits(self, keys: tuple[str, ...]) -> None:
        self.show_page("facts")
        self.facts.show_edits(keys)

    def _take_dropped(self, paths: list[Path]) -> None:
        self.show_page("facts")
        self.facts.take_dropped(paths)

    def _bring(self, name: str) -> None:
        self.page(name)
        place = [page for page, _ in PAGES].index(name)
        self._rail.choose(place)
        self._stack.setCurrentIndex(place)

    def after_first_picture(self) -> None:
        """Build the pages that were not needed yet, one a turn of the event loop; then greet who is new here."""
        if self._closing:
            return
        if self.database.busy:  # the edits come before the pages that nobody has asked for
            QTimer.singleShot(PATIENCE, self, self.after_first_picture)
            return
        missing = next((name for name, _ in PAGES if name not in self._pages), None)
        if missing is not None:
            self.page(missing)
            QTimer.singleShot(0, self, self.after_first_picture)
        elif not self._remembered.settings.tour_seen:
            self.take_first_steps()

    # --- what is told ------------------------------------------------------------------------------------------

    def _say(self, message: Message) -> None:
        self.messages.show_message(message)

    def _tell(self) -> None:
        workspace = self.workspace
        project, source = workspace.project, workspace.source
        self.setWindowTitle(f"{project.name} – MeG Studio" if project else "MeG Studio")
        self._status.project.show_text(project.name if project else tr("no project"))
        self._status.model.show_text(model_name(source.name))
        self._status.device.show_text(tr("automatic device") if source.device == "auto" else source.device)
        counts = workspace.counts
        off = (
            tr(", {number} off", number=f"{counts.total - counts.enabled:,}") if counts.total != counts.enabled else ""
        )
        self._status.edits.show_text(f"{count(counts.total, 'edit')}{off}")

    def _job_changed(self, _job: Job | None) -> None:
        job = self.models.current
        if job is None:
            text = tr("model idle")
        elif job.state is JobState.STOPPING:
            text = tr("{job}: stopping…", job=job.name)
        else:
            text = f"{job.name}…"
        self._status.job.show_text(text)

    # --- projects ----------------------------------------------------------------------------------------------

    def _listen_at_the_door(self) -> None:
        project = self.workspace.project
        if not self.door.open(project.folder if project else None):
            _logger.warning("A second start will not find this window: its socket could not be made.")

    def _close_dialogs(self) -> None:
        """What a dialog shows and asks is of the project that is left."""
        for dialog in self.findChildren(QDialog):
            if dialog.isVisible() and dialog.isModal():
                dialog.done(QDialog.DialogCode.Rejected)

    def come_to_the_front(self) -> None:
        """Another start of the studio asked for this project."""
        if self.isMinimized():
            self.showNormal()
        self.show()
        self.raise_()
        self.activateWindow()
        _logger.info("Called to the front by another start.")

    def _hand_over(self) -> None:
        """Have what is being typed written down: the projects may change, or the window close."""
        self.facts.inspector.hand_over()
        runs = self._pages.get("runs")
        if runs is not None:
            cast("RunsPage", runs).hand_over()

    # --- looks -------------------------------------------------------------------------------------------------

    def choose_scheme(self, scheme: Scheme) -> None:
        """Change the colours, and remember them."""
        self.appearance.set_scheme(scheme)
        self._remembered.update(theme=scheme.value)

    def _zoom(self, steps: int) -> None:
        if steps:
            self.appearance.zoom_by(steps)
        else:
            self.appearance.set_zoom(1.0)
        self._remembered.update(zoom=self.appearance.zoom)

    def _ask_before_reset(self) -> None:
        question(
            self,
            tr("Reset the settings"),
            tr("Forget the theme, the size of text, the window's place and the page that was open?"),
            tr("Projects, and the list of them, stay as they are."),
            yes=tr("Reset"),
            no=tr("Keep them"),
            go_on=self.reset_settings,
        )

    def reset_settings(self) -> None:
        """Everything that is remembered of this window as it was at the first start."""
        self._remembered.reset()
        settings = self._remembered.settings
        self.appearance.set_zoom(settings.zoom)
        self.appearance.set_scheme(Scheme(settings.theme))
        for entry in self._schemes.actions():
            entry.setChecked(entry.data() == settings.theme)
        self.showNormal()
        self._restore_geometry()

    def _restore_geometry(self) -> None:
        kept = self._remembered.settings.geometry
        if not kept or not self.restoreGeometry(QByteArray.fromBase64(kept.encode("ascii", errors="ignore"))):
            self.resize(*WINDOW)

    # --- help --------------------------------------------------------------------------------------------------

    def help_entries(self) -> list[QAction]:
        """What the Help menu offers."""
        return [entry for entry in self._help.actions() if not entry.isSeparator()]

    def _show_shortcuts(self) -> None:
        for name, _ in PAGES:
            self.page(name)
        ShortcutsDialog(self.findChildren(QAction), self).open()

    def _show_about(self) -> None:
        AboutDialog(self.diagnostics(), self).open()

    def _show_log(self) -> None:
        LogDialog(self._places.state, self).show()

    def diagnostics(self) -> str:
        """What a report of trouble needs."""
        source = self.workspace.source
        engaged = {"Model": source.name, "Device": source.device}
        return diagnostics.report(self._places, self.workspace.project, engaged)

    def take_first_steps(self) -> None:
        """Show the way through the main job, step by step."""
        self.first_steps.start(
            (
                Step(
                    tr("Say what shall be true"),
                    tr(
                        "Type a subject, a relation and the new object, then press Enter. The fact becomes an edit: a "
                        "question that the model shall answer so from now on."
                    ),
                    partial(self._point_at, "facts", lambda: self.facts.form),
                ),
                Step(
                    tr("All edits in one table"),
                    tr(
                        "Search, sort, switch edits off, change a cell with F2. Every step can be taken back with "
                        "Ctrl+Z, after a restart too."
                    ),
                    partial(self._point_at, "facts", lambda: self.facts.view),
                ),
                Step(
                    tr("Train an editor"),
                    tr(
                        "One press trains on all edits that are switched on, and shows how far it is. The model itself "
                        "is never changed: it can be had back at any time."
                    ),
                    partial(self._point_at, "training", lambda: self._training_page().train),
                ),
                Step(
                    tr("See both answers"),
                    tr(
                        "Ask anything: the original answer left, the edited answer right, and how familiar the "
                        "question is to the editor."
                    ),
                    partial(self._point_at, "compare", lambda: self._compare_page().question),
                ),
                Step(
                    tr("Wherever you are"),
                    tr("F1 lists the keys. The Help menu shows these steps again."),
                    partial(self._point_at, "facts", self.menuBar),
                    lambda: self.menuBar().actionGeometry(self._help.menuAction()),
                ),
            )
        )

    def _point_at(self, name: str, widget: Callable[[], QWidget]) -> QWidget:
        self._bring(name)
        return widget()

    def _training_page(self) -> TrainingPage:
        return cast("TrainingPage", self.page("training"))

    def _compare_page(self) -> ComparePage:
        return cast("ComparePage", self.page("compare"))

    # --- closing -----------------------------------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:
        """Write what was typed; ask while an editor is trained; end the workers, nothing lost."""
        if self._closing:
            event.accept()
            return
        self._hand_over()
        if self.trainer.busy:
            event.ignore()
            self._ask_before_closing()
            return
        page = PAGES[self._stack.currentIndex()][0]
        self._remembered.update(geometry=bytes(self.saveGeometry().toBase64().data()).decode(), page=page)
        if self._finishing and self._still_at_work:
            event.ignore()
            self._ask_before_closing_at_once()
            return
        if self._still_at_work:
            event.ignore()
            self._finish()
            return
        self._end(SHUTDOWN)
        event.accept()

    @property
    def _still_at_work(self) -> bool:
        return self.database.busy or self.models.busy

    def _finish(self) -> None:
        """Let the workers come to their end, then close; nothing new can be begun meanwhile."""
        self._set_finishing(True)
        self.workspace.say(
            Kind.INFO, tr("Finishing… What was begun is being written. The window closes by itself when it is done.")
        )
        self.models.stop_all()
        QTimer.singleShot(round(SHUTDOWN * 1000), self, self._leave_the_models)

    def _set_finishing(self, finishing: bool) -> None:
        self._finishing = finishing
        for part in (self.menuBar(), self._rail, self._room):
            part.setEnabled(not finishing)

    def _written(self, job: Job) -> None:
        """Something could not be written while the window was about to close: it stays, with what it says of that."""
        if self._finishing and not self._closing and job.state is JobState.FAILED:
            self._set_finishing(False)

    def _close_if_done(self) -> None:
        if self._finishing and not self._still_at_work and not self._closing:
            self.close()

    def _leave_the_models(self) -> None:
        """A library that does not look at its Cancel has nothing to write: the project does not wait for it."""
        if not self._finishing or self._closing:
            return
        if not self.database.busy:
            self.close_at_once()
        else:
            QTimer.singleShot(round(AT_ONCE * 1000), self, self._leave_the_models)

    def close_at_once(self) -> None:
        """Close, whatever the workers do; a step that is half written is left out of the project."""
        if not self._closing:
            self._end(AT_ONCE)
            self.close()

    def _end(self, timeout: float) -> None:
        self._closing = True
        if self._impatient is not None:
            self._impatient.close()
        self.door.close()
        self.examination.worker.shutdown(timeout)
        self.models.shutdown(timeout)
        self.database.shutdown(timeout)

    def _ask_before_closing_at_once(self) -> None:
        if self._impatient is not None:
            return
        self._impatient = question(
            self,
            tr("The project is still being written"),
            tr("Something is still being written. Close all the same?"),
            tr("The step that is not written yet is lost. What was written before it stays."),
            yes=tr("Close at once"),
            no=tr("Wait"),
            go_on=self.close_at_once,
            destructive=True,
        )
        self._impatient.finished.connect(self._is_patient)

    def _is_patient(self) -> None:
        self._impatient = None

    def _ask_before_closing(self) -> None:
        question(
            self,
            tr("Training is under way"),
            tr("An editor is being trained. Stop it and close?"),
            tr("What is finished is kept: the run can be resumed when the project is opened again."),
            yes=tr("Stop and close"),
            no=tr("Keep training"),
            go_on=self.stop_and_close,
        )

    def stop_and_close(self) -> None:
        """Stop the training, wait until its run is noted, then close."""
        self.trainer.cancel()  # also where it has just ended: no waiting run begins now
        if self.trainer.busy:
            self._closes_after_training = True
            self.workspace.say(Kind.INFO, tr("Stopping… the window closes when the checkpoint is written."))
        else:
            self.close()

    def _close_after_training(self) -> None:
        """Once: where the closing is called off, the end of the next training means nothing."""
        closes, self._closes_after_training = self._closes_after_training, False
        if closes:
            QTimer.singleShot(0, self, self.close)
