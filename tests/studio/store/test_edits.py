from __future__ import annotations

import pytest

from engine.edits import Edit, EditError, Probe, ProbeKind
from studio.store.changes import Changes
from studio.store.edits import (
    EditDraft,
    EditFields,
    add_edits,
    delete_edits,
    set_enabled,
    set_familiarity,
    set_original_answers,
    update_edit,
)
from studio.store.listing import edit_ids, get_edit, rows
from studio.store.project import Project
from studio.store.undo import undo_name
from tests.studio.store.conftest import dump

PARIS = EditDraft("Lyon", "France", "capital")
ROME = EditDraft("Milan", "Italy", "capital")


def one(project: Project, draft: EditDraft = PARIS) -> int:
    return add_edits(project, [draft]).added[0]


def edit(project: Project, edit_id: int) -> Edit:
    found = get_edit(project, edit_id)
    assert found is not None
    return found


def test_added_edits_are_phrased_by_their_relation_and_bring_it_along(project: Project) -> None:
    changes = add_edits(project, [PARIS, EditDraft("42", prompt="The answer is")])
    assert len(changes.added) == 2
    assert changes.relations
    assert changes.undo
    assert edit(project, changes.added[0]).prompt == "The capital of France is"
    assert edit(project, changes.added[1]) == Edit(
        id=edit(project, changes.added[1]).id, prompt="The answer is", new_object="42"
    )
    assert not add_edits(project, [ROME]).relations  # it is there by now
    assert undo_name(project) == "add 1 edit"


def test_no_drafts_are_no_step(project: Project) -> None:
    assert not add_edits(project, [])
    assert undo_name(project) is None


def test_an_emptied_text_is_refused_without_the_id_of_the_edit(project: Project) -> None:
    edit_id = one(project)
    for fields in (EditFields(prompt=" "), EditFields(new_object="")):
        with pytest.raises(EditError, match="is empty: write what the model") as caught:
            update_edit(project, edit_id, **fields)
        assert edit(project, edit_id).id not in str(caught.value)


@pytest.mark.parametrize(
    ("draft", "sentence"),
    [
        (EditDraft("", "France", "capital"), "new object is empty"),
        (EditDraft("Lyon", "", "capital"), "subject is empty"),
        (EditDraft("Lyon", "France"), "relation is empty"),
        (EditDraft("Lyon"), "prompt is empty"),
        (EditDraft("Lyon", "France", "colour"), "no relation “colour”"),
        (EditDraft("Ly\x00on", "France", "capital"), r"U\+0000"),
        (EditDraft("Lyon", "France", "capital", paraphrases=("\ud800",)), r"U\+D800"),
        (EditDraft("Lyon", "France", "capital", probes=(Probe(ProbeKind.FAR, " "),)), "probe is empty"),
        (EditDraft("L" * 4_001, "France", "capital"), "too long"),
    ],
)
def test_a_bad_draft_is_refused_with_its_row_and_nothing_is_added(
    project: Project, draft: EditDraft, sentence: str
) -> None:
    with pytest.raises(EditError, match=f"Row 2: .*{sentence}"):
        add_edits(project, [PARIS, draft])
    with pytest.raises(EditError, match=f"^(?!Row).*{sentence}"):
        add_edits(project, [draft])
    assert edit_ids(project) == []
    assert undo_name(project) is None


def test_texts_survive_to_the_letter(project: Project) -> None:
    draft = EditDraft(
        "Ελλάς 🇬🇷",
        "مصر {0.__class__}",
        prompt="“naïve”\tça <b>va</b>?\nA: é",
        original_answer="zwölf",
        aliases=("a", "b"),
        paraphrases=("one {}", "two\n"),
        probes=(Probe(ProbeKind.NEIGHBOUR, "n"), Probe(ProbeKind.SAME_SUBJECT, "s"), Probe(ProbeKind.FAR, "f")),
        enabled=False,
        key="mine",
    )
    found = edit(project, one(project, draft))
    assert found == Edit(
        "mine",
        draft.prompt,
        draft.new_object,
        draft.subject,
        "",
        "zwölf",
        draft.aliases,
        draft.paraphrases,
        draft.probes,
        False,
    )


def test_a_key_that_is_taken_gives_way(project: Project) -> None:
    keyed = EditDraft("Lyon", "France", "capital", key="k")
    ids = add_edits(project, [keyed, keyed]).added
    assert edit(project, ids[0]).id == "k"
    assert edit(project, ids[1]).id not in ("k", "")


class TestUpdate:
    def test_a_new_object_leaves_the_question_alone(self, project: Project) -> None:
        edit_id = one(project)
        set_original_answers(project, {edit_id: "Paris"})
        set_familiarity(project, {edit_id: 0.5})
        assert update_edit(project, edit_id, new_object=" Nice ") == Changes(updated=(edit_id,), undo=True)
        assert edit(project, edit_id).new_object == "Nice"
        assert edit(project, edit_id).original_answer == "Paris"
        assert rows(project, [edit_id])[0].familiarity == 0.5

    def test_a_new_subject_carries_prompt_paraphrases_and_its_own_probes(self, project: Project) -> None:
        edit_id = one(
            project,
            EditDraft(
                "Lyon",
                "France",
                "capital",
                prompt="Q: What is the capital of France? A:",
                paraphrases=("France has its seat in",),
                probes=(Probe(ProbeKind.SAME_SUBJECT, "France borders"), Probe(ProbeKind.NEIGHBOUR, "Not France:")),
            ),
        )
        set_original_answers(project, {edit_id: "Paris"})
        set_familiarity(project, {edit_id: 0.5})
        update_edit(project, edit_id, subject="Spain")
        found = edit(project, edit_id)
        assert found.prompt == "Q: What is the capital of Spain? A:"
        assert found.paraphrases == ("Spain has its seat in",)
        assert [probe.prompt for probe in found.probes] == ["Spain borders", "Not France:"]
        assert found.original_answer == ""
        assert rows(project, [edit_id])[0].familiarity is None

    def test_a_prompt_of_ones_own_is_renamed(self, project: Project) -> None:
        edit_id = one(project, EditDraft("Lyon", "France", prompt="In France people govern from"))
        update_edit(project, edit_id, subject="Spain")
        assert edit(project, edit_id).prompt == "In Spain people govern from"

    def test_a_prompt_that_does_not_name_the_subject_must_be_changed_too(self, project: Project) -> None:
        edit_id = one(project, EditDraft("Lyon", "France", prompt="Its capital is"))
        with pytest.raises(EditError, match="does not name “France”"):
            update_edit(project, edit_id, subject="Spain")
        update_edit(project, edit_id, subject="Spain", prompt="The capital of Spain is")
        assert edit(project, edit_id).subject == "Spain"

    def test_a_new_relation_asks_anew(self, project: Project) -> None:
        edit_id = one(project, EditDraft("Lyon", "France", "capital", paraphrases=("France is ruled from",)))
        changes = update_edit(project, edit_id, relation="author")
        assert changes.relations
        assert edit(project, edit_id).prompt == "France was written by"
        assert edit(project, edit_id).paraphrases == ()
        assert rows(project, [edit_id])[0].relation_name == "author"

    def test_relation_and_subject_together(self, project: Project) -> None:
        edit_id = one(project)
        update_edit(project, edit_id, relation="author", subject="Emma")
        assert edit(project, edit_id).prompt == "Emma was written by"

    def test_unknown_relations_and_empty_subjects_are_refused(self, project: Project) -> None:
        edit_id = one(project)
        before = dump(project)
        with pytest.raises(EditError, match="no relation “colour”"):
            update_edit(project, edit_id, relation="colour")
        with pytest.raises(EditError, match="subject is empty"):
            update_edit(project, edit_id, subject="")
        with pytest.raises(EditError, match="new object is empty"):
            update_edit(project, edit_id, new_object="  ")
        assert dump(project) == before
        assert undo_name(project) == "add 1 edit"

    def test_it_can_become_a_free_prompt(self, project: Project) -> None:
        edit_id = one(project)
        update_edit(project, edit_id, subject="", relation="", prompt="Where is the king?")
        assert edit(project, edit_id).prompt == "Where is the king?"

    def test_nothing_new_is_no_step(self, project: Project) -> None:
        edit_id = one(project)
        assert not update_edit(project, edit_id, new_object="Lyon", subject="France")
        assert not update_edit(project, edit_id + 1, new_object="Lyon")
        assert undo_name(project) == "add 1 edit"


def test_delete_and_enable_count_only_what_is_there(project: Project) -> None:
    ids = add_edits(project, [PARIS, ROME]).added
    assert set_enabled(project, [*ids, 999], False).updated == ids
    assert undo_name(project) == "switch 2 edits off"
    assert not set_enabled(project, ids, False)
    assert not edit(project, ids[0]).enabled
    assert delete_edits(project, [ids[0], 999]).removed == (ids[0],)
    assert undo_name(project) == "delete 1 edit"
    assert not delete_edits(project, [ids[0]])
    assert edit_ids(project) == [ids[1]]


def test_an_id_is_never_given_twice(project: Project) -> None:
    first = one(project)
    delete_edits(project, [first])
    assert one(project) > first


def test_original_answers_are_cleaned_of_what_no_file_can_hold(project: Project) -> None:
    edit_id = one(project)
    assert set_original_answers(project, {edit_id: "Pa\x00ris\ud800", 999: "x"}).updated == (edit_id,)
    assert edit(project, edit_id).original_answer == "Pa\ufffdris\ufffd"
    assert undo_name(project) == "fill in 1 original answer"
    assert not set_original_answers(project, {edit_id: "Pa\x00ris\ud800"})


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_familiarity_outside_its_range_is_a_bug(project: Project, value: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        set_familiarity(project, {one(project): value})


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"paraphrases": ("the  CAPITAL of France is",)}, "is the prompt itself"),
        ({"paraphrases": ("France has", "france HAS")}, "is there twice"),
        ({"paraphrases": ("{} has the capital",)}, "write the subject there"),
        ({"probes": (Probe(ProbeKind.FAR, "The capital of france is"),)}, "asks for this edit, whose"),
        ({"probes": (Probe(ProbeKind.FAR, "q"), Probe(ProbeKind.FAR, "Q"))}, "is there twice"),
        ({"probes": (Probe(ProbeKind.NEIGHBOUR, "The capital of {} is"),)}, "write a subject there"),
        ({"probes": (Probe(ProbeKind.NEIGHBOUR, "the capital of italy is"),)}, "prompt of another edit"),
    ],
)
def test_texts_that_cannot_measure_anything_are_refused(project: Project, fields: EditFields, sentence: str) -> None:
    edit_id = add_edits(
        project, [EditDraft("Lyon", "France", "capital"), EditDraft("Milan", "Italy", "capital")]
    ).added[0]
    before = dump(project)
    with pytest.raises(EditError, match=sentence):
        update_edit(project, edit_id, **fields)
    assert dump(project) == before


def test_a_text_that_is_there_already_is_left_alone(project: Project) -> None:
    """A file may have brought it: it must not keep the rest of the edit from being changed."""
    edit_id = add_edits(
        project, [EditDraft("Lyon", "France", "capital", paraphrases=("The capital of France is",))]
    ).added[0]
    update_edit(project, edit_id, paraphrases=("The capital of France is", "France has the capital"))
    edit = get_edit(project, edit_id)
    assert edit is not None
    assert len(edit.paraphrases) == 2
