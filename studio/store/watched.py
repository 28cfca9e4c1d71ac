"""The watched questions: the handful whose answers the Training page shows while they flip."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from engine.edits import check_text
from studio.store.changes import Changes
from studio.store.project import Project
from studio.store.schema import WatchedRecord


def watched(project: Project) -> tuple[str, ...]:
    """The watched questions, in the user's order."""
    with project.read() as session:
        return tuple(session.execute(select(WatchedRecord.question).order_by(WatchedRecord.position)).scalars())


def set_watched(project: Project, questions: Sequence[str]) -> Changes:
    """Replace the watched questions; blank ones and repetitions are left out. EditError where one cannot be asked."""
    kept = list(dict.fromkeys(question.strip() for question in questions if question.strip()))
    for question in kept:
        check_text(question)
    if tuple(kept) == watched(project):
        return Changes()
    with project.write() as session:
        session.execute(delete(WatchedRecord))
        session.add_all(WatchedRecord(position=place, question=question) for place, question in enumerate(kept))
    return Changes(watched=True)
