"""How a project can fail, in words for its owner."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from studio.errors import SQLITE_WORDING, UserFixable, sqlite_code


class ProjectError(UserFixable):
    """A project that cannot be opened, read or written, for a reason that its owner can put right."""


class ProjectMissing(ProjectError):
    """There is no project at this place."""


class ProjectExists(ProjectError):
    """A project cannot be created where something lies already."""


class ProjectLocked(ProjectError):
    """Another process has the project open."""


class ProjectElsewhere(ProjectLocked):
    """Another computer had the project open and did not close it; only its owner knows whether it still has."""


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
    size: int  # bytes
    reason: str = ""  # why it was made, where that was not simply because something had changed


class ProjectDamaged(ProjectError):
    """The project's file is damaged; `backups` are the good copies that it can be restored from, newest first."""

    def __init__(
        self, sentence: str, action: str = "", *, folder: Path | None = None, backups: tuple[Backup, ...] = ()
    ) -> None:
        super().__init__(sentence, action)
        self.folder = folder
        self.backups = backups


_KINDS: dict[int, type[ProjectError]] = {
    sqlite3.SQLITE_FULL: ProjectDiskFull,
    sqlite3.SQLITE_READONLY: ProjectReadOnly,
    sqlite3.SQLITE_PERM: ProjectReadOnly,
    sqlite3.SQLITE_CANTOPEN: ProjectReadOnly,
    sqlite3.SQLITE_BUSY: ProjectLocked,
    sqlite3.SQLITE_LOCKED: ProjectLocked,
    sqlite3.SQLITE_CORRUPT: ProjectDamaged,
    sqlite3.SQLITE_NOTADB: ProjectDamaged,
}


def project_error(error: BaseException, path: Path) -> ProjectError | None:
    """The project error that a database error on the file `path` amounts to; None where it is a bug."""
    code = sqlite_code(error)
    if code is None or code not in SQLITE_WORDING:
        return None
    sentence, action = SQLITE_WORDING[code]
    return _KINDS.get(code, ProjectError)(f"{sentence.removesuffix('.')}: {path}", action)
