"""What the subjects of each relation are, and so which questions about a subject make sense."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ANYTHING = frozenset({"place", "organisation", "work", "product"})
# What the subjects of each relation are; a subject is what all of its relations allow.
SUBJECT_TYPES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ["P19", "P20", "P27", "P101", "P103", "P106", "P108", "P140", "P413", "P937", "P1303", "P1412"],
        frozenset({"person"}),
    ),
    "P17": frozenset({"place", "organisation"}),
    "P30": frozenset({"place"}),
    "P31": ANYTHING,
    "P36": frozenset({"place"}),
    "P37": frozenset({"place"}),
    "P127": ANYTHING,
    "P136": frozenset({"person", "work"}),
    "P138": ANYTHING,
    "P159": frozenset({"organisation"}),
    "P176": frozenset({"product"}),
    "P178": frozenset({"product"}),
    "P407": frozenset({"work"}),
    "P449": frozenset({"work"}),
    "P495": frozenset({"work", "product", "organisation"}),
    "P740": frozenset({"organisation"}),
}
# Only some people can sensibly be asked for these; they are asked where the model knows the answer.
SPECIAL = frozenset({"P413", "P1303"})


def askable(known: Iterable[str], catalogue: Iterable[str]) -> list[str]:
    """The relations of `catalogue`, in its order, that make sense for a subject that has the relations `known`.

    None where those disagree about what the subject is.
    """
    types = frozenset.intersection(*(SUBJECT_TYPES[relation] for relation in known))
    return [id for id in catalogue if types and types <= SUBJECT_TYPES[id] and id not in SPECIAL]


def conceivable(relation: str, catalogue: Iterable[str]) -> list[str]:
    """The relations of `catalogue` that make sense for some of the subjects that `relation` is asked of."""
    return [id for id in catalogue if SUBJECT_TYPES[relation] & SUBJECT_TYPES[id] and id not in SPECIAL]
