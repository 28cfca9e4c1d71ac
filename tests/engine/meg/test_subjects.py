from __future__ import annotations

import pytest

from engine.edits import Edit
from engine.meg.subjects import SubjectIndex


def index(*subjects, aliases=()):
    return SubjectIndex([Edit(str(row), "?", "?", name, aliases=aliases) for row, name in enumerate(subjects)])


@pytest.mark.parametrize(
    "query",
    [
        "Ada Lovelace was born in",
        "Q: Where was ADA LOVELACE born? A:",
        "Ada Lovelace's mother tongue is",
        "The works of Ada Lovelace’s",
        "Two Ada Lovelaces were born in",
    ],
)
def test_a_subject_is_named_whatever_its_case_and_ending(query):
    assert list(index("Ada Lovelace").named(query)) == [0]


@pytest.mark.parametrize("query", ["Ada was born in", "Lovelace Ada was born in", "Adalovelace", "Where is it?"])
def test_other_words_do_not_name_it(query):
    assert index("Ada Lovelace").named(query) == {}


def test_the_span_covers_the_name_alone():
    query = "In what town was Ada Lovelace's mother born?"
    start, end = index("Ada Lovelace").named(query)[0]
    assert query[start:end] == "Ada Lovelace"


def test_the_longer_of_overlapping_names_counts():
    found = index("Paris", "Paris Hilton")
    assert list(found.named("Paris Hilton was born in")) == [1]
    assert list(found.named("Paris lies in")) == [0]


def test_an_alias_names_the_subject_and_equal_subjects_are_all_found():
    assert list(index("Ada Lovelace", aliases=("Lady Byron",)).named("Lady Byron was born in")) == [0]
    assert sorted(index("Oslo", "Oslo").named("Oslo lies in")) == [0, 1]


@pytest.mark.parametrize("name", ["東京", "Çanakkale", "O'Brien", "R2-D2", "Ørsted A/S"])
def test_names_of_any_script(name):
    assert list(index(name).named(f"{name} lies in")) == [0]


def test_free_prompts_name_nothing():
    assert index("").named("anything at all") == {}
