"""Editors that find what to change by the keys of an edit's subject: what ROME, MEMIT and AlphaEdit have in common.

Each reads a layer's *key* where the subject ends, seeks the *value* with which the model answers the new object, and
writes the association of the two into the outlet of an FFN block, weighing with the second moment of the layer's keys
what that does to everything else.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from assets import catalogue
from engine.editors.contexts import lesson_of, most_asks, place_of
from engine.editors.corpus import Corpus, read_corpus
from engine.editors.key_statistics import SecondMoment, memory_needed, second_moments
from engine.editors.learnable import check_new
from engine.editors.settings.locating import StatisticsSettings, ValueSettings
from engine.editors.subject_tokens import find_mention, last_token
from engine.editors.target_values import Lesson, group_size, lesson_bytes
from engine.editors.weights import WeightEditor, WeightFit
from engine.edits import Edit, EditSet, Relation
from engine.language_model import LanguageModel
from engine.layer_choice import check_layers

STATISTICS, VALUES = "Statistics", "Values"


class LocatingEditor(WeightEditor):
    """What the editors that write at an edit's subject check and measure before they learn."""

    groups: ClassVar[bool] = True
    """Whether the values of several edits are sought at once."""

    @abstractmethod
    def layers(self, model: LanguageModel, settings: Any, edits: int) -> range:
        """The layers that so many edits are written to."""

    def layers_of(self, work: WeightFit) -> range:
        """The layers that a fit writes to."""
        return self.layers(work.model, work.settings, len(work.edits))

    def check(self, work: WeightFit) -> None:
        """Raise EditError for edits that cannot be located, layers that are not there, and where memory is short."""
        check_layers(work.model, self.layers_of(work))
        for edit in work.edits:
            last_token(work.model, find_mention(edit))
            check_new(edit, edit.original_answer)
        super().check(work)

    def memory_with(self, model: LanguageModel, edits: Sequence[Edit], settings: Any) -> int:
        """The second moments, one layer's in float64, its factors and what is solved with it, and a group of values."""
        layers = self.layers(model, settings, len(edits))
        widest = max((model.blocks[layer].d_ff for layer in layers), default=0)
        solved = 4 * 8 * widest**2 + 4 * len(edits) * len(layers) * widest
        values = self._values(model, edits, settings.values, max(layers, default=0))
        return memory_needed(model, layers) + solved + values

    def _values(self, model: LanguageModel, edits: Sequence[Edit], settings: ValueSettings, layer: int) -> int:
        """About how many bytes the values take that are sought at once, and the keys that they are sought with."""
        rows = most_asks(settings) + 1
        answer = max(model.tokens_of(edit.new_object) for edit in edits)
        length = max(len(model.token_ids(edit.prompt)) for edit in edits) + settings.context_tokens + answer
        size = min(len(edits), group_size(model, layer, rows, length, answer)) if self.groups else 1
        return size * (lesson_bytes(model, layer, rows, length, answer) + 4 * rows * length * model.blocks[layer].d_ff)


def statistics(work: WeightFit, layers: Sequence[int]) -> tuple[dict[int, SecondMoment], Corpus]:
    """The second moments of `layers` over the text that the settings name, with progress."""
    settings: StatisticsSettings = work.settings.statistics
    report = partial(work.progress.report, STATISTICS)
    report(0, 0)
    # The original weights: what the model usually reads does not hang on what was edited.
    corpus = read_corpus(
        work.model,
        settings.corpus,
        tokens=settings.tokens,
        length=settings.length,
        cancel=work.cancel,
        report=report,
        ends=place_of(work.model, work.settings.values) == "question",
    )
    moments = second_moments(work.model, layers, corpus, cancel=work.cancel, report=report)
    return moments, corpus


def corpus_figures(corpus: Corpus) -> dict[str, Any]:
    """What a pack tells of the text behind its statistics."""
    return {"corpus": corpus.source, "corpus tokens": corpus.tokens}


def lessons_of(
    model: LanguageModel, edits: Sequence[Edit], edit_set: EditSet, contexts: Sequence[str], settings: ValueSettings
) -> list[Lesson]:
    """Each edit with the texts that it is learnt in."""
    relations: Mapping[str, Relation] = {**catalogue.relations(), **edit_set.relations}
    return [lesson_of(edit, model, contexts, relations, settings) for edit in edits]


def stream_takes_all(model: LanguageModel, layer: int) -> bool:
    """Whether what block `layer` writes is added to the stream as it is."""
    start = [model.tokenizer.pad_token_id, *model.tokenizer("The", add_special_tokens=False)["input_ids"]]
    return model.adds_to_the_stream(model.batch_of([start]), layer)


def switched_off(edit_set: EditSet, edit_ids: frozenset[str]) -> EditSet:
    """`edit_set` with these edits switched off."""
    edits = tuple(replace(edit, enabled=edit.enabled and edit.id not in edit_ids) for edit in edit_set.edits)
    return replace(edit_set, edits=edits)
