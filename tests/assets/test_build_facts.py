from __future__ import annotations

import json
from pathlib import Path

import pytest

from assets.build_facts import RecordError, choose_facts, is_clean, read_records
from assets.catalogue import Fact


@pytest.mark.parametrize("text", ["Paris", "São Paulo", "AC/DC (band)", "O'Neil", "7 Up", "Sunn O)))", "Yahoo!"])
def test_ordinary_names_are_clean(text: str) -> None:
    assert is_clean(text)


@pytest.mark.parametrize(
    "text",
    ["", "x", "St. Louis", " Paris", "two  spaces", "日本", "a_b", "{}", "a\tb", "x" * 43, "Unknown", "-a"],
)
def test_odd_names_are_not(text: str) -> None:
    assert not is_clean(text)


def test_a_subject_keeps_its_first_object_and_one_spelling() -> None:
    records = [
        Fact("Ada Byron", "P19", "London"),
        Fact("Ada Byron", "P19", "Paris"),
        Fact("ADA BYRON", "P19", "Rome"),
        Fact("ada byron", "P20", "Oxford"),
    ]
    choice = choose_facts(records, per_relation=10, per_object=10)
    assert choice.facts == (Fact("Ada Byron", "P19", "London"), Fact("Ada Byron", "P20", "Oxford"))
    assert choice.unseen == ()


def test_what_is_left_over_is_unseen_and_several_relations_come_first() -> None:
    records = [
        Fact("Lone One", "P19", "London"),
        Fact("Met Twice", "P19", "Paris"),
        Fact("Met Twice", "P20", "Paris"),
        Fact("Stranger", "P999", "Mars"),
    ]
    choice = choose_facts(records, per_relation=1, per_object=10)
    assert {fact.subject for fact in choice.facts} == {"Met Twice"}
    assert choice.unseen == (("Lone One", "P19"),)


def test_one_object_does_not_fill_a_relation() -> None:
    records = [Fact(f"Player {letter}", "P19", "London") for letter in "abcdef"] + [Fact("Other Name", "P19", "Rome")]
    choice = choose_facts(records, per_relation=10, per_object=2)
    assert sorted(fact.object for fact in choice.facts) == ["London", "London", "Rome"]


def test_rare_objects_of_closed_relations_and_equal_names_are_dropped() -> None:
    records = [Fact("Somebody", "P103", "Frankish"), Fact("Rome", "P19", "rome")]
    assert choose_facts(records, per_relation=10, per_object=10).facts == ()


def test_the_same_records_give_the_same_choice() -> None:
    records = [Fact(f"Name {number:03d}", "P19", f"City {number % 7}") for number in range(60)]
    assert choose_facts(records, per_relation=20, per_object=4) == choose_facts(records, per_relation=20, per_object=4)


@pytest.mark.parametrize("line", ["{", "[]", '{"subject": "a"}', "3"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps({"subject": "a", "relation": "P19", "object": "b"}) + "\n" + line, encoding="utf-8")
    with pytest.raises(RecordError, match="line 2"):
        read_records(path)
