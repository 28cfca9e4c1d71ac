"""A random sentence-transformers model of a few thousand weights: it tunes in milliseconds."""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import processors
from transformers import BertConfig, BertModel

from tests.tiny_models import tiny_tokenizer

WIDTH = 32


def save_tiny_encoder(folder: Path, seed: int = 0) -> Path:
    """Write the model to `folder`, one token a byte, and return the folder."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=258,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * WIDTH,
        max_position_embeddings=256,
        pad_token_id=1,
    )
    bert, tokenizer = folder / "bert", tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    tokenizer.model_max_length = 256
    tokenizer.padding_side = "right"
    BertModel(config).save_pretrained(bert)
    tokenizer.save_pretrained(bert)
    parts = [Transformer(str(bert)), Pooling(WIDTH, pooling_mode="mean"), Normalize()]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder / "encoder"))
    return folder / "encoder"
