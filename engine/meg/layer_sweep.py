"""Which FFN block to edit: neurons of a sample of edits are collected at several, and what they are worth is measured.

Neurons early in a model change what later blocks make of a subject, late ones only what is said next: which does
best differs from model to model (arXiv 2512.14395, section 4, swept by hand).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.language_model import LanguageModel
from engine.meg.collection import Lesson, LessonGroup
from engine.meg.settings import CollectionSettings
from engine.neuron import attached
from engine.runs import Cancel

SAMPLE = 48  # edits
BLOCKS = 8  # looked at, at most, evenly spread
ALIKE = 0.02  # two blocks of which neither does better by more than this are equally good


@dataclass(frozen=True, slots=True)
class LayerFigure:
    """What the neurons collected at one FFN block are worth: shares from 0 to 1, and the mean length of a neuron."""

    layer: int
    answered: float  # edits whose own neuron answers them in every phrasing that it was taught
    paraphrased: float  # held-back paraphrases that it answers
    kept: float  # guards whose answer stays what it was, under that neuron; 1 where there are none
    norm: float

    @property
    def worth(self) -> float:
        """The mean of the three shares."""
        return (self.answered + self.paraphrased + self.kept) / 3


def layers_to_try(count: int) -> list[int]:
    """Of `count` blocks every one, or every second, third, … so that BLOCKS are not exceeded; the middle is one."""
    stride = -(-count // BLOCKS)
    return list(range(count // 2 % stride, count, stride))


def best_layer(figures: Sequence[LayerFigure]) -> int:
    """The block whose neurons are worth most; of those that are alike, the one with the smallest neurons.

    A small neuron disturbs least where it is put by mistake, and is the easiest to generate.
    """
    most = max(figure.worth for figure in figures)
    return min((figure for figure in figures if figure.worth >= most - ALIKE), key=lambda figure: figure.norm).layer


def sweep_layers(
    model: LanguageModel,
    lessons: Sequence[Lesson],
    held_back: Sequence[str],
    settings: CollectionSettings,
    *,
    cancel: Cancel,
    report: Callable[[int, int], None],
) -> tuple[LayerFigure, ...]:
    """Collect the neurons of `lessons` at each block to try; `held_back` holds one unseen phrasing a lesson.

    `report` is told how many blocks of how many are done. Raises Cancelled when asked to stop.
    """
    figures: list[LayerFigure] = []
    layers = layers_to_try(len(model.blocks))
    for layer in layers:
        report(len(figures), len(layers))
        figures.append(_figure(model, layer, lessons, held_back, settings, cancel))
    report(len(layers), len(layers))
    return tuple(figures)


def _figure(
    model: LanguageModel,
    layer: int,
    lessons: Sequence[Lesson],
    held_back: Sequence[str],
    settings: CollectionSettings,
    cancel: Cancel,
) -> LayerFigure:
    unseen = [Lesson((text,), lesson.target) for text, lesson in zip(held_back, lessons, strict=True)]
    guards = [Lesson((query,), answer) for lesson in lessons for query, answer in lesson.guards]
    owners = [row for row, lesson in enumerate(lessons) for _ in lesson.guards]
    with attached(model.blocks[layer]) as slot:
        found = LessonGroup(model, layer, lessons, slot).optimise(settings, cancel, lambda *_: None)
        neurons = found.neurons.to(model.device)
        paraphrased = LessonGroup(model, layer, unseen, slot).score(0, neurons)[1].float().mean()
        kept = LessonGroup(model, layer, guards, slot).score(0, neurons[owners])[1].float().mean() if guards else 1.0
    return LayerFigure(
        layer,
        answered=float(found.answered.float().mean()),
        paraphrased=float(paraphrased),
        kept=float(kept),
        norm=float(neurons.norm(dim=1).mean()),
    )
