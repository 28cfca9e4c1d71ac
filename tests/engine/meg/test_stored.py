"""Neurons as they were collected."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from engine.meg.stored import StoredNeurons


def test_the_neuron_of_the_nearest_prompt_comes_back() -> None:
    prompts = F.normalize(torch.randn(7, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    neurons = torch.arange(7 * 5, dtype=torch.float32).view(7, 5)
    stored = StoredNeurons(prompts, neurons)
    rows = torch.tensor([3, 0, 6, 3])
    strange = torch.zeros(4, 16)
    assert torch.equal(stored.generate(strange, prompts[rows]), neurons[rows])
