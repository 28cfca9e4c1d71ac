"""Tiny random models of every architecture that the engine claims to edit, built without a network."""

from __future__ import annotations

from copy import deepcopy

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GemmaConfig,
    GPT2Config,
    GPTJConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PhiConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from engine.language_model import LanguageModel

D_MODEL, D_FF, LAYERS = 32, 80, 4


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, "</s>": 1} | {symbol: index + 2 for index, symbol in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")


_COMMON = {"vocab_size": 258, "bos_token_id": 0, "eos_token_id": 1}
_LLAMA = _COMMON | {
    "hidden_size": D_MODEL,
    "intermediate_size": D_FF,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
_GROUPED = _LLAMA | {"num_key_value_heads": 2}
_GPT = _COMMON | {"n_embd": D_MODEL, "n_inner": D_FF, "n_layer": LAYERS, "n_head": 4, "n_positions": 256}

CONFIGS: dict[str, PreTrainedConfig] = {
    "gpt2": GPT2Config(**_GPT),
    "gptj": GPTJConfig(**_GPT, rotary_dim=4),
    "gpt_neox": GPTNeoXConfig(**_LLAMA),
    "phi": PhiConfig(**_LLAMA),
    "llama": LlamaConfig(**_LLAMA),
    "mistral": MistralConfig(**_GROUPED),
    "qwen2": Qwen2Config(**_GROUPED),
    # Attention here maps 32 → 64 → 32: the same shape as a plain FFN, and must not be taken for one.
    "gemma": GemmaConfig(**_GROUPED, head_dim=16),
    # A norm stands between the FFN's output and the stream that it is added to.
    "gemma2": Gemma2Config(**_GROUPED, head_dim=16),
}


def tiny_model(name: str = "llama", seed: int = 0) -> LanguageModel:
    """A random model of the architecture `name`."""
    torch.manual_seed(seed)
    config = deepcopy(CONFIGS[name])  # a model writes into its own, such as the format of its numbers
    return LanguageModel(AutoModelForCausalLM.from_config(config), tiny_tokenizer(), f"tiny-{name}")
