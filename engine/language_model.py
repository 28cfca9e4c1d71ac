"""A causal language model as the studio sees it: loaded, its FFN blocks found, asked, scored."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenChance:
    """One candidate for the next token."""

    text: str
    probability: float
