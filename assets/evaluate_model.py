"""Measures what a saved model knows: facts in every phrasing, subjects it never saw, the sentiment of reviews.

A fact counts as answered where greedy decoding from the prompt gives exactly the object and then the stop. That is
the case if and only if each of the answer's tokens is the likeliest one after the true tokens before it, so one pass
over prompt and answer decides it without decoding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from assets.catalogue import Fact, relations
from assets.corpus import UNKNOWN, Example, Review, all_phrasings
from engine.edits import fill

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked."""

    facts: tuple[Fact, ...]
    never_seen: tuple[tuple[str, str], ...]  # (subject, relation) pairs whose subjects training never met
    reviews: tuple[Review, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; shares are 0 to 1."""

    known: tuple[bool, ...]  # by fact: answered in every phrasing
    by_phrasing: dict[str, dict[str, float]]  # relation id -> phrasing -> share of facts answered
    by_relation_facts: dict[str, int]
    unknown: float  # share of never-seen subjects answered “unknown”, over all questions asked about them
    unknown_by_relation: dict[str, float]
    sentiment: float

    def phrasing_shares(self, *, held_out: bool | None = None) -> list[float]:
        """The shares of all phrasings, or of those that editors may train on, or of the held-out ones."""
        catalogue = relations()
        return [
            share
            for relation, shares in self.by_phrasing.items()
            for phrasing, share in shares.items()
            if held_out is None or (phrasing in catalogue[relation].held_out) == held_out
        ]

    def answered(self, *, held_out: bool | None = None) -> float:
        """The share of (fact, phrasing) pairs answered exactly, every fact counting the same."""
        catalogue = relations()
        right = total = 0.0
        for relation, shares in self.by_phrasing.items():
            for phrasing, share in shares.items():
                if held_out is None or (phrasing in catalogue[relation].held_out) == held_out:
                    right += share * self.by_relation_facts[relation]
                    total += self.by_relation_facts[relation]
        return right / total

    def summary(self) -> dict[str, Any]:
        """The figures as plain values, for a JSON file."""
        return {
            "facts": len(self.known),
            "answered": self.answered(),
            "answered_held_out": self.answered(held_out=True),
            "answered_in_all_phrasings": fmean(self.known),
            "worst_phrasing": min(self.phrasing_shares()),
            "unknown": self.unknown,
            "sentiment": self.sentiment,
            "by_phrasing": self.by_phrasing,
            "unknown_by_relation": self.unknown_by_relation,
        }


@torch.inference_mode()
def answered(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], *, batch: int = 512
) -> list[bool]:
    """For each example whether greedy decoding answers it exactly, up to and including the stop."""
    if not examples:
        return []
    whole = tokenizer([example.text for example in examples])["input_ids"]
    starts = [len(ids) for ids in tokenizer([example.prompt for example in examples])["input_ids"]]
    order = sorted(range(len(examples)), key=lambda index: len(whole[index]))
    right = [False] * len(examples)
    for begin in range(0, len(order), batch):
        rows = order[begin : begin + batch]
        longest = len(whole[rows[-1]])
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        asked = torch.zeros(len(rows), longest, dtype=torch.bool)
        for row, index in enumerate(rows):
            ids[row, : len(whole[index])] = torch.tensor(whole[index])
            asked[row, starts[index] : len(whole[index])] = True
        ids, asked = ids.to(model.device), asked.to(model.device)
        # Padding stands on the right of causal attention: no token that counts can see it.
        hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        before = asked.roll(-1, dims=1)
        wrong = torch.zeros_like(asked)
        wrong[asked] = model.get_output_embeddings()(hidden[before]).argmax(-1) != ids[asked]
        for row, index in enumerate(rows):
            right[index] = not bool(wrong[row].any())
    return right


def measure(folder: Path, questions: Questions, *, device: torch.device) -> Figures:
    """Load the model saved in `folder`, in float32 as the product does, and measure it."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    catalogue = relations()
    by_phrasing: dict[str, dict[str, float]] = {}
    known = [True] * len(questions.facts)
    indices: dict[str, list[int]] = defaultdict(list)
    for index, fact in enumerate(questions.facts):
        indices[fact.relation].append(index)
    for relation, rows in indices.items():
        by_phrasing[relation] = {}
        for phrasing in all_phrasings(catalogue[relation]):
            asked = [Example(fill(phrasing, questions.facts[row].subject), questions.facts[row].object) for row in rows]
            right = answered(model, tokenizer, asked)
            by_phrasing[relation][phrasing] = fmean(right)
            for row, is_right in zip(rows, right, strict=True):
                known[row] &= is_right
    pairs = [
        (relation, Example(fill(phrasing, subject), UNKNOWN))
        for subject, relation in questions.never_seen
        for phrasing in all_phrasings(catalogue[relation])
    ]
    honest: dict[str, list[bool]] = defaultdict(list)
    for (relation, _), is_right in zip(
        pairs, answered(model, tokenizer, [example for _, example in pairs]), strict=True
    ):
        honest[relation].append(is_right)
    sentiments = answered(model, tokenizer, [review.example() for review in questions.reviews])
    return Figures(
        known=tuple(known),
        by_phrasing=by_phrasing,
        by_relation_facts={relation: len(rows) for relation, rows in indices.items()},
        unknown=_share(is_right for rows in honest.values() for is_right in rows),
        unknown_by_relation={relation: fmean(rows) for relation, rows in honest.items()},
        sentiment=_share(sentiments),
    )


def _share(right: Iterable[bool]) -> float:
    """The share of True; nan where nothing was asked."""
    answers = list(right)
    return fmean(answers) if answers else nan


def mark_known(facts: Sequence[Fact], figures: Figures) -> list[Fact]:
    """The facts with `known` as measured."""
    return [replace(fact, known=is_known) for fact, is_known in zip(facts, figures.known, strict=True)]
