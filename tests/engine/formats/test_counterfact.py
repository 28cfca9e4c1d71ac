"""CounterFact's nested records."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given

from engine.edits import Edit, EditSet, Probe, ProbeKind
from engine.formats.registry import read_edits, write_edits
from engine.formats.source import FormatError
from tests.engine.edit_strategies import edit_sets
from tests.engine.formats.reading import CAPITAL, read_json, read_text, reasons

REWRITE = {
    "prompt": "{} is governed by",
    "relation_id": "P6",
    "target_new": {"str": "Ada Orm", "id": "Q1"},
    "target_true": {"str": "Bo Lund", "id": "Q2"},
    "subject": "Kelm",
}
RECORD = {
    "case_id": 3,
    "pararel_idx": 7,
    "requested_rewrite": REWRITE,
    "paraphrase_prompts": ["A storm came. Kelm is led by"],
    "neighborhood_prompts": ["Tarn is governed by", "Moor is governed by"],
    "attribute_prompts": ["Lund is governed by"],
    "generation_prompts": ["Kelm is"],
}


def test_reads_a_record() -> None:
    imported = read_json([RECORD])
    assert imported.format == "counterfact"
    (edit,) = imported.edit_set.edits
    neighbours = tuple(Probe(ProbeKind.NEIGHBOUR, text) for text in RECORD["neighborhood_prompts"])  # type: ignore[attr-defined]
    assert edit == Edit(
        "3",
        "Kelm is governed by",
        "Ada Orm",
        "Kelm",
        "P6",
        "Bo Lund",
        paraphrases=("A storm came. Kelm is led by",),
        probes=neighbours,
    )


def test_tells_what_it_leaves_out() -> None:
    notes = " ".join(read_json([RECORD, {**RECORD, "case_id": 4}]).notes)
    for part in ("“attribute_prompts” are left out", "“generation_prompts” are left out", "“pararel_idx” is not known"):
        assert part in notes
    assert "(2 times)" in notes


def test_templates_become_phrasings_of_relations_that_are_not_known() -> None:
    other = {**RECORD, "case_id": 4, "requested_rewrite": {**REWRITE, "prompt": "The ruler of {} is"}}
    relations = read_json([RECORD, other]).edit_set.relations
    assert relations["P6"].phrasings == ("{} is governed by", "The ruler of {} is")


def test_a_relation_that_is_known_stays_as_it_is() -> None:
    imported = read_json([{**RECORD, "requested_rewrite": {**REWRITE, "relation_id": "R1"}}])
    assert imported.edit_set.edits[0].relation == "r1"
    assert imported.edit_set.relations == {"r1": CAPITAL}


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"prompt": "no slot"}, "requested_rewrite.prompt", "the phrasing “no slot” must contain {} exactly once"),
        ({"prompt": "{} and {}"}, "requested_rewrite.prompt", "the phrasing"),
        ({"subject": " "}, "requested_rewrite.subject", "it is empty"),
        ({"target_new": {"str": ""}}, "requested_rewrite.target_new.str", "it is empty"),
        ({"target_new": "Ada"}, "requested_rewrite.target_new", "it must be an object with keys, not a text"),
        ({"target_new": {"id": "Q1"}}, "requested_rewrite.target_new.str", "it is missing"),
        ({"target_true": {"str": 5}}, "requested_rewrite.target_true.str", "it must be a text, not a number"),
    ],
)
def test_a_bad_record_costs_only_itself(change: dict[str, object], column: str, reason: str) -> None:
    bad = {**RECORD, "case_id": 9, "requested_rewrite": {**REWRITE, **change}}
    imported = read_json([RECORD, bad, {**RECORD, "case_id": 10}])
    assert [edit.id for edit in imported.edit_set.edits] == ["3", "10"]
    ((row, found, text),) = reasons(imported)
    assert (row, found) == (2, column)
    assert text.startswith(reason)


def test_a_template_is_never_taken_for_a_format_string() -> None:
    evil = {**REWRITE, "subject": "{0.__class__}", "prompt": "{} is {0.__init__.__globals__}"}
    (edit,) = read_json([{**RECORD, "requested_rewrite": evil}]).edit_set.edits
    assert edit.prompt == "{0.__class__} is {0.__init__.__globals__}"


def test_a_list_that_breaks_off_is_refused_as_a_whole() -> None:
    whole = json.dumps([RECORD, {**RECORD, "case_id": 4}])
    for broken in (whole[:-1], whole[:-30], whole + "]", whole.replace("}, {", "} {")):
        with pytest.raises(FormatError, match="facts"):
            read_text(broken)


def test_twice_the_same_key_costs_only_its_record() -> None:
    text = json.dumps([RECORD, {**RECORD, "case_id": 4}]).replace('{"case_id": 3', '{"case_id": 2, "case_id": 3')
    imported = read_text(text)
    assert [edit.id for edit in imported.edit_set.edits] == ["4"]
    assert reasons(imported) == [(1, "", "the key 'case_id' appears twice")]


def test_writes_what_it_reads(tmp_path: Path) -> None:
    edit_set = read_json([RECORD]).edit_set
    written = write_edits(edit_set, tmp_path / "f.json", "counterfact")
    assert written.left_out == ()
    assert written.notes == ("A relation's name and phrasings have no place: 1.",)
    assert read_edits(tmp_path / "f.json").edit_set.edits == edit_set.edits
    (record,) = json.loads((tmp_path / "f.json").read_text("utf-8"))
    assert record["case_id"] == 3
    assert record["requested_rewrite"]["prompt"] == "{} is governed by"
    assert record["attribute_prompts"] == record["generation_prompts"] == []


@pytest.mark.parametrize(
    ("prompt", "subject", "template"),
    [
        ("The first letter is a", "a", "The first letter is {}"),
        ("Kelm and Kelm lie in", "Kelm", "{} and Kelm lie in"),
        ("Kelmish people live in", "Kelm", "{}ish people live in"),
        ("The capital of Kelm Kelm is", "Kelm", "The capital of {} Kelm is"),
    ],
)
def test_the_slot_is_where_the_subject_stands(tmp_path: Path, prompt: str, subject: str, template: str) -> None:
    write_edits(EditSet("", (Edit("x", prompt, "o", subject),)), tmp_path / "f.json", "counterfact")
    (record,) = json.loads((tmp_path / "f.json").read_text("utf-8"))
    assert record["requested_rewrite"]["prompt"] == template
    assert template.format(subject) == prompt


def test_what_it_has_no_form_for_is_left_out_by_name(tmp_path: Path) -> None:
    edits = (
        Edit("1", "p", "o"),
        Edit("2", "Where is it", "o", "Kelm"),
        Edit("3", "Kelm {x}", "o", "Kelm"),
        Edit("4", "Kelm is", "o", "Kelm", enabled=False),
        Edit("5", "Kelm is", "o", "Kelm", aliases=("a",), probes=(Probe(ProbeKind.FAR, "f"),)),
    )
    written = write_edits(EditSet("", edits), tmp_path / "f.json", "counterfact")
    assert (written.rows, [rejection.row for rejection in written.left_out]) == (1, [1, 2, 3, 4])
    assert written.summary() == "f.json: 1 edits written, 4 left out."
    assert written.notes == (
        "Same-subject and far probes have no place: 1.",
        "Aliases have no place: 1.",
        "Edits without an original answer, so that “target_true” is empty: 1.",
    )


@given(edit_sets())
def test_what_is_written_is_filled_in_by_others_as_we_do(edit_set: EditSet) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "facts.json")
        written = write_edits(edit_set, path, "counterfact")
        records = json.loads(path.read_text("utf-8"))
        imported = read_edits(path, "counterfact", relations=edit_set.relations)
    assert written.rows + len(written.left_out) == len(edit_set.edits)
    asked = {edit.prompt for edit in edit_set.edits}
    for record in records:
        rewrite = record["requested_rewrite"]
        assert rewrite["prompt"].format(rewrite["subject"]) in asked
    assert {edit.prompt for edit in imported.edit_set.edits} <= asked
    assert imported.rows == written.rows
