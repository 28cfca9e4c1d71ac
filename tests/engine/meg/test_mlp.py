"""The MLP in the transformer's place."""

from __future__ import annotations

from dataclasses import replace

import torch

from engine.meg.generator import Generator
from engine.meg.mlp import NeuronMLP
from tests.engine.meg.test_generator import NEURONS, SMALL, Z, train

PLAIN = replace(SMALL, kind="mlp", steps=200, noise=0.05)


def test_it_learns_which_neuron_belongs_to_which_z() -> None:
    generator = train(settings=PLAIN)
    assert isinstance(generator.transformer, NeuronMLP)
    assert (torch.cdist(generator.generate(Z, Z), NEURONS).argmin(1) == torch.arange(12)).all()


def test_it_starts_at_the_mean_neuron() -> None:
    torch.manual_seed(0)
    assert torch.equal(NeuronMLP(16, 8, 32, 2)(Z), torch.zeros(12, 8))


def test_it_comes_back_from_its_state() -> None:
    generator = train(settings=replace(PLAIN, steps=30))
    tensors, meta = generator.state()
    again = Generator.restored(tensors, meta, 16, PLAIN, torch.device("cpu"))
    assert torch.equal(again.generate(Z, Z), generator.generate(Z, Z))
