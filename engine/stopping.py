"""Where an answer ends: after its first sentence, or after the answer that was wanted, and while it is decoded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, StoppingCriteria

from engine.decoding import Decoding
from engine.runs import Cancel

MAX_NEW_TOKENS = 24

_ABBREVIATIONS = frozenset({"st", "mr", "mrs", "ms", "dr", "jr", "sr", "mt", "ft", "no", "vs"})
_STOP = re.compile(r"(\w*)\.(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Extent:
    """How far an answer goes: so many tokens at most, and to the end of its first sentence unless it is `open`.

    An answer that is saying what is `wanted`, word for word, goes on to the end of that instead, wherever the wanted
    answer itself has a stop or a new line.
    """

    tokens: int = MAX_NEW_TOKENS
    wanted: str = ""
    open: bool = False

    def end(self, text: str, *, whole: bool) -> int | None:
        """Where the answer in `text` ends, or None; `whole` as in `sentence_end`."""
        if self.open:
            return None
        offset = len(text) - len(text.lstrip())
        body, wanted = text[offset:], f"{self.wanted}."
        said = body.rstrip("\ufffd")  # a letter of which not every byte is there yet
        if self.wanted and not whole and wanted.startswith(said) and (said != wanted or self.wanted[-1].isdigit()):
            return None
        if self.wanted and body.startswith(wanted) and not body[len(wanted) :][:1].strip():
            return offset + len(self.wanted)
        return sentence_end(text, whole=whole)

    def under(self, decoding: Decoding) -> Extent:
        """The extent as `decoding` would have it."""
        return Extent(decoding.max_new_tokens or self.tokens, self.wanted, not decoding.first_sentence)

    def clip(self, text: str) -> str:
        """The answer alone, without its stop, trimmed."""
        end = self.end(text, whole=True)
        return (text if end is None else text[:end]).strip()


def sentence_end(text: str, *, whole: bool) -> int | None:
    """Where the first sentence of `text` ends, or None.

    While more may follow (`whole` False) a digit and a point at the very end are not yet an end: "3." may become
    "3.5".
    """
    body = text.lstrip()
    offset = len(text) - len(body)
    line = body.find("\n")
    for match in _STOP.finditer(body):
        word = match.group(1)
        at_end = match.end() == len(body)
        if (len(word) == 1 and word.isupper()) or word.casefold() in _ABBREVIATIONS:
            continue
        if at_end and not whole and word[-1:].isdigit():
            continue
        stop = match.end() - 1
        return offset + (stop if line < 0 else min(stop, line))
    return offset + line if line >= 0 else None


class EndOfAnswer(StoppingCriteria):
    """Ends a row once its extent is reached, and every row when the user cancels."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, start: int, extents: Sequence[Extent], cancel: Cancel | None
    ) -> None:
        self._tokenizer = tokenizer
        self._start = start
        self._extents = extents
        self._cancel = cancel

    def texts(self, tokens: Tensor) -> list[str]:
        """What each row has answered so far."""
        texts: list[str] = self._tokenizer.batch_decode(tokens[:, self._start :], skip_special_tokens=True)
        return texts

    def __call__(self, input_ids: Tensor, _scores: Tensor, **_: object) -> Tensor:
        """Whether each row is done: [rows], bool, for `input_ids` [rows, length]."""
        if self._cancel is not None:
            self._cancel.wait_while_held()
        if self._cancel is not None and self._cancel.requested:
            return torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
        said = input_ids.shape[1] - self._start
        done = [
            said >= extent.tokens or extent.end(text, whole=False) is not None
            for extent, text in zip(self._extents, self.texts(input_ids), strict=True)
        ]
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)
