"""The history of the Compare page: each question that was asked, with both answers and the gate's word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from engine.edits import storable
from studio.store.changes import Changes
from studio.store.project import Project
from studio.store.schema import ComparisonRecord

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
    routing = answer.routing
    with project.write() as session:
        session.add(
            ComparisonRecord(
                created=datetime.now(UTC).isoformat(),
                run_id=run,
                model=model,
                query=storable(answer.query),
                original=storable(answer.original),
                edited=storable(answer.edited),
                familiarity=routing.familiarity,
                routed=routing.routed,
                threshold=routing.threshold,
                entropy=routing.entropy,
                nearest_edit=routing.nearest_edit,
                similarity=routing.similarity,
            )
        )
    return Changes(comparisons=True)


def comparisons(project: Project, limit: int = 500) -> list[ComparisonRow]:
    """The history, newest first."""
    with project.read() as session:
        records = session.execute(select(ComparisonRecord).order_by(ComparisonRecord.id.desc()).limit(limit)).scalars()
        return [
            ComparisonRow(
                id=record.id,
                created=datetime.fromisoformat(record.created),
                run=record.run_id,
                model=record.model,
                query=record.query,
                original=record.original,
                edited=record.edited,
                familiarity=record.familiarity,
                routed=record.routed,
                threshold=record.threshold,
                entropy=record.entropy,
                nearest_edit=record.nearest_edit,
                similarity=record.similarity,
            )
            for record in records
        ]


def delete_comparisons(project: Project, ids: Iterable[int]) -> Changes:
    """Take questions out of the history; ids that are gone are ignored."""
    with project.write() as session:
        session.execute(delete(ComparisonRecord).where(ComparisonRecord.id.in_(list(ids))))
    return Changes(comparisons=True)


def clear_comparisons(project: Project) -> Changes:
    """Empty the history."""
    with project.write() as session:
        session.execute(delete(ComparisonRecord))
    return Changes(comparisons=True)
