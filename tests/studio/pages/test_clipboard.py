from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.edits import EditError, Relation, check_text
from studio.pages.facts.clipboard import from_tsv, to_tsv
from studio.store.edits import EditDraft
from studio.store.listing import EditRow, EditState

CAPITAL = Relation("P36", "capital", ("The capital of {} is",))
RELATIONS = {"P36": CAPITAL}


def row(subject: str, new_object: str, original: str = "") -> EditRow:
    prompt = f"The capital of {subject} is"
    return EditRow(1, "k", subject, "P36", "capital", prompt, new_object, original, None, True, EditState.READY)


def test_three_cells_are_a_fact_by_name_or_id() -> None:
    pasted = from_tsv("France\tCapital\tLyon\r\nJapan\tP36\tOsaka\r\n", RELATIONS)
    assert pasted.refusals == ()
    assert [(draft.subject, draft.relation, draft.new_object) for draft in pasted.drafts] == [
        ("France", "P36", "Lyon"),
        ("Japan", "P36", "Osaka"),
    ]
    assert pasted.drafts[0].prompt == "The capital of France is"


def test_two_cells_are_a_free_prompt() -> None:
    assert from_tsv("Who wrote it?\tNobody", {}).drafts == (EditDraft("Nobody", prompt="Who wrote it?"),)


def test_titles_are_no_edit() -> None:
    assert len(from_tsv("Subject\tRelation\tNew object\nFrance\tcapital\tLyon", RELATIONS).drafts) == 1


def test_every_bad_row_is_accounted_for() -> None:
    pasted = from_tsv("alone\nPeru\triver\tAmazon\n\tcapital\tx\nPeru\tcapital\t\n{}\tcapital\tx\n\x07\ty", RELATIONS)
    assert pasted.drafts == ()
    assert [refusal.row for refusal in pasted.refusals] == [1, 2, 3, 4, 5, 6]


def test_quoted_cells_with_tabs_and_stray_quotes() -> None:
    pasted = from_tsv('"He said ""now"""\tcapital\tLyon', RELATIONS)
    assert pasted.drafts[0].subject == 'He said "now"'
    stray = from_tsv('12" vinyl\tcapital\tLyon\nJapan\tcapital\t"Osaka', RELATIONS)
    assert len(stray.drafts) == 2


@st.composite
def plain(draw: st.DrawFn) -> str:
    text = draw(st.text(min_size=1, max_size=20)).strip()
    try:
        check_text(text)
    except EditError:
        return "word"
    return text if text and "{}" not in text and "\r" not in text else "word"


@given(st.lists(st.tuples(plain(), plain(), plain()), min_size=1, max_size=5))
def test_what_is_copied_can_be_pasted(cells: list[tuple[str, str, str]]) -> None:
    rows = [row(*some) for some in cells]
    pasted = from_tsv(to_tsv(rows), RELATIONS)
    assert pasted.refusals == ()
    assert [(d.subject, d.new_object, d.original_answer) for d in pasted.drafts] == cells


@given(st.text(max_size=200))
def test_nothing_crashes_the_reader(text: str) -> None:
    pasted = from_tsv(text, RELATIONS)
    for draft in pasted.drafts:
        assert draft.new_object
