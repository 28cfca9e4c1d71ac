"""Rejected rows are saved as they stood, with why; mended, they are read like any file."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.edits import EditSet, Relation
from engine.formats.imported import Imported
from engine.formats.registry import ReadOptions, read_edits, write_edits
from engine.formats.rejects import suffix, write_rejects
from engine.formats.source import FormatError
from tests.engine.formats.reading import CAPITAL, RELATIONS, read_json, read_text, reasons

TABLE = (
    "Land;what;answer;note;paraphrase\n"
    "Kelm;capital of;Orm;fine;\n"
    "Tarn;capital of;;=1+1;Tarn's capital\n"  # no new object
    "Norland;mayor;Bo;x;y;z\n"  # one cell too many
    '"Weird" Al;capital of;Orm;;\n'  # a stray quotation mark
    "Sud;capital of;a\x00b;;\n"
)
MAPPING = {"Land": "subject", "what": "relation", "answer": "new object"}


def saved(imported: Imported, folder: Path) -> Path:
    path = folder / f"rejected{suffix(imported)}"
    write_rejects(path, imported)
    return path


def test_a_table_of_rejected_rows_says_line_column_and_reason(tmp_path: Path) -> None:
    imported = read_text(TABLE, name="facts.csv", columns=MAPPING)
    assert (imported.rows, imported.accepted, imported.rejected) == (5, 1, 4)
    path = saved(imported, tmp_path)
    header, *rows = csv.reader(path.read_text("utf-8-sig").splitlines())
    assert header[:5] == ["subject", "relation", "new object", "note", "paraphrase 1"]
    assert header[-4:] == ["rejected line", "rejected column", "rejected because", "meg-edits/1 spreadsheet-safe"]
    assert [row[header.index("rejected line")] for row in rows] == ["3", "4", "5", "6"]
    assert rows[0][header.index("rejected column")] == "answer"
    assert rows[0][header.index("rejected because")] == "it is empty"
    assert rows[0][3] == "'=1+1"  # a spreadsheet must not run it
    assert rows[1][5] == "z"  # the cell too many is kept
    assert rows[2][0] == '"Weird" Al;capital of;Orm;;'


def test_a_mended_table_is_imported_without_naming_its_columns_again(tmp_path: Path) -> None:
    path = saved(read_text(TABLE, name="facts.csv", columns=MAPPING), tmp_path)
    rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    rows[1][2] = "Orm"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows[:2])
    again = read_edits(path, relations=RELATIONS)
    (edit,) = again.edit_set.edits
    assert (edit.subject, edit.relation, edit.new_object) == ("Tarn", "r1", "Orm")
    assert edit.paraphrases == ("Tarn's capital",)
    assert again.notes == ("The column 'note' is not known here and was left out.",)


def test_what_is_not_mended_is_rejected_once_more_for_the_same_reason(tmp_path: Path) -> None:
    first = read_text(TABLE, name="facts.csv", columns=MAPPING)
    again = read_edits(saved(first, tmp_path), relations=RELATIONS)
    assert again.rejected == first.rejected
    assert ("new object", "it is empty") in [found[1:] for found in reasons(again)]
    third = read_edits(saved(again, tmp_path), relations=RELATIONS)
    assert len(third.rejected_rows[0].content) == len(again.rejected_rows[0].content)


def test_records_keep_their_format_and_their_keys(tmp_path: Path) -> None:
    good = {"prompt": "Kelm lies in", "target_new": "Norland", "case_id": 1}
    imported = read_json([good, {**good, "target_new": "", "colour": "red"}, [1], {**good, "case_id": 1}], "easyedit")
    path = saved(imported, tmp_path)
    assert path.suffix == ".jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert lines[0]["rejected"] == {"record": 2, "because": ["target_new: it is empty"]}
    assert lines[0]["colour"] == "red"
    assert lines[1]["rejected"]["text"] == "[1]"
    lines[0]["target_new"], lines[2]["case_id"] = "Sudland", 2
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = read_edits(path)
    assert (again.format, again.accepted) == ("easyedit", 2)
    assert reasons(again)[0][:2] == (2, "rejected")
    assert not [note for note in again.notes if "rejected" in note]


def test_lines_that_are_no_json_are_kept_as_text(tmp_path: Path) -> None:
    imported = read_text('{"new_object": "o", "prompt": "p"}\n{"new_object": NaN}\n{"prompt": "\\ud800"}\n{broken\n')
    lines = [json.loads(line) for line in saved(imported, tmp_path).read_text("utf-8").splitlines()]
    assert [line["rejected"]["line"] for line in lines] == [2, 3, 4]
    assert lines[0]["rejected"]["text"] == '{"new_object": NaN}'
    assert lines[1]["prompt"] == "\ud800"
    assert lines[2]["rejected"]["text"] == "{broken"


def test_bytes_that_are_no_text_can_be_written_too(tmp_path: Path) -> None:
    imported = read_text(b'{"new_object": "o", "prompt": "p"}\n{"new_object": "\xff"}\n')
    (line,) = saved(imported, tmp_path).read_text("utf-8").splitlines()
    assert "FF" in line.upper()


def test_relations_of_the_file_go_along(tmp_path: Path) -> None:
    edit_set = EditSet("Set", (), {"r9": Relation("r9", "mayor", ("The mayor of {} is",))})
    path = tmp_path / "facts.jsonl"
    write_edits(edit_set, path)
    with path.open("a") as file:
        file.write('{"subject": "Kelm", "relation": "mayor", "new_object": ""}\n')
    rejects = saved(read_edits(path), tmp_path)
    rejects.write_text(rejects.read_text("utf-8").replace('"new_object": ""', '"new_object": "Bo"'), "utf-8")
    (edit,) = read_edits(rejects).edit_set.edits
    assert edit.prompt == "The mayor of Kelm is"


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    imported = replace(read_text(TABLE, name="facts.csv", columns=MAPPING))
    with pytest.raises(FormatError, match="cannot be written"):
        write_rejects(tmp_path / "missing" / "rejected.csv", imported)


def test_zsre_asks_again_which_answer_is_the_new_one(tmp_path: Path) -> None:
    record = {"subject": CAPITAL.name, "src": "Capital of what?", "alt": "", "answers": ["a"]}
    path = saved(read_json([record], zsre_target="alt"), tmp_path)
    with pytest.raises(FormatError, match="choose “alt”"):
        read_edits(path)
    assert read_edits(path, options=ReadOptions(zsre_target="answers")).accepted == 1
