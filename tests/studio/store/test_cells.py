"""Cells of several edits at once: each as if changed alone, all of them one step."""

from __future__ import annotations

from studio.store.cells import update_edits
from studio.store.edits import EditDraft, EditFields, add_edits, delete_edits
from studio.store.listing import edit_set
from studio.store.project import Project
from studio.store.undo import undo, undo_name
from tests.studio.store.conftest import dump

DRAFTS = [EditDraft("Lyon", "France", "capital"), EditDraft("Milan", "Italy", "capital"), EditDraft("o", prompt="p")]


def test_many_edits_are_one_step(project: Project) -> None:
    ids = add_edits(project, DRAFTS).added
    before = dump(project)
    changes = update_edits(
        project,
        {ids[0]: EditFields(subject="Peru", new_object="Cusco"), ids[2]: EditFields(prompt="q")},
        name="paste over 2 edits",
    )
    assert changes.updated == (ids[0], ids[2])
    assert [edit.prompt for edit in edit_set(project).edits] == [
        "The capital of Peru is",
        "The capital of Italy is",
        "q",
    ]
    assert undo_name(project) == "paste over 2 edits"
    undo(project)
    assert dump(project) == before


def test_a_new_relation_comes_from_the_catalogue(project: Project) -> None:
    ids = add_edits(project, DRAFTS).added
    assert update_edits(project, {ids[0]: EditFields(relation="author")}).relations
    edit = edit_set(project).edits[0]
    assert (edit.relation, edit.prompt) == ("author", "France was written by")


def test_who_cannot_take_its_part_is_named_and_the_others_are_changed(project: Project) -> None:
    ids = add_edits(project, DRAFTS).added
    delete_edits(project, ids[1:2])
    parts = {
        ids[0]: EditFields(new_object=" "),
        ids[1]: EditFields(new_object="x"),
        ids[2]: EditFields(new_object="done"),
    }
    changes = update_edits(project, parts)
    assert changes.updated == (ids[2],)
    assert [edit_id for edit_id, _ in changes.refused] == [ids[0], ids[1]]
    assert changes.refused[1][1] == "It was deleted meanwhile."


def test_nothing_new_is_no_step(project: Project) -> None:
    ids = add_edits(project, DRAFTS).added
    name = undo_name(project)
    assert not update_edits(project, {ids[0]: EditFields(new_object="Lyon")})
    assert undo_name(project) == name
