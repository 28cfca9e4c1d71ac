"""MEMIT: many edits at once, spread over several layers (arXiv 2210.07229, equation 14).

A layer's change is Δ = R Kᵀ (λ C + K Kᵀ)⁻¹: the least-squares solution that writes the shares R under the keys K while
λ keys of the kind that the model usually meets keep what they had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from engine.device import exact
from engine.editors.key_statistics import SecondMoment, factor_of
from engine.editors.settings.memit import MemitSettings
from engine.editors.spreading import SpreadEditor, SpreadPack, evenly
from engine.edits import Edit

USUAL_WEIGHT = 0.3
"""λ for each edit written at once, where none was named."""


class MemitSolver:
    """MEMIT's solution for one layer, in float64. Edits that were written before count for nothing."""

    def __init__(self, settings: MemitSettings, moments: Mapping[int, SecondMoment]) -> None:
        self._weight, self._moments = settings.preserving, moments

    def change(self, layer: int, keys: Tensor, shares: Tensor) -> Tensor:
        """Δ [d_model, d_ff] of `keys` [edits, d_ff] and `shares` [edits, d_model]. Raises EditError as `factor_of`."""
        weight = USUAL_WEIGHT * len(keys) if self._weight is None else self._weight
        matrix = weight * exact(self._moments[layer].matrix) + keys.T @ keys
        # The matrix is symmetric: Δ (λ C + K Kᵀ) = R Kᵀ, transposed.
        return torch.cholesky_solve(keys.T @ shares, factor_of(matrix, layer)).T

    def learnt(self, layer: int, keys: Tensor) -> None:
        """Nothing: the next batch is solved without a thought of this one."""

    def figures(self) -> dict[str, Any]:
        """Nothing beyond the settings."""
        return {}


class MemitPack(SpreadPack):
    """What MEMIT wrote."""

    solver = MemitSolver


class MemitEditor(SpreadEditor):
    """MEMIT, behind the Editor protocol."""

    name = "memit"
    pack = MemitPack

    def __init__(self, settings: MemitSettings | None = None) -> None:
        self.settings: MemitSettings = settings or MemitSettings()

    def batched(self, edits: Sequence[Edit], settings: MemitSettings) -> list[Sequence[Edit]]:
        """All at once, unless the settings say how many."""
        return evenly(edits, settings.batch or len(edits))
