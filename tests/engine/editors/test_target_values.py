"""What a layer has to write for an edit to be answered."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from engine.editors.locating import lessons_of, stream_takes_all
from engine.editors.settings.locating import ValueSettings
from engine.editors.subject_states import read_subject_states
from engine.editors.target_values import ValueSearch, grouped
from engine.edits import EditError
from engine.language_model import target_loss
from engine.runs import Cancel, Cancelled
from engine.weight_exchange import Matrix, exchanged
from tests.engine.editors.locating import EDITS
from tests.tiny_models import CONFIGS, tiny_model

SETTINGS = ValueSettings(steps=6, contexts=2, guard=0.0, weight_decay=0.0, clamp=50.0)
CONTEXTS = ("A word. ", "And one more. ")
LAYER = 1


def nobody(*_: object) -> None:
    """Told of progress, and does nothing."""


def lessons_in(model):
    return lessons_of(model, EDITS.edits[:2], EDITS, CONTEXTS, SETTINGS)


def search(model, lessons, directions=None, stream=False):
    adds = stream_takes_all(model, LAYER)
    return ValueSearch(model, LAYER, lessons, stream=stream, adds=adds, directions=directions)


def loss(model, lesson):
    batch = model.encode_targets([ask.text for ask in lesson.asks], [lesson.edit.new_object] * len(lesson.asks))
    return float(target_loss(model.logits(batch), batch.labels).mean())


@pytest.mark.parametrize("name", CONFIGS)
def test_the_loss_that_was_found_is_that_of_the_changed_weight(name):
    model = tiny_model(name)
    lessons = lessons_in(model)[:1]
    key = read_subject_states(model, lessons, [LAYER], Cancel()).keys[LAYER]
    direction = torch.randn(1, key.shape[1], generator=torch.Generator().manual_seed(0))
    direction = direction / (direction * key).sum()
    seeking = search(model, lessons, direction)
    found = seeking.optimise(SETTINGS, Cancel(), nobody)
    matrix = Matrix.outlet(model, LAYER)
    change = (found.targets - seeking.base).T @ direction
    before = loss(model, lessons[0])
    with exchanged(model.model, {matrix.name: matrix.turned(change)}):
        assert loss(model, lessons[0]) == pytest.approx(float(found.losses[0]), rel=1e-3)
    assert found.losses[0] < before


@pytest.mark.parametrize("stream", [False, True])
def test_without_directions_the_change_is_felt_where_the_subject_ends_alone(stream):
    model = tiny_model("gpt2")
    lessons = lessons_in(model)
    seeking = search(model, lessons, stream=stream)
    states = read_subject_states(model, lessons, [LAYER], Cancel())
    torch.testing.assert_close(seeking.base, states.stream if stream else states.value)
    first = dataclasses.replace(SETTINGS, steps=1)
    nothing = seeking.optimise(first, Cancel(), nobody)
    torch.testing.assert_close(nothing.targets, seeking.base)
    for lesson, found in zip(lessons, nothing.losses.tolist(), strict=True):
        assert found == pytest.approx(loss(model, lesson), rel=1e-4)
    assert (seeking.optimise(SETTINGS, Cancel(), nobody).losses < nothing.losses).all()


def test_a_change_stays_within_its_bound():
    model = tiny_model()
    seeking = search(model, lessons_in(model))
    found = seeking.optimise(dataclasses.replace(SETTINGS, clamp=0.5), Cancel(), nobody)
    length = (found.targets - seeking.base).norm(dim=1) / seeking.base.norm(dim=1)
    assert (length <= 0.5001).all()
    assert (length > 0.1).all()


def test_the_guard_holds_a_change_back():
    model = tiny_model()
    changes = []
    for guard in (0.0, 500.0):
        seeking = search(model, lessons_in(model))
        found = seeking.optimise(dataclasses.replace(SETTINGS, guard=guard, steps=20), Cancel(), nobody)
        changes.append(found)
    assert (changes[0].losses < changes[1].losses).all()


def test_what_is_found_leaves_and_what_is_not_goes_on():
    model = tiny_model()
    lessons = lessons_in(model)
    seeking = search(model, lessons)
    start = seeking.optimise(dataclasses.replace(SETTINGS, steps=1), Cancel(), nobody).losses
    told = []
    limit = dataclasses.replace(SETTINGS, learnt=float(start.mean()), steps=3)
    seeking.optimise(limit, Cancel(), lambda found, _: told.append(found))
    assert told[0] == int((start < start.mean()).sum()) == 1
    assert told == sorted(told)


def test_numbers_that_are_none_any_more_are_told_with_the_edit():
    model = tiny_model()
    seeking = search(model, lessons_in(model))
    seeking._rows.hidden[1] = torch.nan
    with pytest.raises(EditError, match=r"value of edit e1 .* blew up"):
        seeking.optimise(SETTINGS, Cancel(), nobody)


def test_a_stop_is_heard():
    cancel = Cancel()
    cancel.set()
    model = tiny_model()
    with pytest.raises(Cancelled):
        search(model, lessons_in(model)).optimise(SETTINGS, cancel, nobody)


def test_groups_hold_every_lesson_once_and_follow_the_memory(monkeypatch):
    model = tiny_model()
    lessons = lessons_in(model)
    assert sorted(number for group in grouped(model, LAYER, lessons) for number in group) == [0, 1]
    monkeypatch.setattr("engine.editors.target_values.free_memory", lambda _: 1)
    assert [len(group) for group in grouped(model, LAYER, lessons)] == [1, 1]
    assert grouped(model, LAYER, []) == []
