"""Undo and redo, kept in the project's file beside what they undo.

A step remembers each row as it was before the step. Undoing swaps the two: the remembered row is written back and the
row that stood there is remembered in its place, so redo is the same operation once more.
"""

from __future__ import annotations

from studio.store.changes import Changes
from studio.store.project import Project

STEPS = 100
"""How many steps are kept."""


def undo(project: Project) -> Changes:
    """Take the newest step back; nothing happens where there is none."""
    raise NotImplementedError


def redo(project: Project) -> Changes:
    """Do the step again that was taken back last; nothing happens where there is none."""
    raise NotImplementedError


def undo_name(project: Project) -> str | None:
    """What `undo` would take back ("Delete 3 edits"), or None."""
    raise NotImplementedError


def redo_name(project: Project) -> str | None:
    """What `redo` would do again, or None."""
    raise NotImplementedError
