"""Opening projects: new, from a folder, the last one, and the sample that a first start begins with."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from assets import catalogue
from engine.edits import EditSet
from engine.formats.registry import read_edits
from studio.errors import UserMessage
from studio.messages import Deed, Kind
from studio.remembered import Remembered
from studio.store.changes import Changes
from studio.store.errors import Backup
from studio.store.importing import import_edit_set
from studio.store.project import Project, ProjectInfo
from studio.store.watched import set_watched
from studio.suggestions import watched_suggestions
from studio.widgets.figures import count, moment
from studio.workspace import Workspace, catalogue_relations

SAMPLE = "Sample"


class Projects(QObject):
    """Opens one project at a time and remembers which."""

    opened = Signal()

    def __init__(self, workspace: Workspace, remembered: Remembered, home: Path, parent: QObject | None = None) -> None:
        """`home` is the folder in which new projects are offered to be made."""
        super().__init__(parent)
        self._workspace = workspace
        self._remembered = remembered
        self.home = home

    def start(self) -> None:
        """Open the project that was open last; the sample project where there is none."""
        recent = self._remembered.settings.recent_projects
        if recent and recent[0].is_dir():
            self.open(recent[0])
        else:
            self.open_sample()

    def open(self, folder: Path) -> None:
        """Open the project in `folder`."""
        self._workspace.database.open_project(
            folder,
            catalogue=catalogue_relations,
            on_success=self._opened,
            on_error=partial(self._not_opened, folder),
            on_damaged=partial(self._damaged, folder),
        )

    def create(self, folder: Path) -> None:
        """Make a new project in `folder` and open it."""
        self._workspace.database.create_project(
            folder,
            folder.name,
            catalogue=catalogue_relations,
            on_success=self._opened,
            on_error=self._failed,
        )

    def open_sample(self, edits: int | None = None, folder: Path | None = None) -> None:
        """Open the sample project, made first where it is not there yet, with `edits` of the sample edits (all)."""
        place = folder or self.home / SAMPLE
        if place.is_dir() and any(place.iterdir()):
            self.open(place)
            return
        self._workspace.database.create_project(
            place,
            SAMPLE,
            catalogue=catalogue_relations,
            on_success=partial(self._fill_sample, edits),
            on_error=self._failed,
        )

    def _fill_sample(self, edits: int | None, info: ProjectInfo) -> None:
        # Told at once: were the window to close before the edits are in, the project would still be found.
        self._opened(info)
        self._workspace.database.run(
            lambda project: _add_sample(project, edits), owner=self, name="Add the sample edits"
        )

    def _opened(self, info: ProjectInfo) -> None:
        self._remembered.keep(self._remembered.settings.with_recent(info.folder))
        self._workspace.project_opened(info)
        if info.repairs:
            self._workspace.say(
                Kind.WARNING,
                f"Opening “{info.name}” found and repaired {count(len(info.repairs), 'fault')}: {info.repairs[0]}",
                details="\n".join(info.repairs),
            )
        self.opened.emit()

    def _failed(self, message: UserMessage) -> None:
        """The project before is closed by now."""
        self._workspace.project_opened(None)
        self._workspace.report(message, Deed("Open the sample project", self.open_sample))

    def _not_opened(self, folder: Path, message: UserMessage) -> None:
        self._workspace.project_opened(None)
        self._workspace.report(
            message,
            Deed("Try again", partial(self.open, folder)),
            *([] if folder == self.home / SAMPLE else [Deed("Open the sample project", self.open_sample)]),
        )

    def _damaged(self, folder: Path, message: UserMessage, backups: tuple[Backup, ...]) -> None:
        self._workspace.project_opened(None)
        deeds = [
            Deed(
                f"Restore the backup of {moment(backup.created)} ({count(backup.edits, 'edit')})",
                partial(self._restore, folder, backup),
            )
            for backup in backups[:2]
        ]
        self._workspace.report(message, *deeds)

    def _restore(self, folder: Path, backup: Backup) -> None:
        self._workspace.database.restore_project(
            folder, backup, catalogue=catalogue_relations, on_success=self._opened, on_error=self._failed
        )


def _add_sample(project: Project, edits: int | None) -> Changes:
    sample = read_edits(catalogue.SAMPLE_EDITS, relations=catalogue.relations()).or_nothing()
    if edits is not None:
        step = max(1, len(sample.edits) // edits)
        sample = EditSet(sample.name, sample.edits[::step][:edits], sample.relations)
    changes = import_edit_set(project, sample)
    set_watched(project, watched_suggestions(project))
    return changes
