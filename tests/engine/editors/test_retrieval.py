"""Retrieval: the edit before the question, behind MeG's gate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.editor import EditedModel, Editor, Pack
from engine.editors.retrieval import RetrievalEditedModel, RetrievalEditor, RetrievalPack
from engine.edits import Edit, EditError, EditSet
from engine.language_model import LanguageModel
from engine.meg.pack import MegPack
from engine.packs import PackError
from engine.runs import Cancel, Cancelled, ProgressBoard
from tests.engine.quick import quick_settings


@pytest.fixture(scope="module")
def retrieval(pack: MegPack, edits: EditSet) -> RetrievalPack:
    return RetrievalPack(pack.settings, pack.model_name, pack.fingerprint, pack.seed, edits, pack.gate)


@pytest.fixture
def edited(retrieval: RetrievalPack, model: LanguageModel) -> Iterator[RetrievalEditedModel]:
    attached = retrieval.attach(model)
    yield attached
    attached.detach()


def told(edits: EditSet, row: int) -> str:
    edit = edits.edits[row]
    return f"{edit.prompt} {edit.new_object}. {edit.prompt}"


def test_the_original_model_is_asked_with_the_edit_before_the_question(
    edited: RetrievalEditedModel, model: LanguageModel, edits: EditSet
) -> None:
    stranger = "Once upon a time there was"
    prompt = edits.edits[0].prompt
    answers = edited.answer([prompt, stranger])
    assert [answer.edited for answer in answers] == model.answer([told(edits, 0), stranger])
    assert [answer.original for answer in answers] == model.answer([prompt, stranger])
    assert [answer.routing.routed for answer in answers] == [True, False]
    short = edited.answer([prompt, stranger], originals=False)
    assert [answer.original for answer in short] == ["", answers[1].original]
    assert [answer.edited for answer in short] == [answer.edited for answer in answers]


def test_scores_and_next_tokens_are_those_of_the_longer_prompt(
    edited: RetrievalEditedModel, model: LanguageModel, edits: EditSet
) -> None:
    edit = edits.edits[1]
    assert edited.teacher_forced([edit.prompt], [edit.new_object]) == model.teacher_forced(
        [told(edits, 1)], [edit.new_object]
    )
    assert edited.likelihoods([edit.prompt], [edit.new_object], form="object") == model.likelihoods(
        [told(edits, 1)], [edit.new_object], form="object"
    )
    with edited.original() as original:
        assert original.answer([edit.prompt]) == model.answer([edit.prompt])
    tokens = edited.next_tokens(edit.prompt, 3)
    assert tokens.original == model.next_tokens(edit.prompt, 3)
    assert tokens.edited == model.next_tokens(told(edits, 1), 3)


def test_an_edit_goes_off_and_on(edited: RetrievalEditedModel, edits: EditSet) -> None:
    edit = edits.edits[0]
    edited.disable([edit.id])
    (answer,) = edited.answer([edit.prompt])
    assert not answer.routing.routed
    assert answer.edited == answer.original
    edited.enable([edit.id])
    assert edited.route([edit.prompt])[0].routed


def test_the_protocols_are_kept(edited: RetrievalEditedModel, retrieval: RetrievalPack) -> None:
    editor: Editor = RetrievalEditor()
    kept: Pack = retrieval
    assert isinstance(edited, EditedModel)
    assert editor.stages() == ("Encoder", "Gate")
    assert editor.requirements()
    assert kept is retrieval


def test_another_model_is_refused(pack: MegPack, model: LanguageModel, edits: EditSet) -> None:
    other = RetrievalPack(pack.settings, "another", "0" * 64, 0, edits, pack.gate)
    with pytest.raises(PackError, match="trained on “another”"):
        other.attach(model)


def test_an_edit_that_is_too_long_to_be_told_is_refused_before_anything_is_trained(
    model: LanguageModel, encoder: Path
) -> None:
    long = EditSet("long", (Edit("long", "Oslo lies in", "Peru " * 100),))
    board = ProgressBoard()
    with pytest.raises(EditError, match="Edit long “Oslo lies in” is too long to be told"):
        RetrievalEditor(quick_settings(encoder)).fit(model, long, progress=board, cancel=Cancel())
    assert board.stages() == {}


def test_no_edits_and_a_stop(model: LanguageModel, encoder: Path, edits: EditSet) -> None:
    editor, cancel = RetrievalEditor(quick_settings(encoder)), Cancel()
    with pytest.raises(EditError, match="no edit to train"):
        editor.fit(model, EditSet("none", ()), progress=ProgressBoard(), cancel=cancel)
    cancel.set()
    with pytest.raises(Cancelled):
        editor.fit(model, edits, progress=ProgressBoard(), cancel=cancel)
