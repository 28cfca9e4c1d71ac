"""The shapes of published language models, and models of these shapes with random weights.

What a training costs depends on a model's shape alone, and not on what its weights mean: so its cost on a real size can
be measured without the weights. The numbers are those of the models' published configurations.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPTJConfig,
    LlamaConfig,
    PhiConfig,
    PreTrainedConfig,
    Qwen2Config,
)

from assets import catalogue
from engine.device import free_memory
from engine.language_model import LanguageModel
from engine.model_files import ModelError

ROOM = 0.25  # of the weights' bytes, for what a training holds beside them, …
LEAST_ROOM = 4 * 2**30  # … and so many bytes at least on a GPU
LEAST_LAYERS = 2

# The beginning and the end of a text are the tokenizer's.
_COMMON: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "tie_word_embeddings": False}


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a language model is, and how it is wired."""

    name: str
    wiring: str  # transformers' model type
    layers: int
    width: int
    heads: int
    key_value_heads: int
    ffn: int
    vocabulary: int
    positions: int
    rotary: int  # numbers of each head that are turned by their position
    rotary_base: float = 10_000.0

    def scaled(self, scale: float, *, words: int) -> Shape:
        """The same with layers, heads and vocabulary times `scale`; heads are as wide as they were.

        At least LEAST_LAYERS layers, one key-value head and `words` tokens. Raises ModelError for a scale that is not
        above 0 and at most 1.
        """
        if not 0 < scale <= 1:
            raise ModelError(f"A model cannot be scaled by {scale:g}: choose a number above 0 and at most 1.")
        each, group = self.width // self.heads, self.heads // self.key_value_heads
        key_value_heads = max(1, round(self.key_value_heads * scale))
        heads = key_value_heads * group
        return dataclasses.replace(
            self,
            layers=max(LEAST_LAYERS, round(self.layers * scale)),
            width=heads * each,
            heads=heads,
            key_value_heads=key_value_heads,
            ffn=self.ffn * heads // self.heads,
            vocabulary=max(words, round(self.vocabulary * scale)),
        )

    def config(self) -> PreTrainedConfig:
        """The configuration that transformers builds the model from."""
        if self.wiring == "gptj":
            return GPTJConfig(
                vocab_size=self.vocabulary,
                n_positions=self.positions,
                n_embd=self.width,
                n_layer=self.layers,
                n_head=self.heads,
                n_inner=self.ffn,
                rotary_dim=self.rotary,
                **_COMMON,
            )
        rope: dict[str, Any] = {"rope_type": "default", "rope_theta": self.rotary_base}
        if self.wiring == "phi":
            rope["partial_rotary_factor"] = self.rotary * self.heads / self.width
        return {"phi": PhiConfig, "llama": LlamaConfig, "qwen2": Qwen2Config}[self.wiring](
            vocab_size=self.vocabulary,
            max_position_embeddings=self.positions,
            hidden_size=self.width,
            intermediate_size=self.ffn,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.key_value_heads,
            rope_parameters=rope,
            **_COMMON,
        )

    def parameters(self) -> int:
        """How many weights a model of this shape has."""
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(self.config())
        return sum(parameter.numel() for parameter in model.parameters())


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("phi-2", "phi", 32, 2_560, 32, 32, 10_240, 51_200, 2_048, rotary=32),
        Shape("gpt-j", "gptj", 28, 4_096, 16, 16, 16_384, 50_400, 2_048, rotary=64),
        Shape("llama-3-8b", "llama", 32, 4_096, 32, 8, 14_336, 128_256, 8_192, rotary=128, rotary_base=500_000.0),
        Shape("qwen2.5-7b", "qwen2", 28, 3_584, 28, 4, 18_944, 152_064, 131_072, rotary=128, rotary_base=1_000_000.0),
    )
}


def choose_shape(name: str, scale: float = 1.0) -> Shape:
    """The shape called `name`, scaled; raises ModelError for one that is not known."""
    if name not in SHAPES:
        raise ModelError(f"There is no shape “{name}”: choose among {', '.join(SHAPES)}.")
    return SHAPES[name].scaled(scale, words=len(_tokenizer()))


def needed_memory(shape: Shape, number: torch.dtype, device: torch.device) -> int:
    """Bytes that a training on a model of `shape` needs on `device`: its weights, and room to work in."""
    weights = shape.parameters() * number.itemsize
    room = int(ROOM * weights)
    return weights + (max(room, LEAST_ROOM) if device.type == "cuda" else room)


def check_room(shape: Shape, device: torch.device, number: torch.dtype) -> None:
    """Raise ModelError, saying what is needed, where memory does not suffice or a whole shape would run on a CPU."""
    if shape == SHAPES[shape.name] and device.type != "cuda":
        need = needed_memory(shape, torch.bfloat16, torch.device("cuda"))
        raise ModelError(
            f"The shape {shape.name} needs a CUDA GPU with {need / 2**30:.1f} GiB of free memory, and “{device}” is "
            "none: run this on a machine that has one, or scale the shape down with --scale 0.02."
        )
    need, free = needed_memory(shape, number, device), free_memory(device)
    if need > free:
        raise ModelError(
            f"The shape {shape.name} needs {need / 2**30:.1f} GiB of free memory and {device} has {free / 2**30:.1f}: "
            "close other programs, or scale the shape down with --scale."
        )


def random_model(shape: Shape, device: torch.device, number: torch.dtype, seed: int = 0) -> LanguageModel:
    """A model of `shape` with random weights, made on `device` itself, with the embedded model's tokenizer."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.device(device):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(shape.config(), dtype=number)
    return LanguageModel(model, _tokenizer(), f"random {shape.name}")


def _tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(catalogue.MODEL, local_files_only=True)
