"""The thorough check of a large project's file, which opening it does not wait for."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from engine.runs import Cancel
from studio.errors import UserMessage
from studio.jobs import Job, SideWorker
from studio.messages import Deed
from studio.store.project import Project
from studio.words import tr
from studio.workspace import Workspace


class Examination(QObject):
    """Looks through the file of each project that was opened without that, while one works on it."""

    def __init__(self, workspace: Workspace, show_backups: Callable[[], object], parent: QObject | None = None) -> None:
        """`show_backups` is offered where the file turns out to be damaged."""
        super().__init__(parent)
        self._workspace, self._show_backups = workspace, show_backups
        self.worker = SideWorker(self)
        self._job: Job | None = None
        workspace.project_changed.connect(self._begin)

    @property
    def under_way(self) -> bool:
        """Whether a file is being looked through."""
        return self._job is not None and not self._job.state.ended

    def stop(self) -> None:
        """Leave the file alone: it is about to be replaced."""
        if self._job is not None:
            self._job.stop()

    def _begin(self) -> None:
        self.stop()
        project = self._workspace.project
        if project is None or project.examined:
            return
        folder, cancel = project.folder, Cancel()
        self._job = self.worker.run(
            lambda _nothing: Project.examine(folder, cancel),
            on_error=self._workspace.while_open(self._damaged),
            cancel=cancel,
            owner=self,
            name=tr("Check the project's file"),
        )

    def _damaged(self, message: UserMessage) -> None:
        self._workspace.report(message, Deed(tr("Show the backups…"), self._show_backups))
