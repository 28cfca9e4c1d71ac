"""Facts become edits: the plain values that every other stage takes.

A *fact* is a subject, a relation and an object. An *edit* is a fact that the model shall answer from now on,
with the prompt that asks for it, the paraphrases it is measured on and the probes that it must leave alone.
An *edit set* is a named collection of edits with the relations they use.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

SLOT = "{}"
MAX_TEXT = 4_000
"""Characters allowed in one prompt, subject or object: beyond it a row is a mistake, not a fact."""
MAX_TEXTS = 1_000
"""Paraphrases, probes or aliases that one edit may have."""
MAX_ID = 200
"""Characters allowed in the id of an edit or a relation."""

# Everything of the categories Cc and Cs but the line feed and the tab: no file, database or tokenizer takes them well.
_UNUSABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = re.compile("[\u00ad\u180e\u200b\u2060-\u2064\ufeff]")
_LATIN, _CYRILLIC = "A-Za-z\u00c0-\u024f", "\u0400-\u052f"
_MIXED_ALPHABETS = re.compile(f"[{_LATIN}][{_CYRILLIC}]|[{_CYRILLIC}][{_LATIN}]")
_TYPOGRAPHY = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"'}
) | str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))


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
        check_id(self.id, "relation")
        check_text(self.name)
        if not self.phrasings:
            raise EditError(f"Relation “{self.name}” has no phrasing: give at least one with {SLOT} for the subject.")
        for template in (*self.phrasings, *self.held_out):
            check_template(template)


@dataclass(frozen=True, slots=True)
class Edit:
    """One fact that the model shall answer from now on.

    `prompt` is the whole query, subject filled in, ending where the answer begins. `paraphrases` ask the same in
    words that training never sees. `aliases` are other names of the subject. A free prompt has neither subject nor
    relation.
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
        check_id(self.id, "edit")
        probes = [probe.prompt for probe in self.probes]
        never_empty = [("prompt", self.prompt), ("new object", self.new_object)]
        for name, texts in (("alias", self.aliases), ("paraphrase", self.paraphrases), ("probe", probes)):
            if len(texts) > MAX_TEXTS:
                raise EditError(f"Edit {self.id} has {len(texts):,} texts as {name}: {MAX_TEXTS:,} are the most.")
            never_empty += [(name, text) for text in texts]
        for name, text in never_empty:
            if not text.strip():
                raise EditError(f"Edit {self.id}: the {name} is empty.")
            check_text(text)
        for text in (self.subject, self.original_answer):
            check_text(text)
        if self.relation:
            check_id(self.relation, "relation")


@dataclass(frozen=True, slots=True)
class EditSet:
    """A named collection of edits; ids are unique. `relations` go by their id and hold what the edits need of them."""

    name: str
    edits: tuple[Edit, ...]
    relations: Mapping[str, Relation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for edit in self.edits:
            if edit.id in seen:
                raise EditError(f"Two edits of “{self.name}” have the id {edit.id}.")
            seen.add(edit.id)
        check_text(self.name)
        for key, relation in self.relations.items():
            if key != relation.id:
                raise EditError(f"The relation “{relation.name}” is listed as {key!a} and has the id {relation.id!a}.")

    def enabled(self) -> tuple[Edit, ...]:
        """The edits that are switched on, in order."""
        return tuple(edit for edit in self.edits if edit.enabled)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Edits that ask the same thing: `contradiction` when their new objects differ, else a duplicate."""

    edit_ids: tuple[str, ...]
    contradiction: bool


def check_id(text: str, what: str) -> None:
    """Raise EditError unless `text` can name an edit or a relation (`what`): one line, not blank, not endless."""
    if not text.strip() or len(text) > MAX_ID or "\n" in text or "\t" in text:
        raise EditError(
            f"The id {text[:40]!a} of the {what} cannot be used: give 1 to {MAX_ID} characters on one line."
        )
    check_text(text)


def check_text(text: str) -> None:
    """Raise EditError where `text` cannot be stored or asked: control characters, lone surrogates, too long."""
    if len(text) > MAX_TEXT:
        raise EditError(f"A text of {len(text):,} characters is too long: {MAX_TEXT:,} is the most.")
    if text.isprintable():  # nearly every text, and told much sooner than by the pattern
        return
    found = _UNUSABLE.search(text)
    if found:
        raise EditError(f"The character U+{ord(found[0]):04X} in {text[:40]!a} cannot be used: remove it.")


def storable(text: str) -> str:
    """`text`, which a model wrote, as `check_text` accepts it: unusable characters become �, the rest is cut off."""
    return _UNUSABLE.sub("\ufffd", text.replace("\r\n", "\n"))[:MAX_TEXT]


def find_oddity(text: str) -> str | None:
    """What a reader of `text` cannot see and should know, as a noun phrase; None where there is nothing.

    Such a text is usable, but often an accident of copying or a disguise: two subjects that look the same and are not.
    """
    if text.isascii():
        return None
    if _DIRECTION.search(text):
        return "marks that change the direction of writing"
    if _INVISIBLE.search(text):
        return "characters that cannot be seen"
    if _MIXED_ALPHABETS.search(text):
        return "a word that mixes Latin and Cyrillic letters"
    return None


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
    """The form in which two spellings count as the same.

    Case, width, ligatures, typographic quotes and dashes, invisible characters and runs of spaces make no difference;
    accents do.
    """
    if text.isascii():  # the same, sooner: none of the rest applies
        return " ".join(text.lower().split())
    # Case folding can undo a normalisation and the other way round: twice is what Unicode needs to come to rest.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    folded = unicodedata.normalize("NFKC", folded.casefold().translate(_TYPOGRAPHY))
    return " ".join(_DIRECTION.sub("", _INVISIBLE.sub("", folded)).split())


def find_conflicts(edits: Iterable[Edit]) -> list[Conflict]:
    """Enabled edits that ask the same: equal subject and relation, or equal prompt, after folding.

    Groups come in the order of their first edit, ids in the order of the edits.
    """
    enabled = [edit for edit in edits if edit.enabled]
    group_of = list(range(len(enabled)))  # index of an edit -> index of an edit of its group, a forest of such steps

    def root(index: int) -> int:
        while group_of[index] != index:
            group_of[index] = group_of[group_of[index]]
            index = group_of[index]
        return index

    first: dict[tuple[str, ...], int] = {}
    for index, edit in enumerate(enabled):
        keys: list[tuple[str, ...]] = [(fold(edit.prompt),)]
        if edit.subject and edit.relation:
            keys.append((fold(edit.subject), edit.relation))
        for key in keys:
            one, other = sorted((root(first.setdefault(key, index)), root(index)))
            group_of[other] = one
    groups: dict[int, list[Edit]] = defaultdict(list)
    for index, edit in enumerate(enabled):
        groups[root(index)].append(edit)
    return [
        Conflict(tuple(edit.id for edit in group), len({fold(edit.new_object) for edit in group}) > 1)
        for group in groups.values()
        if len(group) > 1
    ]


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two edits of one relation whose subjects are spelt almost alike: a hint, for a person to judge."""

    edit_ids: tuple[str, str]
    similarity: float  # of the folded subjects, in [0, 1]


def find_near_duplicates(edits: Iterable[Edit], similarity: float = 0.9) -> list[NearDuplicate]:
    """Pairs of enabled edits of one relation with subjects at least so similar, and not equal once folded; best first.

    Takes seconds for 20,000 edits of one relation (it compares all pairs): call it off the window's thread.
    """
    by_relation: dict[str, list[Edit]] = defaultdict(list)
    for edit in edits:
        if edit.enabled and edit.subject and edit.relation:
            by_relation[edit.relation].append(edit)
    found = [pair for group in by_relation.values() for pair in _alike(group, similarity)]
    return sorted(found, key=lambda pair: -pair.similarity)


def _alike(edits: Sequence[Edit], similarity: float) -> Iterable[NearDuplicate]:
    import numpy as np
    from rapidfuzz import fuzz, process

    subjects = [fold(edit.subject) for edit in edits]
    # “Apollo 11” and “Apollo 12”, “Orm II” and “Orm III” are two subjects, not one misspelt.
    numbers = [re.findall(r"\d+|\b[ivxlc]+\b", subject) for subject in subjects]
    rows = max(1, 4_000_000 // len(subjects))  # of the score matrix at a time
    for start in range(0, len(subjects), rows):
        scores = process.cdist(
            subjects[start : start + rows],
            subjects[start:],
            scorer=fuzz.ratio,
            score_cutoff=similarity * 100,
            dtype=np.float32,
        )
        for row, column in np.argwhere(scores > 0).tolist():
            one, other = start + row, start + column
            if one < other and subjects[one] != subjects[other] and numbers[one] == numbers[other]:
                yield NearDuplicate((edits[one].id, edits[other].id), float(scores[row, column]) / 100)
