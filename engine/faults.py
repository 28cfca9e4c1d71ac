"""What an exception says, and whether it says that memory ran out; torch is not imported for it."""

from __future__ import annotations

from typing import Literal


def text_of(error: BaseException) -> str:
    """What `error` says; never raises."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # an exception may fail to print itself
        return type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of what `error` says, its name where it says nothing."""
    lines = text_of(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def is_for_the_user(error: BaseException) -> bool:
    """Whether it is an exception of the engine's own, raised with a sentence for the user; its bugs raise Python's."""
    return isinstance(error, Exception) and type(error).__module__.split(".")[0] == "engine"


def memory_that_ran_out(error: BaseException) -> Literal["memory", "gpu memory"] | None:
    """Which memory `error` says is full, in any of Python's and torch's ways; None where it is about something else."""
    if isinstance(error, MemoryError):
        return "memory"
    if not isinstance(error, RuntimeError):
        return None
    text = text_of(error)
    if type(error).__name__ == "OutOfMemoryError" or "CUDA out of memory" in text or "_ALLOC_FAILED" in text:
        return "gpu memory"
    if "DefaultCPUAllocator" in text or "can't allocate memory" in text or "not enough memory" in text:
        return "memory"
    return None
