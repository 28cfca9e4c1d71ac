"""What an exception is called in front of the user: one sentence, what to do, and whether it is our fault.

Two kinds are told apart. What the user can put right (a full disk, a locked project, a bad file, too little
memory) gets a sentence and an action. Everything else is a bug: the sentence says so, and the details hold what a
report needs.
"""

from __future__ import annotations

import errno
import sqlite3
import traceback
from dataclasses import dataclass

from engine.faults import first_line, is_for_the_user, memory_that_ran_out, text_of
from engine.runs import Cancelled
from studio.redaction import redacted
from studio.words import deferred, tr


class UserFixable(Exception):
    """A failure that the user can put right: `sentence` says what and where, `action` what to do about it."""

    def __init__(self, sentence: str, action: str = "") -> None:
        super().__init__(f"{sentence} {action}".strip())
        self.sentence = sentence
        self.action = action


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What is shown of a failure. Plain strings only, so that keeping it keeps no tensor and no session alive."""

    sentence: str
    action: str
    details: str  # the traceback, with the home folder and tokens left out: for “Copy diagnostics”
    is_bug: bool


DISK_FULL = (
    deferred("There is no room left on the disk."),
    deferred("Make room, then try again: nothing that was saved is lost."),
)
READ_ONLY = (
    deferred("The file cannot be written to."),
    deferred("Allow writing to it, or work on a copy in a folder of your own."),
)
LOCKED = (deferred("Another program has the file open."), deferred("Close it there, then try again."))
DAMAGED = (deferred("The file is damaged."), deferred("Restore a backup of it."))
WRITE_FAILED = (
    deferred("The disk refused to read or write the file."),
    deferred("Check the disk and its cable, then try again."),
)

SQLITE_WORDING: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: DISK_FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: (
        deferred("The file cannot be opened."),
        deferred("Check that its folder exists and may be written to."),
    ),
    sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_IOERR: WRITE_FAILED,
    sqlite3.SQLITE_NOMEM: (deferred("There is not enough memory."), deferred("Close other programs, then try again.")),
}
"""What SQLite's primary result codes mean to the user; a code that is missing here is a bug."""

_OS_WORDING: dict[int, tuple[str, str]] = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.EFBIG: (
        deferred("The file would grow larger than this disk or account allows."),
        deferred("Choose another place for it."),
    ),
    errno.EROFS: READ_ONLY,
    errno.EACCES: (
        deferred("The file or folder may not be used."),
        deferred("Change its permissions, or choose another place."),
    ),
    errno.EPERM: (
        deferred("The file or folder may not be used."),
        deferred("Change its permissions, or choose another place."),
    ),
    errno.ENOENT: (deferred("The file or folder is not there."), deferred("Check whether it was moved or renamed.")),
    errno.EIO: WRITE_FAILED,
    errno.ENOMEM: (deferred("There is not enough memory."), deferred("Close other programs, then try again.")),
}

_MEMORY = (
    deferred("There is not enough memory for this."),
    deferred("Close other programs, or choose a smaller model or fewer edits at once."),
)
_GPU_MEMORY = (
    deferred("The graphics card's memory is full."),
    deferred("Close other programs that use the card, choose a smaller model, or choose the device “CPU”."),
)
_GPU_ERROR = (
    deferred("The graphics card reported an error and cannot be used until the studio is started again."),
    deferred("Start the studio again; where it happens once more, choose the device “CPU”."),
)


def describe(error: BaseException) -> UserMessage:
    """What to tell the user of `error`; never raises."""
    details = _details(error)
    known = _known(error)
    if known is not None:
        sentence, action = known
        return UserMessage(tr(sentence), tr(action), details, is_bug=False)
    return UserMessage(
        tr(
            "Something is wrong inside MeG Studio, not with what you did ({fault}).",
            fault=redacted(f"{type(error).__name__}: {first_line(error)}"),
        ),
        tr("Your edits are saved. Copy the diagnostics and report what you were doing."),
        details,
        is_bug=True,
    )


def sqlite_code(error: BaseException) -> int | None:
    """SQLite's primary result code of `error`, or of the driver's error that it wraps."""
    original = getattr(error, "orig", error)
    code = getattr(original, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _known(error: BaseException) -> tuple[str, str] | None:
    """Sentence and action of what the user can put right, else None."""
    if isinstance(error, UserFixable):
        return error.sentence, error.action
    if isinstance(error, Cancelled):
        return tr("Stopped."), ""
    memory = _memory(error)
    if memory is not None:
        return memory
    code = sqlite_code(error)
    if code is not None:
        return SQLITE_WORDING.get(code)
    if isinstance(error, OSError):
        return _os_wording(error)
    if is_for_the_user(error):
        return first_line(error), ""
    return None


def _memory(error: BaseException) -> tuple[str, str] | None:
    """Wording of every way in which Python and torch say that memory ran out, or that the card failed."""
    full = memory_that_ran_out(error)
    if full is not None:
        return _MEMORY if full == "memory" else _GPU_MEMORY
    if not isinstance(error, RuntimeError):
        return None
    text = text_of(error)
    if "CUDA error" in text or "CUBLAS_STATUS" in text or "CUDNN_STATUS" in text:
        return _GPU_ERROR
    return None


def _os_wording(error: OSError) -> tuple[str, str] | None:
    wording = _OS_WORDING.get(error.errno or 0)
    if wording is None or error.filename is None:
        return wording
    sentence, action = wording
    return f"{tr(sentence).removesuffix('.')}: {error.filename}", action


def _details(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001  # a traceback that cannot be printed must not hide the error itself
        text = type(error).__name__
    return redacted(text)
