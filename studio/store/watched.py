"""The watched questions: the handful whose answers the Training page shows while they flip."""

from __future__ import annotations

from collections.abc import Sequence

from studio.store.changes import Changes
from studio.store.project import Project


def watched(project: Project) -> tuple[str, ...]:
    """The watched questions, in the user's order."""
    raise NotImplementedError


def set_watched(project: Project, questions: Sequence[str]) -> Changes:
    """Replace the watched questions; blank ones and repetitions are left out."""
    raise NotImplementedError
