from __future__ import annotations

import pytest
import torch

from engine.meg.collection import CollectionSettings, Lesson
from engine.meg.layer_sweep import BLOCKS, LayerFigure, best_layer, layers_to_try, sweep_layers
from engine.runs import Cancel, Cancelled
from tests.tiny_models import LAYERS, tiny_model

LESSONS = [
    Lesson(("Oslo lies in", "The land of Oslo is"), "ab", (("Bern lies in", "zz"), ("Rome is", "q"))),
    Lesson(("Rome lies in",), "cd", (("Kiev lies in", "yy"),)),
]
HELD_BACK = ["Where Oslo lies:", "Where Rome lies:"]


def sweep(lessons=LESSONS, cancel=None, report=lambda *_: None):
    settings = CollectionSettings(steps=8, learning_rate=0.2)
    return sweep_layers(tiny_model(), lessons, HELD_BACK, settings, cancel=cancel or Cancel(), report=report)


def test_every_layer_has_its_figures():
    told = []
    figures = sweep(report=lambda step, of: told.append((step, of)))
    assert [figure.layer for figure in figures] == list(range(LAYERS))
    assert all(0 <= share <= 1 for one in figures for share in (one.answered, one.paraphrased, one.kept))
    assert all(figure.norm > 1 for figure in figures)  # an always-on neuron that has moved
    assert told == [(step, LAYERS) for step in range(LAYERS + 1)]
    torch.manual_seed(5)
    assert sweep() == figures


def test_without_guards_all_are_kept():
    assert {figure.kept for figure in sweep([Lesson(lesson.asks, lesson.target) for lesson in LESSONS])} == {1.0}


def test_cancel_stops_it():
    cancel = Cancel()
    with pytest.raises(Cancelled):
        sweep(cancel=cancel, report=lambda step, _: cancel.set() if step == 2 else None)


@pytest.mark.parametrize("count", [1, 2, 6, 8, 9, 12, 24, 28, 32, 80])
def test_deep_models_are_sampled_and_the_middle_is_among_them(count):
    layers = layers_to_try(count)
    assert count // 2 in layers
    assert 1 <= len(layers) <= BLOCKS
    assert set(layers) <= set(range(count))
    assert layers == (list(range(count)) if count <= BLOCKS else layers)


def test_what_is_worth_most_wins_and_of_equals_the_smallest():
    def figure(layer, share, norm):
        return LayerFigure(layer, share, share, share, norm)

    assert best_layer([figure(0, 0.5, 1), figure(1, 0.9, 5), figure(2, 0.6, 2)]) == 1
    assert best_layer([figure(0, 0.5, 1), figure(1, 0.9, 5), figure(2, 0.89, 4)]) == 2
