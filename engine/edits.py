"""Facts become edits: the plain values that every other stage takes.

A *fact* is a subject, a relation and an object. An *edit* is a fact that the model shall answer from now on,
with the prompt that asks for it, the paraphrases it is measured on and the probes that it must leave alone.
An *edit set* is a named collection of edits with the relations they use.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SLOT = "{}"
MAX_TEXT = 4_000
"""Characters allowed in one prompt, subject or object: beyond it a row is a mistake, not a fact."""


class EditError(ValueError):
    """An edit that cannot be used; the message is one sentence for the user."""


class ProbeKind(StrEnum):
    """What an unrelated query has in common with the edit that it must not be touched by."""

    NEIGHBOUR = "neighbour"  # another subject, the same relation
    SAME_SUBJECT = "same-subject"  # the same subject, another relation
    FAR = "far"  # anything else


@dataclass(frozen=True, slots=True)
class Probe:
    """A query whose answer must not change."""

    kind: ProbeKind
    prompt: str


@dataclass(frozen=True, slots=True)
class Relation:
    """What is asked of a subject, and the ways to ask it.

    `phrasings` are templates with one `{}` for the subject that end where the object begins, used for prompts
    and for training; `held_out` are more of them, never trained on, that generality is measured with.
    """

    id: str
    name: str
    phrasings: tuple[str, ...]
    held_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.phrasings:
            raise EditError(f"Relation “{self.name}” has no phrasing: give at least one with {SLOT} for the subject.")
        for template in (*self.phrasings, *self.held_out):
            check_template(template)


@dataclass(frozen=True, slots=True)
class Edit:
    """One fact that the model shall answer from now on.

    `prompt` is the whole query, subject filled in, ending where the answer begins. `paraphrases` ask the same in
    words that training never sees. A free prompt has neither subject nor relation.
    """

    id: str
    prompt: str
    new_object: str
    subject: str = ""
    relation: str = ""
    original_answer: str = ""
    aliases: tuple[str, ...] = ()
    paraphrases: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    enabled: bool = True

    def __post_init__(self) -> None:
        for name, text in (("prompt", self.prompt), ("new object", self.new_object)):
            if not text.strip():
                raise EditError(f"Edit {self.id}: the {name} is empty.")
        for text in (self.prompt, self.new_object, self.subject, *self.paraphrases):
            check_text(text)


@dataclass(frozen=True, slots=True)
class EditSet:
    """A named collection of edits; ids are unique."""

    name: str
    edits: tuple[Edit, ...]
    relations: Mapping[str, Relation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for edit in self.edits:
            if edit.id in seen:
                raise EditError(f"Two edits of “{self.name}” have the id {edit.id}.")
            seen.add(edit.id)

    def enabled(self) -> tuple[Edit, ...]:
        """The edits that are switched on, in order."""
        return tuple(edit for edit in self.edits if edit.enabled)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Edits that ask the same thing: `contradiction` when their new objects differ, else a duplicate."""

    edit_ids: tuple[str, ...]
    contradiction: bool


def check_text(text: str) -> None:
    """Raise EditError where `text` cannot be stored or asked: control characters, lone surrogates, too long."""
    if len(text) > MAX_TEXT:
        raise EditError(f"A text of {len(text):,} characters is too long: {MAX_TEXT:,} is the most.")
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs" or (category == "Cc" and character not in "\n\t"):
            raise EditError(f"The character U+{ord(character):04X} in “{text[:40]!a}” cannot be used: remove it.")


def check_template(template: str) -> None:
    """Raise EditError unless `template` has exactly one `{}`."""
    check_text(template)
    if template.count(SLOT) != 1:
        raise EditError(f"The phrasing “{template}” must contain {SLOT} exactly once, where the subject goes.")


def fill(template: str, subject: str) -> str:
    """`template` with its one slot replaced; never `str.format`, since both texts are the user's."""
    check_template(template)
    return template.replace(SLOT, subject, 1)


def fold(text: str) -> str:
    """The form in which two spellings count as the same: NFKC, case-folded, spaces collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def find_conflicts(edits: Iterable[Edit]) -> list[Conflict]:
    """Enabled edits that ask the same: equal subject and relation, or equal prompt, after folding."""
    groups: dict[tuple[str, ...], list[Edit]] = defaultdict(list)
    for edit in edits:
        if edit.enabled:
            key = (fold(edit.subject), edit.relation) if edit.subject and edit.relation else (fold(edit.prompt),)
            groups[key].append(edit)
    return [
        Conflict(tuple(edit.id for edit in group), len({fold(edit.new_object) for edit in group}) > 1)
        for group in groups.values()
        if len(group) > 1
    ]
