"""Importing: what is there already, what becomes of it, one step of undo, a stop that leaves no trace."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.edits import Edit, EditSet, Probe, ProbeKind, Relation
from engine.formats.watch import Watch
from engine.runs import Cancelled
from studio.store import importing
from studio.store.edits import EditDraft, add_edits, delete_edits, set_enabled, set_familiarity
from studio.store.importing import Standing, WhenThere, compare, import_edit_set
from studio.store.listing import edit_ids, edit_set, rows
from studio.store.project import Project
from studio.store.relations import relations
from studio.store.undo import undo, undo_name
from tests.stopping import Stopping
from tests.studio.store.conftest import CATALOGUE, dump

FRANCE = Edit("1", "The capital of France is", "Lyon", "France", "capital", "Paris", paraphrases=("France's seat:",))
OTHER = Edit("2", "Free", "prompt", paraphrases=("a",), probes=(Probe(ProbeKind.FAR, "b"),))
ROW = Edit("e1", "The capital of FRANCE is", "Nice", "FRANCE", "capital")  # as a table of three columns gives it


def objects(project: Project) -> list[str]:
    return sorted(edit.new_object for edit in edit_set(project).edits)


def test_it_is_one_step(project: Project) -> None:
    empty = dump(project)
    changes = import_edit_set(project, EditSet("S", (FRANCE, OTHER), {"capital": CATALOGUE["capital"]}))
    assert len(changes.added) == 2
    assert undo_name(project) == "import 2 edits"
    undo(project)
    assert dump(project) == empty


def test_what_is_there_word_for_word_is_passed_over_whatever_is_asked(project: Project) -> None:
    import_edit_set(project, EditSet("S", (FRANCE,)))
    for choice in WhenThere:
        changes = import_edit_set(project, EditSet("S", (FRANCE,)), choice)
        assert not changes
        assert changes.passed_over == ((0, "it is there already, word for word"),)


@pytest.mark.parametrize("imported", [replace(FRANCE, new_object="Nice"), ROW, replace(ROW, subject="", relation="")])
@pytest.mark.parametrize(
    ("choice", "found", "counts"),
    [
        (WhenThere.SKIP, ["Lyon"], (0, 0, 1)),
        (WhenThere.UPDATE, ["Nice"], (0, 1, 0)),
        (WhenThere.ADD, ["Lyon", "Nice"], (1, 0, 0)),
    ],
)
def test_what_is_there_in_other_words_is_found_by_id_fact_or_prompt(
    project: Project, imported: Edit, choice: WhenThere, found: list[str], counts: tuple[int, int, int]
) -> None:
    import_edit_set(project, EditSet("S", (FRANCE, OTHER)))
    assert compare(project, EditSet("S", (imported, OTHER, replace(OTHER, id="9", prompt="New")))) == Standing(1, 1, 1)
    changes = import_edit_set(project, EditSet("S", (imported,)), choice)
    assert objects(project) == [*found, "prompt"]
    assert (len(changes.added), len(changes.updated), changes.skipped) == counts
    assert bool(changes.undo) == bool(changes)


def test_an_update_empties_nothing(project: Project) -> None:
    import_edit_set(project, EditSet("S", (FRANCE,)))
    (row,) = edit_ids(project)
    set_enabled(project, [row], False)
    import_edit_set(project, EditSet("S", (replace(ROW, prompt=FRANCE.prompt),)), WhenThere.UPDATE)
    (edit,) = edit_set(project).edits
    assert edit == replace(FRANCE, subject="FRANCE", new_object="Nice", enabled=False)


def test_another_prompt_takes_answer_and_familiarity_along(project: Project) -> None:
    import_edit_set(project, EditSet("S", (FRANCE,)))
    (row,) = edit_ids(project)
    set_familiarity(project, {row: 0.9})
    import_edit_set(project, EditSet("S", (replace(ROW, prompt="France is governed from"),)), WhenThere.UPDATE)
    (edit,) = edit_set(project).edits
    assert (edit.original_answer, rows(project, [row])[0].familiarity) == ("", None)
    undo(project)
    assert edit_set(project).edits == (FRANCE,)


def test_two_rows_for_one_edit_do_not_overwrite_each_other(project: Project) -> None:
    import_edit_set(project, EditSet("S", (FRANCE,)))
    second = replace(ROW, id="e2", new_object="Lille")
    changes = import_edit_set(project, EditSet("S", (ROW, second)), WhenThere.UPDATE)
    assert objects(project) == ["Nice"]
    assert changes.passed_over == ((1, "an earlier row of the file has updated the same edit"),)


def test_of_several_that_ask_the_same_the_oldest_is_meant(project: Project) -> None:
    add_edits(project, [EditDraft("A", "France", "capital"), EditDraft("B", "France", "capital")])
    import_edit_set(project, EditSet("S", (ROW,)), WhenThere.UPDATE)
    assert [edit.new_object for edit in edit_set(project).edits] == ["Nice", "B"]


def test_a_relation_nobody_knows_is_kept_by_its_id(project: Project) -> None:
    import_edit_set(project, EditSet("S", (Edit("1", "x of y is", "z", "y", "P999"),)))
    assert rows(project, edit_ids(project))[0].relation_name == "P999"
    import_edit_set(project, EditSet("T", (), {"P999": Relation("P999", "shape", ("{} is shaped",))}))
    assert rows(project, edit_ids(project, "shape"))[0].relation_name == "shape"


def test_relations_of_the_project_keep_their_phrasings_and_that_is_told(project: Project) -> None:
    add_edits(project, [EditDraft("Lyon", "France", "capital")])
    other = {"capital": Relation("capital", "seat", ("{} sits in",))}
    changes = import_edit_set(project, EditSet("S", (), other))
    assert CATALOGUE["capital"] in [row.relation for row in relations(project)]
    assert changes.notes == ("The file has other phrasings for “capital”: the project keeps its own.",)


@pytest.mark.parametrize("choice", WhenThere)
@pytest.mark.parametrize("looks", [0, 3, 12, 14])
def test_a_stop_anywhere_leaves_the_project_untouched(
    project: Project, monkeypatch: pytest.MonkeyPatch, choice: WhenThere, looks: int
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    edits = tuple(Edit(f"{place}", f"p{place}", "o") for place in range(12))
    import_edit_set(project, EditSet("S", edits[:6]))
    before, name = dump(project), undo_name(project)
    changed = tuple(replace(edit, new_object="x") for edit in edits)
    with pytest.raises(Cancelled):
        import_edit_set(project, EditSet("S", changed), choice, watch=Watch(cancel=Stopping(looks)))
    assert (dump(project), undo_name(project)) == (before, name)


def test_chunks_make_one_step(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    edits = tuple(Edit(f"{place}", f"p{place}", "o") for place in range(5))
    watch = Watch()
    import_edit_set(project, EditSet("S", edits), watch=watch)
    assert edit_set(project).edits == edits
    assert (watch.board.latest().step, watch.board.latest().of) == (5, 5)
    undo(project)
    assert edit_ids(project) == []


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(str.strip)
EDITS = st.builds(
    Edit,
    id=st.uuids().map(str),
    prompt=TEXTS,
    new_object=TEXTS,
    subject=st.one_of(st.just(""), TEXTS),
    relation=st.sampled_from(["", "capital", "mine", "unknown"]),
    original_answer=st.one_of(st.just(""), TEXTS),
    aliases=st.lists(TEXTS, max_size=2).map(tuple),
    paraphrases=st.lists(TEXTS, max_size=3).map(tuple),
    probes=st.lists(st.builds(Probe, st.sampled_from(ProbeKind), TEXTS), max_size=3).map(tuple),
    enabled=st.booleans(),
)
SETS = st.lists(EDITS, max_size=8, unique_by=lambda edit: edit.id)
_property = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_property
@given(edits=SETS)
def test_what_is_imported_comes_out_as_it_was(project: Project, edits: list[Edit]) -> None:
    mine = {"mine": Relation("mine", "my own", ("{} mine",))}
    delete_edits(project, edit_ids(project))
    import_edit_set(project, EditSet("S", tuple(edits), mine))
    found = edit_set(project)
    assert found.edits == tuple(edits)
    assert set(found.relations) == {edit.relation for edit in edits} & {"capital", "mine"}


@_property
@given(first=SETS, second=SETS, choice=st.sampled_from(WhenThere))
def test_every_row_is_accounted_for_and_undone_with_the_rest(
    project: Project, first: list[Edit], second: list[Edit], choice: WhenThere
) -> None:
    delete_edits(project, edit_ids(project))
    import_edit_set(project, EditSet("S", tuple(first)))
    before = dump(project)
    mixed = (*second, *(replace(edit, new_object="another") for edit in first[:4]))
    changes = import_edit_set(project, EditSet("T", mixed), choice)
    assert len(changes.added) + len(changes.updated) + changes.skipped == len(mixed)
    assert changes.skipped == len(changes.passed_over)
    if changes.undo:
        undo(project)
    assert dump(project) == before
