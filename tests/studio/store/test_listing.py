from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.edits import find_conflicts, fold
from studio.store import listing
from studio.store.conflicts import conflicts
from studio.store.edits import EditDraft, add_edits, delete_edits, set_enabled, set_familiarity, set_original_answers
from studio.store.listing import (
    EditFilter,
    EditSort,
    EditState,
    counts,
    edit_ids,
    edit_set,
    enabled_keys,
    get_edit,
    ids_of_keys,
    rows,
)
from studio.store.project import Project
from studio.store.undo import undo


@pytest.fixture
def ids(project: Project) -> dict[str, int]:
    """Four edits by the name of their subject."""
    drafts = [
        EditDraft("Lyon", "France", "capital"),
        EditDraft("Graz", "österreich", "capital", original_answer="Wien"),
        EditDraft("Jane Austen", "Emma", "author", original_answer="jane austen."),
        EditDraft("42", prompt="The answer is", enabled=False),
    ]
    return dict(zip(("France", "Austria", "Emma", "free"), add_edits(project, drafts).added, strict=True))


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("", {"France", "Austria", "Emma", "free"}),
        ("fran", {"France"}),
        ("ÖSTERREICH", {"Austria"}),
        ("O\u0308sterr", {"Austria"}),  # the same letter, written as two characters
        ("lyon france", {"France"}),  # every word, in any order and any column
        ("lyon austria", set()),
        ("AUTHOR", {"Emma"}),  # the relation's name
        ("capital of", {"France", "Austria"}),
        ("answer", {"free"}),
        ("wien", {"Austria"}),
        ("%", set()),
        ("_", set()),
        ("'; DROP TABLE edits --", set()),
    ],
)
def test_search_folds_cases_and_looks_everywhere(
    project: Project, ids: dict[str, int], search: str, expected: set[str]
) -> None:
    assert set(edit_ids(project, search)) == {ids[name] for name in expected}


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (EditSort.ENTERED, ["France", "Austria", "Emma", "free"]),
        (EditSort.SUBJECT, ["free", "Emma", "France", "Austria"]),
        (EditSort.RELATION, ["free", "Emma", "France", "Austria"]),
        (EditSort.NEW_OBJECT, ["free", "Austria", "Emma", "France"]),
        (EditSort.ORIGINAL_ANSWER, ["free", "France", "Emma", "Austria"]),
        (EditSort.STATE, ["Emma", "France", "Austria", "free"]),
    ],
)
def test_sorting_both_ways(project: Project, ids: dict[str, int], sort: EditSort, expected: list[str]) -> None:
    assert edit_ids(project, sort=sort) == [ids[name] for name in expected]
    assert edit_ids(project, sort=sort.value, descending=True) == [ids[name] for name in reversed(expected)]
    assert edit_ids(project, "i", sort=sort) == [
        edit_id for edit_id in edit_ids(project, sort=sort) if edit_id in set(edit_ids(project, "i"))
    ]


def test_what_was_not_measured_comes_last_both_ways(project: Project, ids: dict[str, int]) -> None:
    set_familiarity(project, {ids["France"]: 0.9, ids["Emma"]: 0.1})
    rest = {ids["Austria"], ids["free"]}
    for descending, first in ((False, ["Emma", "France"]), (True, ["France", "Emma"])):
        found = edit_ids(project, sort=EditSort.FAMILIARITY, descending=descending)
        assert found[:2] == [ids[name] for name in first]
        assert set(found[2:]) == rest


def test_filters_and_counts(project: Project, ids: dict[str, int]) -> None:
    again = add_edits(project, [EditDraft("lyon", "FRANCE", "capital")]).added[0]
    other = add_edits(project, [EditDraft("Linz", "Österreich", "capital")]).added[0]
    expected = {
        EditFilter.ALL: {*ids.values(), again, other},
        EditFilter.ENABLED: {*ids.values(), again, other} - {ids["free"]},
        EditFilter.DISABLED: {ids["free"]},
        EditFilter.CONFLICTS: {ids["France"], again, ids["Austria"], other},
        EditFilter.CONTRADICTIONS: {ids["Austria"], other},
        EditFilter.UNANSWERED: {ids["France"], again, other, ids["free"]},
    }
    for wanted, found in expected.items():
        assert set(edit_ids(project, filter=wanted.value)) == found, wanted
    assert set(edit_ids(project, "franc", filter=EditFilter.CONFLICTS)) == {ids["France"], again}
    assert (counts(project).total, counts(project).enabled) == (6, 5)
    assert (counts(project).conflicts, counts(project).unanswered) == (4, 4)
    with pytest.raises(ValueError, match="nonsense"):
        edit_ids(project, filter="nonsense")


def test_states_follow_every_write(project: Project, ids: dict[str, int]) -> None:
    def states() -> list[EditState]:
        return [row.state for row in rows(project, [ids["France"], ids["Emma"], ids["free"]])]

    assert states() == [EditState.READY, EditState.KNOWN, EditState.DISABLED]
    add_edits(project, [EditDraft("Nice", "france", "capital")])
    assert states()[0] is EditState.CONTRADICTION
    undo(project)
    assert states()[0] is EditState.READY
    add_edits(project, [EditDraft("LYON", "france", "capital")])
    assert states()[0] is EditState.DUPLICATE
    set_enabled(project, [ids["France"]], False)
    assert states()[0] is EditState.DISABLED
    set_enabled(project, [ids["free"]], True)
    assert states()[2] is EditState.READY


def test_rows_come_in_the_order_asked_and_without_those_that_are_gone(project: Project, ids: dict[str, int]) -> None:
    set_original_answers(project, {ids["France"]: "Paris"})
    delete_edits(project, [ids["Emma"]])
    found = rows(project, [ids["free"], ids["Emma"], ids["France"], 999])
    assert [row.id for row in found] == [ids["free"], ids["France"]]
    france = found[1]
    assert (france.subject, france.relation, france.relation_name) == ("France", "capital", "capital")
    assert (france.original_answer, france.familiarity, france.enabled) == ("Paris", None, True)
    assert get_edit(project, ids["Emma"]) is None
    assert ids_of_keys(project, [france.key, "none"]) == {france.key: france.id}
    assert enabled_keys(project) == {row.key for row in rows(project, edit_ids(project, filter="enabled"))}


def test_an_edit_set_can_hold_a_selection(project: Project, ids: dict[str, int]) -> None:
    found = edit_set(project, [ids["Emma"], ids["France"]])
    assert [edit.subject for edit in found.edits] == ["France", "Emma"]
    assert set(found.relations) == {"capital", "author"}
    assert set(edit_set(project, [ids["free"]]).relations) == set()
    assert found.name == "Trial"


SHORT = st.sampled_from(["a", "A", "ａ", "b", "c"])
DRAFTS = st.builds(
    EditDraft,
    new_object=SHORT,
    subject=SHORT,
    relation=st.sampled_from(["", "capital", "author"]),
    prompt=st.sampled_from(["p", "P ", "q", "The capital of a is"]),
    enabled=st.integers(0, 3).map(bool),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drafts=st.lists(DRAFTS, max_size=8))
def test_conflicts_are_those_the_engine_finds(project: Project, drafts: list[EditDraft]) -> None:
    delete_edits(project, edit_ids(project))
    add_edits(project, drafts)
    snapshot = edit_set(project)
    keys = {edit_id: key for key, edit_id in ids_of_keys(project, [edit.id for edit in snapshot.edits]).items()}
    found = [(tuple(keys[edit_id] for edit_id in each.edit_ids), each.contradiction) for each in conflicts(project)]
    assert found == [(each.edit_ids, each.contradiction) for each in find_conflicts(snapshot.edits)]


def plan(project: Project, search: str = "", sort: EditSort = EditSort.ENTERED) -> str:
    """How SQLite goes about listing edits."""
    said: list[str] = []
    raw = project._database.raw
    raw.set_trace_callback(said.append)
    edit_ids(project, search, sort)
    raw.set_trace_callback(None)
    listing = next(statement for statement in said if "json_group_array" in statement)
    return " / ".join(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {listing}"))


@pytest.mark.parametrize(
    "sort", [EditSort.ENTERED, EditSort.SUBJECT, EditSort.RELATION, EditSort.NEW_OBJECT, EditSort.ORIGINAL_ANSWER]
)
def test_the_whole_table_is_never_sorted_it_is_read_in_order(project: Project, sort: EditSort) -> None:
    assert "TEMP B-TREE" not in plan(project, sort=sort)


def test_words_are_found_by_the_full_text_index(project: Project, ids: dict[str, int]) -> None:
    assert "edit_search VIRTUAL TABLE" in plan(project, "lyon france", EditSort.SUBJECT)
    assert "edit_search" not in plan(project, "ly")  # too short for it


def test_words_in_most_rows_are_looked_for_in_the_rows(
    project: Project, ids: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {search: edit_ids(project, search) for search in ("the", "capital of", "is lyon")}
    monkeypatch.setattr(listing, "_MANY", 1)
    for search, expected in found.items():
        assert "edit_search" not in plan(project, search)
        assert edit_ids(project, search) == expected


TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from('aAb" ́日본'), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXT.filter(str.strip), min_size=1, max_size=6), search=TEXT)
def test_every_way_to_search_finds_the_same(project: Project, texts: list[str], search: str) -> None:
    delete_edits(project, edit_ids(project))
    made = add_edits(project, [EditDraft(text, prompt=f"asked {number}") for number, text in enumerate(texts)]).added
    words = fold(search).split()
    expected = [
        edit_id
        for number, (edit_id, text) in enumerate(zip(made, texts, strict=True))
        if all(word in fold(text) or word in f"asked {number}" for word in words)
    ]
    assert edit_ids(project, search, EditSort.ENTERED) == expected
