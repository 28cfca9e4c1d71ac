from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from engine.meg import generator as generator_module
from engine.meg.generator import Generator, GeneratorSettings, Latent, train_generator
from engine.runs import Cancel, Cancelled, seeded
from engine.training_state import flatten, unflatten

SMALL = GeneratorSettings(token=8, width=32, layers=2, heads=2, batch=64, steps=120, check_every=40, sampling_steps=4)


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


Z = F.normalize(draw(12, 16, seed=1), dim=-1)
NEURONS = draw(12, 6, seed=2) @ draw(6, 41, seed=3)


def train(check=lambda _: (0.0, 0.0), cancel=None, settings=SMALL, neurons=NEURONS, **more):
    with seeded(0, "test"):
        return train_generator(
            Z,
            Z,
            torch.arange(12),
            neurons,
            settings,
            steps=settings.steps,
            check=check,
            cancel=cancel or Cancel(),
            report=more.pop("report", lambda *_: None),
            **more,
        )


def test_the_latent_gives_neurons_back():
    latent = Latent.of(NEURONS, SMALL)
    torch.testing.assert_close(latent.decode(latent.encode(NEURONS)), NEURONS, rtol=1e-3, atol=1e-3)
    assert latent.basis.shape == (8, 41)  # six components fill one token of eight
    assert latent.encode(NEURONS)[:, :6].square().mean() == pytest.approx(1, rel=0.01)


def test_the_last_token_is_filled_with_whatever_components_there_are():
    latent = Latent.of(NEURONS, GeneratorSettings(token=8, variance=0.3))
    torch.testing.assert_close(latent.decode(latent.encode(NEURONS)), NEURONS, rtol=1e-3, atol=1e-3)


def test_one_neuron_alone_has_a_latent_too():
    latent = Latent.of(NEURONS[:1], SMALL)
    torch.testing.assert_close(latent.decode(latent.encode(NEURONS[:1])), NEURONS[:1])


def test_a_generator_learns_which_neuron_belongs_to_which_z():
    generator = train(settings=GeneratorSettings(**{**_fields(SMALL), "steps": 500, "noise": 0.05}))
    made = generator.generate(Z, Z)
    distances = torch.cdist(made, NEURONS)
    assert (distances.argmin(1) == torch.arange(12)).all()
    assert torch.equal(made, generator.generate(Z, Z))


def test_a_training_goes_on_from_a_known_generator():
    known = train(settings=replace(SMALL, steps=500, noise=0.05))
    changed = NEURONS[torch.arange(11, -1, -1)]  # each z has another's neuron now
    short = replace(SMALL, steps=200, noise=0.05, from_noise=0.75)
    gone_on, anew = (train(settings=short, neurons=changed, known=start) for start in (known, None))
    assert torch.equal(gone_on.latent.basis, known.latent.basis)
    assert torch.equal(known.generate(Z, Z), train(settings=replace(SMALL, steps=500, noise=0.05)).generate(Z, Z))
    distances = [(made.generate(Z, Z) - changed).norm() for made in (gone_on, anew)]
    assert (torch.cdist(gone_on.generate(Z, Z), changed).argmin(1) == torch.arange(12)).float().mean() > 0.9
    assert distances[0] < 2 * distances[1]


def test_a_latent_says_how_much_of_new_neurons_it_holds():
    latent = Latent.of(NEURONS, SMALL)
    assert latent.held(NEURONS) == pytest.approx(1, abs=1e-3)
    assert latent.held(draw(12, 41, seed=9)) < 0.5


def test_it_stops_once_the_edits_are_answered():
    steps = []
    train(check=lambda _: (1.0, 1.0), report=lambda step, *_: steps.append(step))
    assert steps[-1] == SMALL.check_every


def test_a_resumed_training_equals_an_uninterrupted_one():
    losses, kept = [], {}
    whole = train(report=lambda step, loss, _: losses.append((step, loss)))
    train(keep=lambda step, state: kept.update({step: deepcopy(flatten(state))}))
    again = []
    resumed = train(state=unflatten(*kept[40]), report=lambda step, loss, _: again.append((step, loss)))
    assert again == losses[40:]
    assert torch.equal(resumed.generate(Z, Z), whole.generate(Z, Z))


def test_cancel_stops_it():
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        train(cancel=cancel)


def _fields(settings):
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


PAPER = replace(GeneratorSettings.paper(1.0), token=8, width=32, layers=2, heads=2, batch=64, check_every=40)


def test_raw_weights_go_to_whole_tokens_and_back():
    latent = Latent.of(NEURONS, PAPER)
    assert latent.encode(NEURONS).shape == (12, 48)
    torch.testing.assert_close(latent.encode(NEURONS)[:, :41], NEURONS / 0.01)
    torch.testing.assert_close(latent.decode(latent.encode(NEURONS)), NEURONS)


def test_by_distance_it_stops_once_the_weights_are_near_and_asks_nobody():
    def asked(_):
        raise AssertionError("answers do not matter")

    steps = []
    train(check=asked, settings=replace(PAPER, distance=1e9), report=lambda step, *_: steps.append(step))
    assert steps[-1] == 40
    steps.clear()
    train(check=asked, settings=replace(PAPER, steps=60), report=lambda step, *_: steps.append(step))
    assert steps[-1] == 60


def test_the_clock_ends_it():
    steps = []
    train(settings=replace(PAPER, minutes=0.0), report=lambda step, *_: steps.append(step))
    assert steps == [1]


def test_its_minutes_do_not_pass_while_it_is_held(monkeypatch):
    now, steps = [0.0], []

    class Held(Cancel):
        def check(self):
            now[0] += 100 * 60

    monkeypatch.setattr(generator_module.time, "monotonic", lambda: now[0])

    def report(step, *_):
        steps.append(step)
        now[0] += 30

    train(settings=replace(PAPER, minutes=2.0, distance=0.0), report=report, cancel=Held())
    assert steps[-1] == 5  # of 30 seconds each; what comes after the fourth ends it


def test_a_resumed_training_has_the_rest_of_its_minutes(monkeypatch):
    now, steps, kept = [0.0], [], {}
    monkeypatch.setattr(generator_module.time, "monotonic", lambda: now[0])

    def report(step, *_):
        steps.append(step)
        now[0] += 30

    settings = replace(PAPER, minutes=21.0, distance=0.0)
    train(settings=settings, report=report, keep=lambda step, state: kept.update({step: deepcopy(flatten(state))}))
    assert steps[-1] == 43
    now[0] += 10_000
    train(settings=settings, report=report, state=unflatten(*kept[40]))
    assert steps[-1] == 43


def test_a_generator_of_raw_weights_comes_back_from_its_state():
    generator = train(settings=replace(PAPER, steps=5))
    tensors, meta = generator.state()
    assert "basis" not in tensors  # raw weights need none
    again = Generator.restored(tensors, meta, 16, PAPER, torch.device("cpu"))
    assert torch.equal(again.generate(Z, Z), generator.generate(Z, Z))
