"""The plain values: what they refuse, which spellings count as the same, which edits ask the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.edits import (
    MAX_ID,
    MAX_TEXT,
    MAX_TEXTS,
    Conflict,
    Edit,
    EditError,
    EditSet,
    Probe,
    ProbeKind,
    Relation,
    check_text,
    fill,
    find_conflicts,
    find_near_duplicates,
    find_oddity,
    fold,
    storable,
)


def edit(edit_id: str, prompt: str = "Kelm lies in", new_object: str = "Norland", **more: object) -> Edit:
    return Edit(edit_id, prompt, new_object, **more)  # type: ignore[arg-type]


class TestChecks:
    @pytest.mark.parametrize(
        "text", ["", "plain", "two\nlines\tand a tab", "名前 😀 e\u0301 \u202eabc", "x" * MAX_TEXT]
    )
    def test_takes_what_can_be_stored(self, text: str) -> None:
        check_text(text)

    @pytest.mark.parametrize("text", ["a\x00b", "a\rb", "\x7f", "\x85", "lone \ud800", "x" * (MAX_TEXT + 1)])
    def test_refuses_what_cannot(self, text: str) -> None:
        with pytest.raises(EditError):
            check_text(text)

    def test_every_single_character_is_taken_or_refused_by_its_category(self) -> None:
        for code in range(0x110000):
            character = chr(code)
            usable = unicodedata.category(character) not in ("Cc", "Cs") or character in "\n\t"
            if usable != character.isprintable():  # the others are as check_text's first look says
                try:
                    check_text(character)
                except EditError:
                    assert not usable
                else:
                    assert usable

    def test_the_message_itself_can_be_shown(self) -> None:
        with pytest.raises(EditError) as caught:
            check_text("lone \ud800")
        assert str(caught.value).encode()
        assert "U+D800" in str(caught.value)

    @given(st.text())
    def test_storable_always_gives_what_can_be_stored(self, text: str) -> None:
        check_text(storable(text))

    def test_storable_leaves_good_text_alone(self) -> None:
        assert storable("Ünï\n😀") == "Ünï\n😀"
        assert storable("a\x00b\r\nc") == "a\ufffdb\nc"

    @pytest.mark.parametrize(
        "fields",
        [
            {"prompt": " "},
            {"new_object": "\n"},
            {"aliases": ("",)},
            {"paraphrases": ("fine", " ")},
            {"probes": (Probe(ProbeKind.FAR, ""),)},
            {"original_answer": "a\x00"},
            {"relation": "two\nlines"},
            {"subject": "\ud800"},
            {"paraphrases": ("x",) * (MAX_TEXTS + 1)},
        ],
    )
    def test_an_edit_refuses(self, fields: dict[str, object]) -> None:
        with pytest.raises(EditError):
            edit("1", **fields)

    @pytest.mark.parametrize("edit_id", ["", " ", "a\nb", "a\tb", "x" * (MAX_ID + 1), "\ud800"])
    def test_an_id_is_one_short_line(self, edit_id: str) -> None:
        with pytest.raises(EditError):
            edit(edit_id)

    def test_a_relation_needs_a_phrasing_with_one_slot(self) -> None:
        for phrasings in [(), ("no slot",), ("{} and {}",)]:
            with pytest.raises(EditError):
                Relation("r", "name", phrasings)
        with pytest.raises(EditError):
            Relation("", "name", ("{} is",))

    def test_an_edit_set_refuses_one_id_twice_and_a_relation_under_another_name(self) -> None:
        with pytest.raises(EditError, match="the id 1"):
            EditSet("set", (edit("1"), edit("1")))
        with pytest.raises(EditError):
            EditSet("set", (), {"other": Relation("r", "name", ("{} is",))})

    def test_fill_takes_both_texts_to_the_letter(self) -> None:
        assert fill("{} lies in", "{0.__class__}") == "{0.__class__} lies in"


class TestFold:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("ÅNGSTRÖM", "a\u030angström"),
            ("  Ｋｅｌｍ  x ", "kelm x"),
            ("Straße", "STRASSE"),
            ("O\u2019Brien", "o'brien"),
            ("Jean\u2013Luc", "jean-luc"),
            ("Ke\u200blm\u202c", "kelm"),
            ("ﬁnal", "final"),
        ],
    )
    def test_same(self, one: str, other: str) -> None:
        assert fold(one) == fold(other)

    @pytest.mark.parametrize(("one", "other"), [("Kelm", "Kelms"), ("resume", "résumé"), ("a b", "ab"), ("", "x")])
    def test_other(self, one: str, other: str) -> None:
        assert fold(one) != fold(other)

    @given(st.text(st.characters(max_codepoint=127)))
    def test_plain_text_takes_a_shorter_way_to_the_same(self, text: str) -> None:
        assert fold(text) == fold(f"é{text}").removeprefix("é").strip()

    @given(st.text())
    def test_folding_twice_changes_nothing(self, text: str) -> None:
        assert fold(fold(text)) == fold(text)


class TestOddities:
    @pytest.mark.parametrize("text", ["Kelm\u202e", "Ke\u200blm", "\u041aelm", "Kel\u043c"])
    def test_found(self, text: str) -> None:
        assert find_oddity(text)

    @pytest.mark.parametrize(
        "text", ["Kelm", "\u041a\u0435\u043b\u044c\u043c", "µm", "α-helix", "Kelm (Кельм)", "👩\u200d🚀"]
    )
    def test_not_found(self, text: str) -> None:
        assert find_oddity(text) is None


class TestConflicts:
    def test_same_subject_and_relation(self) -> None:
        edits = [
            edit("1", "a", "x", subject="Kelm", relation="r"),
            edit("2", "b", "y", subject="KELM ", relation="r"),
            edit("3", "c", "y", subject="Kelm", relation="s"),
        ]
        assert find_conflicts(edits) == [Conflict(("1", "2"), contradiction=True)]

    def test_same_new_object_is_a_mere_duplicate(self) -> None:
        assert find_conflicts([edit("1", new_object="X"), edit("2", new_object="x ")]) == [Conflict(("1", "2"), False)]

    def test_a_free_prompt_may_ask_what_a_fact_asks(self) -> None:
        edits = [edit("1", subject="Kelm", relation="r"), edit("2", "KELM lies  in", "Sudland")]
        assert find_conflicts(edits) == [Conflict(("1", "2"), True)]

    def test_groups_that_touch_are_one(self) -> None:
        edits = [
            edit("1", "a", subject="Kelm", relation="r"),
            edit("2", "b", subject="Orm", relation="r"),
            edit("3", "a", subject="Orm", relation="r"),
        ]
        assert find_conflicts(edits) == [Conflict(("1", "2", "3"), False)]

    def test_edits_that_are_switched_off_do_not_count(self) -> None:
        assert find_conflicts([edit("1"), edit("2", enabled=False)]) == []

    def test_many_edits_take_no_time(self) -> None:
        edits = [edit(str(n), f"prompt {n // 2}") for n in range(4_000)]
        assert len(find_conflicts(edits)) == 2_000


class TestNearDuplicates:
    def test_misspelt_subjects_of_one_relation(self) -> None:
        edits = [
            edit("1", subject="Maria Teresa of Austria", relation="r"),
            edit("2", subject="Maria Theresa of Austria", relation="r"),
            edit("3", subject="Maria Theresa of Austria", relation="s"),
            edit("4", subject="Somebody else", relation="r"),
        ]
        (found,) = find_near_duplicates(edits)
        assert found.edit_ids == ("1", "2")
        assert 0.95 < found.similarity < 1

    def test_equal_subjects_and_other_numbers_are_none(self) -> None:
        subjects = [
            "Apollo 11 of Kelm",
            "Apollo 12 of Kelm",
            "apollo 11  of kelm",
            "King Orm II of Kelm",
            "King Orm III of Kelm",
        ]
        assert find_near_duplicates([edit(str(n), subject=s, relation="r") for n, s in enumerate(subjects)]) == []

    def test_nothing_to_compare(self) -> None:
        assert find_near_duplicates([]) == []
        assert find_near_duplicates([edit("1")]) == []
