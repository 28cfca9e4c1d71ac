"""A random sentence-transformers model that tunes in milliseconds and tells texts apart by their words."""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

WIDTH = 64
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def save_tiny_encoder(folder: Path, seed: int = 0) -> Path:
    """Write the model below `folder` and return where it lies. Its tokens are pairs of letters."""
    torch.manual_seed(seed)
    vocabulary = {"[UNK]": 0, "[PAD]": 1}
    for text in [*_LETTERS, *(one + other for one in _LETTERS for other in _LETTERS)]:
        vocabulary[text] = len(vocabulary)
        vocabulary[f"##{text}"] = len(vocabulary)
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=2 * WIDTH,
        max_position_embeddings=256,
        pad_token_id=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    bert = folder / "bert"
    model = BertModel(config)
    for table in (model.embeddings.position_embeddings, model.embeddings.token_type_embeddings):
        torch.nn.init.zeros_(table.weight)  # what all texts have in common would drown their words
    model.save_pretrained(bert)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=256
    ).save_pretrained(bert)
    parts = [Transformer(str(bert)), Pooling(WIDTH, pooling_mode="mean"), Normalize()]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder / "encoder"))
    return folder / "encoder"
