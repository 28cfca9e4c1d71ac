from __future__ import annotations

import pytest

from engine.edits import EditError, Relation
from studio.store.edits import EditDraft, add_edits, delete_edits, set_familiarity, set_original_answers
from studio.store.listing import edit_ids, get_edit, rows
from studio.store.project import Project
from studio.store.relations import (
    OnUse,
    RelationRow,
    add_relation,
    count_rephrased,
    delete_relation,
    relations,
    subjects,
    update_relation,
)
from studio.store.undo import undo, undo_name
from tests.studio.store.conftest import CATALOGUE, dump

COLOUR = Relation("colour", "Colour", ("The colour of {} is",))


def row(project: Project, relation_id: str) -> RelationRow:
    return next(row for row in relations(project) if row.relation.id == relation_id)


def test_the_catalogue_and_ones_own_stand_side_by_side_by_name(project: Project) -> None:
    add_relation(project, COLOUR)
    add_edits(project, [EditDraft("blue", "the sky", "colour"), EditDraft("Lyon", "France", "capital")])
    assert [(each.relation.name, each.edits, each.built_in) for each in relations(project)] == [
        ("author", 0, True),
        ("capital", 1, True),
        ("Colour", 1, False),
    ]
    undo(project)
    undo(project)
    assert [each.relation.id for each in relations(project)] == ["author", "capital"]


@pytest.mark.parametrize(
    ("relation", "sentence"),
    [
        (Relation("colour", "Hue", ("{}",)), "id “colour” already"),
        (Relation("capital", "Hue", ("{}",)), "id “capital” already"),
        (Relation("other", "COLOUR", ("{}",)), "called “Colour” already"),
        (Relation("other", "author", ("{}",)), "called “author” already"),
        (Relation("other", " ", ("{}",)), "no name"),
    ],
)
def test_ids_and_names_are_taken_once(project: Project, relation: Relation, sentence: str) -> None:
    add_relation(project, COLOUR)
    with pytest.raises(EditError, match=sentence):
        add_relation(project, relation)
    assert undo_name(project) == "add the relation “Colour”"


def test_a_new_name_shows_in_every_row_and_is_searched_by(project: Project) -> None:
    edit_id = add_edits(project, [EditDraft("Lyon", "France", "capital")]).added[0]
    changes = update_relation(project, Relation("capital", "seat of power", CATALOGUE["capital"].phrasings))
    assert (changes.updated, changes.relations) == ((edit_id,), True)
    assert rows(project, [edit_id])[0].relation_name == "seat of power"
    assert edit_ids(project, "power") == [edit_id]
    assert not row(project, "capital").built_in
    assert undo(project).updated == (edit_id,)
    assert edit_ids(project, "power") == []


def test_new_phrasings_reach_the_prompts_that_were_made_of_the_old(project: Project) -> None:
    first, second, own = add_edits(
        project,
        [
            EditDraft("Lyon", "France", "capital"),
            EditDraft("Milan", "Italy", "capital", prompt="Q: What is the capital of Italy? A:"),
            EditDraft("Porto", "Portugal", "capital", prompt="Portugal is ruled from"),
        ],
    ).added
    set_original_answers(project, {first: "Paris", second: "Rome", own: "Lisbon"})
    set_familiarity(project, {first: 0.5, second: 0.5})
    kept = CATALOGUE["capital"].phrasings[1]
    update_relation(project, Relation("capital", "capital", ("{} has the capital", kept)))
    found = {each: get_edit(project, each) for each in (first, second, own)}
    assert [found[each].prompt for each in (first, second, own)] == [  # type: ignore[union-attr]
        "France has the capital",
        "Q: What is the capital of Italy? A:",
        "Portugal is ruled from",
    ]
    assert [found[each].original_answer for each in (first, second, own)] == ["", "Rome", "Lisbon"]  # type: ignore[union-attr]
    assert [each.familiarity for each in rows(project, [first, second])] == [None, 0.5]
    update_relation(project, Relation("capital", "capital", ("{} is ruled from",)))
    assert get_edit(project, second).prompt == "Italy is ruled from"  # type: ignore[union-attr]


def test_an_unknown_relation_cannot_be_changed_and_an_equal_one_is_no_step(project: Project) -> None:
    with pytest.raises(EditError, match="no relation “Colour”"):
        update_relation(project, COLOUR)
    assert not update_relation(project, CATALOGUE["capital"])
    assert not delete_relation(project, "capital")
    assert undo_name(project) is None


def test_a_relation_in_use_cannot_be_deleted(project: Project) -> None:
    add_relation(project, COLOUR)
    ids = add_edits(project, [EditDraft("blue", "the sky", "colour")]).added
    with pytest.raises(EditError, match="1 edit of this project use"):
        delete_relation(project, "colour")
    delete_edits(project, ids)
    assert delete_relation(project, "colour").relations
    assert undo_name(project) == "delete the relation “Colour”"
    undo(project)
    assert row(project, "colour").relation == COLOUR


def test_a_changed_built_in_relation_gets_its_phrasings_back(project: Project) -> None:
    update_relation(project, Relation("author", "writer", ("{}:",)))
    assert row(project, "author").relation.name == "writer"
    delete_relation(project, "author")
    assert row(project, "author") == RelationRow(CATALOGUE["author"], 0, True, True)


def test_a_relation_can_go_and_its_edits_stay_as_they_are_asked(project: Project) -> None:
    add_relation(project, COLOUR)
    ids = add_edits(project, [EditDraft("blue", "the sky", "colour"), EditDraft("Lyon", "France", "capital")]).added
    before = dump(project)
    changes = delete_relation(project, "colour", OnUse.FREE)
    assert (changes.updated, changes.removed, changes.relations) == (ids[:1], (), True)
    edit = get_edit(project, ids[0])
    assert edit is not None
    assert (edit.subject, edit.relation, edit.prompt) == ("the sky", "", "The colour of the sky is")
    assert undo_name(project) == "delete the relation “Colour”"
    undo(project)
    assert dump(project) == before


def test_a_relation_can_go_with_its_edits(project: Project) -> None:
    add_relation(project, COLOUR)
    ids = add_edits(project, [EditDraft("blue", "the sky", "colour"), EditDraft("Lyon", "France", "capital")]).added
    before = dump(project)
    assert delete_relation(project, "colour", OnUse.DELETE).removed == ids[:1]
    assert edit_ids(project) == [ids[1]]
    undo(project)
    assert dump(project) == before


def test_what_a_change_would_do_is_counted_before(project: Project) -> None:
    add_edits(
        project,
        [EditDraft("x", "France", "capital"), EditDraft("x", "Italy", "capital"), EditDraft("x", prompt="Italy has")],
    )
    kept = CATALOGUE["capital"].phrasings
    assert count_rephrased(project, Relation("capital", "seat", (*kept, "{} is ruled from"))) == 0
    changed = Relation("capital", "capital", ("{} is ruled from", kept[1]))
    assert count_rephrased(project, changed) == 2
    assert len(update_relation(project, changed).updated) == 2
    assert count_rephrased(project, Relation("new", "new", ("{}",))) == 0


def test_subjects_for_a_preview_are_the_relations_own_or_any(project: Project) -> None:
    assert subjects(project, "capital", 3) == ()
    add_edits(
        project,
        [EditDraft("x", f"Land {number}", "capital") for number in range(5)] + [EditDraft("x", "Emma", "author")],
    )
    assert subjects(project, "author", 3) == ("Emma",)
    assert subjects(project, "capital", 2) == ("Land 0", "Land 1")
    assert len(subjects(project, "new", 3)) == 3
