from __future__ import annotations

import unicodedata
from functools import partial

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine.edits import Edit, fold
from engine.meg.subjects import SubjectIndex, words
from tests.engine.edit_strategies import any_text


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


_letters = st.characters(categories=["Lu", "Ll", "Lo", "Lt", "Nd"], exclude_characters="ﾞﾟ")
_names = st.lists(st.text(_letters, min_size=1, max_size=8), min_size=1, max_size=3).map(" ".join)
_spellings = st.sampled_from(
    [
        str.casefold,
        str.swapcase,
        str.title,
        *(partial(unicodedata.normalize, form) for form in ("NFC", "NFD", "NFKC", "NFKD")),
        lambda name: name.replace(" ", "\u00a0"),
        lambda name: "\u200b".join(name),
        lambda name: "\u202a" + name + "\u202c",
    ]
)
_endings = st.sampled_from(["", "'s", "’s", "'", ".", ",", "?", "”"])


@given(_names, _spellings, _endings)
@example("Çanakkale Ünlü", partial(unicodedata.normalize, "NFD"), "’s")
@example("각하", partial(unicodedata.normalize, "NFD"), "")
@example("Straße", str.upper, "'s")
@example("ﬁnnish Ωmega", str.casefold, "")
def test_no_spelling_that_counts_as_the_same_loses_a_named_subject(name, spell, ending):
    told = spell(name)
    assume(fold(told) == fold(name) and words(name))
    query = f"Say where {told}{ending} is at home"
    found = index(name).named(query)
    assert list(found) == [0]
    start, end = found[0]
    assert words(query[start:end]) == words(name)


@given(st.from_regex(r"[A-Za-z]{4,9}[b-dfg-km-rt-wz]", fullmatch=True))
def test_a_plural_names_it_too(name):
    assert list(index(name).named(f"Two {name}s are at home")) == [0]


@given(st.text(max_size=30), any_text)
def test_any_text_can_be_looked_through_and_spans_lie_in_it(query, name):
    for start, end in index(name or "x").named(query).values():
        assert 0 <= start < end <= len(query)
