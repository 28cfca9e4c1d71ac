"""Who has a project open: a lock that the system gives up with the process, and a note that says where that process is.

The lock holds between the processes of one computer, however they end. A folder that is shared or synchronised between
computers has no such lock: there the note, which is taken away when the project is closed, tells of the other one.
"""

from __future__ import annotations

import json
import logging
import os
import platform
from pathlib import Path

from filelock import FileLock, Timeout

from studio.store.errors import ProjectElsewhere, ProjectError, ProjectLocked
from studio.words import tr

LOCK = "lock"
NOTE = "open.json"

_logger = logging.getLogger(__name__)


class Hold:
    """The lock of the project in one folder, held, with its note."""

    def __init__(self, folder: Path, *, anyway: bool = False) -> None:
        """Take hold. `anyway`: also where a note says that another computer has the project open.

        Raises ProjectLocked, ProjectElsewhere, OSError, and ProjectError where files cannot be locked.
        """
        self._note = folder / NOTE
        self._lock = FileLock(folder / LOCK)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise ProjectLocked(
                tr("This project is open in another window of MeG Studio: {folder}", folder=folder),
                tr("Close it there first."),
            ) from None
        except NotImplementedError as error:  # what filelock says of a file system that has no locks
            raise ProjectError(
                tr("Files cannot be locked in this folder: {folder}", folder=folder),
                tr("Choose one on this computer."),
            ) from error
        try:
            if not anyway:
                _check_note(self._note)
            self._leave_note()
        except BaseException:
            self._lock.release()
            raise

    def release(self) -> None:
        """Let go of the project."""
        try:
            self._note.unlink(missing_ok=True)
        except OSError:
            _logger.warning("The note %s could not be taken away.", self._note, exc_info=True)
        self._lock.release()

    def _leave_note(self) -> None:
        # Where there is no room for a note there is still a project to be read, and the lock holds without it.
        try:
            self._note.write_text(json.dumps({"computer": platform.node(), "process": os.getpid()}), "utf-8")
        except OSError:
            _logger.warning("The note %s could not be written.", self._note, exc_info=True)


def _check_note(note: Path) -> None:
    holder = _holder(note)
    if holder not in ("", platform.node()):
        raise ProjectElsewhere(
            tr(
                "This project is open on another computer ({holder}), or was when that one stopped: {parent}",
                holder=holder,
                parent=note.parent,
            ),
            tr("Close it there first: two that write at once can damage it. Where nobody has it open, open it anyway."),
        )


def _holder(note: Path) -> str:
    """The computer that a note names; empty where there is none, or none that can be read."""
    try:
        told = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(told.get("computer", "")) if isinstance(told, dict) else ""
