"""A generator with a memory: the few edits that it does not answer keep the neurons that were found for them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.meg.neuron_source import NeuronSource
from engine.meg.stored import StoredNeurons


class CompletedGenerator:
    """A generator, and the collected neurons that stand in for what it makes of some edits."""

    def __init__(self, generator: NeuronSource, kept: StoredNeurons) -> None:
        """`kept` has at least one edit."""
        self.generator, self.kept = generator, kept

    @torch.no_grad()
    def generate(self, z: Tensor, anchors: Tensor) -> Tensor:
        """The neurons of queries z [rows, z] about edits with the prompts `anchors` [rows, z]: kept, or generated."""
        neurons = self.generator.generate(z, anchors)
        nearest = self.kept.prompts[(anchors @ self.kept.prompts.T).argmax(1)]
        theirs = (nearest == anchors).all(1)
        neurons[theirs] = self.kept.generate(z[theirs], anchors[theirs])
        return neurons

    def to(self, device: torch.device) -> CompletedGenerator:
        """The same on `device`."""
        return CompletedGenerator(self.generator.to(device), self.kept.to(device))


def completed(generator: NeuronSource, prompts: Tensor, neurons: Tensor, rows: Sequence[int]) -> NeuronSource:
    """`generator`, with the `neurons` [edits, …] of `rows` kept; `prompts` [edits, z] are the edits' own vectors."""
    if not rows:
        return generator
    return CompletedGenerator(generator, StoredNeurons(prompts[list(rows)], neurons[list(rows)].to(prompts.device)))
