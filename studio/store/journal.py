"""One step of undo: every operation that changes edits or relations runs in one, and tells it what it will change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from itertools import accumulate

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from engine.edits import Relation
from studio.store.project import Project
from studio.store.records import StoredEdit, read_edits, read_relations
from studio.store.schema import SettingRecord, UndoRowRecord, UndoStepRecord

STEPS = 100
"""How many steps are kept."""

ROWS = 500_000
"""How many rows the steps remember together; beyond it the oldest go, so that the file stays of a sensible size."""

TOO_LARGE = "steps too large to keep"
"""The setting that counts the steps that went because of ROWS: the window tells of them."""

EDIT = "edit"
RELATION = "relation"


class Step:
    """The step under way. Rows are remembered before they change; a step that remembers none is not kept."""

    def __init__(self, session: Session, name: str) -> None:
        self.session = session
        self.name = name
        self._id: int | None = None

    def edits(self, edit_ids: Iterable[int], there: Mapping[int, StoredEdit] | None = None) -> Mapping[int, StoredEdit]:
        """Remember the edits of `edit_ids` as they are, those that are not there yet included; returns those there.

        `there` are those there, where they have been read in this transaction.
        """
        wanted = list(dict.fromkeys(edit_ids))
        if there is None:
            there = read_edits(self.session, wanted)
        self._remember(
            EDIT, {str(edit_id): there[edit_id].payload() if edit_id in there else None for edit_id in wanted}
        )
        return there

    def relations(self, relation_ids: Iterable[str]) -> dict[str, Relation]:
        """Remember the project's relations of `relation_ids` as they are; returns those there."""
        wanted = list(dict.fromkeys(relation_ids))
        there = read_relations(self.session, wanted)
        self._remember(
            RELATION,
            {key: relation_payload(there[key]) if key in there else None for key in wanted},
        )
        return there

    @property
    def kept(self) -> bool:
        """Whether anything was remembered."""
        return self._id is not None

    def _remember(self, kind: str, payloads: dict[str, str | None]) -> None:
        if not payloads:
            return
        if self._id is None:
            self._id = self._begin()
        # A row that the step changes twice is remembered as it was at first.
        self.session.execute(
            insert(UndoRowRecord.__table__).prefix_with("OR IGNORE"),  # type: ignore[arg-type]
            [{"step_id": self._id, "kind": kind, "row": row, "payload": payload} for row, payload in payloads.items()],
        )
        self.session.execute(
            update(UndoStepRecord)
            .where(UndoStepRecord.id == self._id)
            .values(size=UndoStepRecord.size + len(payloads)),
            execution_options={"synchronize_session": False},
        )

    def _begin(self) -> int:
        # What was taken back cannot be done again once something else is done.
        self.session.execute(delete(UndoStepRecord).where(UndoStepRecord.undone))
        sizes = self.session.execute(
            select(UndoStepRecord.id, UndoStepRecord.size).order_by(UndoStepRecord.id.desc())
        ).all()
        remembered = list(accumulate(size for _, size in sizes))
        recent = list(zip(sizes, remembered, strict=True))[: STEPS - 1]
        kept = [each.id for place, (each, rows) in enumerate(recent) if place == 0 or rows <= ROWS]
        self.session.execute(delete(UndoStepRecord).where(UndoStepRecord.id.not_in(kept)))
        if len(kept) < len(recent):
            count = too_large(self.session) + len(recent) - len(kept)
            self.session.merge(SettingRecord(name=TOO_LARGE, value=json.dumps(count)))
        record = UndoStepRecord(name=self.name, undone=False, size=0)
        self.session.add(record)
        self.session.flush()
        return record.id


def too_large(session: Session) -> int:
    """How many steps of this project went before their time, because they and later ones remembered too many rows."""
    value = session.execute(select(SettingRecord.value).where(SettingRecord.name == TOO_LARGE)).scalar()
    return int(json.loads(value)) if value is not None else 0


@contextmanager
def step(project: Project, name: str) -> Iterator[Step]:
    """A transaction that can be taken back as one step called `name` ("delete 3 edits")."""
    with project.write() as session:
        yield Step(session, name)


def relation_payload(relation: Relation) -> str:
    """A relation as undo remembers it."""
    return json.dumps(asdict(relation), ensure_ascii=False)


def relation_from_payload(payload: str) -> Relation:
    """The relation that `payload` remembers."""
    columns = json.loads(payload)
    return Relation(columns["id"], columns["name"], tuple(columns["phrasings"]), tuple(columns["held_out"]))
