"""A project: a folder that holds everything one person works on.

    project.sqlite   the truth: edits, relations, history, settings
    runs/            one folder a run
    backups/         checked copies of project.sqlite
    lock             held while the project is open

A project belongs to the thread that opened it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.edits import Relation
from studio.store.errors import Backup


@dataclass(frozen=True, slots=True)
class ProjectInfo:
    """What the window may know of the open project: plain values, safe in any thread."""

    folder: Path
    name: str
    runs_folder: Path
    repairs: tuple[str, ...]  # what opening found wrong and put right, a sentence each


class Project:
    """An open project. Operations on it are the functions of this package, each one transaction."""

    folder: Path
    name: str

    @classmethod
    def create(cls, folder: Path, name: str, catalogue: Mapping[str, Relation] | None = None) -> Project:
        """Make a new project in `folder` (new, or empty) and open it. `catalogue`: the built-in relations.

        Raises ProjectExists, ProjectReadOnly, ProjectDiskFull.
        """
        raise NotImplementedError

    @classmethod
    def open(cls, folder: Path, catalogue: Mapping[str, Relation] | None = None) -> Project:
        """Open the project in `folder`: lock, check the file, bring it to this version.

        Raises ProjectMissing, ProjectLocked, ProjectTooNew, ProjectReadOnly, ProjectDiskFull, or ProjectDamaged
        with the backups that can be restored. A file that is refused is left as it is.
        """
        raise NotImplementedError

    @staticmethod
    def restore(folder: Path, backup: Backup) -> Path:
        """Put `backup` in the place of the project's file; the file that was there is kept: returns its new path."""
        raise NotImplementedError

    @property
    def runs_folder(self) -> Path:
        """Where runs keep their folders."""
        raise NotImplementedError

    @property
    def info(self) -> ProjectInfo:
        """The project in plain values."""
        raise NotImplementedError

    def rename(self, name: str) -> None:
        """Give the project another name; the folder keeps its own."""
        raise NotImplementedError

    def back_up(self) -> Backup | None:
        """Make a checked backup now if anything changed since the newest one; older ones are thinned."""
        raise NotImplementedError

    def close(self) -> None:
        """Back up if anything changed, close the file and give up the lock.

        The project is closed whatever happens; raises ProjectError where the backup could not be written.
        """
        raise NotImplementedError
