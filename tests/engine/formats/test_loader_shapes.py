"""Exported files, walked the way the field's own loaders walk them: the keys they take, what they do with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from engine.edits import Edit, EditSet, Probe, ProbeKind
from engine.formats.registry import write_edits
from tests.engine.edit_strategies import edit_sets

EDITS = EditSet(
    "Set",
    (
        Edit(
            "7",
            "Who governs Kelm?",
            "Ada Orm",
            "Kelm",
            "r9",
            "Bo",
            paraphrases=("Kelm is governed by", "The governor of Kelm is"),
            probes=(
                Probe(ProbeKind.NEIGHBOUR, "Who governs Tarn?"),
                Probe(ProbeKind.SAME_SUBJECT, "Where is Kelm?"),
                Probe(ProbeKind.FAR, "who sang it"),
            ),
        ),
        Edit("8", "Who governs Sud?", "Cy", "Sud", probes=(Probe(ProbeKind.SAME_SUBJECT, "Where is Sud?"),)),
        Edit("9", "A free prompt asks", "for this"),
    ),
)
ANSWERS = {"Who governs Tarn?": "Di", "Where is Kelm?": "in the north", "who sang it": "Ed"}


def exported(format: str, edit_set: EditSet = EDITS) -> list[dict[str, Any]]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "facts.json")
        write_edits(edit_set, path, format, probe_answers=ANSWERS)
        records: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return records


def as_rome_reads(record: dict[str, Any]) -> dict[str, Any]:
    """Rewrite, paraphrases and neighbours with the two objects that each prompt is scored on."""
    rewrite = record["requested_rewrite"]
    new, true = rewrite["target_new"]["str"], rewrite["target_true"]["str"]
    prompts = [rewrite["prompt"].format(rewrite["subject"])]
    assert rewrite["prompt"].count("{}") == 1
    for name in ("paraphrase_prompts", "neighborhood_prompts", "attribute_prompts", "generation_prompts"):
        assert all(isinstance(text, str) for text in record[name])
    edit_prompt = rewrite["prompt"]
    wanted = new if new[0] == " " else f" {new}"
    return {
        "case_id": record["case_id"],
        "asked": [*prompts, *record["paraphrase_prompts"]],
        "kept": record["neighborhood_prompts"],
        "training text": (edit_prompt + wanted).format(rewrite["subject"]) if "{" not in wanted else "",
        "true": true,
    }


def as_memit_reads_zsre(record: dict[str, Any]) -> dict[str, Any]:
    """A template with a slot for the subject, the first answer as the new object, the open question in pieces."""
    assert "nq question: " in record["loc"]
    template = record["src"].replace(record["subject"], "{}")
    pieces = (" " + record["loc_ans"]).split(" ")
    return {
        "asked": template.format(record["subject"]),
        "new": record["answers"][0],
        "again": [record["rephrase"]],
        "kept": [record["loc"] + "?" + " ".join(pieces[:end]) for end in range(len(pieces))],
    }


def as_easyedit_reads_zsre(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same record with `alt` as the new object; one without is passed over."""
    assert "nq question: " in record["loc"]
    if record["alt"] == "":
        return
    question = (record["answers"][0], record["alt"], record["src"])
    yield {
        "asked": record["src"],
        "new": record["alt"],
        "again": record["rephrase"],
        "kept": f"{record['loc']} {record['loc_ans']}",
        "condition": "{} >> {} || {}".format(*question),
    }


def as_easyedit_reads(record: dict[str, Any]) -> dict[str, Any]:
    """Flat keys, all of them texts that are joined with a space."""
    return {
        "asked": f"{record['prompt']} {record['target_new']}",
        "again": f"{record['rephrase_prompt']} {record['target_new']}",
        "kept": f"{record['locality_prompt']} {record['locality_ground_truth']}",
        "subject": record["subject"],
        "condition": "{} >> {} || {}".format(record["ground_truth"], record["target_new"], record["prompt"]),
    }


def as_knowedit_reads(record: dict[str, Any]) -> dict[str, Any]:
    """Either name of each key; groups are looked for in `portability` and in `locality`, which must be there."""
    found = {
        "subject": record["subject"] if "subject" in record else record["concept"],
        "asked": record["prompt"] if "prompt" in record else record["text"],
        "new": record["target_new"] if "target_new" in record else record["labels"],
        "true": record.get("ground_truth"),
        "aliasing": record["portability"].get("Subject_Aliasing") if "portability" in record else None,
        "kept": record["locality"].get("Relation_Specificity"),
    }
    for group in ("aliasing", "kept", "true"):
        for entry in found[group] or []:
            answer = entry["ground_truth"] if isinstance(entry, dict) else entry
            while isinstance(answer, list):
                answer = answer[0]  # fails on an empty list
            assert isinstance(answer, str)
    return found


def test_counterfact_as_rome_and_memit_read_it() -> None:
    (first, second) = map(as_rome_reads, exported("counterfact"))
    assert first == {
        "case_id": 7,
        "asked": ["Who governs Kelm?", "Kelm is governed by", "The governor of Kelm is"],
        "kept": ["Who governs Tarn?"],
        "training text": "Who governs Kelm? Ada Orm",
        "true": "Bo",
    }
    assert second["asked"] == ["Who governs Sud?"]


def test_zsre_as_both_loaders_read_it() -> None:
    records = exported("zsre")
    assert [as_memit_reads_zsre(record)["asked"] for record in records] == ["Who governs Kelm?", "Who governs Sud?"]
    assert [as_memit_reads_zsre(record)["new"] for record in records] == ["Ada Orm", "Cy"]
    (first,) = as_easyedit_reads_zsre(records[0])
    assert (first["new"], first["kept"]) == ("Ada Orm", "nq question: who sang it Ed")
    assert first["again"] == "Kelm is governed by"


def test_easyedit_as_it_reads_its_own() -> None:
    (first, _, free) = map(as_easyedit_reads, exported("easyedit"))
    assert first["kept"] == "Who governs Tarn? Di"
    assert (free["asked"], free["subject"]) == ("A free prompt asks for this", "")


def test_knowedit_as_its_loaders_read_it() -> None:
    (first, second, free) = map(as_knowedit_reads, exported("knowedit"))
    assert first["kept"] == [{"prompt": "Where is Kelm?", "ground_truth": ["in the north"]}]
    assert [query["prompt"] for query in first["aliasing"]] == ["The governor of Kelm is"]
    assert (second["true"], free["subject"]) == (None, "")


@pytest.mark.parametrize(
    ("format", "walk"),
    [
        ("counterfact", as_rome_reads),
        ("zsre", as_memit_reads_zsre),
        ("zsre", lambda record: list(as_easyedit_reads_zsre(record))),
        ("easyedit", as_easyedit_reads),
        ("knowedit", as_knowedit_reads),
    ],
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(edit_sets())
def test_no_loader_stumbles_over_any_edit(format: str, walk: Any, edit_set: EditSet) -> None:
    for record in exported(format, edit_set):
        assert walk(record)
