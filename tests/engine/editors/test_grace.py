"""GRACE: near its key an edit is answered, elsewhere nothing happens, bit for bit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.editor import EditedModel, Editor
from engine.editors.grace import THRESHOLD, CodebookRouter, GraceEditor, GracePack, keys_of
from engine.editors.registry import editor_kind, make_editor
from engine.editors.settings.grace import PRESETS, GraceSettings, settings_from
from engine.editors.values import learn_values
from engine.editors.weights import WeightPack
from engine.edits import Edit, EditError, EditSet
from engine.language_model import LanguageModel, load
from engine.packs import PackError, load_pack
from engine.runs import Cancel, Cancelled, ProgressBoard
from tests.tiny_models import CONFIGS, tiny_model

RADIUS = 5.0  # about half of what known prompts lie apart in the embedded model


def fit(
    model: LanguageModel,
    edits: EditSet,
    settings: GraceSettings | None = None,
    *,
    start: GracePack | None = None,
    run: Path | None = None,
    seed: int = 0,
    cancel: Cancel | None = None,
) -> GracePack:
    return GraceEditor(settings).fit(
        model, edits, progress=ProgressBoard(), cancel=cancel or Cancel(), start=start, run=run, seed=seed
    )


@pytest.fixture(scope="module")
def grace(model: LanguageModel, edits: EditSet) -> GracePack:
    return fit(model, edits)


def with_edits(edits: EditSet, *chosen: Edit) -> EditSet:
    return dataclasses.replace(edits, edits=chosen)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_value_makes_any_architecture_say_what_it_shall(name: str) -> None:
    model = tiny_model(name)
    for weight in model.model.parameters():  # a random model is nearly deaf
        weight.mul_(3)
    asked = [("Oslo lies in", "a"), ("The capital of France is", "b")]
    free, taught = (
        learn_values(model, 2, asked, GraceSettings(steps=steps), cancel=Cancel(), report=lambda *_: None)
        for steps in (1, 60)
    )
    assert (taught.losses < free.losses - 0.1).all()


def test_every_edit_is_answered_and_nothing_else_is_touched(
    model: LanguageModel, edits: EditSet, grace: GracePack
) -> None:
    before = {key: weight.clone() for key, weight in model.model.state_dict().items()}
    stranger = "Once upon a time there was"
    batch = model.encode([stranger, edits.edits[0].prompt])
    plain, originally = model.logits(batch), model.answer([stranger])
    edited = grace.attach(model)
    try:
        prompts = [edit.prompt for edit in edits.enabled()]
        answers = edited.answer(prompts)
        assert [answer.edited for answer in answers] == [edit.new_object for edit in edits.enabled()]
        assert all(answer.routing.nearest_edit == edit.id for answer, edit in zip(answers, edits.edits, strict=True))
        assert [answer.original for answer in answers] == model.answer(
            prompts, extents=[model.extent(edit.new_object) for edit in edits.enabled()]
        )
        (other,) = edited.answer([stranger])
        assert not other.routing.routed
        assert [other.edited] == originally
        assert edited.teacher_forced(prompts, [edit.new_object for edit in edits.enabled()]) == [1.0] * len(prompts)
        assert edited.next_tokens(stranger).edited == edited.next_tokens(stranger).original
        assert edited.next_tokens(prompts[0]).edited != edited.next_tokens(prompts[0]).original
        settings = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
        inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        mixed, alone = edited.generate(**inputs, **settings), model.model.generate(**inputs, **settings)
        assert torch.equal(mixed[0], alone[0])
        assert not torch.equal(mixed[1], alone[1])
        assert isinstance(edited, EditedModel)
    finally:
        edited.detach()
    assert torch.equal(model.logits(batch), plain)
    assert all(torch.equal(weight, before[key]) for key, weight in model.model.state_dict().items())
    assert not model.blocks[grace.layer].outlet._forward_hooks


def test_the_reference_radius_is_perfectly_local_and_deaf_to_paraphrases(model: LanguageModel, edits: EditSet) -> None:
    pack = fit(model, edits, dataclasses.replace(GraceSettings.paper(), steps=2))
    edited = pack.attach(model)
    try:
        asked = [edit.prompt for edit in edits.enabled()]
        reworded = [text for edit in edits.enabled() for text in edit.paraphrases]
        probes = [probe.prompt for edit in edits.enabled() for probe in edit.probes]
        assert all(routing.routed for routing in edited.route(asked))
        assert sum(routing.routed for routing in edited.route(reworded)) <= len(reworded) / 10
        assert not any(routing.routed for routing in edited.route(probes))
    finally:
        edited.detach()


def test_half_is_the_radius_and_the_threshold_scales_it(model: LanguageModel, grace: GracePack) -> None:
    edited = grace.attach(model)
    try:
        router = edited._codebook_router
        radius = router._codebook.radii[0]
        assert router.familiarity(0, 0.0) == 1.0
        assert router.familiarity(0, radius) == pytest.approx(0.5, abs=1e-4)
        for threshold in (0.2, 0.5, 0.8):
            reach = radius * (1 - threshold) / threshold
            assert router.familiarity(0, 0.999 * reach) > threshold > router.familiarity(0, 1.001 * reach + 1e-3)
        query = "Once upon a time there was"
        assert not edited.route([query])[0].routed
        edited.threshold = 0.0
        assert edited.route([query])[0].routed
        assert edited.explain(query).calibrated == THRESHOLD
        with pytest.raises(EditError, match="out of range"):
            edited.threshold = 1.5
    finally:
        edited.detach()


def test_an_edit_goes_off_and_on(model: LanguageModel, edits: EditSet, grace: GracePack) -> None:
    edited = grace.attach(model)
    try:
        first = edits.edits[0]
        edited.disable([first.id])
        (answer,) = edited.answer([first.prompt])
        assert answer.edited == answer.original
        assert answer.routing.nearest_edit != first.id
        edited.enable([first.id])
        assert edited.answer([first.prompt])[0].edited == first.new_object
        edited.disable([edit.id for edit in edits.edits])
        (nothing,) = edited.route([first.prompt])
        assert (nothing.routed, nothing.nearest_edit) == (False, "")
        assert edited.explain(first.prompt).near == ()
    finally:
        edited.detach()


def test_without_an_edit_it_is_as_if_it_had_never_been_learnt(model: LanguageModel, edits: EditSet) -> None:
    """Values, keys and radii: an edit that was split from, one that grew, and those after them."""
    one, two, three = edits.edits[:3]
    settings = GraceSettings(radius=8.0, steps=3)
    whole = fit(model, with_edits(edits, one, two, three), settings)
    less = fit(model, with_edits(edits, one, three), settings)
    edited, other = whole.attach(model), less.attach(model)
    try:
        edited.disable([two.id])
        queries = [one.prompt, two.prompt, three.prompt, *one.paraphrases]
        for mine, theirs in zip(edited.route(queries), other.route(queries), strict=True):
            assert (mine.nearest_edit, mine.routed) == (theirs.nearest_edit, theirs.routed)
            assert mine.familiarity == pytest.approx(theirs.familiarity, abs=1e-4)
        rows = [whole.order.index(key) for key in less.order]
        torch.testing.assert_close(whole.learnt.values[rows], less.learnt.values, rtol=1e-3, atol=1e-3)
    finally:
        edited.detach()
        other.detach()


def test_new_edits_come_after_those_that_are_known(model: LanguageModel, edits: EditSet, grace: GracePack) -> None:
    one, two, three, four = edits.edits[:4]
    start = fit(model, with_edits(edits, one, two, three), GraceSettings(radius=RADIUS))
    changed = dataclasses.replace(two, new_object=four.new_object)
    grown = fit(model, with_edits(edits, one, changed, three, four), start=start)
    assert grown.order == [one.id, three.id, two.id, four.id]
    assert torch.equal(grown.learnt.values[:2], start.learnt.values[[0, 2]])
    edited = grown.attach(model)
    try:
        wanted = [one.new_object, changed.new_object, three.new_object, four.new_object]
        assert [a.edited for a in edited.answer([e.prompt for e in (one, changed, three, four)])] == wanted
    finally:
        edited.detach()


def test_the_same_seed_gives_the_same_pack_and_it_comes_back_from_the_disk(
    model: LanguageModel, edits: EditSet, tmp_path: Path
) -> None:
    few, settings = with_edits(edits, *edits.edits[:3]), GraceSettings(radius=RADIUS, start="cold", steps=3)
    first, again, other = (fit(model, few, settings, seed=seed) for seed in (0, 0, 1))
    first.save(tmp_path / "first")
    again.save(tmp_path / "again")
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()
    assert not torch.equal(first.learnt.values, other.learnt.values)
    loaded = load_pack(tmp_path / "first")
    assert isinstance(loaded, GracePack)
    one, two = first.attach(model), loaded.attach(model)
    try:
        prompts = [edit.prompt for edit in few.edits]
        assert one.route(prompts) == two.route(prompts)
        assert torch.equal(first.learnt.values, loaded.learnt.values)
    finally:
        one.detach()
        two.detach()


def test_a_stopped_training_goes_on_where_it_was(model: LanguageModel, edits: EditSet, tmp_path: Path) -> None:
    settings = GraceSettings(radius=RADIUS, start="cold", steps=3, group=8)

    class Stopping(ProgressBoard):
        def mark(self, stage: str, step: int) -> None:
            if step == 8:
                cancel.set()

    cancel = Cancel()
    whole = fit(model, edits, settings)
    with pytest.raises(Cancelled):
        GraceEditor(settings).fit(model, edits, progress=Stopping(), cancel=cancel, run=tmp_path)
    resumed = fit(model, edits, settings, run=tmp_path)
    assert torch.equal(resumed.learnt.values, whole.learnt.values)


def test_what_cannot_be_learnt_is_refused_in_a_sentence(model: LanguageModel, edits: EditSet) -> None:
    long = dataclasses.replace(edits.edits[0], prompt="far " * 300 + "away")
    with pytest.raises(EditError, match=f"Edit {long.id} cannot be learnt.*tokens long"):
        fit(model, with_edits(edits, long))
    with pytest.raises(EditError, match="no edit to train"):
        fit(model, with_edits(edits))
    with pytest.raises(EditError, match="Layer 6 does not exist"):
        fit(model, edits, GraceSettings(layer=6))
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        fit(model, edits, GraceSettings(radius=RADIUS), cancel=cancel)


def test_keys_follow_the_prompt_and_not_its_batch(model: LanguageModel, edits: EditSet) -> None:
    prompts = [edit.prompt for edit in edits.edits]
    together = keys_of(model, 3, prompts)
    alone = torch.cat([keys_of(model, 3, [prompt]) for prompt in prompts])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)


def test_what_states_stray_by_is_little_beside_a_radius_in_half_the_bits_too(
    model: LanguageModel, grace: GracePack, tmp_path: Path
) -> None:
    model.model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    half = load(str(tmp_path), device="cpu", dtype="bfloat16")
    router = CodebookRouter(half, grace)
    prompts = [edit.prompt for edit in grace.edit_set.edits]
    together, alone = keys_of(half, 3, prompts), torch.cat([keys_of(half, 3, [prompt]) for prompt in prompts])
    strayed = float((together.float() - alone.float()).norm(dim=1).max())
    assert strayed < router._spare < 0.05 * grace.radius


def test_settings_go_through_json() -> None:
    editor: Editor = GraceEditor()
    assert editor.requirements() == ("prompt", "new object")
    for _, make in PRESETS.values():
        assert settings_from(json.loads(json.dumps(dataclasses.asdict(make())))) == make()


def test_a_cold_start_is_the_edits_own(model: LanguageModel, edits: EditSet) -> None:
    settings = GraceSettings(radius=RADIUS, start="cold", steps=1)  # a value is where it began
    together = fit(model, with_edits(edits, *edits.edits[:3]), settings)
    alone = fit(model, with_edits(edits, edits.edits[2]), settings)
    assert torch.equal(together.learnt.values[2], alone.learnt.values[0])
    assert not torch.equal(together.learnt.values[0], together.learnt.values[1])


def test_only_a_pack_of_its_own_is_gone_on_from(model: LanguageModel, edits: EditSet, grace: GracePack) -> None:
    few: Any = with_edits(edits, edits.edits[0])
    for name, told in (("t-patcher", "T-Patcher"), ("ike", "IKE")):
        made: Any = make_editor(name, editor_kind(name).usual()[1]())
        with pytest.raises(PackError, match=f"{told} cannot go on from a pack of GRACE"):
            made.fit(model, few, progress=ProgressBoard(), cancel=Cancel(), start=grace)
    other: Any = WeightPack(
        editor="ft-m", settings=None, model_name=model.name, fingerprint=model.fingerprint(), seed=0, edit_set=few,
        tensors={}, state={}, figures={},
    )  # fmt: skip
    with pytest.raises(PackError, match="GRACE cannot go on from a pack of FT-M"):
        fit(model, few, start=other)


def test_a_mark_tells_packs_of_the_same_edits_apart(model: LanguageModel, edits: EditSet) -> None:
    few, settings = with_edits(edits, edits.edits[0]), GraceSettings(radius=RADIUS, steps=1)
    pack, again = (fit(model, few, settings) for _ in range(2))
    longer = fit(model, few, dataclasses.replace(settings, steps=3))
    assert pack.mark() == again.mark() != longer.mark()
