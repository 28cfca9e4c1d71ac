"""Opening projects: new, from a folder, the last one, and the sample that a first start begins with."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from assets import catalogue
from engine.edits import EditSet
from engine.formats.registry import read_edits
from engine.runs import Cancel, ProgressBoard
from studio.errors import UserMessage
from studio.jobs import Job
from studio.messages import Deed, Kind
from studio.remembered import Remembered
from studio.single_instance import knock
from studio.store.changes import Changes
from studio.store.errors import Backup
from studio.store.importing import import_edit_set
from studio.store.project import Project, ProjectInfo
from studio.store.watched import set_watched
from studio.suggestions import watched_suggestions
from studio.widgets.figures import count, moment
from studio.words import tr
from studio.workspace import Workspace, catalogue_relations

SAMPLE = "Sample"


class Projects(QObject):
    """Opens one project at a time and remembers which."""

    opened = Signal()
    hand_over_asked = Signal()  # what is half typed shall be written down: the project is left, copied or backed up
    backed_up = Signal()
    replacing = Signal()  # the project's file is about to be replaced by a backup
    damaged = Signal(object, object, object)  # folder, UserMessage, tuple of Backup: the project cannot be opened as is

    def __init__(self, workspace: Workspace, remembered: Remembered, home: Path, parent: QObject | None = None) -> None:
        """`home` is the folder in which new projects are offered to be made."""
        super().__init__(parent)
        self._workspace = workspace
        self._remembered = remembered
        self.home = home

    def start(self) -> None:
        """Open the project that was open last; the sample project where there is none."""
        last = self._remembered.settings.last_project()
        if last is None:
            self.open_sample()
        else:
            self.open(last)

    def may_leave(self) -> bool:
        """Whether another project may be opened now; says so where an editor is being trained on this one."""
        if self._workspace.training:
            self._workspace.say(
                Kind.WARNING, tr("An editor is being trained on this project: cancel it, or let it finish.")
            )
            return False
        self.hand_over_asked.emit()
        return True

    def open(self, folder: Path, *, anyway: bool = False) -> None:
        """Open the project in `folder`; `anyway` where another computer seems to have it open."""
        current = self._workspace.project
        if (current is not None and current.folder == folder) or not self.may_leave():
            return
        self._workspace.database.open_project(
            folder,
            catalogue=catalogue_relations,
            on_success=self._opened,
            on_error=partial(self._not_opened, folder),
            on_damaged=partial(self._damaged, folder),
            on_locked=partial(self._locked, folder),
            anyway=anyway,
        )

    def create(self, folder: Path) -> None:
        """Make a new project in `folder` and open it."""
        if not self.may_leave():
            return
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
        if not self.may_leave():
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
        self._remembered.change(lambda settings: settings.with_recent(info.folder))
        self._workspace.project_opened(info)
        if info.repairs:
            self._workspace.say(
                Kind.WARNING,
                tr(
                    "Opening “{name}” found and repaired {faults}: {first}",
                    name=info.name,
                    faults=count(len(info.repairs), "fault"),
                    first=info.repairs[0],
                ),
                details="\n".join(info.repairs),
            )
        self.opened.emit()

    def _failed(self, message: UserMessage) -> None:
        self._leave_if_gone()
        self._workspace.report(message, *self._way_out())

    def _not_opened(self, folder: Path, message: UserMessage) -> None:
        self._leave_if_gone()
        self._workspace.report(
            message,
            Deed(tr("Try again"), partial(self.open, folder), lasting=True),
            *([] if folder == self.home / SAMPLE else self._way_out()),
        )

    def _locked(self, folder: Path, message: UserMessage, elsewhere: bool) -> None:
        self._leave_if_gone()
        if elsewhere:
            anyway = Deed(tr("Open anyway"), partial(self.open, folder, anyway=True), lasting=True)
            self._workspace.report(message, anyway, *self._way_out())
        elif knock(folder, wait=False):
            self._workspace.say(
                Kind.INFO, tr("“{name}” is open in a window of its own, which was called up.", name=folder.name)
            )
        else:
            self._not_opened(folder, message)

    def _damaged(self, folder: Path, message: UserMessage, backups: tuple[Backup, ...]) -> None:
        self._leave_if_gone()
        self.damaged.emit(folder, message, backups)

    def _leave_if_gone(self) -> None:
        """What failed leaves the project before open, but not where that had to be closed for it."""
        if not self._workspace.database.holds_project:
            self._workspace.project_opened(None)

    def _way_out(self) -> list[Deed]:
        """What to offer a window that has no project."""
        if self._workspace.project is not None:
            return []
        return [Deed(tr("Open the sample project"), self.open_sample, lasting=True)]

    # --- copies ------------------------------------------------------------------------------------------------

    def restore(self, folder: Path, backup: Backup) -> None:
        """Put `backup` in the place of the file of the project in `folder`, which is kept aside, and open it."""
        if not self.may_leave():
            return
        self.replacing.emit()
        self._workspace.database.restore_project(
            folder,
            backup,
            catalogue=catalogue_relations,
            on_success=partial(self._restored, backup),
            on_error=partial(self._not_restored, folder),
        )

    def _restored(self, backup: Backup, info: ProjectInfo) -> None:
        self._opened(info)
        self._workspace.say(
            Kind.GOOD,
            tr(
                "“{name}” is as it was at {moment}, with {edits}. The file that was there before is kept in the folder "
                "“set-aside” of the project.",
                name=info.name,
                moment=moment(backup.created),
                edits=count(backup.edits, "edit"),
            ),
        )

    def _not_restored(self, folder: Path, message: UserMessage) -> None:
        """The project is as it was, and can be opened again where it was closed to be restored."""
        self._leave_if_gone()
        self._workspace.report(message, Deed(tr("Open it as it is"), partial(self.open, folder), lasting=True))

    def back_up(self) -> None:
        """Make a backup now."""
        self.hand_over_asked.emit()
        self._workspace.database.run(
            lambda project: project.back_up(), on_success=self._backed_up, owner=self, name="Back up the project"
        )

    def _backed_up(self, backup: Backup | None) -> None:
        if backup is None:
            text = tr("Nothing has changed since the newest backup: it is as good as a new one.")
        else:
            text = tr("Backed up: {edits}.", edits=count(backup.edits, "edit"))
        self._workspace.say(Kind.GOOD, text)
        self.backed_up.emit()

    def save_copy(self, folder: Path, board: ProgressBoard) -> Job:
        """Copy the open project with its runs to `folder`, new or empty."""
        self.hand_over_asked.emit()
        cancel = Cancel()
        return self._workspace.database.run(
            lambda project: project.save_copy(folder, board=board, cancel=cancel),
            on_success=self._copied,
            on_cancelled=lambda: self._workspace.say(Kind.INFO, tr("Stopped: there is no copy.")),
            cancel=cancel,
            owner=self,
            name=f"Copy the project to {folder.name}",
        )

    def _copied(self, folder: Path) -> None:
        self._workspace.say(
            Kind.GOOD,
            tr("The project was copied, with its runs: {folder}", folder=folder),
            deeds=(Deed(tr("Open the copy"), partial(self.open, folder), lasting=True),),
        )


def _add_sample(project: Project, edits: int | None) -> Changes:
    sample = read_edits(catalogue.SAMPLE_EDITS, relations=catalogue.relations()).or_nothing()
    if edits is not None:
        step = max(1, len(sample.edits) // edits)
        sample = EditSet(sample.name, sample.edits[::step][:edits], sample.relations)
    changes = import_edit_set(project, sample)
    set_watched(project, watched_suggestions(project))
    return changes
