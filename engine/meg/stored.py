"""No generator at all: a query gets the collected neuron of the edit that it is about, as it was found.

Nothing is learnt beyond the neurons, and all of them are kept: what a generator has to beat.
"""

from __future__ import annotations

import torch
from torch import Tensor


class StoredNeurons:
    """The collected neurons [edits, 2·d_model + 1] by the unit vectors of their edits' prompts [edits, z]."""

    def __init__(self, prompts: Tensor, neurons: Tensor) -> None:
        self.prompts, self.neurons = prompts, neurons

    @torch.no_grad()
    def generate(self, z: Tensor, anchors: Tensor) -> Tensor:  # noqa: ARG002  what generators are called with
        """The neurons of the prompts nearest to `anchors` [rows, z], which are those of the edits asked about."""
        return self.neurons[(anchors @ self.prompts.T).argmax(1)]

    def to(self, device: torch.device) -> StoredNeurons:
        """The same on `device`."""
        return StoredNeurons(self.prompts.to(device), self.neurons.to(device))
