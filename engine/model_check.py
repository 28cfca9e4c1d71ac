"""Whether a model can be edited here, told in one sentence before any of its weights is loaded.

The model is built without memory for its weights (on torch's meta device), so that its layers are found by the very
code that finds them later; what it will need is held against what the machine has free.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from engine.device import choose_device, choose_dtype, free_memory
from engine.ffn_blocks import find_ffn_block, find_layers
from engine.model_files import ModelError, check_files, find_model

WORKING = 0.25
"""Memory beside the weights that a training takes at least, as a share of them: states, gradients, the encoder."""
LEAST_WORKING = 2**29
"""The same in bytes, however small the model is."""
COPIES = 5
"""How many times an edit's neurons lie on the disk while a run lasts: two checkpoints, the pack being written, …"""


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """What is known of a model before it is loaded; `obstacle` is empty where it can be trained on."""

    name: str
    folder: str  # where its files lie; empty where they were not found
    architecture: str
    parameters: int
    layers: int
    width: int
    device: str
    memory: int  # bytes that the weights and a training will take on the device
    memory_free: int
    disk: int  # bytes that a run will take
    disk_free: int
    obstacle: str

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        if self.obstacle:
            return self.obstacle
        return (
            f"Fits: {self.architecture}, {_millions(self.parameters)} parameters, {self.layers} layers; needs about "
            f"{_gib(self.memory)} of the {_gib(self.memory_free)} free on {self.device}."
        )


def check_model(
    name: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    trust_remote_code: bool = False,
    edits: int = 0,
    neurons: int = 1,
    runs: Path | None = None,
) -> ModelCheck:
    """Look at the model called `name` as `language_model.load` takes it, for a training of so many edits.

    `runs` is the folder that the run will lie in. No weight is read and no network used. Raises DeviceError for a
    device that is not here; whatever else stands in the way is the check's `obstacle`.
    """
    target = choose_device(device)
    weight_type = choose_dtype(target, dtype)
    place, kind, parameters, layers, width, obstacle = "", "", 0, 0, 0, ""
    try:
        folder = find_model(name)
        place = str(folder)
        check_files(folder, name, trust_remote_code=trust_remote_code)
        model = _without_weights(folder, name, trust_remote_code)
        kind = str(model.config.model_type)
        blocks = [find_ffn_block(layer, index, model) for index, layer in enumerate(find_layers(model))]
        parameters = sum(weight.numel() for weight in model.parameters())
        layers, width = len(blocks), blocks[0].d_model
    except ModelError as error:
        obstacle = str(error)
    weights = parameters * weight_type.itemsize
    memory = weights + max(round(weights * WORKING), LEAST_WORKING) if parameters else 0
    free = free_memory(target)
    disk = COPIES * edits * neurons * (2 * width + 1) * 4
    disk_free = shutil.disk_usage(_existing(runs)).free if runs is not None else 0
    if not obstacle and memory > free:
        obstacle = (
            f"“{name}” needs about {_gib(memory)} and {target} has {_gib(free)} free: "
            "close other programs, or choose another device or a smaller model."
        )
    if not obstacle and runs is not None and disk > disk_free:
        obstacle = (
            f"A training of {edits:,} edits on “{name}” writes about {_gib(disk)} and the disk of {runs} has "
            f"{_gib(disk_free)} free: make room there, or train fewer edits."
        )
    return ModelCheck(
        name=name,
        folder=place,
        architecture=kind,
        parameters=parameters,
        layers=layers,
        width=width,
        device=str(target),
        memory=memory,
        memory_free=free,
        disk=disk,
        disk_free=disk_free,
        obstacle=obstacle,
    )


def _without_weights(folder: Path, name: str, trust_remote_code: bool) -> PreTrainedModel:
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=trust_remote_code)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError, ImportError, AttributeError, TypeError, StrictDataclassError) as error:
        # A configuration may say anything, and code of others raise anything of these.
        told = " ".join(str(error).split())
        raise ModelError(f"“{name}” cannot be built from its config.json: {told}") from error
    if not isinstance(model, PreTrainedModel):
        raise ModelError(f"“{name}” is no transformers model: choose another one.")
    return model


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.resolve().parents) if place.exists())


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _millions(number: int) -> str:
    return f"{number / 1e9:.1f} billion" if number >= 1e9 else f"{number / 1e6:.0f} million"
