"""What FFN blocks read and write while a model runs: their keys, and the stream that their layers pass on.

A *key* is what enters a block's outlet, the map from d_ff to d_model: k = σ(W_in h), gated where the block is. What
the outlet makes of it, W k (+ bias), is the block's *value*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.language_model import Batch, LanguageModel


@dataclass(frozen=True, slots=True)
class FFNStates:
    """What was seen in one forward pass, by layer."""

    keys: dict[int, Tensor]  # [rows, length, d_ff]
    values: dict[int, Tensor]  # [rows, length, d_model]


class _Seen(Exception):
    """Raised inside a forward pass once all that was wanted is known."""


@torch.no_grad()
def read_ffn_states(model: LanguageModel, batch: Batch, layers: Sequence[int]) -> FFNStates:
    """The keys and values of the blocks of `layers` on `batch`. Nothing after the deepest of them runs."""
    keys: dict[int, Tensor] = {}
    values: dict[int, Tensor] = {}
    deepest = max(layers)

    def see(layer: int) -> Any:
        def seen(_: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
            shape = batch.input_ids.shape
            # A block may flatten rows and positions into one; the order stays.
            keys[layer], values[layer] = (state.detach().reshape(*shape, -1) for state in (args[0], output))
            if layer == deepest:
                raise _Seen

        return seen

    handles = [model.blocks[layer].outlet.register_forward_hook(see(layer)) for layer in sorted(set(layers))]
    try:
        model.logits(batch, keep=1)
    except _Seen:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return FFNStates(keys, values)
