"""Killing a process at a chosen step of a job on files, as a power cut or `kill -9` would."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

KILLED = 9
UNFORKABLE = not hasattr(os, "fork")

needs_fork = pytest.mark.skipif(UNFORKABLE, reason="a child is killed between two system calls: needs fork")


def killed_at(step: int, job: Callable[[], object]) -> bool:
    """Run `job` in a child that dies just before its `step`-th (from 0) fsync or rename; False where it got through."""
    child = os.fork()
    if child == 0:
        _die_at(step)
        status = 1
        try:
            job()
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, KILLED), f"the job itself failed in the child (exit {status})"
    return status == KILLED


def _die_at(step: int) -> None:
    left = step

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left == 0:
                os._exit(KILLED)
            left -= 1
            return original(*args, **kwargs)

        return call

    os.fsync = counted(os.fsync)
    os.replace = counted(os.replace)
