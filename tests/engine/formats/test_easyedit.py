"""EasyEdit's flat records."""

from __future__ import annotations

import json
from pathlib import Path

from engine.edits import Edit, EditSet, Probe, ProbeKind
from engine.formats.registry import read_edits, write_edits
from tests.engine.formats.reading import read_json, read_text, reasons

RECORD = {
    "case_id": 12,
    "prompt": "The mayor of Kelm is",
    "subject": "Kelm",
    "target_new": "Ada Orm",
    "ground_truth": "Bo Lund",
    "rephrase_prompt": "Kelm is governed by",
    "locality_prompt": "The mayor of Tarn is",
    "locality_ground_truth": "Cy Moor",
    "relation_id": None,
}
EDIT = Edit(
    "12",
    "The mayor of Kelm is",
    "Ada Orm",
    subject="Kelm",
    original_answer="Bo Lund",
    paraphrases=("Kelm is governed by",),
    probes=(Probe(ProbeKind.NEIGHBOUR, "The mayor of Tarn is"),),
)


def test_reads_a_list_and_lines() -> None:
    for imported in (read_json([RECORD]), read_text(json.dumps(RECORD)), read_json(RECORD)):
        assert imported.format == "easyedit"
        assert imported.edit_set.edits == (EDIT,)
        assert [note for note in imported.notes if "locality_ground_truth" in note]


def test_reads_lists_of_texts_and_what_is_left_out() -> None:
    record = {"prompt": "p", "target_new": "o", "ground_truth": ["a", "b"], "rephrase_prompt": ["q", "r"]}
    (edit,) = read_json([{**record, "locality_prompt": "nq question: who is it"}]).edit_set.edits
    assert (edit.original_answer, edit.paraphrases) == ("a", ("q", "r"))
    assert edit.probes == (Probe(ProbeKind.FAR, "who is it"),)


def test_a_bad_record_costs_only_itself() -> None:
    imported = read_json([RECORD, {**RECORD, "target_new": 1}, {**RECORD, "prompt": ""}, RECORD], "easyedit")
    assert (imported.rows, imported.accepted, imported.rejected) == (4, 1, 3)
    assert reasons(imported) == [
        (2, "target_new", "it must be a text, not a number"),
        (3, "relation_id", "there is neither a relation nor a prompt"),
        (4, "case_id", "the id '12' is taken by record 1"),
    ]
    assert str(imported.rejections[0]) == "facts.json, record 2, column “target_new”: it must be a text, not a number."


def test_unknown_keys_are_told() -> None:
    assert (
        "“portability_prompt” is not known here and was left out."
        in read_json([{**RECORD, "portability_prompt": "x"}]).notes
    )


def test_writes_what_it_reads(tmp_path: Path) -> None:
    for name in ("facts.json", "facts.jsonl"):
        written = write_edits(EditSet("", (EDIT,)), tmp_path / name, "easyedit")
        assert written.notes == ("Probes whose answer is not known, so that “locality_ground_truth” is empty: 1.",)
        assert read_edits(tmp_path / name, "easyedit").edit_set.edits == (EDIT,)
    assert len((tmp_path / "facts.jsonl").read_text("utf-8").splitlines()) == 1
    assert json.loads((tmp_path / "facts.json").read_text("utf-8"))[0]["locality_ground_truth"] == ""


def test_tells_what_it_has_no_place_for(tmp_path: Path) -> None:
    far, near = Probe(ProbeKind.FAR, "f"), Probe(ProbeKind.NEIGHBOUR, "n")
    full = Edit("1", "p", "o", aliases=("a",), paraphrases=("q", "r", "s"), probes=(far, near))
    off = Edit("2", "p", "o", enabled=False)
    answers = {"n": "Cy Moor"}
    written = write_edits(EditSet("", (full, off)), tmp_path / "f.json", "easyedit", probe_answers=answers)
    assert written.rows == 1
    assert [str(rejection) for rejection in written.left_out] == [
        "f.json, edit 2, column “enabled”: it is switched off, and the format has no word for that."
    ]
    assert written.notes == (
        "Paraphrases after an edit's first have no place: 2.",
        "Probes after an edit's first have no place: 1.",
        "Aliases have no place: 1.",
        "Edits without an original answer, so that “ground_truth” is empty: 1.",
    )
    (record,) = json.loads((tmp_path / "f.json").read_text("utf-8"))
    assert (record["locality_prompt"], record["locality_ground_truth"]) == ("n", "Cy Moor")
