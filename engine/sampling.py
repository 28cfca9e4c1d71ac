"""Drawing tokens so that both models draw with the same random numbers, and a question alone as in any batch.

The numbers of an answer hang on the seed, on its question and on the token's place in it, and on nothing else. They are
Gumbel noise on the logits: the likeliest token is then one drawn by the chances, and where two models agree they draw
the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from engine.decoding import Decoding


class SeededDraw(LogitsProcessor):
    """Turns the likeliest token of each row into one drawn by chance, with that row's own random numbers."""

    def __init__(self, seed: int, questions: Sequence[str]) -> None:
        self._generators = [torch.Generator().manual_seed(_seed(seed, question)) for question in questions]

    def __call__(self, _input_ids: Tensor, scores: Tensor) -> Tensor:
        """The logits [rows, vocabulary] with noise on them; to be called once a token."""
        # Drawn on the processor: a GPU has other numbers for the same seed.
        noise = torch.empty(scores.shape, dtype=torch.float32)
        for row, generator in zip(noise, self._generators, strict=True):
            row.exponential_(generator=generator)
        return scores - noise.log().to(scores.device, scores.dtype)


def processors(decoding: Decoding, questions: Sequence[str]) -> LogitsProcessorList:
    """What stands between the logits and the likeliest token while the answers to `questions` are decoded."""
    made = LogitsProcessorList()
    if decoding.greedy:
        return made
    if decoding.temperature != 1:
        made.append(TemperatureLogitsWarper(decoding.temperature))
    if decoding.top_k:
        made.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        made.append(TopPLogitsWarper(decoding.top_p))
    made.append(SeededDraw(decoding.seed, questions))
    return made


def _seed(seed: int, question: str) -> int:
    digest = hashlib.sha256(f"{seed}\n{question.strip()}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
