"""What can be done with whole projects: the entries of the File menu, and the dialogs behind them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from engine.runs import ProgressBoard
from studio import icons
from studio.dialogs.backups import BackupsDialog
from studio.errors import UserMessage
from studio.menus import action, fill_recent
from studio.messages import Deed
from studio.projects import Projects
from studio.remembered import Remembered
from studio.store.errors import Backup
from studio.widgets.files import choose_folder
from studio.widgets.job_strip import JobStrip
from studio.words import tr
from studio.workspace import Workspace


class ProjectActions(QObject):
    """The actions on projects; `strip` shows a copy under way."""

    def __init__(
        self,
        workspace: Workspace,
        projects: Projects,
        remembered: Remembered,
        window: QWidget,
    ) -> None:
        """The dialogs belong to `window`."""
        super().__init__(window)
        self._workspace, self._projects = workspace, projects
        self._remembered, self._window = remembered, window
        self.strip = JobStrip()
        self.recent = QMenu(tr("Recent projects"), window)
        self.new = action(self, tr("New project…"), self._new, "Ctrl+N")
        self.open = action(self, tr("Open project…"), self._open, "Ctrl+O")
        self.sample = action(self, tr("Open the sample project"), projects.open_sample)
        self.save_copy = action(self, tr("Save a copy as…"), self._save_copy, "Ctrl+Shift+S")
        self.back_up = action(self, tr("Back up now"), projects.back_up)
        self.backups = action(self, tr("Backups…"), self._show_backups)
        for entry, icon in (
            (self.new, "add"),
            (self.open, "folder"),
            (self.save_copy, "copy"),
            (self.backups, "history"),
        ):
            icons.dress(entry, icon)
        self._needing_a_project: tuple[QAction, ...] = (self.save_copy, self.back_up, self.backups)
        workspace.project_changed.connect(self._tell)
        projects.damaged.connect(self._show_damaged)
        remembered.changed.connect(self._list_recent)
        self._list_recent()
        self._tell()

    def entries(self) -> tuple[QAction | QMenu | None, ...]:
        """What the File menu begins with."""
        return (
            self.new,
            self.open,
            self.recent,
            self.sample,
            None,
            self.save_copy,
            self.back_up,
            self.backups,
        )

    def _tell(self) -> None:
        for entry in self._needing_a_project:
            entry.setEnabled(self._workspace.project is not None)

    def _list_recent(self) -> None:
        fill_recent(self.recent, self._remembered.settings.recent_projects, self._projects.open)

    def _new(self) -> None:
        self._ask_for_folder(tr("Choose a new or empty folder for the project"), self._projects.create)

    def _open(self) -> None:
        self._ask_for_folder(tr("Open a project"), self._projects.open)

    def _save_copy(self) -> None:
        self._ask_for_folder(tr("Choose a new or empty folder for the copy"), self.copy_to)

    def _ask_for_folder(self, title: str, deed: Callable[[Path], object]) -> None:
        if self._projects.may_leave():
            choose_folder(self._window, title, deed, start=self._projects.home)

    def copy_to(self, folder: Path) -> None:
        """Copy the open project to `folder`, with its progress on the strip."""
        board = ProgressBoard()
        self.strip.follow(self._projects.save_copy(folder, board), board)

    def _show_backups(self) -> None:
        project = self._workspace.project
        if project is None or not self._projects.may_leave():
            return
        dialog = BackupsDialog(project.name, parent=self._window)

        def look() -> None:
            self._workspace.database.run(
                lambda opened: opened.backups(),
                on_success=dialog.show_backups,
                owner=dialog,
                name=tr("Look for backups"),
            )

        dialog.backup_asked.connect(self._projects.back_up)
        dialog.restore_asked.connect(partial(self._projects.restore, project.folder))
        self._projects.backed_up.connect(dialog.look_again)
        dialog.looking.connect(look)
        look()
        dialog.open()

    def _show_damaged(self, folder: Path, message: UserMessage, backups: tuple[Backup, ...]) -> None:
        dialog = BackupsDialog(folder.name, message, self._window)
        dialog.restore_asked.connect(partial(self._projects.restore, folder))
        again = Deed(tr("Show the backups…"), partial(self._show_damaged, folder, message, backups), lasting=True)
        dialog.rejected.connect(partial(self._workspace.report, message, again))
        dialog.show_backups(backups)
        dialog.open()
