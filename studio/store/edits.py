"""Operations that change edits: each is one transaction, one step of undo, and says what it changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict, Unpack

from engine.edits import EditSet, Probe
from studio.store.changes import Changes
from studio.store.project import Project


@dataclass(frozen=True, slots=True)
class EditDraft:
    """An edit as it is entered: a subject, a relation and a new object, or a free prompt and a new object.

    An empty `prompt` is made of the relation's first phrasing. `key` is the edit's id in an edit set, made up when
    empty.
    """

    new_object: str
    subject: str = ""
    relation: str = ""  # the relation's id
    prompt: str = ""
    original_answer: str = ""
    aliases: tuple[str, ...] = ()
    paraphrases: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    enabled: bool = True
    key: str = ""


class EditFields(TypedDict, total=False):
    """The parts of an edit that `update_edit` can change."""

    subject: str
    relation: str
    new_object: str
    prompt: str
    original_answer: str
    aliases: tuple[str, ...]
    paraphrases: tuple[str, ...]
    probes: tuple[Probe, ...]
    enabled: bool


class OnClash(StrEnum):
    """What an import does with an edit whose id is taken by a different edit."""

    ADD = "add"  # keep both: the new one gets an id of its own
    REPLACE = "replace"  # the imported edit takes the place of the one that is there
    KEEP = "keep"  # the one that is there stays, the imported one is skipped


def add_edits(project: Project, drafts: Iterable[EditDraft], *, name: str = "") -> Changes:
    """Add edits as one step; `name` names it for undo ("Paste 12 edits"), else "Add 12 edits".

    Raises EditError, and adds none, where a draft cannot be an edit: the sentence names its row (from 1).
    """
    raise NotImplementedError


def update_edit(project: Project, edit_id: int, **fields: Unpack[EditFields]) -> Changes:
    """Change parts of one edit.

    A new subject or relation carries the prompt with it: it is phrased anew where it came from the relation, else the
    subject is replaced in it, in the paraphrases and in the same-subject probes; EditError where the prompt does not
    name the subject. A new prompt empties the original answer and the familiarity, which belong to the old one.
    """
    raise NotImplementedError


def delete_edits(project: Project, edit_ids: Iterable[int]) -> Changes:
    """Delete edits as one step; ids that are gone are ignored."""
    raise NotImplementedError


def set_enabled(project: Project, edit_ids: Iterable[int], enabled: bool) -> Changes:
    """Switch edits on or off as one step."""
    raise NotImplementedError


def set_original_answers(project: Project, answers: Mapping[int, str]) -> Changes:
    """Fill in what the original model answers, as one step."""
    raise NotImplementedError


def set_familiarity(project: Project, familiarity: Mapping[int, float | None]) -> Changes:
    """Note how familiar each edit's prompt is to the editor, in [0, 1]. A measurement, not a step of undo."""
    raise NotImplementedError


def import_edit_set(project: Project, edit_set: EditSet, on_clash: OnClash = OnClash.ADD) -> Changes:
    """Add every edit of `edit_set`, with the relations it brings, as one step.

    An edit that is there already, id and all, is skipped and counted in `Changes.skipped`. Relations that the project
    or the catalogue already has under the same id keep their own phrasings.
    """
    raise NotImplementedError
