"""Tables as people's spreadsheets write them: headers in any order, three delimiters, stray quotation marks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.edits import Edit, EditSet, ProbeKind
from engine.formats import csv
from engine.formats.registry import read_edits, write_edits
from engine.formats.source import FormatError
from tests.engine.edit_strategies import edit_sets
from tests.engine.formats.reading import CAPITAL, read_text, reasons

HEADER = "subject,relation,new object,prompt\n"


def by_kind(edit: Edit) -> Edit:
    """The edit as a table holds it."""
    order = list(ProbeKind)
    return replace(edit, probes=tuple(sorted(edit.probes, key=lambda probe: order.index(probe.kind))))


@given(edit_sets(), st.sampled_from(csv.DELIMITERS), st.booleans())
def test_export_then_import_is_the_same(edit_set: EditSet, delimiter: csv.Delimiter, safe: bool) -> None:
    text = csv.to_text(edit_set.edits, delimiter=delimiter, spreadsheet_safe=safe)
    imported = read_text(text, name="facts.csv")
    assert imported.edit_set.edits == tuple(map(by_kind, edit_set.edits))
    assert imported.format == ("tsv" if delimiter == "\t" else "csv")
    assert not imported.rejections
    assert not [note for note in imported.notes if "not known here" in note]


def test_through_a_file_and_what_it_cannot_hold(tmp_path: Path) -> None:
    edit_set = EditSet("Set", (Edit("1", "Kelm lies in", "Norland", relation="r1"),), {"r1": CAPITAL})
    for name in ("facts.csv", "facts.tsv"):
        written = write_edits(edit_set, tmp_path / name)
        assert written.notes == ("A relation's name and phrasings have no place: 1.",)
        assert read_edits(tmp_path / name).edit_set == replace(edit_set, name="facts", relations={})
    assert b"\t" in (tmp_path / "facts.tsv").read_bytes()


class TestHandWritten:
    def test_prompts_are_made_and_spaces_dropped(self) -> None:
        imported = read_text("Subject , RELATION, New_Object\nKelm, capital of, Orm \n\n,,\n")
        (edit,) = imported.edit_set.edits
        assert (edit.subject, edit.relation, edit.new_object) == ("Kelm", "r1", "Orm")
        assert edit.prompt == "The capital of Kelm is"
        assert imported.rows == 1

    def test_a_free_prompt(self) -> None:
        (edit,) = read_text("prompt;new object\nKelm lies in;Norland\n").edit_set.edits
        assert (edit.prompt, edit.new_object, edit.subject, edit.relation) == ("Kelm lies in", "Norland", "", "")

    def test_lists_are_numbered_columns_in_any_order(self) -> None:
        header = "paraphrase 1,new object,prompt,far probe,Paraphrase_2,neighbor probe 1,aliases,same-subject probes\n"
        (edit,) = read_text(header + "a,o,p,f,b,n,x,s\n").edit_set.edits
        assert edit.paraphrases == ("a", "b")
        assert edit.aliases == ("x",)
        assert [(probe.kind, probe.prompt) for probe in edit.probes] == [
            (ProbeKind.NEIGHBOUR, "n"),
            (ProbeKind.SAME_SUBJECT, "s"),
            (ProbeKind.FAR, "f"),
        ]

    @pytest.mark.parametrize(
        ("cell", "state"), [("", True), ("Yes", True), ("1", True), ("no", False), ("FALSE", False)]
    )
    def test_switched_on_or_off(self, cell: str, state: bool) -> None:
        (edit,) = read_text(f"prompt,new object,enabled\np,o,{cell}\n").edit_set.edits
        assert edit.enabled is state

    def test_columns_that_are_not_known_are_told(self) -> None:
        imported = read_text("prompt,new object,colour,\np,o,red,\n")
        assert imported.notes == ("The column 'colour' is not known here and was left out.",)

    def test_a_byte_order_mark_and_windows_line_ends(self) -> None:
        imported = read_text("\ufeffprompt,new object\r\np,two\r\nlines\r\n".replace("two\r\nlines", '"two\r\nlines"'))
        assert imported.edit_set.edits[0].new_object == "two\nlines"

    def test_the_line_in_which_excel_names_the_delimiter(self) -> None:
        (edit,) = read_text('sep=;\nprompt;new object\n"a;b";o\n').edit_set.edits
        assert edit.prompt == "a;b"

    def test_another_programs_column_names(self) -> None:
        text = "Land;Hauptstadt;Notiz\nKelm lies in;Norland;x\n"
        imported = read_text(text, columns={"Land": "prompt", "Hauptstadt": "new object", "Notiz": ""}, delimiter=";")
        assert imported.accepted == 1
        assert imported.notes == ()

    def test_lines_above_the_header(self) -> None:
        imported = read_text("My facts\n\nprompt,new object\np,o\nq,\n", skip_rows=1)
        assert imported.accepted == 1
        assert reasons(imported) == [(5, "new object", "it is empty")]

    def test_another_encoding_is_named_and_not_guessed(self) -> None:
        data = "prompt,new object\nKelm,Orm\nZoé,Malmö\n".encode("cp1252")
        with pytest.raises(FormatError, match=r"not written in UTF-8 \(line 3\)"):
            read_text(data)
        assert read_text(data, encoding="cp1252").edit_set.edits[1].new_object == "Malmö"


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("Kelm,capital of,", "", "it has 3 cells and the header has 4"),
        ("Kelm,capital of,Orm,,", "", "it has 5 cells and the header has 4"),
        ("Kelm,mayor,Orm,", "relation", "the relation “mayor” is not known"),
        (",capital of,Orm,", "prompt", "there is neither a prompt nor a subject with a relation"),
        ("Kelm,capital of,,", "new object", "it is empty"),
        ("Kelm,capital of,a\x00b,", "new object", "the character U+0000"),
        (f"Kelm,capital of,{'x' * 4_001},", "new object", "a text of 4,001 characters is too long"),
        (f"Kelm,capital of,{'x' * 140_000},", "", "a cell is longer than a table may hold"),
        ('"Weird" Al,capital of,Orm,', "", "a quotation mark stands within a cell"),
        ('"Kelm,capital of,Orm,', "", "a quotation mark is opened and not closed"),
        ('Kelm,capital of,"Orm,', "", "a quotation mark is opened and not closed"),
    ],
)
def test_a_bad_row_costs_only_itself(row: str, column: str, reason: str) -> None:
    imported = read_text(HEADER + "A,river,B,\n" + row + '\nC,river,D,"say ""so"""\nE,river,F,\n')
    assert [edit.subject for edit in imported.edit_set.edits] == ["A", "C", "E"]
    assert (imported.rows, imported.accepted, imported.rejected) == (4, 3, 1)
    (found,) = reasons(imported)
    assert found[:2] == (3, column)
    assert found[2].startswith(reason)


def test_the_last_row_may_be_cut_off() -> None:
    imported = read_text(HEADER + 'A,river,B,\nC,river,"D')
    assert (imported.accepted, reasons(imported)[0][0]) == (1, 3)


def test_a_switch_that_is_neither_on_nor_off() -> None:
    imported = read_text("prompt,new object,Enabled\np,o,perhaps\n")
    assert reasons(imported) == [(2, "Enabled", "'perhaps' is neither yes nor no")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("prompt,answer\np,o\n", "must name “new object”"),
        ("subject,new object\ns,o\n", "either “prompt” or “subject” and “relation”"),
        ("prompt,Prompt,new object\np,q,o\n", "the column “prompt” more than once"),
        ('prompt,"new object\np,o\n', "header of facts.csv cannot be read"),
        ("prompt,new object,meg-edits/2\np,o,\n", "newer MeG Studio .version 2"),
        ("prompt,new object,meg-edits/" + "9" * 5_000 + "\np,o,\n", "newer MeG Studio"),
        ("sep=;\n", "has no header"),
    ],
)
def test_a_header_that_cannot_be_used(text: str, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        read_text(text, name="facts.csv")


@pytest.mark.parametrize("columns", [{"Land": "prompt"}, {"prompt": "capital"}])
def test_a_mapping_that_fits_nothing(columns: dict[str, str]) -> None:
    with pytest.raises(FormatError, match="no column"):
        read_text("prompt,new object\np,o\n", columns=columns)


class TestSafeForSpreadsheets:
    EDIT = Edit("1", "=cmd|' /C calc'!A0", "-40", subject="'=x")

    def test_no_cell_is_executed(self) -> None:
        text = csv.to_text([self.EDIT], spreadsheet_safe=True)
        assert ",'=cmd" in text
        assert ",'-40," in text
        assert "spreadsheet-safe" in text.splitlines()[0]

    def test_an_exact_table_is_not_mangled(self) -> None:
        assert ",-40," in csv.to_text([self.EDIT])

    def test_apostrophes_of_other_tables_stay(self) -> None:
        (edit,) = read_text("prompt,new object\n'=x,'s-Hertogenbosch\n").edit_set.edits
        assert (edit.prompt, edit.new_object) == ("'=x", "'s-Hertogenbosch")


def test_many_stray_quotation_marks_take_no_time() -> None:
    imported = read_text(HEADER + 'A,river,"B,\n' * 20_000)
    assert imported.rows == 20_000 == imported.rejected + imported.accepted


@given(st.text(st.sampled_from("ab,;\t\"\r\n' =\x00é"), max_size=60))
def test_any_rows_are_all_accounted_for(rows: str) -> None:
    imported = read_text(HEADER + "A,river,B,\n" + rows, "csv")
    assert imported.rows == imported.accepted + imported.rejected
    assert imported.edit_set.edits[0].subject == "A"


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        imported = read_text(b"prompt,new object\n" + data, "csv")
    except FormatError:
        return
    assert imported.rows == imported.accepted + imported.rejected
