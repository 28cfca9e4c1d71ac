"""KnowEdit's grouped records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.edits import Edit, EditSet, Probe, ProbeKind
from engine.formats.registry import read_edits, write_edits
from tests.engine.formats.reading import read_json, reasons

RECORD = {
    "subject": "Kelm",
    "prompt": "The mayor of Kelm is",
    "target_new": "Ada Orm",
    "ground_truth": ["Bo Lund"],
    "portability": {
        "Subject_Aliasing": [
            {"prompt": "The mayor of the Amber City is", "ground_truth": [["ada orm", "A. Orm"]]},
            {"prompt": "The river of the Amber City is", "ground_truth": ["Sil"]},
        ],
        "Reasoning": [{"prompt": "The mayor of Kelm was born in", "ground_truth": [["Tarn"]]}],
        "Logical_Generalization": None,
    },
    "locality": {
        "Relation_Specificity": [{"prompt": "Kelm lies in", "ground_truth": [["Norland"]]}],
        "Forgetfulness": [{"prompt": ["Another mayor of Kelm is"], "ground_truth": "Cy"}],
    },
}


def test_reads_a_record() -> None:
    imported = read_json([RECORD])
    assert imported.format == "knowedit"
    (edit,) = imported.edit_set.edits
    assert edit == Edit(
        edit.id,
        "The mayor of Kelm is",
        "Ada Orm",
        "Kelm",
        original_answer="Bo Lund",
        paraphrases=("The mayor of the Amber City is",),
        probes=(
            Probe(ProbeKind.SAME_SUBJECT, "Kelm lies in"),
            Probe(ProbeKind.SAME_SUBJECT, "Another mayor of Kelm is"),
        ),
    )
    assert imported.notes == (
        "Reasoning and Logical_Generalization prompts are left out: their answers are others.",
        "Subject_Aliasing prompts with another answer than the new object are left out.",
    )


def test_the_other_names_of_its_keys() -> None:
    record = {"concept": "Kelm", "text": "Kelm is", "labels": "a town", "locality": {}}
    (edit,) = read_json([record]).edit_set.edits
    assert (edit.subject, edit.prompt, edit.new_object) == ("Kelm", "Kelm is", "a town")


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"target_new": None}, "target_new"),
        ({"locality": {"Forgetfulness": [{"ground_truth": "x"}]}}, "locality.Forgetfulness.1.prompt"),
        ({"locality": {"Forgetfulness": "x"}}, "locality.Forgetfulness"),
        ({"locality": {"Relation_Specificity": [{"prompt": ""}, {"prompt": " "}]}}, "locality"),
        ({"ground_truth": [[1]]}, "ground_truth.1"),
    ],
)
def test_a_bad_record_costs_only_itself(change: dict[str, object], column: str) -> None:
    imported = read_json([RECORD, {**RECORD, **change}])
    assert (imported.rows, imported.accepted) == (2, 1)
    assert [(row, found) for row, found, _ in reasons(imported)] == [(2, column)]


def test_writes_what_it_can_hold(tmp_path: Path) -> None:
    probes = (Probe(ProbeKind.SAME_SUBJECT, "Kelm lies in"), Probe(ProbeKind.FAR, "f"))
    edit = Edit("7", "p", "Ada", "Kelm", "r9", "Bo", aliases=("A.",), paraphrases=("q", "r"), probes=probes)
    off = Edit("8", "p", "o", enabled=False)
    answers = {"Kelm lies in": "Norland"}
    written = write_edits(EditSet("", (edit, off)), tmp_path / "f.json", "knowedit", probe_answers=answers)
    assert (written.rows, [rejection.row for rejection in written.left_out]) == (1, [2])
    assert written.notes == ("Aliases have no place: 1.", "Neighbour and far probes have no place: 1.")
    (record,) = json.loads((tmp_path / "f.json").read_text("utf-8"))
    assert record["locality"]["Relation_Specificity"] == [{"prompt": "Kelm lies in", "ground_truth": ["Norland"]}]
    (back,) = read_edits(tmp_path / "f.json").edit_set.edits
    assert (back.id, back.relation, back.paraphrases) == ("7", "r9", ("q", "r"))
    assert back.probes == probes[:1]


def test_the_locality_key_is_always_there(tmp_path: Path) -> None:
    write_edits(EditSet("", (Edit("1", "p", "o"),)), tmp_path / "f.json", "knowedit")
    assert json.loads((tmp_path / "f.json").read_text("utf-8"))[0]["locality"] == {}
