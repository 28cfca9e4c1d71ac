from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.language_model import target_loss
from engine.meg.collection import Collected, CollectionSettings, Lesson, LessonGroup, collect, group_size
from engine.neuron import Neurons, attached
from engine.runs import Cancel, Cancelled, seeded
from tests.tiny_models import D_MODEL, tiny_model

LESSONS = [
    Lesson(("Oslo lies in", "The land of Oslo is"), "ab", (("Bern lies in", "zz"),)),
    Lesson(("Rome lies in",), "cd", (("Kiev lies in", "yy"),)),
    Lesson(("Q: Where is Lima? A:",), "e", (("Q: Where is Riga? A:", "xx"),)),
]
SETTINGS = CollectionSettings(steps=60, learning_rate=0.2)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    model = tiny_model("llama")
    for weight in model.model.parameters():  # a random model is nearly deaf: give its blocks something to say
        weight.mul_(3)
    return model


def run(model, lessons=LESSONS, settings=SETTINGS, cancel=None):
    return collect(model, 1, lessons, settings, cancel=cancel or Cancel(), report=lambda *_: None)


def test_neurons_lower_the_loss_of_their_own_lesson(model):
    found = run(model)
    assert found.neurons.shape == (3, 2 * D_MODEL + 1)
    with attached(model.blocks[1]) as slot:
        group = LessonGroup(model, 1, LESSONS, slot)
        nothing, _ = group.score(0, torch.zeros(3, 2 * D_MODEL + 1))
        swapped, _ = group.score(0, found.neurons[[1, 2, 0]])
    assert (found.losses < 0.75 * nothing).all()
    assert (found.losses < swapped).all()


def test_a_lesson_is_learnt_as_well_alone_as_among_others(model):
    together, alone = run(model), run(model, LESSONS[:1])
    assert alone.losses[0] == pytest.approx(float(together.losses[0]), abs=0.3)


def test_guards_hold_the_neuron_back(model):
    free = CollectionSettings(steps=60, learning_rate=0.2, guard_weight=0.0)
    careful = CollectionSettings(steps=60, learning_rate=0.2, guard_weight=4.0)
    other = [Lesson((query,), answer) for lesson in LESSONS for query, answer in lesson.guards]
    with attached(model.blocks[1]) as slot:
        guards = LessonGroup(model, 1, other, slot)
        strayed, kept = (guards.score(0, run(model, settings=s).neurons)[0].sum() for s in (free, careful))
    assert kept < strayed


def test_the_same_lessons_give_the_same_neurons(model):
    assert torch.equal(run(model).neurons, run(model).neurons)


def test_a_lesson_of_no_numbers_is_not_learnt_and_costs_the_others_nothing():
    torch.manual_seed(3)
    model = tiny_model("llama")
    alone = run(model, LESSONS[:2])
    (strange,) = model.target_ids("Oslo lies in", "Z", "verbatim")
    model.model.get_input_embeddings().weight[strange] = torch.nan
    found = run(model, [*LESSONS[:2], Lesson(("Z lies in",), "ab")])
    assert found.neurons.isfinite().all()
    assert found.losses.isfinite().all()
    assert not found.answered[2]
    assert found.losses[2] > found.losses[:2].max()
    torch.testing.assert_close(found.neurons[:2], alone.neurons)


def test_a_random_start_learns_too_and_draws_from_torchs_generator(model):
    random = CollectionSettings(steps=60, learning_rate=0.2, start="random")
    found = []
    for seed in (0, 0, 1):
        with seeded(seed, "collection"):
            found.append(run(model, settings=random))
    assert torch.equal(found[0].neurons, found[1].neurons)
    assert not torch.equal(found[0].neurons, found[2].neurons)
    assert not torch.equal(found[0].neurons, run(model).neurons)
    with attached(model.blocks[1]) as slot:
        nothing, _ = LessonGroup(model, 1, LESSONS, slot).score(0, torch.zeros(3, 2 * D_MODEL + 1))
    assert (found[0].losses < nothing).all()


def test_cancel_stops_it(model):
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        run(model, cancel=cancel)


def test_better_neurons_replace_worse_ones():
    mine = Collected(torch.zeros(3, 5), torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3, dtype=torch.bool))
    mine.improve([0, 2], Collected(torch.ones(2, 5), torch.tensor([5.0, 1.0]), torch.tensor([False, False])))
    assert mine.losses.tolist() == [1.0, 2.0, 1.0]
    assert mine.neurons.sum(1).tolist() == [0, 0, 5]


def found_for(lessons, numbers, answered):
    return Collected(torch.full((lessons, numbers), 7.0), torch.zeros(lessons), torch.tensor(answered))


def test_more_neurons_stand_beside_the_first_ones_where_they_are_better():
    mine = Collected(torch.ones(3, 5), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([False, True, False]))
    other = Collected(torch.full((2, 20), 4.0), torch.tensor([0.1, 9.0]), torch.tensor([True, False]))
    mine.improve([0, 2], other)
    assert list(mine.larger) == [0]
    assert torch.equal(mine.own(0), torch.full((20,), 4.0))
    assert torch.equal(mine.own(2), torch.ones(5))
    assert torch.equal(mine.neurons, torch.ones(3, 5))
    assert mine.answered.tolist() == [True, True, False]


@given(st.lists(st.integers(0, 4), max_size=5, unique=True), st.permutations(range(5)))
def test_what_was_collected_is_the_same_after_it_was_kept_and_in_another_order(larger, order):
    sizes = {row: torch.arange(5.0 * (row + 2)) for row in larger}
    mine = Collected(torch.rand(5, 5), torch.rand(5), torch.rand(5) > 0.5, sizes)
    back = Collected.restored(mine.tensors())
    turned = Collected.blank(5, 5)
    turned.put(order, back.rows(order))
    for row in range(5):
        assert torch.equal(turned.own(row), mine.own(row))
    assert list(turned.rows(range(5)).larger) == sorted(larger)
    for one, other in zip((turned.losses, turned.answered), (mine.losses, mine.answered), strict=True):
        assert torch.equal(one, other)


def test_what_is_found_anew_takes_the_place_of_more_neurons_too():
    mine = found_for(2, 5, [True, True])
    mine.larger[1] = torch.zeros(20)
    mine.put([1], found_for(1, 5, [True]))
    assert mine.larger == {}


def test_an_edit_that_one_neuron_cannot_hold_gets_four_times_as_many_until_it_is_held(model):
    long = Lesson(("The word of the day is",), "hg fe dc")
    lessons = [LESSONS[0], long]
    patient = CollectionSettings(steps=60, learning_rate=0.2, second_try=2, most=1)
    one = run(model, lessons, patient)
    assert not one.answered[1]
    assert one.larger == {}
    several = run(model, lessons, replace(patient, most=16))
    assert several.answered[1]
    assert several.losses[1] < one.losses[1]
    count = len(several.larger[1]) // (2 * D_MODEL + 1)
    assert count in (4, 16)
    assert torch.equal(several.neurons[1], one.neurons[1])
    with attached(model.blocks[1]) as slot:
        group = LessonGroup(model, 1, [long], slot)
        assert bool(group.score(0, several.larger[1][None])[1])
        filled = torch.cat([several.larger[1], torch.zeros(2 * D_MODEL + 1)])
        torch.testing.assert_close(group.score(0, filled[None])[0], group.score(0, several.larger[1][None])[0])


def test_without_a_second_try_there_is_none_with_more_neurons(model):
    assert run(model, LESSONS, replace(SETTINGS, steps=1, second_try=0)).larger == {}


def test_groups_follow_the_free_memory_and_what_is_asked(model, monkeypatch):
    def size(free, lessons=LESSONS):
        monkeypatch.setattr("engine.meg.collection.free_memory", lambda _: free)
        return group_size(model, 1, lessons, SETTINGS)

    long = [Lesson(("Oslo lies in",), "far away " * 20), *LESSONS]
    assert size(10**12) == SETTINGS.group
    assert size(0) == 8
    assert size(40_000_000) > size(5_000_000)
    assert size(40_000_000, long) < size(40_000_000)
    assert size(40_000_000) == size(40_500_000)  # a little more or less free memory makes no other groups
    assert group_size(model, 1, [], SETTINGS) == SETTINGS.group


def test_a_lesson_without_guards_takes_none_from_the_others(model):
    careful = CollectionSettings(steps=60, learning_rate=0.2, guard_weight=4.0)
    bare = Lesson(("Nuuk lies in",), "fg")
    alone, beside = run(model, settings=careful), run(model, [*LESSONS, bare], careful)
    torch.testing.assert_close(beside.losses[:3], alone.losses, rtol=0.3, atol=0.3)
    other = [Lesson((query,), answer) for lesson in LESSONS for query, answer in lesson.guards]
    with attached(model.blocks[1]) as slot:
        guards = LessonGroup(model, 1, other, slot)
        kept, strayed = (guards.score(0, found.neurons[:3])[0] for found in (beside, run(model, settings=SETTINGS)))
    assert kept.sum() < strayed.sum()


def test_lessons_without_guards_are_learnt_as_if_there_were_none_to_have(model):
    bare = [Lesson(lesson.asks, lesson.target) for lesson in LESSONS]
    assert torch.equal(
        run(model, bare).neurons, run(model, bare, CollectionSettings(steps=60, learning_rate=0.2)).neurons
    )


@pytest.mark.parametrize("name", ["llama", "gptj", "gemma2"])
def test_scores_are_those_of_the_model_with_the_neurons_in_it(name):
    model = tiny_model(name)
    neurons = 0.3 * torch.randn(3, 2 * D_MODEL + 1, generator=torch.Generator().manual_seed(5))
    with attached(model.blocks[1]) as slot:
        found, _ = LessonGroup(model, 1, LESSONS, slot).score(0, neurons)
        slot.put(Neurons.from_flat(neurons, D_MODEL))
        batch = model.encode_targets([lesson.asks[0] for lesson in LESSONS], [lesson.target for lesson in LESSONS])
        whole = target_loss(model.logits(batch), batch.labels)
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-4)
