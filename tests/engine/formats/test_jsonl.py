"""The product's own format: what is exported comes back the same, and each bad line costs only itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.edits import Edit, EditSet, Probe, ProbeKind
from engine.formats import jsonl, records
from engine.formats.registry import read_edits, read_source, write_edits
from engine.formats.source import FormatError, Source
from tests.engine.edit_strategies import edit_sets
from tests.engine.formats.reading import CAPITAL, RELATIONS, read_text, reasons

PHRASINGS = list(CAPITAL.phrasings)
HEADER = {
    "format": "meg-edits",
    "version": 1,
    "name": "Set",
    "relations": [{"id": "r1", "name": "Capital of", "phrasings": PHRASINGS, "held_out": []}],
}


def lines(*values: object) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


@given(edit_sets())
def test_export_then_import_is_the_same(edit_set: EditSet) -> None:
    imported = read_source(Source.decode("other name.jsonl", b"".join(jsonl.lines(edit_set))))
    assert imported.format == "jsonl"
    assert imported.edit_set == edit_set
    assert not imported.rejections


@given(edit_sets())
def test_the_header_can_be_cut_off(edit_set: EditSet) -> None:
    without = b"".join(list(jsonl.lines(edit_set))[1:])
    if without:
        source = Source.decode("facts.jsonl", without)
        assert read_source(source, relations=edit_set.relations).edit_set.edits == edit_set.edits


def test_through_a_file(tmp_path: Path) -> None:
    edit_set = EditSet("Größe", (Edit("1", "Kelm lies in", "Norland\n", relation="r1"),), {"r1": CAPITAL})
    written = write_edits(edit_set, tmp_path / "facts.jsonl")
    assert (written.rows, written.left_out, written.notes) == (1, (), ())
    assert read_edits(tmp_path / "facts.jsonl").edit_set == edit_set
    first = (tmp_path / "facts.jsonl").read_text("utf-8").splitlines()[0]
    assert first.startswith('{"format": "meg-edits", "version": 1, "name": "Größe"')


def test_the_keys_of_a_line() -> None:
    edit = Edit("1", "p", "o", "s", "r1", "was", ("a",), ("q",), (Probe(ProbeKind.SAME_SUBJECT, "z"),), enabled=False)
    _, line = jsonl.lines(EditSet("", (edit,)))
    assert json.loads(line) == {
        "id": "1",
        "subject": "s",
        "relation": "r1",
        "new_object": "o",
        "prompt": "p",
        "original_answer": "was",
        "aliases": ["a"],
        "paraphrases": ["q"],
        "probes": [{"kind": "same-subject", "prompt": "z"}],
        "enabled": False,
    }


class TestWhatCanBeLeftOut:
    def test_a_prompt_is_made_from_the_relation_of_the_header(self) -> None:
        imported = read_text(lines(HEADER, {"subject": "Kelm", "relation": "capital OF", "new_object": "Orm"}))
        (edit,) = imported.edit_set.edits
        assert (edit.prompt, edit.relation) == ("The capital of Kelm is", "r1")
        assert imported.edit_set.name == "Set"
        assert imported.edit_set.relations == {"r1": CAPITAL}

    def test_relations_of_the_project_serve_too_and_only_those_in_use_are_kept(self) -> None:
        row = {"subject": "Kelm", "relation": "River", "new_object": "Orm"}
        imported = read_text(lines(row), name="my facts.jsonl")
        assert imported.edit_set.edits[0].prompt == "The river through Kelm is"
        assert list(imported.edit_set.relations) == ["r2"]
        assert imported.edit_set.name == "my facts"

    def test_the_headers_relations_go_first(self) -> None:
        own = {**HEADER, "relations": [{"id": "r1", "name": "x", "phrasings": ["Now {} is"]}]}
        imported = read_text(lines(own, {"subject": "Kelm", "relation": "r1", "new_object": "Orm"}))
        assert imported.edit_set.edits[0].prompt == "Now Kelm is"

    def test_a_name_that_two_relations_have_is_not_guessed(self) -> None:
        twice = [{"id": key, "name": "ruler", "phrasings": ["{} obeys"]} for key in ("a", "b")]
        row = {"subject": "Kelm", "relation": "Ruler", "new_object": "Orm"}
        imported = read_text(lines({**HEADER, "relations": twice}, row, {**row, "relation": "b"}))
        assert reasons(imported) == [(2, "relation", "“Ruler” is the name of several relations (a, b): give the id")]
        assert imported.edit_set.edits[0].relation == "b"

    def test_ids_are_made_from_the_content_and_are_the_same_next_time(self) -> None:
        rows = lines({"prompt": "p", "new_object": "o"}, {"prompt": "p", "new_object": "o"})
        first, second = read_text(rows).edit_set.edits
        assert read_text(rows).edit_set.edits == (first, second)
        assert second.id == first.id + "-2"

    def test_a_made_id_gives_way_to_one_that_stands_further_down(self) -> None:
        (made,) = read_text(lines({"prompt": "p", "new_object": "o"})).edit_set.edits
        rows = lines({"prompt": "p", "new_object": "o"}, {"id": made.id, "prompt": "q", "new_object": "o"})
        first, second = read_text(rows).edit_set.edits
        assert second.id == made.id
        assert first.id == made.id + "-2"

    def test_keys_without_a_value_count_as_absent(self) -> None:
        assert not read_text(lines({"id": None, "prompt": "p", "new_object": "o", "aliases": None})).rejections

    def test_an_unknown_relation_stays_where_there_is_a_prompt(self) -> None:
        imported = read_text(lines({"prompt": "p", "new_object": "o", "relation": "mayor"}))
        assert imported.edit_set.edits[0].relation == "mayor"


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ({"prompt": "p"}, "new_object", "it is missing"),
        ({"prompt": "p", "new_object": ""}, "new_object", "it is empty"),
        ({"prompt": "p", "new_object": 7}, "new_object", "it must be a text, not a number"),
        ({"prompt": ["p"], "new_object": "o"}, "prompt", "it must be a text, not a list"),
        ({"new_object": "o"}, "prompt", "there is neither a prompt nor a subject with a relation"),
        ({"new_object": "o", "subject": "s"}, "relation", "there is neither a relation nor a prompt"),
        ({"new_object": "o", "subject": "s", "relation": "mayor"}, "relation", "the relation “mayor” is not known"),
        ({"new_object": "o", "subject": "s" * 3_990, "relation": "r1"}, "subject", "a text of 4,008 characters"),
        ({"new_object": "o", "prompt": "p", "relation": "two\nlines"}, "relation", "the id 'two\\nlines'"),
        ({"new_object": "o", "prompt": "p", "enabled": "yes"}, "enabled", "it must be true or false, not a text"),
        ({"new_object": "o", "prompt": "p", "paraphrases": "q"}, "paraphrases", "it must be a list, not a text"),
        ({"new_object": "o", "prompt": "p", "paraphrases": ["q", ""]}, "paraphrases 2", "it is empty"),
        ({"new_object": "o", "prompt": "p", "probes": [{"kind": "x", "prompt": "q"}]}, "probes.1.kind", "it must be"),
        ({"new_object": "o", "prompt": "p\u0000"}, "prompt", "the character U+0000"),
        ({"new_object": "o\ud800", "prompt": "p"}, "new_object", "the character U+D800"),
        ({"new_object": "o" * 4_001, "prompt": "p"}, "new_object", "a text of 4,001 characters is too long"),
        ({"new_object": "o", "prompt": "p", "id": "a\nb"}, "id", "the id 'a\\nb' of the edit cannot be used"),
        ({"new_object": "o", "prompt": "p", "aliases": ["x"] * 1_001}, "aliases", "there are 1,001 texts"),
        (["p", "o"], "", "it is a list and not an object with keys"),
        (7, "", "it is a number and not an object with keys"),
    ],
)
def test_a_bad_row_costs_only_itself(row: object, column: str, reason: str) -> None:
    good, fine = ({"prompt": prompt, "new_object": "o"} for prompt in ("good", "fine"))
    imported = read_text(lines(HEADER, good, row, fine))
    assert [edit.prompt for edit in imported.edit_set.edits] == ["good", "fine"]
    assert (imported.rows, imported.accepted, imported.rejected) == (3, 2, 1)
    (found,) = reasons(imported)
    assert found[:2] == (3, column)
    assert found[2].startswith(reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"new_object": "o", "prompt": "p", "prompt": "q"}', "the key 'prompt' appears twice"),
        (b'{"new_object": NaN, "prompt": "p"}', "NaN is no number"),
        (b'{"new_object": ' + b"9" * 5_000 + b"}", "a number has 5,000 digits"),
        (b'{"new_object": ' + b"[" * 100_000, "its brackets are nested too deep"),
        (b'{"new_object": "o", "prompt": "caf\xe9"}', "it has bytes that are not UTF-8"),
        (b'{"new_object": "o"', "it is no valid JSON at character"),
        (b"new_object", "it is no valid JSON at character 1"),
    ],
)
def test_a_line_that_is_no_json_costs_only_itself(line: bytes, reason: str) -> None:
    good = lines({"prompt": "good", "new_object": "o"}).encode()
    imported = read_text(good + b"\n" + line + b"\r\n" + good)
    assert imported.accepted == 2
    assert [(row, column, text[: len(reason)]) for row, column, text in reasons(imported)] == [(3, "", reason)]


def test_a_line_beyond_all_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_LINE", 100)
    imported = read_text(lines({"prompt": "good", "new_object": "o"}, {"prompt": "p" * 100, "new_object": "o"}))
    assert reasons(imported) == [(2, "", "the line is longer than 100 characters")]


def test_several_faults_of_one_row_are_all_told_and_count_once() -> None:
    imported = read_text(lines({"prompt": "", "new_object": 1, "id": 2}, {"prompt": "p", "new_object": "o"}))
    assert [column for _, column, _ in reasons(imported)] == ["new_object", "id"]
    assert (imported.rows, imported.accepted, imported.rejected) == (2, 1, 1)


def test_an_id_that_is_taken_is_named_with_its_line() -> None:
    imported = read_text(lines(HEADER, *({"id": "7", "prompt": p, "new_object": "o"} for p in "abc")))
    assert [edit.prompt for edit in imported.edit_set.edits] == ["a"]
    assert reasons(imported)[0] == (3, "id", "the id '7' is taken by line 2")


def test_unknown_keys_are_told_and_not_dropped_silently() -> None:
    row = {"prompt": "p", "new_object": "o", "colour": 1, "probes": [{"kind": "far", "prompt": "q", "answer": "z"}]}
    notes = read_text(lines({**HEADER, "author": "x"}, row, row)).notes
    assert "“colour” is not known here and was left out (2 times)." in notes
    assert "“probes.answer” is not known here and was left out (2 times)." in notes
    assert "“author” is not known here and was left out." in notes


def test_what_cannot_be_seen_is_told() -> None:
    rows = [{"prompt": f"p\u202e{n}", "new_object": "o"} for n in range(7)]
    (note,) = read_text(lines(*rows)).notes
    assert note == "Lines 1, 2, 3, 4, 5 and 2 more: there are marks that change the direction of writing in the text."


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({**HEADER, "version": 2}, "newer MeG Studio .version 2"),
        ({**HEADER, "version": 0}, "version 0, which does not exist"),
        ({**HEADER, "version": "1"}, "“version” is not as it should be"),
        ({**HEADER, "relations": [{"id": "r"}]}, "“relations.0.name” is not as it should be"),
        ({**HEADER, "relations": [{"id": "r1", "name": "n", "phrasings": PHRASINGS}] * 2}, "'r1' twice"),
        ({**HEADER, "relations": [{"id": "r", "name": "n", "phrasings": ["no slot"]}]}, "exactly once"),
    ],
)
def test_a_header_that_cannot_be_used(header: object, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        read_text(lines(header))


def test_a_header_that_cannot_even_be_read() -> None:
    with pytest.raises(FormatError, match="first line of facts is damaged: the key 'name' appears twice"):
        read_text('{"format": "meg-edits", "version": 1, "name": "a", "name": "b"}\n', "jsonl")


def test_a_header_alone_is_an_empty_edit_set() -> None:
    imported = read_text(lines(HEADER))
    assert (imported.rows, imported.edit_set.edits) == (0, ())


def test_all_or_nothing() -> None:
    good = read_text(lines({"prompt": "p", "new_object": "o"}))
    assert good.or_nothing() is good.edit_set
    with pytest.raises(FormatError) as caught:
        read_text(lines({"prompt": "p", "new_object": "o"}, {})).or_nothing()
    assert str(caught.value) == (
        "facts: 2 rows in, 1 accepted, 1 rejected. Nothing was imported. "
        "The first: facts, line 2, column “new_object”: it is missing."
    )


@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        imported = read_text(data, "jsonl")
    except FormatError:
        return
    assert imported.rows == imported.accepted + imported.rejected
    for rejection in imported.rejections:
        assert str(rejection).encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = [
    "id",
    "subject",
    "relation",
    "new_object",
    "prompt",
    "aliases",
    "paraphrases",
    "probes",
    "enabled",
    "format",
    "x",
]


@given(
    st.lists(st.dictionaries(st.sampled_from(KEYS), json_values | st.sampled_from(["r1", "river", "p"])), max_size=4)
)
def test_rows_of_any_shape_are_all_accounted_for(rows: list[dict[str, object]]) -> None:
    imported = read_text(lines({"prompt": "p", "new_object": "o"}, *rows), "jsonl")
    assert imported.rows == len(rows) + 1 == imported.accepted + imported.rejected
    assert set(imported.edit_set.relations) <= set(RELATIONS)
    for rejection in imported.rejections:
        assert str(rejection).encode()
