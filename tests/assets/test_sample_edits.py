from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from assets.build_sample_edits import SampleError, build_edits, write_edits
from assets.catalogue import SAMPLE_EDITS, Fact, facts, relations
from engine.edits import Edit, ProbeKind, fill, find_conflicts, fold
from engine.formats.registry import read_edits

LINES: list[dict[str, Any]] = [json.loads(line) for line in SAMPLE_EDITS.read_text(encoding="utf-8").splitlines()]
HEADER, ENTRIES = LINES[0], LINES[1:]
KNOWN = {(fact.subject, fact.relation): fact.object for fact in facts() if fact.known}


def edits() -> list[Edit]:
    return list(read_edits(SAMPLE_EDITS, relations=relations()).edit_set.edits)


def test_the_header_names_the_format_and_the_relations_used() -> None:
    assert (HEADER["format"], HEADER["version"], HEADER["name"]) == ("meg-edits", 1, "Sample edits")
    assert {relation["id"] for relation in HEADER["relations"]} == {entry["relation"] for entry in ENTRIES}
    for relation in HEADER["relations"]:
        known = relations()[relation["id"]]
        assert relation == {
            "id": known.id,
            "name": known.name,
            "phrasings": list(known.phrasings),
            "held_out": list(known.held_out),
        }


def test_there_are_enough_edits_and_no_two_ask_the_same() -> None:
    assert len(ENTRIES) >= 320
    assert len({entry["relation"] for entry in ENTRIES}) >= 14
    assert [entry["id"] for entry in ENTRIES] == [f"s{number:04d}" for number in range(1, len(ENTRIES) + 1)]
    assert max(Counter(fold(entry["subject"]) for entry in ENTRIES).values()) == 1
    assert find_conflicts(edits()) == []


def test_keys_keep_their_order() -> None:
    for entry in ENTRIES:
        assert " ".join(entry) == (
            "id subject relation new_object prompt original_answer aliases paraphrases probes enabled"
        )


def test_edits_change_what_the_model_knows_to_another_object_of_the_relation() -> None:
    objects = {(fact.relation, fact.object) for fact in facts()}
    for edit in edits():
        assert KNOWN[edit.subject, edit.relation] == edit.original_answer
        assert fold(edit.new_object) != fold(edit.original_answer)
        assert (edit.relation, edit.new_object) in objects
        assert edit.prompt == fill(relations()[edit.relation].phrasings[0], edit.subject)


def test_paraphrases_are_held_out_phrasings() -> None:
    for edit in edits():
        relation = relations()[edit.relation]
        assert len(set(edit.paraphrases)) >= 4
        assert set(edit.paraphrases) <= {fill(phrasing, edit.subject) for phrasing in relation.held_out}
        assert not set(edit.paraphrases) & {fill(phrasing, edit.subject) for phrasing in relation.phrasings}


def test_probes_are_what_they_say() -> None:
    subjects = {fold(entry["subject"]) for entry in ENTRIES}
    asked: dict[str, list[tuple[str, str]]] = {}
    for subject, relation in {(fact.subject, fact.relation) for fact in facts()}:
        for phrasing in (*relations()[relation].phrasings, *relations()[relation].held_out):
            asked.setdefault(fill(phrasing, subject), []).append((subject, relation))
    for edit in edits():
        kinds = Counter(probe.kind for probe in edit.probes)
        assert kinds[ProbeKind.NEIGHBOUR] >= 3
        assert kinds[ProbeKind.SAME_SUBJECT] == 2
        assert kinds[ProbeKind.FAR] == 1
        own = {
            fill(phrasing, edit.subject)
            for id, relation in relations().items()
            if id != edit.relation
            for phrasing in (*relation.phrasings, *relation.held_out)
        }
        for probe in edit.probes:
            if probe.kind is ProbeKind.NEIGHBOUR:
                (subject, relation) = asked[probe.prompt][0]
                assert relation == edit.relation
                assert fold(subject) not in subjects
                assert KNOWN[subject, relation] != edit.new_object
            elif probe.kind is ProbeKind.SAME_SUBJECT:
                assert probe.prompt in own
            else:
                assert edit.subject not in probe.prompt


def test_the_same_table_gives_the_same_edits(tmp_path) -> None:
    first = build_edits(facts(), [], per_relation=2, seed=3)
    assert build_edits(facts(), [], per_relation=2, seed=3) == first
    assert build_edits(facts(), [], per_relation=2, seed=4) != first
    write_edits(tmp_path / "edits.jsonl", first, relations())
    assert len((tmp_path / "edits.jsonl").read_text(encoding="utf-8").splitlines()) == 1 + len(first)


def test_a_new_object_is_never_true_as_well() -> None:
    subject = build_edits(facts(), [], per_relation=2, seed=3)[0].subject
    allowed = "Japan"
    records = [
        Fact(subject, "P17", fact.object) for fact in facts() if fact.relation == "P17" and fact.object != allowed
    ]
    changed = build_edits(facts(), records, per_relation=2, seed=3)[0]
    assert (changed.subject, changed.new_object) == (subject, allowed)


def test_too_few_known_facts_are_reported() -> None:
    with pytest.raises(SampleError, match="known facts"):
        build_edits(facts()[:50], [], per_relation=12, seed=1)
