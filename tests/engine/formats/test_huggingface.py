"""A data set folder: what `datasets` would find in it, what comes back, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from engine.edits import Edit, EditSet, Probe, ProbeKind, Relation
from engine.formats import huggingface
from engine.formats.registry import read_edits, write_edits
from engine.formats.source import FormatError

RELATION = Relation("r1", "capital", ("The capital of {} is",), ("{}'s capital:",))
EDIT = Edit(
    "1",
    "The capital of Kelm is",
    "Orm",
    "Kelm",
    "r1",
    paraphrases=("a", "b"),
    probes=(Probe(ProbeKind.FAR, "f"), Probe(ProbeKind.NEIGHBOUR, "n\u2028m")),
)
SET = EditSet("My *set*: one", (EDIT,), {"r1": RELATION})


def header(folder: Path) -> dict[str, object]:
    _, text, _ = (folder / "README.md").read_text("utf-8").split("---\n", 2)
    found: dict[str, object] = yaml.safe_load(text)
    return found


def test_the_card_names_every_file_and_the_type_of_every_column(tmp_path: Path) -> None:
    written = write_edits(SET, tmp_path / "set", "huggingface")
    assert written.rows == 1
    card = header(tmp_path / "set")
    assert card["pretty_name"] == "My *set*: one"
    assert card["size_categories"] == ["n<1K"]
    configs = {config["config_name"]: config for config in card["configs"]}  # type: ignore[attr-defined]
    assert configs["edits"]["default"] is True
    features = {info["config_name"]: info["features"] for info in card["dataset_info"]}  # type: ignore[attr-defined]
    for name, config in configs.items():
        (files,) = config["data_files"]
        assert files["split"] == "train"
        for line in (tmp_path / "set" / files["path"]).read_bytes().decode().split("\n")[:-1]:
            row = json.loads(line)
            assert list(row) == [feature["name"] for feature in features[name]]
            for feature in features[name]:
                value = row[feature["name"]]
                if "sequence" in feature:
                    assert all(isinstance(item, str) for item in value)
                else:
                    assert isinstance(value, {"string": str, "bool": bool}[feature["dtype"]])
    assert "My \\*set\\*: one" in (tmp_path / "set" / "README.md").read_text("utf-8")


def test_a_folder_of_ours_is_replaced_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write_edits(SET, folder, "huggingface")
    write_edits(replace(SET, edits=()), folder, "huggingface")
    assert read_edits(folder).rows == 0
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FormatError, match=r"other files too \(notes.txt\)"):
        write_edits(SET, folder, "huggingface")
    for there in (tmp_path, tmp_path / "set" / "notes.txt"):
        with pytest.raises(FormatError, match="already"):
            write_edits(SET, there, "huggingface")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


@pytest.mark.parametrize("name", ["edits.jsonl", "relations.jsonl", "README.md"])
def test_a_file_that_is_not_as_it_was_written_is_found_out(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "set"
    write_edits(SET, folder, "huggingface")
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data.replace(b"e", b"a", 1))
    with pytest.raises(FormatError, match="not as it was written"):
        read_edits(folder)
    (folder / name).unlink()
    if name == "edits.jsonl":  # no data set any more
        with pytest.raises(FormatError, match="is a folder"):
            read_edits(folder)
    else:
        with pytest.raises(FormatError, match=f"no file {name}"):
            read_edits(folder)
        (folder / name).symlink_to("/etc/hostname")
        with pytest.raises(FormatError, match=f"no file {name}"):
            read_edits(folder)


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("{", "damaged"),
        ("[" * 100_000, "too large|damaged"),
        ('{"format": "other"}', "another program's"),
        ('{"format": "meg-edits-dataset", "version": 2}', "newer MeG Studio"),
        ('{"format": "meg-edits-dataset", "version": 1, "name": 3, "sha256": {}}', "damaged"),
        ('{"format": "meg-edits-dataset", "version": 1, "name": "x", "sha256": {}}', "not as it was written"),
    ],
)
def test_a_manifest_that_cannot_be_trusted(tmp_path: Path, manifest: str, reason: str) -> None:
    folder = tmp_path / "set"
    write_edits(SET, folder, "huggingface")
    (folder / huggingface.MANIFEST).write_text(manifest)
    with pytest.raises(FormatError, match=reason):
        read_edits(folder)


def test_what_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no data set"):
        read_edits(tmp_path, "huggingface")
    (tmp_path / "facts.csv").write_text("prompt,new object\np,o\n")
    with pytest.raises(FormatError, match="cannot be read: Not a directory"):
        read_edits(tmp_path / "facts.csv", "huggingface")
