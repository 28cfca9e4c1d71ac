"""A generator with a memory: the few edits that it does not answer keep the neurons that were found for them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from engine.meg.collection import Collected
from engine.meg.neuron_source import NeuronSource


class CompletedGenerator:
    """A generator, and the collected neurons that stand in for what it makes of some edits."""

    def __init__(self, generator: NeuronSource, prompts: Tensor, kept: Sequence[Tensor]) -> None:
        """`prompts` [edits, z] are the unit vectors of at least one edit, `kept` the neurons of each, flat."""
        self.generator, self.prompts, self.kept = generator, prompts, list(kept)

    @torch.no_grad()
    def generate(self, z: Tensor, anchors: Tensor) -> Tensor:
        """The neurons of queries z [rows, z] about edits with the prompts `anchors` [rows, z]: kept, or generated.

        Rows with fewer neurons than others are filled up with some that are all zero, which do nothing.
        """
        neurons = self.generator.generate(z, anchors)
        nearest = (anchors @ self.prompts.T).argmax(1)
        theirs = (self.prompts[nearest] == anchors).all(1)
        if not bool(theirs.any()):
            return neurons
        kept = pad_sequence([self.kept[edit] for edit in nearest[theirs].tolist()], batch_first=True)
        widest = max(kept.shape[1], neurons.shape[1])
        neurons = F.pad(neurons, (0, widest - neurons.shape[1]))
        neurons[theirs] = F.pad(kept, (0, widest - kept.shape[1]))
        return neurons

    def to(self, device: torch.device) -> CompletedGenerator:
        """The same on `device`."""
        return CompletedGenerator(
            self.generator.to(device), self.prompts.to(device), [neurons.to(device) for neurons in self.kept]
        )


def completed(generator: NeuronSource, prompts: Tensor, collected: Collected, rows: Sequence[int]) -> NeuronSource:
    """`generator`, with what was `collected` for `rows` kept; `prompts` [edits, z] are the edits' own vectors."""
    if not rows:
        return generator
    return CompletedGenerator(generator, prompts[list(rows)], [collected.own(row).to(prompts.device) for row in rows])
