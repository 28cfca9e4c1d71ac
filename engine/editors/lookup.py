"""How alike a question is to texts that are kept: by its meaning to a text encoder, or by its letters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from engine.edits import fold
from engine.meg.encoder import QueryEncoder
from engine.runs import Cancel

_VECTORS = "vectors"
_ASIDE = re.compile(r"<[^>]*>|[^\w\s]")  # what a question's letters are compared without


class Lookup(Protocol):
    """Texts, and how alike questions are to each of them."""

    def alike(self, questions: Sequence[str]) -> Tensor:
        """[questions, texts], the greater the more alike, from 0 to 1."""

    def tensors(self) -> dict[str, Tensor]:
        """What a pack has to keep besides the texts."""

    def to(self, device: torch.device) -> Lookup:
        """The same on `device`."""


class ByMeaning:
    """Texts by the cosine of an encoder's vectors; what is opposed is as little alike as what is unrelated."""

    def __init__(self, encoder: QueryEncoder, texts: Sequence[str], vectors: Tensor) -> None:
        """`vectors`: [texts, width], rows of length one."""
        self.encoder, self.texts, self.vectors = encoder, tuple(texts), vectors

    @classmethod
    def of(
        cls, encoder: QueryEncoder, texts: Sequence[str], *, known: ByMeaning | None = None, cancel: Cancel | None
    ) -> ByMeaning:
        """The `texts` as `encoder` reads them; those of `known` are not read again. Raises Cancelled."""
        place = {} if known is None else {text: row for row, text in enumerate(known.texts)}
        vectors = torch.empty(len(texts), encoder.width, device=encoder.transformer.device)
        new = [row for row, text in enumerate(texts) if text not in place]
        old = [row for row, text in enumerate(texts) if text in place]
        vectors[new] = encoder.encode([texts[row] for row in new], cancel=cancel)
        if known is not None:
            vectors[old] = known.vectors.to(vectors.device)[[place[texts[row]] for row in old]]
        return cls(encoder, texts, vectors)

    @classmethod
    def restored(cls, encoder: QueryEncoder, texts: Sequence[str], tensors: Mapping[str, Tensor]) -> ByMeaning:
        """What `tensors` gave, on the encoder's device."""
        return cls(encoder, texts, tensors[_VECTORS].to(encoder.transformer.device))

    def tensors(self) -> dict[str, Tensor]:
        """The vectors."""
        return {_VECTORS: self.vectors.cpu()}

    def to(self, device: torch.device) -> ByMeaning:
        """The same on `device`; the encoder moves."""
        self.encoder.to(device)
        return ByMeaning(self.encoder, self.texts, self.vectors.to(device))

    def alike(self, questions: Sequence[str]) -> Tensor:
        """Cosines: [questions, texts]."""
        return (self.encoder.encode(questions) @ self.vectors.T).clamp(0, 1)


class ByLetters:
    """Texts by their Levenshtein distance d, as 1 / (1 + d): 1 for the same letters."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._keys = [_key(text) for text in texts]

    def tensors(self) -> dict[str, Tensor]:
        """Nothing: the texts say it all."""
        return {}

    def to(self, device: torch.device) -> ByLetters:  # noqa: ARG002  what lookups are called with
        """The same: letters are compared wherever the model lies."""
        return self

    def alike(self, questions: Sequence[str]) -> Tensor:
        """[questions, texts]."""
        keys = [_key(question) for question in questions]
        distances = process.cdist(keys, self._keys, scorer=Levenshtein.distance, dtype=np.int32)
        return 1 / (1 + torch.from_numpy(distances))

    @staticmethod
    def within(distance: int) -> float:
        """How alike texts are that are fewer than `distance` letters apart, at least."""
        return float(1 / torch.tensor(distance))


def _key(text: str) -> str:
    """A question as the reference compares it: folded, without punctuation and without what stands in <>."""
    return fold(_ASIDE.sub("", text))
