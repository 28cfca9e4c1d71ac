"""The tables of a project's file.

`edits` holds what the table of the Facts page shows, narrow so that 100,000 rows are searched in a blink; the longer
texts of an edit stand beside it in `edit_texts`. The columns at the end of `edits` are derived from the others
(`derived` in keys.py): they make search, sorting and conflicts plain SQL.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """What every table has in common."""

    type_annotation_map = {str: Text, float: Double}  # noqa: RUF012  # read by SQLAlchemy as it is


class EditRecord(Base):
    """One edit."""

    __tablename__ = "edits"
    __table_args__ = (
        CheckConstraint("trim(prompt) <> ''", name="prompt_given"),
        CheckConstraint("trim(new_object) <> ''", name="new_object_given"),
        Index("edits_by_subject", "subject_key", "id"),
        Index("edits_by_relation", "relation_key", "subject_key", "id"),
        Index("edits_by_object", "object_key", "subject_key", "id"),
        Index("edits_by_answer", "answer_key", "subject_key", "id"),
        Index("edits_by_fact", "fact_key", sqlite_where=text("enabled AND fact_key <> ''")),
        Index("edits_by_prompt", "prompt_key", sqlite_where=text("enabled")),
        # An id is never given twice: undo puts deleted rows back under their own.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)  # `Edit.id`
    subject: Mapped[str]
    relation: Mapped[str]  # a relation's id, which need not be known here; empty for a free prompt
    prompt: Mapped[str]
    new_object: Mapped[str]
    original_answer: Mapped[str]
    enabled: Mapped[bool]
    familiarity: Mapped[float | None]
    fact_key: Mapped[str]  # equal for edits of one subject and relation; empty where either is missing
    prompt_key: Mapped[str]  # folded, like those below: to compare, to sort by
    subject_key: Mapped[str]
    relation_key: Mapped[str]
    object_key: Mapped[str]
    answer_key: Mapped[str]
    search: Mapped[str]  # every text of the row, folded


class EditTextRecord(Base):
    """The longer texts of an edit, as JSON."""

    __tablename__ = "edit_texts"

    edit_id: Mapped[int] = mapped_column(ForeignKey("edits.id", ondelete="CASCADE"), primary_key=True)
    aliases: Mapped[str]  # list of strings
    paraphrases: Mapped[str]  # list of strings
    probes: Mapped[str]  # list of [kind, prompt]


SEARCH_TABLE = (
    "CREATE VIRTUAL TABLE edit_search USING fts5"
    "(search, content='edits', content_rowid='id', tokenize='trigram case_sensitive 1')"
)
"""The full-text index of `edits.search`, three characters at a time. records.py keeps it in step: SQLite refuses to do
so in a trigger while the schema of a file is not trusted."""


class EditPrintRecord(Base):
    """What an edit says, as one number: another print is another edit, though its row be the same."""

    __tablename__ = "edit_prints"

    edit_id: Mapped[int] = mapped_column(ForeignKey("edits.id", ondelete="CASCADE"), primary_key=True)
    print: Mapped[int]


class TrainedEditRecord(Base):
    """An edit as it was when a run took its snapshot."""

    __tablename__ = "trained_edits"
    __table_args__ = ({"sqlite_with_rowid": False},)

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    print: Mapped[int]
    enabled: Mapped[bool]


class RelationRecord(Base):
    """A relation that the project's edits use, or that its owner added."""

    __tablename__ = "relations"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    phrasings: Mapped[str]  # JSON list of strings
    held_out: Mapped[str]  # JSON list of strings


class UndoStepRecord(Base):
    """One step that can be taken back, or done again once it was."""

    __tablename__ = "undo_steps"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    undone: Mapped[bool]
    size: Mapped[int]  # how many rows it remembers


class UndoRowRecord(Base):
    """A row that a step changed, as it was on the other side of the step."""

    __tablename__ = "undo_rows"

    step_id: Mapped[int] = mapped_column(ForeignKey("undo_steps.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)  # "edit" or "relation"
    row: Mapped[str] = mapped_column(primary_key=True)  # its id
    payload: Mapped[str | None]  # the row as JSON, None where there was none


class WatchedRecord(Base):
    """One watched question."""

    __tablename__ = "watched"

    position: Mapped[int] = mapped_column(primary_key=True)
    question: Mapped[str]


class RunRecord(Base):
    """One training of one editor."""

    __tablename__ = "runs"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    created: Mapped[str]  # ISO 8601, UTC
    folder: Mapped[str] = mapped_column(unique=True)  # the name of its folder under runs/
    editor: Mapped[str]
    model: Mapped[str]
    state: Mapped[str]
    seed: Mapped[int]
    snapshot: Mapped[str]
    edits: Mapped[int]
    settings: Mapped[str]  # JSON object
    figures: Mapped[str]  # JSON object
    message: Mapped[str]


class RunNoteRecord(Base):
    """What a person has made of a run since it was trained."""

    __tablename__ = "run_notes"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str]
    note: Mapped[str]
    threshold: Mapped[float | None]  # of the gate, where it was moved by hand


class ComparisonRecord(Base):
    """One question of the Compare page with both answers."""

    __tablename__ = "comparisons"
    __table_args__ = (Index("comparisons_by_run", "run_id"), Index("comparisons_by_list", "asked_with"))

    id: Mapped[int] = mapped_column(primary_key=True)
    created: Mapped[str]  # ISO 8601, UTC
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"))
    model: Mapped[str]
    query: Mapped[str]
    original: Mapped[str]
    edited: Mapped[str]
    familiarity: Mapped[float]
    routed: Mapped[bool]
    threshold: Mapped[float]
    entropy: Mapped[float]
    nearest_edit: Mapped[str]
    similarity: Mapped[float]
    asked_with: Mapped[str]  # when the list was asked that it belongs to, ISO 8601, UTC; empty: it was asked alone
    decoding: Mapped[str]  # JSON object
    fingerprint: Mapped[str]  # of the model's weights; empty where it was not noted, as are those below
    pack: Mapped[str]  # hash of the pack
    calibrated: Mapped[float | None]  # the threshold before it was moved
    original_seconds: Mapped[float | None]
    edited_seconds: Mapped[float | None]


class SettingRecord(Base):
    """One thing that the project remembers."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]  # JSON
