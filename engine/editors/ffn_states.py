"""What FFN blocks read and write while a model runs: their keys and values, and the stream that a layer passes on.

A *key* is what enters a block's outlet, the map from d_ff to d_model: k = σ(W_in h), gated where the block is. What
the outlet makes of it, W k (+ bias), is the block's *value*; in most models it is added to the *stream* as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from engine.language_model import Batch, LanguageModel


@dataclass(slots=True)
class FFNStates:
    """What was seen in one forward pass, by layer."""

    keys: dict[int, Tensor] = field(default_factory=dict)  # [rows, length, d_ff]
    values: dict[int, Tensor] = field(default_factory=dict)  # [rows, length, d_model]
    stream: dict[int, Tensor] = field(default_factory=dict)  # [rows, length, d_model]: what the deepest layer returns


class _Seen(Exception):
    """Raised inside a forward pass once all that was wanted is known."""


@torch.no_grad()
def read_ffn_states(model: LanguageModel, batch: Batch, layers: Sequence[int]) -> FFNStates:
    """The keys and values of the blocks of `layers` on `batch`, and the stream after the deepest; none later runs."""
    states, shape, deepest = FFNStates(), batch.input_ids.shape, max(layers)

    def see(layer: int) -> Any:
        def seen(_: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
            # A block may flatten rows and positions into one; the order stays.
            states.keys[layer] = args[0].reshape(*shape, -1)
            states.values[layer] = output.reshape(*shape, -1)

        return seen

    def leave(_: nn.Module, __: object, output: Any) -> None:
        states.stream[deepest] = output[0] if isinstance(output, tuple) else output
        raise _Seen

    handles = [model.blocks[layer].outlet.register_forward_hook(see(layer)) for layer in sorted(set(layers))]
    handles.append(model.layers[deepest].register_forward_hook(leave))
    try:
        model.logits(batch, keep=1)
    except _Seen:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return states
