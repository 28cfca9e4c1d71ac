"""zsRE with the keys of MEND, whose new object has to be declared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.edits import Edit, EditSet, Probe, ProbeKind
from engine.formats.registry import ReadOptions, read_edits, write_edits
from engine.formats.source import FormatError
from tests.engine.formats.reading import read_json, reasons

RECORD = {
    "subject": "Kelm",
    "src": "Who governs Kelm?",
    "pred": "Bo Lund",
    "rephrase": "Who is the ruler of Kelm?",
    "alt": "Ada Orm",
    "answers": ["Cy Moor", "Cyrus Moor"],
    "loc": "nq question: who wrote the tale of tarn",
    "loc_ans": "nobody",
    "cond": "Bo Lund >> Ada Orm || Who governs Kelm?",
}


def test_which_key_holds_the_new_object_must_be_said() -> None:
    with pytest.raises(FormatError, match="choose “alt”"):
        read_json([RECORD])


@pytest.mark.parametrize(("target", "new_object"), [("alt", "Ada Orm"), ("answers", "Cy Moor")])
def test_reads_a_record(target: str, new_object: str) -> None:
    imported = read_json([RECORD], zsre_target=target)
    assert imported.format == "zsre"
    (edit,) = imported.edit_set.edits
    assert edit == Edit(
        edit.id,
        "Who governs Kelm?",
        new_object,
        "Kelm",
        original_answer="Bo Lund",
        paraphrases=("Who is the ruler of Kelm?",),
        probes=(Probe(ProbeKind.FAR, "who wrote the tale of tarn"),),
    )
    assert [note for note in imported.notes if "loc_ans" in note]


@pytest.mark.parametrize(
    ("change", "target", "column", "reason"),
    [
        ({"alt": ""}, "alt", "alt", "it is empty, and holds the new object"),
        ({"answers": []}, "answers", "answers", "it is empty, and holds the new object"),
        ({"src": "Who governs it?"}, "alt", "src", "it does not name the subject"),
        ({"answers": [1]}, "alt", "answers.1", "it must be a text, not a number"),
        ({"src": None}, "alt", "src", "it is missing"),
    ],
)
def test_a_bad_record_costs_only_itself(change: dict[str, object], target: str, column: str, reason: str) -> None:
    imported = read_json([RECORD, {**RECORD, **change}], zsre_target=target)
    assert (imported.rows, imported.accepted) == (2, 1)
    assert reasons(imported) == [(2, column, reason)]


def test_a_subject_that_stands_twice_is_told() -> None:
    imported = read_json([{**RECORD, "src": "Is Kelm in Kelm?"}], zsre_target="alt")
    assert imported.accepted == 1
    assert [note for note in imported.notes if "more than once" in note]


def test_all_loaders_read_the_same_new_object(tmp_path: Path) -> None:
    probes = (Probe(ProbeKind.NEIGHBOUR, "n"), Probe(ProbeKind.FAR, "f"))
    edit = Edit("7", "Who governs Kelm?", "Ada Orm", "Kelm", "r9", "Bo", paraphrases=("q",), probes=probes)
    write_edits(EditSet("", (edit,)), tmp_path / "f.json", "zsre", probe_answers={"f": "nobody"})
    (record,) = json.loads((tmp_path / "f.json").read_text("utf-8"))
    assert record["alt"] == record["answers"][0] == "Ada Orm"
    assert (record["loc"], record["loc_ans"]) == ("nq question: f", "nobody")
    for target in ("alt", "answers"):
        options = ReadOptions(zsre_target=target)  # type: ignore[arg-type]
        (back,) = read_edits(tmp_path / "f.json", options=options).edit_set.edits
        assert back == Edit(
            "7",
            "Who governs Kelm?",
            "Ada Orm",
            "Kelm",
            "r9",
            "Bo",
            paraphrases=("q",),
            probes=(Probe(ProbeKind.FAR, "f"),),
        )


def test_what_it_has_no_form_for_is_left_out_by_name(tmp_path: Path) -> None:
    probe = (Probe(ProbeKind.FAR, "f"),)
    edits = (
        Edit("1", "Who?", "o", probes=probe),
        Edit("2", "Who governs it?", "o", "Kelm", probes=probe),
        Edit("3", "Who governs Kelm?", "o", "Kelm"),
        Edit("4", "Who governs Kelm?", "o", "Kelm", probes=probe, enabled=False),
        Edit("5", "Who governs Kelm?", "o", "Kelm", probes=probe),
    )
    written = write_edits(EditSet("", edits), tmp_path / "f.json", "zsre")
    assert (written.rows, [rejection.row for rejection in written.left_out]) == (1, [1, 2, 3, 4])
    assert written.notes == (
        "Edits without a paraphrase, so that “rephrase” repeats the prompt: 1.",
        "Probes whose answer is not known, so that “loc_ans” is empty: 1.",
    )
