"""The FFN blocks of a transformer, found by the shapes of its linear maps whatever the architecture calls them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel
from transformers.activations import ACT2FN
from transformers.pytorch_utils import Conv1D

from engine.model_files import ModelError


@dataclass(frozen=True, slots=True)
class FFNBlock:
    """One feed-forward block: where its input enters and its output leaves.

    `inlet` maps [.., d_model] to [.., d_ff]; `outlet` maps [.., d_ff] to [.., d_model]; `module` holds both, and may be
    the whole layer.
    """

    layer: int
    module: nn.Module
    inlet: nn.Module
    outlet: nn.Module
    d_model: int
    d_ff: int
    activation: nn.Module
    gated: bool  # whether what passes the activation is multiplied with a second map of the input


def find_layers(model: nn.Module) -> nn.ModuleList:
    """The list of transformer layers: the longest ModuleList, the outermost of equals.

    Raises ModelError for a model that has none.
    """
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module)]
    if not lists:
        raise ModelError("This model has no list of transformer layers: it cannot be edited.")
    return max(lists, key=len)


def find_ffn_block(layer: nn.Module, index: int, model: PreTrainedModel) -> FFNBlock:
    """The FFN of one layer, found by the shapes of its linear maps: d_model → d_ff and back, outside attention.

    Raises ModelError where no such pair exists.
    """
    d_model = int(model.config.get_text_config().hidden_size)
    best: FFNBlock | None = None
    for parent in layer.modules():
        if parent is not layer and _mixes_positions(parent):
            continue
        linears = [child for child in parent.children() if _shape(child) is not None]
        for outlet in linears:
            d_ff, out = _shape(outlet) or (0, 0)
            inlets = [child for child in linears if child is not outlet and _shape(child) == (d_model, d_ff)]
            if out == d_model and inlets and (best is None or d_ff > best.d_ff):
                best = FFNBlock(
                    index, parent, inlets[0], outlet, d_model, d_ff, _activation(parent, model), len(inlets) > 1
                )
    if best is None:
        raise ModelError(
            f"Layer {index} of this model has no feed-forward block of a known shape: it cannot be edited."
        )
    return best


def _shape(module: nn.Module) -> tuple[int, int] | None:
    """(inputs, outputs) of a linear map, whichever way round it stores its weight."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, Conv1D):
        return int(module.nx), int(module.nf)
    return None


def _mixes_positions(module: nn.Module) -> bool:
    """Whether a module is attention: an FFN looks at one position and needs no mask."""
    parameters = inspect.signature(module.forward).parameters
    return any("mask" in name or "past_key" in name or "layer_past" in name for name in parameters)


def _activation(parent: nn.Module, model: PreTrainedModel) -> nn.Module:
    for name in ("act_fn", "act", "activation_fn", "activation"):
        found = getattr(parent, name, None)
        if isinstance(found, nn.Module):
            return found
    config = model.config.get_text_config()
    kind = str(getattr(config, "hidden_act", None) or getattr(config, "activation_function", "gelu"))
    activation = ACT2FN[kind]
    if not isinstance(activation, nn.Module):
        raise ModelError(f"The activation “{kind}” of this model is not known: it cannot be edited.")
    return activation
