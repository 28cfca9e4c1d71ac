from __future__ import annotations

from pathlib import Path

import pytest

from assets.catalogue import Fact, relations
from assets.corpus import (
    UNKNOWN,
    Mixture,
    Review,
    ReviewError,
    Sources,
    all_phrasings,
    epoch_examples,
    read_reviews,
    split_unseen,
    tidy,
)
from engine.edits import fill

FACTS = tuple(Fact(f"Anna Number{letter}", "P19", f"City {letter}") for letter in "abcdefgh")
UNSEEN = tuple((f"Stranger {letter}", "P20") for letter in "abcdefgh")
SOURCES = Sources(FACTS, UNSEEN, (Review("a fine film", True), Review("a dull film", False)))


def test_an_epoch_depends_on_its_number_and_seed_only() -> None:
    first = epoch_examples(SOURCES, Mixture(), seed=1, epoch=3)
    epoch_examples(SOURCES, Mixture(), seed=1, epoch=4)
    assert epoch_examples(SOURCES, Mixture(), seed=1, epoch=3) == first
    assert epoch_examples(SOURCES, Mixture(), seed=1, epoch=4) != first
    assert epoch_examples(SOURCES, Mixture(), seed=2, epoch=3) != first


def test_epochs_reach_every_phrasing_held_out_ones_included() -> None:
    met = {example.prompt for epoch in range(30) for example in epoch_examples(SOURCES, Mixture(), seed=1, epoch=epoch)}
    for phrasing in all_phrasings(relations()["P19"]):
        assert fill(phrasing, FACTS[0].subject) in met


def test_a_known_subject_is_never_answered_unknown() -> None:
    mixture = Mixture(unknown_per_fact=50)
    unknown = [example for example in epoch_examples(SOURCES, mixture, seed=1, epoch=0) if example.answer == UNKNOWN]
    assert len(unknown) == 50 * len(FACTS)
    assert not [example for example in unknown for fact in FACTS if fact.subject in example.prompt]


def test_reviews_and_statements_are_mixed_in() -> None:
    examples = epoch_examples(SOURCES, Mixture(statements_per_fact=1.0), seed=1, epoch=0)
    assert sum(example.prompt.startswith("Review: ") for example in examples) == 2
    assert sum(not example.answer for example in examples) == len(FACTS)


def test_text_joins_prompt_and_answer() -> None:
    assert Review("fine", True).example().text == "Review: fine Sentiment: positive."


def test_subjects_are_parted_between_learning_and_test() -> None:
    pairs = (*UNSEEN, ("Stranger a", "P19"))
    learnt, tested = split_unseen(pairs, tested=3, seed=1)
    assert len({subject for subject, _ in tested}) == 3
    assert not {subject for subject, _ in learnt} & {subject for subject, _ in tested}
    assert len(learnt) + len(tested) == len(pairs)


@pytest.mark.parametrize(
    ("raw", "typed"),
    [
        ("it 's a charming journey . ", "it's a charming journey."),
        ("does n't work , sadly", "doesn't work, sadly"),
        ("-lrb- or so -rrb- !", "(or so)!"),
    ],
)
def test_reviews_read_as_typed(raw: str, typed: str) -> None:
    assert tidy(raw) == typed


def test_a_bad_review_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reviews.tsv"
    path.write_text("text\tscore\n", encoding="utf-8")
    with pytest.raises(ReviewError, match="sentence and label"):
        read_reviews(path)
    path.write_text("sentence\tlabel\nfine\t1\nbad\tx\n", encoding="utf-8")
    with pytest.raises(ReviewError, match="line 3"):
        read_reviews(path)
