"""Which blocks an editor writes to."""

from __future__ import annotations

from engine.edits import EditError
from engine.language_model import LanguageModel


def choose_layer(model: LanguageModel, wanted: int | None) -> int:
    """The block to edit: `wanted`, or the one in the middle; raises EditError for a block that is not there."""
    if wanted is None:
        return len(model.blocks) // 2
    check_layers(model, range(wanted, wanted + 1))
    return wanted


def check_layers(model: LanguageModel, layers: range) -> None:
    """Raise EditError where the blocks `layers`, one at least, are not all there."""
    last = len(model.blocks) - 1
    if not 0 <= layers[0] <= layers[-1] <= last:
        named, remedy = f"Layer {layers[0]} does not exist", "choose another"
        if len(layers) > 1:
            named, remedy = f"Layers {layers[0]} to {layers[-1]} do not all exist", "choose fewer or others"
        raise EditError(f"{named}: this model has layers 0 to {last}, {remedy}.")
