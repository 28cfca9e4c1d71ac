"""Where the neuron of a query comes from: a trained generator of either kind, or the neurons as they were collected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.meg.generator import Generator
from engine.meg.settings import GeneratorSettings
from engine.meg.stored import StoredNeurons


class NeuronSource(Protocol):
    """Gives neurons, and can be kept."""

    def generate(self, z: Tensor, anchors: Tensor) -> Tensor:
        """The neurons [rows, 2·d_model + 1] of queries z [rows, z] about edits with the prompts `anchors` [rows, z]."""

    def to(self, device: torch.device) -> NeuronSource:
        """The same on `device`."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and numbers from which `restored` makes the same source."""


def restored(
    tensors: Mapping[str, Tensor],
    meta: Mapping[str, Any],
    z_width: int,
    settings: GeneratorSettings,
    device: torch.device,
) -> NeuronSource:
    """The source of a `state`, on `device`."""
    if settings.kind == "stored":
        return StoredNeurons.restored(tensors, device)
    return Generator.restored(tensors, meta, z_width, settings, device)
