from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from engine.edits import EditError
from engine.runs import Cancelled
from studio.errors import UserFixable, describe


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("driver's words")
    error.sqlite_errorcode = code
    return error


def wrapped(error: BaseException) -> Exception:
    """As SQLAlchemy wraps a driver's error."""
    outer = Exception("wrapped")
    outer.orig = error  # type: ignore[attr-defined]
    return outer


@pytest.mark.parametrize(
    ("error", "sentence", "action"),
    [
        (UserFixable("The model is missing.", "Choose another."), "The model is missing.", "Choose another."),
        (EditError("The prompt is empty."), "The prompt is empty.", ""),
        (Cancelled(), "Stopped.", ""),
        (MemoryError(), "not enough memory", "smaller model"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "graphics card's memory is full", "CPU"),
        (RuntimeError("CUDA out of memory."), "graphics card's memory is full", "CPU"),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling"), "graphics card's memory is full", "CPU"),
        (RuntimeError("CUDA error: device-side assert triggered"), "graphics card reported an error", "again"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "not enough memory", "smaller"),
        (OSError(errno.ENOSPC, "No space left on device"), "no room left on the disk", "Make room"),
        (OSError(errno.EDQUOT, "Quota"), "no room left on the disk", "Make room"),
        (OSError(errno.EROFS, "Read-only", "/a/b"), "cannot be written to: /a/b", "copy"),
        (PermissionError(errno.EACCES, "Denied", "/a/b"), "may not be used: /a/b", "permissions"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/a/b"), "is not there: /a/b", "moved"),
        (sqlite_error(sqlite3.SQLITE_FULL), "no room left on the disk", "Make room"),
        (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), "Another program has the file open", "Close it"),
        (sqlite_error(sqlite3.SQLITE_READONLY), "cannot be written to", "copy"),
        (sqlite_error(sqlite3.SQLITE_CORRUPT_INDEX), "damaged", "backup"),
        (wrapped(sqlite_error(sqlite3.SQLITE_IOERR_WRITE)), "disk refused", "Check the disk"),
    ],
)
def test_what_the_user_can_put_right_is_said_in_a_sentence(error: BaseException, sentence: str, action: str) -> None:
    message = describe(error)
    assert not message.is_bug
    assert sentence in message.sentence
    assert action in message.action
    assert type(error).__name__ in message.details


def test_an_error_class_of_the_engines_is_for_the_user() -> None:
    from engine.formats.source import FormatError

    assert not describe(FormatError("Line 3 has no subject.")).is_bug


@pytest.mark.parametrize(
    "error",
    [
        ValueError("too many values"),
        KeyError("x"),
        RuntimeError("shape mismatch"),
        SystemExit(2),
        KeyboardInterrupt(),
        RecursionError(),
        OSError("no number"),
        sqlite_error(sqlite3.SQLITE_CONSTRAINT),
    ],
)
def test_everything_else_is_a_bug_and_says_so(error: BaseException) -> None:
    message = describe(error)
    assert message.is_bug
    assert type(error).__name__ in message.sentence
    assert "\n" not in message.sentence
    assert "diagnostics" in message.action


def test_details_give_away_neither_home_nor_tokens() -> None:
    token = "hf_" + "a" * 30
    with pytest.raises(ValueError, match="secret") as caught:
        raise ValueError(f"{Path.home() / 'secret.txt'} with {token}")
    message = describe(caught.value)
    assert str(Path.home()) not in message.details
    assert token not in message.details
    assert f"~{os.sep}secret.txt" in message.details
    assert "test_details_give_away" in message.details  # the traceback


def test_an_exception_that_cannot_be_printed_is_described_all_the_same() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    message = describe(Silent())
    assert message.is_bug
    assert "Silent" in message.sentence
