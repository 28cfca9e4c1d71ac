"""Some of a model's weights exchanged for changed ones, and given back bit for bit.

The original tensors are put aside and put back, never computed back: no rounding, and no copy of what is not changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from engine.language_model import LanguageModel


@dataclass(frozen=True, slots=True)
class Matrix:
    """The weight of one linear map of a model, by the name that the model's state_dict has for it."""

    name: str
    weight: nn.Parameter
    transposed: bool  # stored as [inputs, outputs], as GPT-2's Conv1D does

    @classmethod
    def of(cls, model: LanguageModel, module: nn.Module) -> Matrix:
        """The weight of `module`, a linear map anywhere inside `model`."""
        weight = module.get_parameter("weight")
        name = next(name for name, parameter in model.model.named_parameters() if parameter is weight)
        return cls(name, weight, isinstance(module, Conv1D))

    @classmethod
    def outlet(cls, model: LanguageModel, layer: int) -> Matrix:
        """The output weight of FFN block `layer`: [d_model, d_ff] where it is not stored transposed."""
        return cls.of(model, model.blocks[layer].outlet)

    def turned(self, tensor: Tensor) -> Tensor:
        """`tensor` [outputs, inputs] as the model stores it; what the model stores, as [outputs, inputs]."""
        return tensor.T if self.transposed else tensor


class WeightExchange:
    """The place where weights of a model are exchanged; until `put` nothing is."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._originals: dict[str, Tensor] = {}

    def put(self, changes: Mapping[str, Tensor]) -> None:
        """Let each weight that is named be the original plus its change, and every other the original.

        `changes` go by parameter name and are shaped as the model stores the weight; any float format, any device.
        """
        parameters = {name: self._model.get_parameter(name) for name in changes}
        originals = {name: self._originals.get(name, parameter.data) for name, parameter in parameters.items()}
        changed = {name: _plus(originals[name], change) for name, change in changes.items()}
        self.give_back()
        self._originals = originals
        for name, parameter in parameters.items():
            parameter.data = changed[name]

    def give_back(self) -> None:
        """The original weights: the very tensors that were there."""
        for name, original in self._originals.items():
            self._model.get_parameter(name).data = original
        self._originals = {}

    @contextmanager
    def originals(self) -> Iterator[None]:
        """The original weights for the time of the with-statement."""
        changed = {name: self._model.get_parameter(name).data for name in self._originals}
        try:
            for name, original in self._originals.items():
                self._model.get_parameter(name).data = original
            yield
        finally:
            for name, tensor in changed.items():
                self._model.get_parameter(name).data = tensor


@contextmanager
def exchanged(model: nn.Module, changes: Mapping[str, Tensor]) -> Iterator[WeightExchange]:
    """`model` with `changes` put to its weights for the time of the with-statement."""
    exchange = WeightExchange(model)
    try:
        exchange.put(changes)
        yield exchange
    finally:
        exchange.give_back()


def growth(original: Tensor, change: Tensor) -> float:
    """‖change‖ / ‖original‖ (Frobenius); NaN and infinities stay what they are."""
    return float(change.float().norm() / original.float().norm().clamp(min=torch.finfo(torch.float32).tiny))


def _plus(original: Tensor, change: Tensor) -> Tensor:
    """original + change in the original's format; where the change is 0 the original's own bits, a -0 included."""
    change = change.to(original.device)
    wider = torch.promote_types(original.dtype, change.dtype)
    return torch.where(change == 0, original, (original.to(wider) + change.to(wider)).to(original.dtype))
