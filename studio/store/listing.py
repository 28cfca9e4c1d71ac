"""Reading edits: ids in the order the table shows them, rows a page at a time, conflicts, the whole edit set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.edits import Edit, EditSet
from studio.store.project import Project


class EditSort(StrEnum):
    """What edits can be sorted by."""

    ENTERED = "entered"
    SUBJECT = "subject"
    RELATION = "relation"
    NEW_OBJECT = "new_object"
    ORIGINAL_ANSWER = "original_answer"
    STATE = "state"
    FAMILIARITY = "familiarity"


class EditFilter(StrEnum):
    """Which edits are listed."""

    ALL = "all"
    ENABLED = "enabled"
    DISABLED = "disabled"
    CONFLICTS = "conflicts"  # duplicates and contradictions
    CONTRADICTIONS = "contradictions"
    UNANSWERED = "unanswered"  # the original answer is not filled in


class EditState(StrEnum):
    """What the state column says of an edit."""

    READY = "ready"
    KNOWN = "known"  # the original model answers the new object already
    DUPLICATE = "duplicate"  # another enabled edit asks the same and wants the same object
    CONTRADICTION = "contradiction"  # another enabled edit asks the same and wants another object
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class EditRow:
    """One row of the table."""

    id: int
    key: str  # the edit's id in an edit set
    subject: str
    relation: str  # the relation's id, empty for a free prompt
    relation_name: str
    prompt: str
    new_object: str
    original_answer: str
    familiarity: float | None
    enabled: bool
    state: EditState


@dataclass(frozen=True, slots=True)
class EditConflict:
    """Edits that ask the same thing: a contradiction when their new objects differ, else a duplicate."""

    edit_ids: tuple[int, ...]
    contradiction: bool


@dataclass(frozen=True, slots=True)
class EditCounts:
    """How many edits there are, for the status bar and for the filters."""

    total: int
    enabled: int
    conflicts: int  # edits that take part in a conflict
    unanswered: int


def edit_ids(
    project: Project,
    search: str = "",
    sort: EditSort | str = EditSort.SUBJECT,
    descending: bool = False,
    filter: EditFilter | str = EditFilter.ALL,  # the word of the page
) -> list[int]:
    """The ids of the edits whose texts contain every word of `search`, cases and spellings folded, in order."""
    raise NotImplementedError


def rows(project: Project, edit_ids: Sequence[int]) -> list[EditRow]:
    """The rows of `edit_ids`, in that order; ids that are gone are left out."""
    raise NotImplementedError


def get_edit(project: Project, edit_id: int) -> Edit | None:
    """One edit with its paraphrases and probes, or None where it is gone."""
    raise NotImplementedError


def conflicts(project: Project) -> list[EditConflict]:
    """Enabled edits that ask the same, as `engine.edits.find_conflicts` finds them."""
    raise NotImplementedError


def counts(project: Project) -> EditCounts:
    """How many edits there are of each kind."""
    raise NotImplementedError


def edit_set(project: Project, edit_ids: Sequence[int] | None = None) -> EditSet:
    """A snapshot of the project's edits (all, or `edit_ids`) in the order entered, with the relations they use."""
    raise NotImplementedError


def ids_of_keys(project: Project, keys: Sequence[str]) -> dict[str, int]:
    """The row id of each key (an `Edit.id`) that the project has."""
    raise NotImplementedError
