from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.edits import Probe, ProbeKind, Relation
from studio.store.edits import EditDraft, add_edits, update_edit
from studio.store.project import Project
from studio.store.relations import add_relation
from studio.suggestions import SuggestedTexts, suggested_texts
from studio.workspace import catalogue_relations


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.create(tmp_path / "p", "Trial", catalogue_relations())
    yield made
    made.close()


def test_paraphrases_are_the_phrasings_that_are_not_said_yet(project: Project) -> None:
    relation = Relation("own", "owned by", ("{} belongs to", "The owner of {} is"), ("Who owns {}? It is",))
    add_relation(project, relation)
    edit_id = add_edits(project, [EditDraft("Anna", "the boat", "own")]).added[0]
    # Those kept for measuring come first; the prompt's own is not among them.
    assert suggested_texts(project, edit_id).paraphrases == ("Who owns the boat? It is", "The owner of the boat is")
    update_edit(project, edit_id, paraphrases=("who owns the boat? it is",))
    assert suggested_texts(project, edit_id).paraphrases == ("The owner of the boat is",)


def test_neighbours_have_the_same_object_and_no_edit_changes_them(project: Project) -> None:
    edit_id = add_edits(project, [EditDraft("Germany", "Eiffel Tower", "P17", original_answer="France")]).added[0]
    found = suggested_texts(project, edit_id)
    assert found.same_object
    assert len(found.neighbours) == 3
    taken = next(subject for subject in ("Arve", "Avord") if any(subject in question for question in found.neighbours))
    add_edits(project, [EditDraft("Spain", taken.upper(), "P17")])
    assert not any(taken in question for question in suggested_texts(project, edit_id).neighbours)
    update_edit(
        project, edit_id, probes=tuple(Probe(ProbeKind.NEIGHBOUR, question) for question in found.neighbours[:1])
    )
    assert found.neighbours[0] not in suggested_texts(project, edit_id).neighbours


def test_the_same_subject_is_asked_in_its_other_relations(project: Project) -> None:
    edit_id = add_edits(project, [EditDraft("Lyon", "France", "P36")]).added[0]
    found = suggested_texts(project, edit_id).same_subject
    assert found
    assert all("France" in question for question in found)
    assert not any("capital" in question for question in found)


def test_switched_off_edits_are_facts_too(project: Project) -> None:
    add_relation(project, Relation("own", "owned by", ("{} belongs to",)))
    add_relation(project, Relation("hue", "colour", ("The colour of {} is",)))
    ids = add_edits(
        project,
        [
            EditDraft("Anna", "the boat", "own", original_answer="Bob"),
            EditDraft("x", "the car", "own", original_answer="bob", enabled=False),
            EditDraft("x", "the bike", "own", original_answer="Bob"),  # an edit changes this one
            EditDraft("x", "the boat", "hue", original_answer="red", enabled=False),
        ],
    ).added
    found = suggested_texts(project, ids[0])
    assert found == SuggestedTexts((), ("the car belongs to",), ("The colour of the boat is",), True)


def test_nothing_is_suggested_for_a_free_prompt_or_an_edit_that_is_gone(project: Project) -> None:
    edit_id = add_edits(project, [EditDraft("42", prompt="The answer is")]).added[0]
    assert suggested_texts(project, edit_id) == SuggestedTexts()
    assert suggested_texts(project, 999) == SuggestedTexts()
