"""Which block an editor writes to."""

from __future__ import annotations

from engine.edits import EditError
from engine.language_model import LanguageModel


def choose_layer(model: LanguageModel, wanted: int | None) -> int:
    """The block to edit: `wanted`, or the one in the middle; raises EditError for a block that is not there."""
    if wanted is None:
        return len(model.blocks) // 2
    if not 0 <= wanted < len(model.blocks):
        raise EditError(f"Layer {wanted} does not exist: this model has layers 0 to {len(model.blocks) - 1}.")
    return wanted
