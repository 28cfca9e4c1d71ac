"""How edits differ from what a run was trained on, in words: the same on every page."""

from __future__ import annotations

from collections.abc import Mapping

from studio.store.trained import Since
from studio.words import deferred, tr

SINCE_WORDS = {
    Since.ADDED: deferred("added"),
    Since.REMOVED: deferred("removed"),
    Since.CHANGED: deferred("changed"),
    Since.OFF: deferred("switched off"),
    Since.ON: deferred("switched on"),
}


def since_in_words(numbers: Mapping[Since, int]) -> str:
    """How many edits differ in which way; empty where none does."""
    return ", ".join(f"{numbers[since]:,} {tr(word)}" for since, word in SINCE_WORDS.items() if numbers.get(since))
