"""Questions that a model cannot be asked are left out of a measurement, and said so: the others are measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from engine.edits import EditSet
from engine.language_model import LanguageModel, QueryError

NAMED = 5  # questions left out that are named one by one


def askable(model: LanguageModel, edit_set: EditSet) -> tuple[EditSet, tuple[str, ...]]:
    """`edit_set` without the paraphrases and probes that are empty or too long, and a sentence for each of these.

    An edit's prompt stays: no editor trains on one that the model cannot be asked.
    """
    left_out: list[str] = []

    def can_be_asked(edit: str, kind: str, query: str) -> bool:
        try:
            model.token_ids(query)
        except QueryError as error:
            left_out.append(f"A {kind} of edit {edit} is left out. {error}")
            return False
        return True

    edits = tuple(
        replace(
            edit,
            paraphrases=tuple(text for text in edit.paraphrases if can_be_asked(edit.id, "paraphrase", text)),
            probes=tuple(probe for probe in edit.probes if can_be_asked(edit.id, "probe", probe.prompt)),
        )
        for edit in edit_set.edits
    )
    return (replace(edit_set, edits=edits) if left_out else edit_set), tuple(left_out)


def summed_up(left_out: Iterable[str]) -> list[str]:
    """The sentences of what was left out, of many only the first and how many there are."""
    sentences = list(left_out)
    more = len(sentences) - NAMED
    if more <= 0:
        return sentences
    return [*sentences[:NAMED], f"{more:,} more paraphrases and probes cannot be asked and are left out."]
