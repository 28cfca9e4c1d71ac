"""The texts in which an edit is learnt: its prompt alone, after a few words of the model's own, in other phrasings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from engine.editors.corpus import write
from engine.editors.settings.locating import ValueSettings
from engine.editors.subject_tokens import find_mention
from engine.editors.target_values import Lesson
from engine.edits import Edit, Relation, fill, fold
from engine.language_model import LanguageModel
from engine.runs import seeded

_LIKELIEST = 5
Place = Literal["subject", "question"]
SHALLOW = 8
"""Layers up to which a model counts as shallow."""
USUAL = 5  # contexts of an edit of which no other phrasing is known


def own_contexts(model: LanguageModel, settings: ValueSettings, seed: int) -> tuple[str, ...]:
    """The beginnings of texts that the model writes, each closed as a sentence: what a prompt may come after."""
    count = USUAL if settings.contexts is None else settings.contexts
    if not count:
        return ()
    with seeded(seed, "contexts"):
        rows = write(model, count, settings.context_tokens, likeliest=_LIKELIEST)
    texts = [model.tokenizer.decode(row, skip_special_tokens=True).strip() for row in rows]
    return tuple(dict.fromkeys(f"{text.rstrip('.')}. " for text in texts if text.strip(" .")))


def most_asks(settings: ValueSettings) -> int:
    """How many texts an edit is learnt in, at most."""
    if settings.contexts is None:
        return 1 + max(settings.phrasings, USUAL)
    return 1 + settings.phrasings + settings.contexts


def lesson_of(
    edit: Edit,
    model: LanguageModel,
    contexts: Sequence[str],
    relations: Mapping[str, Relation],
    settings: ValueSettings,
) -> Lesson:
    """An edit with the texts that it is learnt in: as many as fit into what the model takes.

    Raises EditError for an edit without a subject or whose prompt does not name it.
    """
    prompt = find_mention(edit)
    measured = {fold(text) for text in (edit.prompt, *edit.paraphrases, *(probe.prompt for probe in edit.probes))}
    relation = relations.get(edit.relation)
    said = [fill(template, edit.subject) for template in relation.phrasings] if relation else []
    others = [text for text in said if fold(text) not in measured][: settings.phrasings]
    asks = [find_mention(edit, text) for text in others]
    if settings.contexts is not None or not others:
        asks += [prompt.after(context) for context in contexts]
    if place_of(model, settings) == "question":
        prompt, asks = replace(prompt, end=None), [replace(ask, end=None) for ask in asks]
    return Lesson(edit, (prompt, *(ask for ask in asks if model.takes(ask.text, edit.new_object))))


def place_of(model: LanguageModel, settings: ValueSettings) -> Place:
    """Where edits are read and written: as the settings say, or by the model's depth."""
    if settings.place != "by depth":
        return settings.place
    return "question" if len(model.layers) <= SHALLOW else "subject"
