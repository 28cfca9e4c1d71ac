from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.edits import EditError, Relation, check_text
from studio.pages.facts.clipboard import cells_to_tsv, from_tsv, over, read_cells, shown_text, spread, to_tsv
from studio.pages.facts.columns import HEADINGS, Column
from studio.store.edits import EditDraft
from studio.store.listing import EditRow, EditState

CAPITAL = Relation("P36", "capital", ("The capital of {} is",))
RELATIONS = {"P36": CAPITAL}


def row(subject: str, new_object: str, original: str = "", *, id: int = 1, prompt: str = "") -> EditRow:
    prompt = prompt or f"The capital of {subject} is"
    relation = ("P36", "capital") if subject else ("", "")
    return EditRow(id, f"k{id}", subject, *relation, prompt, new_object, original, None, True, EditState.READY)


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


def test_titles_say_what_the_columns_hold_in_any_order() -> None:
    pasted = from_tsv("New object\trelation\tsubject\nLyon\tcapital\tFrance", RELATIONS)
    assert [(draft.subject, draft.relation, draft.new_object) for draft in pasted.drafts] == [("France", "P36", "Lyon")]
    pasted = from_tsv("target_new\tprompt\nNobody\tWho wrote it?", RELATIONS)
    assert pasted.drafts == (EditDraft("Nobody", prompt="Who wrote it?"),)
    pasted = from_tsv(
        "original answer\tobject\t\tsubject\tprompt\nParis\tLyon\t\tFrance\tFrance is run from", RELATIONS
    )
    assert pasted.drafts == (EditDraft("Lyon", subject="France", prompt="France is run from", original_answer="Paris"),)


def test_titles_that_make_no_edit_are_refused_in_one_sentence() -> None:
    for titles, told in (
        ("subject\tnew object", "its titles make no edit"),
        ("subject\trelation\tsubject\tnew object", "two columns are titled “subject”"),
        ("prompt\toriginal answer", "its titles make no edit"),
    ):
        pasted = from_tsv(f"{titles}\nFrance\tcapital\tLyon", RELATIONS)
        assert pasted.drafts == ()
        assert [str(refusal).startswith(f"Row 1: {told}") for refusal in pasted.refusals] == [True]


def test_a_cell_under_no_title_is_told_and_a_missing_one_is_empty() -> None:
    pasted = from_tsv("new object\t\tprompt\nLyon\tx\tp\nLyon\t\tp\tbeyond\nLyon\n\t\tp", RELATIONS)
    assert [(refusal.row, refusal.column) for refusal in pasted.refusals] == [
        (2, "cell 2"),
        (3, "cell 4"),
        (4, "prompt"),
        (5, "new object"),
    ]


def test_every_bad_row_is_accounted_for() -> None:
    pasted = from_tsv("alone\nPeru\triver\tAmazon\n\tcapital\tx\nPeru\tcapital\t\n{}\tcapital\tx\n\x07\ty", RELATIONS)
    assert pasted.drafts == ()
    assert [(refusal.row, refusal.column) for refusal in pasted.refusals] == [
        (1, ""),
        (2, "relation"),
        (3, "subject"),
        (4, "new object"),
        (5, "subject"),
        (6, "prompt"),
    ]
    assert str(pasted.refusals[3]) == "Row 4, column “new object”: it is empty."


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


class TestRectangles:
    ROWS = (row("France", "Lyon", id=1), row("Japan", "Osaka", "Tokyo", id=2), row("", "o", id=3, prompt="p\tq"))

    def test_cells_are_copied_as_they_stand(self) -> None:
        columns = {Column.SUBJECT, Column.NEW_OBJECT}
        text = cells_to_tsv([(self.ROWS[0], columns), (self.ROWS[1], {Column.NEW_OBJECT}), (self.ROWS[2], columns)])
        assert text == 'France\tLyon\n\tOsaka\n"p\tq"\to\n'

    def test_cells_are_pasted_over_cells(self) -> None:
        plan = over(read_cells("Peru\tcapital\tCusco\nJapan\tcapital\tKyoto\n"), self.ROWS, Column.SUBJECT, RELATIONS)
        assert plan.fields == {1: {"subject": "Peru", "new_object": "Cusco"}, 2: {"new_object": "Kyoto"}}
        assert plan.refusals == ()

    def test_a_free_prompt_takes_a_prompt(self) -> None:
        plan = over([["q"]], self.ROWS[2:], Column.SUBJECT, RELATIONS)
        assert plan.fields == {3: {"prompt": "q"}}

    def test_what_cannot_be_taken_is_told_by_row_and_column(self) -> None:
        cells = [
            ["perhaps", "", "river", "", "x\x07"],
            ["no", "Peru", "P36", "Cusco", "", "99 %", "great", "beyond"],
            ["", "", "capital"],
            ["yes"],
        ]
        plan = over(cells, (*self.ROWS[:2], self.ROWS[2]), Column.ENABLED, RELATIONS)
        assert [(refusal.row, refusal.column) for refusal in plan.refusals] == [
            (1, "On"),
            (1, "Subject"),
            (1, "Relation"),
            (1, "New object"),
            (1, "Original answer"),
            (2, ""),
            (2, "Familiarity"),
            (2, "State"),
            (3, "On"),
            (3, "Subject"),
            (3, "Relation"),
            (4, ""),
        ]
        assert plan.fields == {
            2: {"enabled": False, "subject": "Peru", "relation": "P36", "new_object": "Cusco", "original_answer": ""}
        }
        assert str(plan.refusals[2]) == "Row 1, column “Relation”: there is no relation “river”."

    def test_an_edit_that_is_gone_is_told(self) -> None:
        plan = over([["x"], ["y"]], (None, self.ROWS[1]), Column.NEW_OBJECT, RELATIONS)
        assert plan.fields == {2: {"new_object": "y"}}
        assert str(plan.refusals[0]) == "Row 1: the edit was deleted meanwhile."

    def test_the_whole_table_over_itself_changes_nothing(self) -> None:
        text = cells_to_tsv((each, set(Column)) for each in self.ROWS)
        assert [shown_text(self.ROWS[0], column) for column in HEADINGS][:4] == ["yes", "France", "capital", "Lyon"]
        plan = over(read_cells(text), self.ROWS, Column.ENABLED, RELATIONS)
        assert (plan.fields, plan.refusals) == ({}, ())

    def test_a_cell_or_a_row_fills_what_is_selected_where_it_fits(self) -> None:
        assert spread([["a"]], 2, 3) == [["a"] * 3] * 2
        assert spread([["a", "b"]], 3, 2) == [["a", "b"]] * 3
        assert spread([["a"], ["b"]], 3, 1) == [["a"], ["b"]]  # two do not fit into three
        assert spread([["a"], ["b"]], 1, 1) == [["a"], ["b"]]
        assert spread([], 1, 1) == []


@given(st.text(max_size=100), st.sampled_from(Column))
def test_any_text_pasted_over_is_taken_or_told(text: str, first: Column) -> None:
    rows = TestRectangles.ROWS
    cells = read_cells(text)
    plan = over(cells, rows, first, RELATIONS)
    assert set(plan.fields) <= {1, 2, 3}
    assert all(refusal.row <= len(cells) for refusal in plan.refusals)
