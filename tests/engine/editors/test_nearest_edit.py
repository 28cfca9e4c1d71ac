"""What plain retrieval, MemPrompt and IKE have in common: nothing is trained, and every edit can be taken back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.decoding import Decoding
from engine.editor import EditedModel, ungated
from engine.editors.registry import EDITORS, make_editor
from engine.edits import Edit, EditError, EditSet
from engine.language_model import LanguageModel, QueryError
from engine.packs import PackError
from engine.runs import Cancel, Cancelled, ProgressBoard
from tests.engine.editors.nearest import STRANGER, asked, files, kept, reread
from tests.tiny_models import tiny_model

NAMES = ("plain-retrieval", "memprompt", "ike")


@pytest.fixture(scope="module")
def few(edits: EditSet) -> EditSet:
    return EditSet("few", edits.edits[:5], edits.relations)


@pytest.fixture(scope="module")
def packs(model: LanguageModel, few: EditSet, encoder: Path) -> dict[str, Any]:
    return {name: kept(name, model, few, encoder) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
class TestEach:
    def test_the_same_seed_gives_the_same_bytes_and_they_come_back(
        self, name: str, model: LanguageModel, few: EditSet, packs: dict[str, Any], encoder: Path, tmp_path: Path
    ) -> None:
        pack = packs[name]
        assert files(pack, tmp_path / "one") == files(kept(name, model, few, encoder), tmp_path / "two")
        queries = [few.edits[0].prompt, few.edits[1].paraphrases[0], STRANGER]
        again = reread(pack, tmp_path / "again")
        assert again.settings == pack.settings
        assert again.attach(model).answer(queries) == pack.attach(model).answer(queries)

    def test_the_originals_are_the_models_own_and_no_weight_changes(
        self, name: str, model: LanguageModel, few: EditSet, packs: dict[str, Any]
    ) -> None:
        before = {key: weight.clone() for key, weight in model.model.state_dict().items()}
        edited = packs[name].attach(model)
        assert isinstance(edited, EditedModel)
        assert edited.gated is EDITORS[name].gated
        queries = [few.edits[0].prompt, few.edits[1].paraphrases[0], STRANGER]
        answers = edited.answer(queries)
        assert [answer.original for answer in answers] == model.answer(queries)
        short = edited.answer(queries, originals=False)
        assert [answer.edited for answer in short] == [answer.edited for answer in answers]
        assert short[0].original == ""
        edited.detach()
        assert all(torch.equal(before[key], weight) for key, weight in model.model.state_dict().items())

    def test_an_edit_that_is_off_leaves_no_trace(
        self, name: str, model: LanguageModel, few: EditSet, packs: dict[str, Any]
    ) -> None:
        edited = packs[name].attach(model)
        prompts = [edit.prompt for edit in few.edits]
        on = edited.answer(prompts)
        edited.disable([few.edits[0].id])
        (answer,) = edited.answer(prompts[:1])
        assert answer.edited == answer.original == model.answer(prompts[:1])[0]
        off = edited.next_tokens(prompts[0], 3)
        assert off.edited == off.original == model.next_tokens(prompts[0], 3)
        if name != "ike":  # where it may have been demonstrated before another one
            assert edited.answer(prompts[1:]) == on[1:]
        edited.enable([few.edits[0].id])
        assert edited.answer(prompts) == on

    def test_going_on_is_the_same_as_from_the_start(
        self, name: str, model: LanguageModel, few: EditSet, packs: dict[str, Any], encoder: Path
    ) -> None:
        first = EditSet(few.name, few.edits[:3], few.relations)
        grown = kept(name, model, few, encoder, start=kept(name, model, first, encoder))
        anew = packs[name]
        torch.testing.assert_close(grown.lookup.vectors, anew.lookup.vectors)
        queries = [edit.prompt for edit in few.edits]
        assert grown.attach(model).answer(queries) == anew.attach(model).answer(queries)

    def test_bad_input_is_said_in_a_sentence(self, name: str, model: LanguageModel, encoder: Path) -> None:
        with pytest.raises(EditError, match="no edit to train"):
            kept(name, model, EditSet("none", ()), encoder)
        long = EditSet("long", (Edit("long", "Oslo lies in", "Peru " * 100),))
        with pytest.raises(EditError, match="Edit long “Oslo lies in” is too long to be told"):
            kept(name, model, long, encoder)

    def test_a_stop_and_another_model(
        self, name: str, model: LanguageModel, few: EditSet, packs: dict[str, Any], encoder: Path
    ) -> None:
        cancel = Cancel()
        cancel.set()
        with pytest.raises(Cancelled):
            kept(name, model, few, encoder, cancel=cancel)
        pack, other = packs[name], tiny_model()
        with pytest.raises(PackError, match="has other weights"):
            pack.attach(other)
        with pytest.raises(PackError, match="has other weights"):
            kept(name, other, few, encoder, start=pack)

    def test_what_cannot_be_asked_is_refused(self, name: str, model: LanguageModel, packs: dict[str, Any]) -> None:
        with pytest.raises(QueryError, match="empty"):
            packs[name].attach(model).answer(["  "])

    def test_stages_are_reported_and_an_explanation_names_the_nearest(
        self, name: str, model: LanguageModel, few: EditSet, encoder: Path
    ) -> None:
        board = ProgressBoard()
        edited = kept(name, model, few, encoder, board=board).attach(model)
        usual = EDITORS[name].presets["balanced"][1]()
        assert tuple(board.stages()) == make_editor(name, usual).stages()
        told = edited.explain(few.edits[2].prompt)
        assert told.verbatim
        assert told.near[0].edit == few.edits[2].id
        assert told.near[0].similarity == pytest.approx(1, abs=1e-3)
        assert len(told.near) == len(few.edits)


@pytest.mark.parametrize("architecture", ["gpt2", "gptj", "llama"])
def test_no_shape_of_model_matters(architecture: str, encoder: Path) -> None:
    model = tiny_model(architecture)
    edits = EditSet("two", (Edit("a", "Oslo lies in", "Peru"), Edit("b", "Rome lies in", "Kenya")))
    (answer,) = kept("plain-retrieval", model, edits, encoder).attach(model).answer(["Oslo lies in"])
    assert [answer.original, answer.edited] == model.answer(["Oslo lies in", "Oslo lies in Peru. Oslo lies in"])


@pytest.mark.parametrize("name", NAMES)
def test_of_edits_with_one_prompt_the_last_is_told(
    name: str, model: LanguageModel, few: EditSet, encoder: Path
) -> None:
    one = few.edits[1]
    again = dataclasses.replace(one, id="again", new_object="Berlin")
    edits = EditSet("two of one", (few.edits[0], one, few.edits[2], again), few.relations)
    edited = kept(name, model, edits, encoder).attach(model)
    assert f"{again.prompt} Berlin." in asked(edited, one.prompt)
    assert [near.edit for near in edited.explain(one.prompt).near][:2] == ["again", one.id]


def test_a_threshold_decides_who_meets_an_edit(model: LanguageModel, few: EditSet, packs: dict[str, Any]) -> None:
    edited = packs["plain-retrieval"].attach(model)
    assert edited.route([STRANGER])[0].routed  # 0: always
    edited.threshold = 0.99
    prompt, stranger = edited.route([few.edits[0].prompt, STRANGER])
    assert (prompt.routed, prompt.nearest_edit, stranger.routed) == (True, few.edits[0].id, False)
    assert prompt.familiarity == pytest.approx(1, abs=1e-3)
    assert edited.answer([STRANGER])[0].edited == model.answer([STRANGER])[0]
    assert edited.explain(STRANGER).calibrated == 0
    with pytest.raises(EditError, match="out of range"):
        edited.threshold = 1.5


def test_without_a_gate_no_threshold_moves(model: LanguageModel, packs: dict[str, Any]) -> None:
    edited = packs["ike"].attach(model)
    assert edited.route([STRANGER]) == [ungated(STRANGER)]
    assert edited.explain(STRANGER).near[0].familiarity is None
    with pytest.raises(EditError, match="no gate"):
        edited.threshold = 0.5


def test_what_is_told_leaves_room_for_as_much_as_is_to_be_written(model: LanguageModel, packs: dict[str, Any]) -> None:
    edited = packs["ike"].attach(model)
    prompt = packs["ike"].edit_set.edits[0].prompt
    most = model.max_positions - len(model.token_ids(prompt)) - 1
    short, long = (edited._told(prompt, edited._recall([prompt])[0], room) for room in (0, most))
    assert len(model.token_ids(short)) + most > model.max_positions
    asked_of_model: list[str] = []
    decode = model.decode

    def noted(prompts: Any, *rest: Any) -> list[str]:
        asked_of_model.extend(prompts)
        return decode(prompts, *rest)

    model.decode = noted  # type: ignore[method-assign]
    try:
        edited.answer([prompt], decoding=Decoding(max_new_tokens=most, first_sentence=False), originals=False)
    finally:
        del model.decode
    assert asked_of_model == [long] != [short]


def test_a_pack_tells_how_the_model_has_to_be_asked(packs: dict[str, Any]) -> None:
    for pack in packs.values():
        assert pack.settings == dataclasses.replace(pack.settings, chat=False)
