"""The main window: rail at the left, message bar and page at the right, status bar below."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QByteArray, Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QMenu, QMessageBox, QStackedWidget, QVBoxLayout, QWidget

from studio import diagnostics
from studio.appearance import Appearance
from studio.dialogs.about import AboutDialog
from studio.dialogs.shortcuts import ShortcutsDialog
from studio.jobs import DatabaseWorker, Job, JobState, ModelWorker
from studio.menus import action, fill_recent, menu, scheme_menu
from studio.messages import Kind, Message
from studio.notification import Notifier
from studio.pages.facts.page import FactsPage
from studio.projects import Projects
from studio.remembered import Remembered
from studio.settings import Locations
from studio.theme import SPACE, Scheme
from studio.trainer import Trainer
from studio.undo_actions import UndoActions
from studio.widgets.figures import count
from studio.widgets.file_drop import FileDrop
from studio.widgets.files import choose_folder
from studio.widgets.message_bar import MessageBar
from studio.widgets.rail import Rail
from studio.widgets.status import Status
from studio.workspace import Workspace

if TYPE_CHECKING:
    from studio.pages.runs.page import RunsPage

PAGES = (
    ("facts", "Facts"),
    ("training", "Training"),
    ("compare", "Compare"),
    ("evaluation", "Evaluation"),
    ("runs", "Runs"),
)
SHUTDOWN = 20.0
"""Seconds that closing waits for what the workers still do."""


class MainWindow(QMainWindow):
    """One project, five pages. Pages other than the first are built when they are first needed."""

    def __init__(self, places: Locations, remembered: Remembered, appearance: Appearance) -> None:
        super().__init__()
        self._places = places
        self._remembered = remembered
        self.appearance = appearance
        self._closing = False
        self.database = DatabaseWorker(self)
        self.models = ModelWorker(self)
        self.workspace = Workspace(self.database, self.models, self)
        self.trainer = Trainer(self.workspace, self)
        self.projects = Projects(self.workspace, remembered, places.projects, self)
        self.undoing = UndoActions(self.workspace, self)
        self.messages = MessageBar()
        self.facts = FactsPage(self.workspace, self.undoing)
        self._pages: dict[str, QWidget] = {"facts": self.facts}
        self._holders: dict[str, QVBoxLayout] = {}
        self._rail = Rail()
        self._stack = QStackedWidget()
        self._status = Status()
        self._recent = QMenu("Recent projects", self)
        self._lay_out()
        self._make_menus()
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
            self._rail.add(word, name)
            holder = QWidget()
            self._holders[name] = QVBoxLayout(holder)
            self._holders[name].setContentsMargins(0, 0, 0, 0)
            self._stack.addWidget(holder)
        self._holders["facts"].addWidget(self.facts)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        bar = QVBoxLayout()
        bar.setContentsMargins(3 * SPACE, SPACE, 3 * SPACE, 0)
        bar.addWidget(self.messages)
        column.addLayout(bar)
        column.addWidget(self._stack, 1)
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
            "&File",
            (
                action(self, "New project…", self._new_project, "Ctrl+N"),
                action(self, "Open project…", self._open_project, "Ctrl+O"),
                self._recent,
                action(self, "Open the sample project", self.projects.open_sample),
                None,
                facts.import_file,
                facts.export_all,
                None,
                action(self, "Quit", self.close, "Ctrl+Q"),
            ),
        )
        menu(
            bar,
            "&Edit",
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
            action(self, f"{word} page", partial(self.show_page, name), f"Ctrl+{place}")
            for place, (name, word) in enumerate(PAGES, start=1)
        ]
        self._schemes = scheme_menu(self, self.appearance.scheme, self.choose_scheme)
        view += [
            None,
            self._schemes,
            action(self, "Larger text", partial(self._zoom, 1), ("Ctrl++", "Ctrl+=")),
            action(self, "Smaller text", partial(self._zoom, -1), "Ctrl+-"),
            action(self, "Text as it was", partial(self._zoom, 0), "Ctrl+0"),
        ]
        menu(bar, "&View", view)
        menu(
            bar,
            "&Help",
            (
                action(self, "Keyboard shortcuts", self._show_shortcuts, "F1"),
                action(self, "About and diagnostics", self._show_about),
            ),
        )

    def _connect(self) -> None:
        workspace = self.workspace
        workspace.said.connect(self._say)
        workspace.page_asked.connect(self.show_page)
        workspace.edits_asked.connect(self._show_edits)
        workspace.project_changed.connect(self._tell)
        workspace.counts_changed.connect(self._tell)
        workspace.engagement_changed.connect(self._tell)
        self._rail.chosen.connect(lambda place: self._bring(PAGES[place][0]))
        FileDrop(self, "Drop a file here to import its edits").dropped.connect(self._take_dropped)
        self.facts.search_asked.connect(partial(self.show_page, "facts"))
        self.models.job_changed.connect(self._job_changed)
        self.models.busy_changed.connect(lambda _: self._job_changed(None))
        self.trainer.ended.connect(Notifier(self).training_ended)
        self.trainer.stopping.connect(lambda: self._job_changed(None))
        self._remembered.changed.connect(self._list_recent)
        self._remembered.failed.connect(workspace.report)
        self._list_recent()
        self._job_changed(None)

    # --- pages -------------------------------------------------------------------------------------------------

    def page(self, name: str) -> QWidget:
        """The page called `name`, built where it is not there yet."""
        if name not in self._pages:
            self._pages[name] = self._make(name)
            self._holders[name].addWidget(self._pages[name])
        return self._pages[name]

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

    def build_all(self) -> None:
        """Build the pages that were not needed yet, one a turn of the event loop."""
        missing = next((name for name, _ in PAGES if name not in self._pages), None)
        if missing is not None and not self._closing:
            self.page(missing)
            QTimer.singleShot(0, self, self.build_all)

    # --- what is told ------------------------------------------------------------------------------------------

    def _say(self, message: Message) -> None:
        self.messages.show_message(message)

    def _tell(self) -> None:
        workspace = self.workspace
        project, source = workspace.project, workspace.source
        self.setWindowTitle(f"{project.name} – MeG Studio" if project else "MeG Studio")
        self._status.project.show_text(project.name if project else "no project")
        self._status.model.show_text("embedded model" if source.name == "embedded" else Path(source.name).name)
        self._status.device.show_text("automatic device" if source.device == "auto" else source.device)
        counts = workspace.counts
        off = f", {counts.total - counts.enabled:,} off" if counts.total != counts.enabled else ""
        self._status.edits.show_text(f"{count(counts.total, 'edit')}{off}")

    def _job_changed(self, _job: Job | None) -> None:
        job = self.models.current
        if job is None:
            text = "model idle"
        elif job.state is JobState.STOPPING:
            text = f"{job.name}: stopping…"
        else:
            text = f"{job.name}…"
        self._status.job.show_text(text)

    # --- projects ----------------------------------------------------------------------------------------------

    def _list_recent(self) -> None:
        fill_recent(self._recent, self._remembered.settings.recent_projects, self.open_project)

    def open_project(self, folder: Path) -> None:
        """Open another project; not while an editor is being trained on this one."""
        self._unless_training(partial(self.projects.open, folder))

    def _new_project(self) -> None:
        self._unless_training(
            lambda: choose_folder(
                self, "Choose a new or empty folder for the project", self.projects.create, start=self._places.projects
            )
        )

    def _open_project(self) -> None:
        self._unless_training(
            lambda: choose_folder(self, "Open a project", self.projects.open, start=self._places.projects)
        )

    def _unless_training(self, deed: Callable[[], object]) -> None:
        if self.trainer.busy:
            self.workspace.say(Kind.WARNING, "An editor is being trained on this project: cancel it, or let it finish.")
            return
        self._hand_over()
        deed()

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

    def _restore_geometry(self) -> None:
        kept = self._remembered.settings.geometry
        if not kept or not self.restoreGeometry(QByteArray.fromBase64(kept.encode("ascii", errors="ignore"))):
            self.resize(1280, 800)

    # --- help --------------------------------------------------------------------------------------------------

    def _show_shortcuts(self) -> None:
        for name, _ in PAGES:
            self.page(name)
        ShortcutsDialog(self.findChildren(QAction), self).open()

    def _show_about(self) -> None:
        source = self.workspace.source
        engaged = {"Model": source.name, "Device": source.device}
        AboutDialog(diagnostics.report(self._places, self.workspace.project, engaged), self).open()

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
        self._closing = True
        page = PAGES[self._stack.currentIndex()][0]
        self._remembered.update(geometry=bytes(self.saveGeometry().toBase64().data()).decode(), page=page)
        self.models.shutdown(SHUTDOWN)
        self.database.shutdown(SHUTDOWN)
        event.accept()

    def _ask_before_closing(self) -> None:
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Training is under way")
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText("An editor is being trained. Stop it and close?")
        box.setInformativeText("What is finished is kept: the run can be resumed when the project is opened again.")
        stop = box.addButton("Stop and close", QMessageBox.ButtonRole.AcceptRole)
        keep = box.addButton("Keep training", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        stop.clicked.connect(self.stop_and_close)
        box.open()

    def stop_and_close(self) -> None:
        """Stop the training, wait until its run is noted, then close."""
        if self.trainer.busy:
            self.trainer.ended.connect(lambda _: QTimer.singleShot(0, self, self.close))
            self.trainer.cancel(closing=True)
            self.workspace.say(Kind.INFO, "Stopping… the window closes when the checkpoint is written.")
        else:
            self.close()
