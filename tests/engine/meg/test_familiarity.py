from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from engine.meg.familiarity import FamiliaritySettings, random_labels, train_familiarity
from engine.runs import Cancel, Cancelled, seeded

SMALL = FamiliaritySettings(heads=16, blocks=2, widening=2, steps=200, batch=64, learning_rate=4e-3, noise=0.3)


def unit(*shape, seed):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def trained(cancel=None):
    with seeded(0, "test"):
        return train_familiarity(
            unit(40, 32, seed=1),
            random_labels([str(row) for row in range(40)], SMALL),
            unit(60, 32, seed=2),
            SMALL,
            steps=SMALL.steps,
            cancel=cancel or Cancel(),
        )


def test_what_was_memorised_is_familiar_and_what_was_not_is_strange():
    network = trained()
    familiar, strange = network.entropy(unit(40, 32, seed=1)), network.entropy(unit(100, 32, seed=3))
    near = network.entropy(F.normalize(unit(40, 32, seed=1) + 0.3 * unit(40, 32, seed=4), dim=-1))
    assert familiar.max() < strange.median()
    assert near.mean() < strange.mean() - 0.2
    assert 0 <= familiar.min() <= strange.max() <= 1


def test_the_same_seed_gives_the_same_network():
    first, again = trained().state_dict(), trained().state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_cancel_stops_it():
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        trained(cancel)


def test_the_papers_network_has_one_head():
    settings = FamiliaritySettings.paper()
    assert (settings.heads, settings.noise, settings.strangers) == (1, 0, 0)
