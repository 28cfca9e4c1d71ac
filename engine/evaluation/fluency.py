"""Fluency: how varied what a model writes is, as the CounterFact protocol measures it (Meng et al. 2022, section 3.4).

A model that repeats itself writes few different pairs and triples of words. Each edit's prompt is written on by
sampling among the five likeliest tokens, to a hundred tokens with the prompt; the fluency of a text is the mean of
2/3 of the entropy of its word pairs and 4/3 of that of its word triples, in bits. The field prints a hundred times
that. A word is a run of letters and digits, or one other character.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from engine.decoding import Decoding
from engine.edits import EditSet
from engine.evaluation.answers import share, spread
from engine.evaluation.protocol import Figure, Options, ProtocolReport, Row, Told
from engine.runs import Cancel

if TYPE_CHECKING:
    from engine.editor import EditedModel
    from engine.language_model import LanguageModel

BATCH = 64
LENGTH = 100
"""Tokens of a text, its prompt included."""
TOP_K = 5
WEIGHTS = {2: 2 / 3, 3: 4 / 3}
"""By the length of the n-grams."""
ENTROPY = "entropy"
ABOUT = (
    f"Each prompt written on to {LENGTH} tokens (prompt included, sampled among the {TOP_K} likeliest, seed {{}}); the "
    "mean of 2/3 of the entropy of its word pairs and 4/3 of that of its triples, in bits. The field prints 100 times "
    "that. A model that ends its answers early has a low fluency of its own: compare the two columns."
)
_WORD = re.compile(r"\w+|[^\w\s]")


def measure(
    edited: EditedModel,
    edit_set: EditSet,
    options: Options,
    *,
    cancel: Cancel | None = None,
    report: Told | None = None,
) -> ProtocolReport:
    """The fluency of texts that begin with the enabled edits' prompts; see `ProtocolKind`."""
    edits = spread(edit_set.enabled(), options.most)
    rows: list[Row] = []
    for start in range(0, len(edits), BATCH):
        some = edits[start : start + BATCH]
        prompts = [edit.prompt for edit in some]
        with edited.original() as model:
            decoding = _decoding(model, prompts, options.seed)
        answers = edited.answer(prompts, cancel=cancel, decoding=decoding)
        with edited.original() as model:
            for edit, answer in zip(some, answers, strict=True):
                before, after = (_cut(model, edit.prompt, text) for text in (answer.original, answer.edited))
                values = {ENTROPY: (entropy(before), entropy(after))}
                rows.append(Row("Fluency", edit.prompt, edit.id, original=before, edited=after, values=values))
        if report is not None:
            report(len(rows), len(edits))
    original, given = (share([row.values[ENTROPY][side] for row in rows]) for side in (0, 1))
    figure = Figure("Fluency", "Weighted entropy of word pairs and triples.", original, given, len(rows), "bits")
    return ProtocolReport("fluency", "Fluency", ABOUT.format(options.seed), (figure,), tuple(rows))


def entropy(text: str) -> float:
    """The weighted n-gram entropy of a text in bits; 0 for one without two n-grams that differ."""
    words = _WORD.findall(text)
    return fmean(weight * _entropy(words, length) for length, weight in WEIGHTS.items())


def _entropy(words: Sequence[str], length: int) -> float:
    counts = Counter(zip(*(words[start:] for start in range(length)), strict=False))
    return sum(count / counts.total() * math.log2(counts.total() / count) for count in counts.values())


def _decoding(model: LanguageModel, prompts: Sequence[str], seed: int) -> Decoding:
    """As many tokens as the shortest prompt leaves; a longer one's text is cut."""
    shortest = min(len(model.token_ids(prompt)) for prompt in prompts)
    most = max(1, LENGTH - shortest)
    return Decoding(temperature=1.0, top_k=TOP_K, seed=seed, max_new_tokens=most, first_sentence=False)


def _cut(model: LanguageModel, prompt: str, text: str) -> str:
    """A prompt and what follows, as far as the length of a text goes."""
    ids = model.tokenizer(f"{prompt.rstrip()} {text.lstrip()}", return_attention_mask=False)["input_ids"][:LENGTH]
    whole: str = model.tokenizer.decode(ids, skip_special_tokens=True)
    return whole.strip()
