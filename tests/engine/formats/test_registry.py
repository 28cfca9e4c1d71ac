"""Which format a file is in, and from one to another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.edits import Edit, EditSet, Probe, ProbeKind
from engine.formats.registry import FORMATS, ReadOptions, convert, detect, read_edits, write_edits
from engine.formats.source import FormatError, Source

PROBES = (Probe(ProbeKind.NEIGHBOUR, "Tarn lies in"), Probe(ProbeKind.SAME_SUBJECT, "The river of Kelm is"))
EDIT = Edit("1", "Kelm lies in", "Norland", "Kelm", "r1", "Sudland", paraphrases=("Find Kelm in",), probes=PROBES)
OPTIONS = ReadOptions(zsre_target="alt")
FILES = [name for name in FORMATS if name not in ("json", "huggingface")]


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".txt", ""])
def test_the_content_decides_and_not_the_suffix(tmp_path: Path, format: str, suffix: str) -> None:
    path = tmp_path / f"facts{suffix}"
    write_edits(EditSet("facts", (EDIT,)), path, format)
    imported = read_edits(path, options=OPTIONS)
    assert imported.format == format
    (edit,) = imported.edit_set.edits
    assert (edit.id, edit.prompt, edit.new_object) == (EDIT.id, EDIT.prompt, EDIT.new_object)
    assert (edit.subject, edit.relation, edit.paraphrases) == (EDIT.subject, EDIT.relation, EDIT.paraphrases)


@pytest.mark.parametrize("format", FILES)
def test_an_empty_edit_set_can_be_written(tmp_path: Path, format: str) -> None:
    assert write_edits(EditSet("", ()), tmp_path / "facts", format).rows == 0


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ('{"new_object": "o"}', "jsonl"),
        ('{"format": "meg-edits", "version": 99}', "jsonl"),
        ('[{"prompt": "p", "target_new": "o", "locality": {"x": 1}}]', "knowedit"),
        ('[{"text": "p", "labels": "o"}]', "knowedit"),
        ('[{"prompt": "p", "target_new": "o"}]', "easyedit"),
        ('[{"src": "p", "answers": []}]', "zsre"),
        ('{\n "requested_rewrite": {}\n}', "counterfact"),
        ('[{"a": NaN}, {"requested_rewrite": {}}]', "counterfact"),
        ("new object\tprompt\n", "tsv"),
        ("\n\nsep=;\nnew object;prompt\n", "csv"),
    ],
)
def test_detect(text: str, format: str) -> None:
    assert detect(Source.decode("facts", text.encode())) == format


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("once upon a time", "no JSON, and its first row"),
        ('{"a": 1, "b": 2}', "its first record has 'a, b'"),
        ("[1, 2]", "no objects with keys"),
        ("[]", "no objects with keys"),
        ("[", "no valid JSON"),
    ],
)
def test_a_file_in_no_known_format(text: str, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        detect(Source.decode("facts", text.encode()))


def test_a_table_with_foreign_columns_is_still_a_table(tmp_path: Path) -> None:
    (tmp_path / "facts.csv").write_text("Land,Stadt\nKelm,Orm\n")
    with pytest.raises(FormatError, match="must name “new object”"):
        read_edits(tmp_path / "facts.csv")


def test_a_format_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "facts").write_text("x")
    with pytest.raises(FormatError, match="choose one of jsonl"):
        read_edits(tmp_path / "facts", "xml")
    with pytest.raises(FormatError, match="choose one of jsonl"):
        write_edits(EditSet("", ()), tmp_path / "facts", "xml")


def test_a_suffix_that_does_not_say_the_format(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="or choose a format"):
        write_edits(EditSet("", ()), tmp_path / "facts.json")


class TestWriting:
    def test_a_failed_write_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "facts.jsonl"
        path.write_text("old")

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(FormatError, match="No space left on device"):
            write_edits(EditSet("", (EDIT,)), path)
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["facts.jsonl"]

    @pytest.mark.parametrize("name", ["", "missing/facts.jsonl"])
    def test_no_place_to_write_to(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(FormatError):
            write_edits(EditSet("", (EDIT,)), tmp_path / name, "jsonl")


class TestConvert:
    def test_counts(self, tmp_path: Path) -> None:
        (tmp_path / "in.csv").write_text("prompt,new object\np,o\nq,\n")
        done = convert(tmp_path / "in.csv", tmp_path / "out.jsonl")
        assert (done.imported.rows, done.imported.accepted, done.imported.rejected, done.written.rows) == (2, 1, 1, 1)
        assert read_edits(tmp_path / "out.jsonl").edit_set.edits == done.imported.edit_set.edits

    def test_all_or_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "in.csv").write_text("prompt,new object\np,o\nq,\n")
        with pytest.raises(FormatError, match="Nothing was imported"):
            convert(tmp_path / "in.csv", tmp_path / "out.jsonl", all_or_nothing=True)
        assert not (tmp_path / "out.jsonl").exists()

    def test_nothing_is_written_where_nothing_was_good(self, tmp_path: Path) -> None:
        (tmp_path / "in.csv").write_text("prompt,new object\nq,\n")
        with pytest.raises(FormatError, match="Nothing was written"):
            convert(tmp_path / "in.csv", tmp_path / "out.jsonl")
        assert not (tmp_path / "out.jsonl").exists()

    def test_the_target_is_checked_before_the_source_is_read(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match=r"out\.json"):
            convert(tmp_path / "missing.csv", tmp_path / "out.json")

    def test_a_file_onto_itself(self, tmp_path: Path) -> None:
        path = tmp_path / "facts.json"
        write_edits(EditSet("", (EDIT,)), path, "easyedit")
        convert(path, path, target_format="counterfact")
        assert json.loads(path.read_text("utf-8"))[0]["requested_rewrite"]["prompt"] == "{} lies in"


def test_the_window_can_list_formats_and_runs_before_torch_is_loaded() -> None:
    code = (
        "import sys\nimport engine.checkpoints, engine.formats.registry, engine.packs, engine.run_folder\n"
        "print([name for name in ('torch', 'numpy', 'safetensors', 'transformers', 'PySide6') if name in sys.modules])"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout == "[]\n"
