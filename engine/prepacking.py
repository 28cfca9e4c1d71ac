"""A module as it is asked soonest: in half the bits, its weights laid out as the processor multiplies with them.

Questions come one at a time, a dozen tokens long. Most of what such a product takes is fetching the weight and putting
it into the order that the processor's instructions want; both are done once here, and not for every question.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from engine.device import multiplies_bfloat16

ModuleT = TypeVar("ModuleT", bound=nn.Module)
_OPERATIONS = ("_reorder_linear_weight", "_linear_pointwise")
"""Of torch, by which what it compiles multiplies too; not promised to stay, and left out where they are missing."""


class PackedLinear(nn.Module):
    """A linear layer with its weight packed for the processor."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self.register_buffer("packed", packed, persistent=False)
        self.bias = linear.bias

    packed: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """x [..., inward] → [..., outward]."""
        result: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
        return result


def swift(module: ModuleT, device: torch.device) -> ModuleT:
    """`module` itself, or on a processor that multiplies bfloat16 numbers a copy in them, for inference alone.

    The copy takes and gives bfloat16 numbers. What is done to `module` later is not done to it.
    """
    if device.type != "cpu" or not multiplies_bfloat16():
        return module
    made = copy.deepcopy(module).to(torch.bfloat16).requires_grad_(False)
    if all(hasattr(torch.ops.mkldnn, operation) for operation in _OPERATIONS):
        for parent in list(made.modules()):
            for name, child in parent.named_children():
                if type(child) is nn.Linear:
                    setattr(parent, name, PackedLinear(child))
    return made
