"""The history of the Compare page: each question that was asked, with both answers and the gate's word."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import Select, delete, func, select

from engine.edits import fold, storable
from studio.store.changes import Changes
from studio.store.project import Project
from studio.store.records import among
from studio.store.schema import ComparisonRecord

if TYPE_CHECKING:
    from engine.editor import Answer


class Outcome(StrEnum):
    """Which questions are listed."""

    ALL = "all"
    CHANGED = "changed"  # the edited model answers otherwise
    SAME = "same"
    ROUTED = "routed"  # the gate let them through


@dataclass(frozen=True, slots=True)
class Asking:
    """How questions were asked: what is needed to ask them again and get the same answers."""

    run: int | None = None  # the run whose pack answered, None once it is deleted
    model: str = ""
    fingerprint: str = ""  # of the model's weights
    pack: str = ""  # hash of the pack
    decoding: Mapping[str, object] = field(default_factory=dict)
    calibrated: float | None = None  # the threshold that the pack was calibrated to
    asked_with: str = ""  # when the list was asked that they belong to, ISO 8601; empty: asked alone


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One question of the history."""

    id: int
    created: datetime  # UTC
    asking: Asking
    query: str
    original: str
    edited: str
    familiarity: float
    routed: bool
    threshold: float
    entropy: float
    nearest_edit: str
    similarity: float
    original_seconds: float | None
    edited_seconds: float | None

    @property
    def gated(self) -> bool:
        """Whether a gate had a word in it; see `engine.editor.ungated`."""
        return not (self.routed and self.familiarity == 1.0 and self.threshold == 0.0 and not self.nearest_edit)

    @property
    def known_familiarity(self) -> float | None:
        """The familiarity, where there was a gate to measure it."""
        return self.familiarity if self.gated else None

    @property
    def changed(self) -> bool:
        """Whether the edited model answers otherwise."""
        return self.original != self.edited


@dataclass(frozen=True, slots=True)
class AskedList:
    """Questions that were asked together."""

    key: str  # their `Asking.asked_with`
    asked: datetime
    questions: int


def add_comparisons(project: Project, answers: Iterable[Answer], asking: Asking) -> Changes:
    """Note answered questions."""
    now, decoding = datetime.now(UTC).isoformat(), json.dumps(dict(asking.decoding), ensure_ascii=False)
    records = [
        ComparisonRecord(
            created=now,
            run_id=asking.run,
            model=asking.model,
            query=storable(answer.query),
            original=storable(answer.original),
            edited=storable(answer.edited),
            familiarity=answer.routing.familiarity,
            routed=answer.routing.routed,
            threshold=answer.routing.threshold,
            entropy=answer.routing.entropy,
            nearest_edit=answer.routing.nearest_edit,
            similarity=answer.routing.similarity,
            asked_with=asking.asked_with,
            decoding=decoding,
            fingerprint=asking.fingerprint,
            pack=asking.pack,
            calibrated=asking.calibrated,
            original_seconds=answer.original_seconds,
            edited_seconds=answer.edited_seconds,
        )
        for answer in answers
    ]
    if not records:
        return Changes()
    with project.write() as session:
        session.add_all(records)
    return Changes(comparisons=True)


def comparisons(
    project: Project,
    limit: int = 500,
    *,
    search: str = "",
    outcome: Outcome | str = Outcome.ALL,
    asked_with: str | None = None,
) -> list[ComparisonRow]:
    """The history, newest first: what has every word of `search` in question or answers, cases and spellings folded.

    `asked_with` names one list of questions that were asked together.
    """
    words = fold(search).split()
    statement = _chosen(Outcome(outcome), asked_with).order_by(ComparisonRecord.id.desc())
    found: list[ComparisonRow] = []
    with project.read() as session:
        records = session.execute(statement if words else statement.limit(limit)).scalars()
        for record in records.yield_per(500):
            if len(found) == limit:
                break
            text = fold(f"{record.query}\n{record.original}\n{record.edited}") if words else ""
            if all(word in text for word in words):
                found.append(_row(record))
    return found


def asked_lists(project: Project, limit: int = 50) -> list[AskedList]:
    """The lists that were asked, newest first."""
    key = ComparisonRecord.asked_with
    statement = select(key, func.count()).where(key != "").group_by(key).order_by(key.desc()).limit(limit)
    with project.read() as session:
        return [
            AskedList(asked_with, datetime.fromisoformat(asked_with), number)
            for asked_with, number in session.execute(statement)
        ]


def delete_comparisons(project: Project, ids: Sequence[int]) -> Changes:
    """Take questions out of the history; ids that are gone are ignored."""
    with project.write() as session:
        session.execute(delete(ComparisonRecord).where(among(ComparisonRecord.id, ids)))
    return Changes(comparisons=True)


def _chosen(outcome: Outcome, asked_with: str | None) -> Select[ComparisonRecord]:
    statement = select(ComparisonRecord)
    if outcome is Outcome.CHANGED:
        statement = statement.where(ComparisonRecord.original != ComparisonRecord.edited)
    elif outcome is Outcome.SAME:
        statement = statement.where(ComparisonRecord.original == ComparisonRecord.edited)
    elif outcome is Outcome.ROUTED:
        statement = statement.where(ComparisonRecord.routed)
    return statement if asked_with is None else statement.where(ComparisonRecord.asked_with == asked_with)


def _row(record: ComparisonRecord) -> ComparisonRow:
    return ComparisonRow(
        id=record.id,
        created=datetime.fromisoformat(record.created),
        asking=Asking(
            run=record.run_id,
            model=record.model,
            fingerprint=record.fingerprint,
            pack=record.pack,
            decoding=json.loads(record.decoding),
            calibrated=record.calibrated,
            asked_with=record.asked_with,
        ),
        query=record.query,
        original=record.original,
        edited=record.edited,
        familiarity=record.familiarity,
        routed=record.routed,
        threshold=record.threshold,
        entropy=record.entropy,
        nearest_edit=record.nearest_edit,
        similarity=record.similarity,
        original_seconds=record.original_seconds,
        edited_seconds=record.edited_seconds,
    )
