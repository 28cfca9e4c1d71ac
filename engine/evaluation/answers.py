"""When is an answer right? The one definition that training, evaluation and the studio share."""

from __future__ import annotations

from collections.abc import Sequence


def plain(answer: str) -> str:
    """An answer without surrounding space and its final stop."""
    return answer.strip().removesuffix(".").rstrip()


def is_answer(given: str, wanted: str) -> bool:
    """Autoregressive exactness: what was decoded is what was wanted, after trimming space and the final stop."""
    return plain(given) == plain(wanted)


def share(right: Sequence[bool | float]) -> float | None:
    """The mean, or None where there is nothing to measure."""
    return sum(right) / len(right) if right else None
