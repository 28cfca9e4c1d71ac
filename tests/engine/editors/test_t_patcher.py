"""T-Patcher: neurons that fire for their edit and stay silent elsewhere."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.editor import EditedModel
from engine.editors.patches import Memory, Patches, PatchGroup, patchable, silent_margin
from engine.editors.settings.t_patcher import PRESETS, TPatcherSettings, settings_from
from engine.editors.t_patcher import TPatcherEditedModel, TPatcherEditor, TPatcherPack
from engine.edits import Edit, EditError, EditSet, fold
from engine.language_model import LanguageModel
from engine.packs import load_pack
from engine.runs import Cancel, Cancelled, ProgressBoard
from tests.tiny_models import CONFIGS, D_MODEL, tiny_model

QUICK = TPatcherSettings(memory=60, steps=150)


def fit(
    model: LanguageModel,
    edits: EditSet,
    settings: TPatcherSettings = QUICK,
    *,
    start: TPatcherPack | None = None,
    run: Path | None = None,
    seed: int = 0,
    cancel: Cancel | None = None,
    board: ProgressBoard | None = None,
) -> TPatcherPack:
    return TPatcherEditor(settings).fit(
        model, edits, progress=board or ProgressBoard(), cancel=cancel or Cancel(), start=start, run=run, seed=seed
    )


def with_edits(edits: EditSet, *chosen: Edit) -> EditSet:
    return dataclasses.replace(edits, edits=chosen)


@pytest.fixture(scope="module")
def patched(model: LanguageModel, edits: EditSet) -> TPatcherPack:
    return fit(model, with_edits(edits, *edits.edits[:4]))


@pytest.fixture
def edited(patched: TPatcherPack, model: LanguageModel) -> Iterator[TPatcherEditedModel]:
    attached = patched.attach(model)
    yield attached
    attached.detach()


def some_patches(count: int, *, gated: bool) -> Patches:
    draw = torch.Generator().manual_seed(3)
    k, u, v = (torch.randn(count, D_MODEL, generator=draw) for _ in range(3))
    return Patches(k, torch.randn(count, generator=draw), u if gated else None, v)


@pytest.mark.parametrize("name", CONFIGS)
def test_patches_are_neurons_of_the_block_itself(name: str) -> None:
    """The block's own maps with so many rows and columns more give out the same."""
    model = tiny_model(name)
    block = model.blocks[-1]
    gated = name in ("llama", "mistral", "qwen2", "gemma", "gemma2")
    assert block.gated == gated
    patches, seen = some_patches(3, gated=gated), {}
    with patchable(block) as slot:
        block.inlet.register_forward_pre_hook(lambda _, args: seen.update(q=args[0]))
        block.outlet.register_forward_hook(lambda _, args, out: seen.update(out=out, fired=args[0]))
        model.logits(model.encode(["Oslo lies in"]))
        plain = dict(seen)
        slot.put(lambda states: patches.adds(states, block.activation))
        handle = block.outlet.register_forward_hook(lambda _, __, out: seen.update(out=out))
        model.logits(model.encode(["Oslo lies in"]))
        handle.remove()
    added = block.activation(nn.functional.linear(plain["q"], patches.k, patches.b))
    if patches.u is not None:
        added = added * nn.functional.linear(plain["q"], patches.u)
    torch.testing.assert_close(seen["out"], plain["out"] + added @ patches.v, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "gptj", "llama", "gemma2"])
def test_a_patch_fires_for_its_edit_is_silent_in_memory_and_lowers_the_loss(name: str) -> None:
    model = tiny_model(name)
    for weight in model.model.parameters():  # a random model is nearly deaf
        weight.mul_(3)
    block, settings = model.blocks[-1], TPatcherSettings(steps=120)
    memory = Memory(torch.randn(40, D_MODEL, generator=torch.Generator().manual_seed(1)), torch.full((40,), -1))
    known = Patches.none(D_MODEL, gated=block.gated)
    with patchable(block) as slot:
        group = PatchGroup(model, [("Oslo lies in", "ab"), ("Who wrote Emma?", "c")], known, settings, slot)
        rows = torch.arange(2)
        before, right = group.read(None, rows)
        found = group.learnt(memory, rows, 3.0, Cancel(), lambda *_: None)
        assert found.wrong.tolist() == (~right).sum(1).tolist()
        assert torch.bincount(found.edits, minlength=2).tolist() == found.wrong.tolist()
        mine = [found.patches.of(found.edits == row) for row in (0, 1)]
        for row in rows:
            asked = [("Oslo lies in", "ab"), ("Who wrote Emma?", "c")][row]
            after, _ = PatchGroup(model, [asked], mine[row], settings, slot).read(None, torch.tensor([0]))
            assert float(after) < float(before[row]) - 0.3
            assert float(mine[row].drive(memory.states).max()) < 0


def test_the_margin_follows_the_activation() -> None:
    assert silent_margin(nn.ReLU()) == 3.0
    assert silent_margin(nn.GELU()) == 3.0
    assert 6 < silent_margin(nn.SiLU()) < 9


def test_every_edit_is_answered_by_neurons_and_nothing_is_left_behind(
    edited: TPatcherEditedModel, patched: TPatcherPack, model: LanguageModel, edits: EditSet
) -> None:
    few = edits.edits[:4]
    prompts, wanted = [edit.prompt for edit in few], [edit.new_object for edit in few]
    answers = edited.answer(prompts)
    assert [answer.edited for answer in answers] == wanted
    assert edited.teacher_forced(prompts, wanted) == [1.0] * 4
    assert all(answer.routing.routed for answer in answers)
    assert [answer.edited for answer in edited.answer(prompts, originals=False)] == wanted
    assert not edited.gated
    assert isinstance(edited, EditedModel)
    tokens = edited.next_tokens(prompts[0])
    batch = model.encode(prompts)
    weights = {key: weight.clone() for key, weight in model.model.state_dict().items()}
    patched_logits = model.logits(batch)
    edited.detach()
    assert tokens.original == model.next_tokens(prompts[0])
    assert tokens.edited != tokens.original
    assert not torch.allclose(model.logits(batch), patched_logits)
    assert [answer.original for answer in answers] == model.answer(prompts)
    assert all(torch.equal(weight, weights[key]) for key, weight in model.model.state_dict().items())
    assert not model.blocks[-1].outlet._forward_hooks
    assert not model.blocks[-1].inlet._forward_pre_hooks
    assert patched.figures["not learnt"] == []


def test_an_edit_is_its_neurons(edited: TPatcherEditedModel, model: LanguageModel, edits: EditSet) -> None:
    one, two = edits.edits[:2]
    batch = model.encode([one.prompt])
    edited.disable([one.id])
    first, second = edited.answer([one.prompt, two.prompt])
    assert first.edited == first.original != one.new_object
    assert second.edited == two.new_object
    edited.disable([edit.id for edit in edits.edits])
    nothing = model.logits(batch)
    edited.enable([edit.id for edit in edits.edits])
    assert edited.answer([one.prompt])[0].edited == one.new_object
    edited.detach()
    assert torch.equal(nothing, model.logits(batch))


def test_no_threshold_moves(edited: TPatcherEditedModel) -> None:
    assert (edited.threshold, edited.explain("Oslo lies in").calibrated) == (0.0, 0.0)
    with pytest.raises(EditError, match="no gate"):
        edited.threshold = 0.3


def test_new_edits_are_learnt_on_top_and_those_that_are_gone_take_their_neurons_along(
    model: LanguageModel, edits: EditSet, patched: TPatcherPack
) -> None:
    one, two, three, _, five = edits.edits[:5]
    changed = dataclasses.replace(two, new_object=five.new_object)
    grown = fit(model, with_edits(edits, one, changed, three, five), start=patched)
    assert grown.order == [one.id, three.id, two.id, five.id]
    held = torch.isin(patched.owners, torch.tensor([0, 2]))
    assert torch.equal(grown.patches.v[: int(held.sum())], patched.patches.v[held])
    attached = grown.attach(model)
    try:
        asked = (one, changed, three, five)
        assert [a.edited for a in attached.answer([e.prompt for e in asked])] == [e.new_object for e in asked]
    finally:
        attached.detach()


def test_the_same_seed_gives_the_same_pack_and_it_comes_back_from_the_disk(
    model: LanguageModel, edits: EditSet, tmp_path: Path
) -> None:
    few, settings = with_edits(edits, *edits.edits[:3]), dataclasses.replace(QUICK, steps=5, memory=20)
    for name in ("first", "again"):
        fit(model, few, settings).save(tmp_path / name)
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()
    loaded = load_pack(tmp_path / "first")
    assert isinstance(loaded, TPatcherPack)
    whole = fit(model, few, settings)
    for name, tensor in whole.patches.tensors().items():
        assert torch.equal(tensor, loaded.patches.tensors()[name])
    assert (loaded.order, loaded.owners.tolist()) == (whole.order, whole.owners.tolist())


def test_a_stopped_training_goes_on_where_it_was(model: LanguageModel, edits: EditSet, tmp_path: Path) -> None:
    few = with_edits(edits, *edits.edits[:4])
    settings = dataclasses.replace(QUICK, steps=5, memory=20, group=2)

    class Stopping(ProgressBoard):
        def mark(self, stage: str, step: int) -> None:
            cancel.set()

    cancel = Cancel()
    with pytest.raises(Cancelled):
        fit(model, few, settings, run=tmp_path, cancel=cancel, board=Stopping())
    resumed, whole = fit(model, few, settings, run=tmp_path), fit(model, few, settings)
    assert torch.equal(resumed.patches.k, whole.patches.k)
    assert torch.equal(resumed.owners, whole.owners)


def test_no_patch_is_taught_by_what_measures(
    model: LanguageModel, edits: EditSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answer = LanguageModel.answer

    def noted(self: LanguageModel, prompts: list[str], **more: object) -> list[str]:
        asked.extend(prompts)
        return answer(self, prompts, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(LanguageModel, "answer", noted)
    fit(model, with_edits(edits, *edits.edits[:4]), dataclasses.replace(QUICK, steps=1))
    measured = {fold(text) for edit in edits.edits[:4] for text in (*edit.paraphrases, edit.prompt)}
    measured |= {fold(probe.prompt) for edit in edits.edits[:4] for probe in edit.probes}
    assert len(asked) > 30
    assert not measured & {fold(query) for query in asked}


def test_more_wrong_tokens_than_neurons_are_told(model: LanguageModel, edits: EditSet) -> None:
    long = dataclasses.replace(edits.edits[0], new_object="the far side of an island that nobody ever saw")
    pack = fit(model, with_edits(edits, long), dataclasses.replace(QUICK, neurons=2, steps=1))
    assert pack.figures["more wrong tokens than neurons"] == [long.id]
    assert len(pack.owners) == 2


def test_an_edit_that_is_answered_already_gets_no_neuron(model: LanguageModel, edits: EditSet) -> None:
    first = edits.edits[0]
    known = dataclasses.replace(first, new_object=model.answer([first.prompt])[0])
    pack = fit(model, with_edits(edits, known), dataclasses.replace(QUICK, steps=1))
    assert (pack.figures["answered before"], len(pack.owners)) == (1, 0)
    attached = pack.attach(model)
    assert attached.answer([first.prompt])[0].edited == known.new_object
    attached.detach()


def test_what_cannot_be_learnt_is_refused_in_a_sentence(model: LanguageModel, edits: EditSet) -> None:
    long = dataclasses.replace(edits.edits[0], new_object="far " * 200)
    with pytest.raises(EditError, match=f"Edit {long.id} cannot be learnt.*tokens long"):
        fit(model, with_edits(edits, long))
    with pytest.raises(EditError, match="no edit to train"):
        fit(model, with_edits(edits))
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        fit(model, edits, cancel=cancel)


def test_settings_go_through_json() -> None:
    for _, make in PRESETS.values():
        assert settings_from(json.loads(json.dumps(dataclasses.asdict(make())))) == make()
