"""When is an answer right, and of many questions, which are asked? One definition for whoever measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def plain(answer: str) -> str:
    """An answer without surrounding space and its final stop."""
    return answer.strip().removesuffix(".").rstrip()


def is_answer(given: str, wanted: str) -> bool:
    """Autoregressive exactness: what was decoded is what was wanted, after trimming space and the final stop."""
    return plain(given) == plain(wanted)


def share(right: Sequence[bool | float]) -> float | None:
    """The mean, or None where there is nothing to measure."""
    return sum(right) / len(right) if right else None


def spread(rows: Sequence[T], most: int | None) -> list[T]:
    """`most` of `rows`, evenly spread and in their order; all of them where `most` is None."""
    if most is None or len(rows) <= most:
        return list(rows)
    return [rows[place * len(rows) // most] for place in range(most)]
