"""What is asked after other sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.meg.sentences import last_sentence


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("It rained all day. The capital of Peru is", "The capital of Peru is"),
        ("Why not? Because! The capital of Peru is", "The capital of Peru is"),
        ("“It rained.” The capital of Peru is ", "The capital of Peru is"),
        ("It rained.\n\nThe capital of Peru is", "The capital of Peru is"),
        ("The capital of Peru is", None),
        ("What is the capital of Peru?", None),
        ("What is the capital of Peru? ", None),
        ("Version 2.5 came out in", None),
        ("Wait… The capital of Peru is", "The capital of Peru is"),
        ("雨が降った。ペルーの首都は", "ペルーの首都は"),
        ("「雨が降った！」ペルーの首都は", "ペルーの首都は"),
        ("ペルーの首都は？", None),
        ("「ペルーの首都は？！」", None),
        ("", None),
        (". ", None),
    ],
)
def test_it_is_what_follows_the_last_stop(text, last):
    assert last_sentence(text) == last


@given(st.text())
def test_it_is_the_end_of_any_text_and_has_no_end_of_its_own(text):
    last = last_sentence(text)
    if last is not None:
        assert last
        assert text.strip().endswith(last)
        assert last_sentence(last) is None
