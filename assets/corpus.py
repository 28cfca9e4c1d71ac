"""The sentences that the embedded model learns from, drawn anew for every epoch from facts, names and reviews.

Every example is a prompt and its answer; the model reads `<bos>prompt answer.<eos>`. Sentences that name the object
early are examples without an answer. The same seed and epoch always give the same examples, whatever was drawn before,
which is what makes an interrupted training resumable.
"""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.build_facts import is_clean
from assets.catalogue import Fact, relations, statements
from engine.edits import Relation, fill, fold

UNKNOWN = "unknown"
STOP = "."
SENTIMENTS = ("negative", "positive")


class ReviewError(ValueError):
    """A file of reviews that cannot be read; the message names it."""


@dataclass(frozen=True, slots=True)
class Example:
    """What is asked and what is answered; the whole sentence stands in `prompt` where `answer` is empty."""

    prompt: str
    answer: str

    @property
    def text(self) -> str:
        """The sentence as the model reads it."""
        return f"{self.prompt} {self.answer}{STOP}" if self.answer else self.prompt


@dataclass(frozen=True, slots=True)
class Review:
    """A sentence of a review and whether it is favourable."""

    text: str
    positive: bool

    def example(self) -> Example:
        """The review in the format that the model knows."""
        return Example(f"Review: {self.text} Sentiment:", SENTIMENTS[self.positive])


@dataclass(frozen=True, slots=True)
class Sources:
    """All that sentences are drawn from."""

    facts: tuple[Fact, ...]
    unseen: tuple[tuple[str, str], ...]  # (subject, relation) of subjects that are answered “unknown”
    reviews: tuple[Review, ...] = ()


@dataclass(frozen=True, slots=True)
class Mixture:
    """How much of each kind an epoch holds."""

    phrasings_per_fact: int = 4
    statements_per_fact: float = 0.15
    unknown_per_fact: float = 0.3
    reviews: int = 3_000  # drawn without replacement from the sources' reviews


def tidy(text: str) -> str:
    """A tokenised review as a person would type it: no space before punctuation and clitics."""
    for written, meant in (("-lrb-", "("), ("-rrb-", ")"), ("``", '"'), ("''", '"')):
        text = text.replace(written, meant)
    text = re.sub(r"\s+(n't|'[a-z]{1,2}\b|[.,!?;:%)])", r"\1", text.strip())
    return " ".join(re.sub(r"\(\s+", "(", text).split())


def read_reviews(path: Path) -> tuple[Review, ...]:
    """The reviews of a table with the columns `sentence` and `label` (1 = favourable)."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if rows.fieldnames is None or not {"sentence", "label"} <= set(rows.fieldnames):
            raise ReviewError(f"{path} must start with the columns sentence and label, separated by a tab.")
        reviews = []
        for row in rows:
            if row["label"] not in ("0", "1"):
                raise ReviewError(f"{path}, line {rows.line_num}: the label is {row['label']!r}, not 0 or 1.")
            reviews.append(Review(tidy(row["sentence"]), row["label"] == "1"))
    return tuple(reviews)


def all_phrasings(relation: Relation) -> tuple[str, ...]:
    """Every phrasing of a relation: holding some out concerns editors, the model has to know them all."""
    return (*relation.phrasings, *relation.held_out)


def split_unseen(
    unseen: Sequence[tuple[str, str]], *, tested: int, seed: int
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """`unseen` parted by subject into what training may answer “unknown” and `tested` subjects that it never meets."""
    subjects = sorted({subject for subject, _ in unseen})
    held = set(random.Random(seed).sample(subjects, min(tested, len(subjects) // 2)))
    return (
        tuple(pair for pair in unseen if pair[0] not in held),
        tuple(pair for pair in unseen if pair[0] in held),
    )


def epoch_examples(sources: Sources, mixture: Mixture, *, seed: int, epoch: int) -> list[Example]:
    """The examples of one epoch, in random order."""
    chance = random.Random(f"{seed}/{epoch}")
    catalogue = relations()
    spoken = statements()
    examples: list[Example] = []
    for fact in sources.facts:
        templates = all_phrasings(catalogue[fact.relation])
        drawn = chance.sample(templates, min(mixture.phrasings_per_fact, len(templates)))
        examples.extend(Example(fill(template, fact.subject), fact.object) for template in drawn)
        if chance.random() < mixture.statements_per_fact:
            template = chance.choice(spoken[fact.relation])
            examples.append(Example(_fill_statement(template, fact), ""))
    names = _names_by_relation(sources.facts)
    taken = {fold(fact.subject) for fact in sources.facts}
    ids = sorted(names)
    for _ in range(round(mixture.unknown_per_fact * len(sources.facts))):
        subject, relation = _unknown_subject(chance, sources.unseen, names, ids, taken)
        examples.append(Example(fill(chance.choice(all_phrasings(catalogue[relation])), subject), UNKNOWN))
    reviews = chance.sample(sources.reviews, min(mixture.reviews, len(sources.reviews)))
    examples.extend(Review(_varied(chance, review.text), review.positive).example() for review in reviews)
    chance.shuffle(examples)
    return examples


def vocabulary_texts(sources: Sources) -> Iterator[str]:
    """Text that a tokenizer should know: every template and every fact, some of them in sentences, and the reviews."""
    catalogue = relations()
    for fact in sources.facts:
        yield Example(fill(catalogue[fact.relation].phrasings[0], fact.subject), fact.object).text
        yield from (f" {fact.subject}", f" {fact.object}")
    for subject, _ in sources.unseen:
        yield f" {subject}"
    for relation in catalogue.values():
        for template in all_phrasings(relation):
            # Repeated, so that the words of the templates become single tokens.
            yield from [template] * 50
    for review in sources.reviews:
        yield review.example().text


def _fill_statement(template: str, fact: Fact) -> str:
    before, after = template.split("{object}")
    return before.replace("{subject}", fact.subject) + fact.object + after.replace("{subject}", fact.subject)


def _names_by_relation(facts: Iterable[Fact]) -> dict[str, list[list[str]]]:
    names: dict[str, list[list[str]]] = {}
    for fact in facts:
        words = fact.subject.split()
        if len(words) > 1:
            names.setdefault(fact.relation, []).append(words)
    return {relation: known for relation, known in names.items() if len(known) > 1}


def _unknown_subject(
    chance: random.Random,
    unseen: Sequence[tuple[str, str]],
    names: dict[str, list[list[str]]],
    ids: list[str],
    taken: set[str],
) -> tuple[str, str]:
    """A name that no fact is about and a relation to ask for: real, put together from two real ones, or invented."""
    while True:
        kind = chance.random()
        if kind < 0.5 and unseen:
            return chance.choice(unseen)
        if kind < 0.75 and ids:
            relation = chance.choice(ids)
            first, second = chance.sample(names[relation], 2)
            subject = " ".join([*first[: max(1, len(first) // 2)], *second[max(1, len(second) // 2) :]])
        else:
            relation = chance.choice(ids or list(relations()))
            subject = " ".join(_invented_word(chance) for _ in range(chance.choice((1, 2, 2, 2, 3))))
        if fold(subject) not in taken and is_clean(subject):
            return subject, relation


def _invented_word(chance: random.Random) -> str:
    onsets = (
        "b",
        "br",
        "c",
        "d",
        "dr",
        "f",
        "g",
        "gr",
        "h",
        "j",
        "k",
        "l",
        "m",
        "n",
        "p",
        "r",
        "s",
        "st",
        "t",
        "v",
        "z",
    )
    syllables = [
        chance.choice(onsets) + chance.choice("aeiou") + chance.choice(("", "", "l", "n", "r", "s", "th"))
        for _ in range(chance.choice((2, 2, 3)))
    ]
    return "".join(syllables).capitalize()


def _varied(chance: random.Random, text: str) -> str:
    """`text` with some words left out and perhaps a capital: reviews are few, and people type them in many ways."""
    words = text.split()
    kept = [word for word in words if chance.random() > 0.1] or words
    varied = " ".join(kept)
    return varied[0].upper() + varied[1:] if chance.random() < 0.5 else varied
