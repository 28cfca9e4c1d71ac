"""The history of the Compare page: each question that was asked, with both answers and the gate's word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from studio.store.changes import Changes
from studio.store.project import Project

if TYPE_CHECKING:
    from engine.editor import Answer


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One question of the history."""

    id: int
    created: datetime  # UTC
    run: int | None  # the run whose pack answered, None once it is deleted
    model: str
    query: str
    original: str
    edited: str
    familiarity: float
    routed: bool
    threshold: float
    entropy: float
    nearest_edit: str
    similarity: float


def add_comparison(project: Project, answer: Answer, *, run: int | None = None, model: str = "") -> Changes:
    """Note one answered question."""
    raise NotImplementedError


def comparisons(project: Project, limit: int = 500) -> list[ComparisonRow]:
    """The history, newest first."""
    raise NotImplementedError


def clear_comparisons(project: Project) -> Changes:
    """Empty the history."""
    raise NotImplementedError
