"""Questions that a model cannot be asked are left out of a measurement, and said so: the others are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine.edits import EditSet
from engine.language_model import LanguageModel, QueryError

NAMED = 5  # questions left out that are named one by one


def askable(model: LanguageModel, edit_set: EditSet, tell: Callable[[str], object]) -> EditSet:
    """`edit_set` without the paraphrases and probes that are empty or too long.

    `tell` is given a sentence for each of the first NAMED, and one for the others together. An edit's prompt stays: no
    editor trains on one that the model cannot be asked.
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
    for sentence in left_out[:NAMED]:
        tell(sentence)
    if len(left_out) > NAMED:
        tell(f"{len(left_out) - NAMED:,} more paraphrases and probes cannot be asked and are left out.")
    return replace(edit_set, edits=edits) if left_out else edit_set
