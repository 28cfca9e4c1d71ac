"""How a project can fail, in words for its owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from studio.errors import UserFixable


class ProjectError(UserFixable):
    """A project that cannot be opened, read or written, for a reason that its owner can put right."""


class ProjectMissing(ProjectError):
    """There is no project at this place."""


class ProjectExists(ProjectError):
    """A project cannot be created where something lies already."""


class ProjectLocked(ProjectError):
    """Another process has the project open."""


class ProjectTooNew(ProjectError):
    """A newer version of MeG Studio wrote the project; its file was not touched."""


class ProjectDiskFull(ProjectError):
    """There is no room left on the disk; what was saved before stands, what was typed can be saved again."""


class ProjectReadOnly(ProjectError):
    """The project's folder or file cannot be written to."""


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup of a project: a whole, checked copy of its file."""

    path: Path
    created: datetime  # UTC
    edits: int


class ProjectDamaged(ProjectError):
    """The project's file is damaged; `backups` are the good copies that it can be restored from, newest first."""

    def __init__(
        self, sentence: str, action: str = "", *, folder: Path | None, backups: tuple[Backup, ...] = ()
    ) -> None:
        super().__init__(sentence, action)
        self.folder = folder
        self.backups = backups
