"""The dynamic neuron: one (k, b, v), or a few of them, for each row of a batch, attached to one FFN block.

It adds act(k·h + b)·v to the block's output, where h [d_model] is the block's input and act the block's own
activation (arXiv 2512.14395, section 3); several neurons add their sum. Rows without a neuron are left exactly as
they are, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.ffn_blocks import FFNBlock


@dataclass(frozen=True, slots=True)
class Neurons:
    """For each of n rows m neurons: input weights k and output weights v [n, m, d_model], biases b [n, m]."""

    k: Tensor
    b: Tensor
    v: Tensor

    @classmethod
    def always_on(cls, n: int, d_model: int, device: torch.device, each: int = 1) -> Neurons:
        """k = 0, b = 1, v = 0: neurons that fire everywhere and do nothing yet.

        From here every output weight has a gradient at the first step, which small random weights do not give. Of
        several neurons a row those after the first look in a direction each: alike, they would be moved alike.
        """
        directions = torch.randn(each, d_model, generator=torch.Generator().manual_seed(0)) / d_model**0.5
        directions[0] = 0
        return cls(
            directions.to(device).repeat(n, 1, 1),
            torch.ones(n, each, device=device),
            torch.zeros(n, each, d_model, device=device),
        )

    @classmethod
    def random(cls, n: int, d_model: int, device: torch.device, each: int = 1) -> Neurons:
        """Small random k and v, b = 0 (arXiv 2512.14395), drawn from torch's global generator."""
        k, v = 0.02 * torch.randn(2, n, each, d_model, device=device)
        return cls(k, torch.zeros(n, each, device=device), v)

    @classmethod
    def from_flat(cls, flat: Tensor, d_model: int) -> Neurons:
        """The inverse of `flat`: rows of [n, m·(2·d_model + 1)]."""
        apart = flat.unflatten(1, (-1, 2 * d_model + 1))
        return cls(apart[..., :d_model], apart[..., d_model], apart[..., d_model + 1 :])

    def flat(self) -> Tensor:
        """Every row's neurons as one row of 2·d_model + 1 numbers each: k, b, v, and the next one's."""
        return torch.cat([self.k, self.b[..., None], self.v], dim=2).flatten(1)

    def rows(self, index: Tensor) -> Neurons:
        """The neurons that `index` names, in its order."""
        return Neurons(self.k[index], self.b[index], self.v[index])

    def __len__(self) -> int:
        return len(self.b)


class NeuronSlot:
    """The place in one FFN block where neurons are put and taken out again."""

    def __init__(self, block: FFNBlock) -> None:
        self._activation = block.activation
        self._input: Tensor | None = None
        self._neurons: Neurons | None = None
        self._rows: Tensor | None = None
        self._of = 0
        self._handles = (
            block.inlet.register_forward_pre_hook(self._see),
            block.outlet.register_forward_hook(self._add),
        )

    def put(self, neurons: Neurons | None, rows: Tensor | None = None, of: int = 0) -> None:
        """Use `neurons` from now on: neuron i for batch row `rows[i]`, or for row i where `rows` is not given.

        `of` is the number of rows of the batch; where decoding holds several beams or samples a row, each of them
        gets its row's neuron.
        """
        self._neurons = neurons if neurons is not None and len(neurons) else None
        self._rows = rows
        self._of = of

    def remove(self) -> None:
        """Take the slot out of the block for good."""
        for handle in self._handles:
            handle.remove()
        self._input = self._neurons = self._rows = None

    def _see(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        if self._neurons is not None:
            self._input = args[0]

    def _add(self, _: nn.Module, __: tuple[Any, ...], output: Tensor) -> Tensor | None:
        neurons, hidden = self._neurons, self._input
        if neurons is None or hidden is None:
            return None
        self._input = None
        if self._rows is None:
            return output + self.contribution(neurons, hidden).to(output.dtype)
        rows, times = self._rows, len(output) // self._of if self._of else 1
        if times > 1:
            rows = (rows[:, None] * times + torch.arange(times, device=rows.device)).flatten()
            neurons = neurons.rows(torch.arange(len(neurons), device=rows.device).repeat_interleave(times))
        changed = output.clone()
        changed[rows] += self.contribution(neurons, hidden[rows]).to(output.dtype)
        return changed

    def contribution(self, neurons: Neurons, hidden: Tensor) -> Tensor:
        """What `neurons` add to the block's output: Σ act(k·h + b)·v for hidden states h [rows, length, d_model].

        Computed in the neurons' own precision, or in that of autocast where it is on.
        """
        states = hidden.to(neurons.k.dtype)
        total: Tensor | None = None
        for k, b, v in zip(neurons.k.unbind(1), neurons.b.unbind(1), neurons.v.unbind(1), strict=True):
            fired = self._activation(torch.einsum("rtd,rd->rt", states, k) + b[:, None])
            one = fired[:, :, None] * v[:, None, :]
            total = one if total is None else total + one
        if total is None:
            raise ValueError("a row without a neuron has no contribution")
        return total


@contextmanager
def attached(block: FFNBlock) -> Iterator[NeuronSlot]:
    """A slot in `block` for the time of the with-statement."""
    slot = NeuronSlot(block)
    try:
        yield slot
    finally:
        slot.remove()
