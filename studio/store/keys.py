"""The derived columns of an edit: what it is sorted, searched and compared by."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TypedDict

from engine.edits import fold

SEPARATOR = "\x1f"
"""Between the parts of a key; folding turns it into a space, so no folded text contains it."""


class DerivedColumns(TypedDict):
    """The columns of `edits` that follow from the others."""

    fact_key: str
    prompt_key: str
    subject_key: str
    relation_key: str
    object_key: str
    answer_key: str
    search: str


def derived(
    *, subject: str, relation: str, relation_name: str, prompt: str, new_object: str, original_answer: str
) -> DerivedColumns:
    """The derived columns of an edit; `fact_key` and `prompt_key` are what `engine.edits.find_conflicts` goes by."""
    subject_key, prompt_key, object_key, answer_key = map(fold, (subject, prompt, new_object, original_answer))
    relation_key = _fold_name(relation_name or relation)
    return DerivedColumns(
        fact_key=fact_key(subject, relation),
        prompt_key=prompt_key,
        subject_key=subject_key,
        relation_key=relation_key,
        object_key=object_key,
        answer_key=answer_key,
        search=SEPARATOR.join((subject_key, relation_key, object_key, answer_key, prompt_key)),
    )


def fact_key(subject: str, relation: str) -> str:
    """Equal for edits of one subject and relation; empty where either is missing."""
    return f"{fold(subject)}{SEPARATOR}{relation}" if subject and relation else ""


def content_print(*columns: str) -> int:
    """What the columns of an edit say, as a number that another content has with no chance worth speaking of."""
    digest = blake2b(SEPARATOR.join(columns).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


@lru_cache(maxsize=1_000)
def _fold_name(name: str) -> str:
    return fold(name)
