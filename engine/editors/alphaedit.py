"""AlphaEdit: edits are written where the model usually reads nothing (arXiv 2410.02355, equations 6 to 14).

With C = U S Uᵀ the second moment of a layer's keys, P = U₀ U₀ᵀ projects onto the directions that usual keys hardly
have. A batch's change is Δ = R Kᵀ P (K_p K_pᵀ P + K Kᵀ P + L₂ I)⁻¹, K_p being the keys of all edits written before, so
that usual keys keep what they had, and earlier edits nearly so. Δ lies in the range of P: it is solved for in the
coordinates of U₀, where the matrix is symmetric and positive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from engine.device import exact
from engine.editors.key_statistics import SecondMoment
from engine.editors.settings.alphaedit import AlphaEditSettings
from engine.editors.spreading import SpreadEditor, SpreadPack, evenly
from engine.edits import Edit, EditError
from engine.language_model import LanguageModel

NEARLY_FULL = 0.99
"""The share of a layer's directions that cannot all be unused: a projector onto nearly all of them protects nothing."""


def null_space(moment: SecondMoment, settings: AlphaEditSettings) -> Tensor:
    """U₀ [d_ff, rank], float64: the directions of C, `moment`, that count as unused.

    “absolute” takes the eigenvalues below a number, as the reference does: it depends on the scale of the model's keys.
    “share” takes the smallest eigenvalues that together are at most a share of their sum, which does not.
    """
    values, vectors = moment.spectrum()
    if settings.threshold == "absolute":
        rank = int((values < settings.unused).sum())
    else:
        rank = int((values.cumsum(0) <= settings.unused * values.sum()).sum())
    space: Tensor = vectors[:, :rank]
    return space


class AlphaEditSolver:
    """AlphaEdit's solution for one layer, in float64; it remembers the keys of all edits that were written."""

    def __init__(self, settings: AlphaEditSettings, moments: Mapping[int, SecondMoment]) -> None:
        """Raises EditError where nothing is unused, or nearly everything."""
        self._settings = settings
        self._spaces = {layer: null_space(moment, settings) for layer, moment in moments.items()}
        self._lengths = {layer: float(exact(moment.matrix).trace()) for layer, moment in moments.items()}
        for layer, space in self._spaces.items():
            size, rank = space.shape
            if not 0 < rank < NEARLY_FULL * size:
                raise EditError(
                    f"Of the {size:,} directions of layer {layer}'s keys {rank:,} count as unused, so that there is "
                    f"{'nowhere to write' if not rank else 'nothing that is kept'}: "
                    f"{'raise' if not rank else 'lower'} “unused below”."
                )
        self._met = {
            layer: torch.zeros((space.shape[1], space.shape[1]), dtype=space.dtype, device=space.device)
            for layer, space in self._spaces.items()
        }

    def change(self, layer: int, keys: Tensor, shares: Tensor) -> Tensor:
        """Δ [d_model, d_ff] of `keys` [edits, d_ff] and `shares` [edits, d_model]."""
        space = self._spaces[layer]
        inside = keys @ space
        matrix = self._met[layer] + inside.T @ inside
        ridge = self._settings.ridge * (self._lengths[layer] if self._settings.threshold == "share" else 1.0)
        matrix.diagonal().add_(ridge)
        return (space @ torch.cholesky_solve(inside.T @ shares, torch.linalg.cholesky(matrix))).T

    def learnt(self, layer: int, keys: Tensor) -> None:
        """Later batches leave these keys what they have."""
        inside = keys @ self._spaces[layer]
        self._met[layer] += inside.T @ inside

    def figures(self) -> dict[str, Any]:
        """The rank of each layer's null space, of so many directions."""
        return {"null space": {str(layer): list(space.shape[::-1]) for layer, space in self._spaces.items()}}


class AlphaEditPack(SpreadPack):
    """What AlphaEdit wrote, batch by batch."""

    solver = AlphaEditSolver


class AlphaEditEditor(SpreadEditor):
    """AlphaEdit, behind the Editor protocol."""

    name = "alphaedit"
    pack = AlphaEditPack

    def __init__(self, settings: AlphaEditSettings | None = None) -> None:
        self.settings: AlphaEditSettings = settings or AlphaEditSettings()

    def memory_with(self, model: LanguageModel, edits: Sequence[Edit], settings: AlphaEditSettings) -> int:
        """Also, for every layer and in float64, its null space and the keys met in it: d_ff² numbers each, at most."""
        layers = self.layers(model, settings, len(edits))
        return super().memory_with(model, edits, settings) + sum(
            2 * 8 * model.blocks[layer].d_ff ** 2 for layer in layers
        )

    def batched(self, edits: Sequence[Edit], settings: AlphaEditSettings) -> list[Sequence[Edit]]:
        """So many at a time as the settings say."""
        return evenly(edits, settings.batch)
