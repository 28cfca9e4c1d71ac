"""Where the neuron of a query comes from: a trained generator of either kind, or the neurons as they were collected."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class NeuronSource(Protocol):
    """Gives neurons."""

    def generate(self, z: Tensor, anchors: Tensor) -> Tensor:
        """The neurons of queries z [rows, z] about edits with the prompts `anchors` [rows, z], m a row.

        They are as `Neurons.flat` has them: [rows, m·(2·d_model + 1)].
        """

    def to(self, device: torch.device) -> NeuronSource:
        """The same on `device`."""
