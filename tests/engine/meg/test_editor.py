"""MeG from edits to an edited model, on the embedded model."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import pipeline

from engine.checkpoints import Checkpoints
from engine.decoding import Decoding
from engine.editor import EditedModel, Editor
from engine.editors.registry import SWEEP
from engine.edits import Edit, EditError, EditSet, Relation, fill
from engine.evaluation.answers import is_answer
from engine.language_model import LanguageModel, QueryError, Reading
from engine.layer_choice import choose_layer
from engine.meg.collection import CollectionSettings
from engine.meg.edited_model import MegEditedModel
from engine.meg.editor import MegEditor
from engine.meg.encoder import EncoderError, QueryEncoder
from engine.meg.familiarity import FamiliaritySettings
from engine.meg.pack import MegPack
from engine.meg.reasons import EVIDENCE
from engine.meg.training import STAGES, Training
from engine.model_files import ModelError
from engine.packs import PackError, load_pack
from engine.runs import Cancel, Cancelled, ProgressBoard
from tests.chat_templates import TEMPLATES
from tests.engine.quick import GENERATOR, fit, quick_settings, sample, sample_edits
from tests.tiny_models import D_MODEL, LAYERS, tiny_model

NAMES = ("Oslo", "Rome", "Lima", "Kiev", "Bern", "Riga", "Cairo", "Quito", "Paris", "Dakar")
LONG = (
    "meadow quartz lantern violin harbour pepper glacier sandal thunder cactus ribbon walnut saddle beacon turnip "
    "velvet hammer orchid bucket falcon marble kettle willow ladder pigeon candle throne barley anchor mitten copper "
    "feather saucer gravel hazel mirror tunnel basket pebble"
)
FAR = ["Q: What is two plus two? A:", "Once upon a time there was a", "The sky over the harbour was"]


@pytest.fixture
def edited(pack: MegPack, model: LanguageModel) -> Iterator[MegEditedModel]:
    edited = pack.attach(model)
    yield edited
    edited.detach()


def prompts(edits: EditSet) -> list[str]:
    return [edit.prompt for edit in edits.edits]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def padded(model: LanguageModel, queries: list[str]) -> dict[str, torch.Tensor]:
    batch = model.encode(queries)
    return {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}


def hooks(model: LanguageModel) -> int:
    modules = list(model.model.modules())
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules)


class TestAnswers:
    def test_every_edit_is_answered_and_the_figures_say_so(
        self, edited: MegEditedModel, pack: MegPack, edits: EditSet
    ) -> None:
        answers = edited.answer(prompts(edits))
        assert [answer.edited for answer in answers] == [edit.new_object for edit in edits.edits]
        assert [answer.routing.nearest_edit for answer in answers] == [edit.id for edit in edits.edits]
        assert all(answer.routing.routed for answer in answers)
        assert pack.figures["answered"] == 1
        assert pack.figures["edits"] == len(edits.edits)
        assert pack.figures["not answered"] == pack.figures["not learnt"] == []

    def test_neurons_can_be_generated_without_an_answer(self, edited: MegEditedModel, edits: EditSet) -> None:
        neurons = edited.generate_neurons([*prompts(edits), "Once upon a time there was"])
        assert len(neurons) == len(edits.edits) + 1
        assert edited.generate_neurons(prompts(edits)).flat().equal(neurons.rows(torch.arange(len(edits.edits))).flat())

    def test_the_original_answer_stands_beside_it(
        self, edited: MegEditedModel, model: LanguageModel, edits: EditSet
    ) -> None:
        answers = edited.answer(prompts(edits))
        assert [answer.original for answer in answers] == model.answer(prompts(edits))
        assert not any(is_answer(answer.original, answer.edited) for answer in answers)

    def test_originals_may_be_left_out(self, edited: MegEditedModel, edits: EditSet) -> None:
        queries = [*prompts(edits)[:2], FAR[0]]
        full, short = edited.answer(queries), edited.answer(queries, originals=False)
        assert [answer.edited for answer in short] == [answer.edited for answer in full]
        assert [answer.original for answer in short] == ["", "", full[2].original]

    def test_drawn_answers_differ_where_the_models_do_and_nowhere_else(
        self, edited: MegEditedModel, model: LanguageModel, edits: EditSet
    ) -> None:
        hot = Decoding(temperature=1.0, seed=5, max_new_tokens=6, first_sentence=False)
        queries = [edits.edits[0].prompt, *FAR]
        answers = edited.answer(queries, decoding=hot)
        assert answers == edited.answer(queries, decoding=hot)
        alone = [edited.answer([query], decoding=hot)[0] for query in queries]
        assert [answer.edited for answer in answers] == [answer.edited for answer in alone]
        assert [answer.original for answer in answers] == model.answer(queries, decoding=hot)
        assert answers[0].edited.startswith(edits.edits[0].new_object)
        assert [answer.edited for answer in answers[1:]] == [answer.original for answer in answers[1:]]
        assert [answer.edited for answer in answers[1:]] != [answer.edited for answer in edited.answer(FAR)]

    def test_each_answer_tells_what_it_took(self, edited: MegEditedModel, edits: EditSet) -> None:
        (full,), (short,) = (
            edited.answer([edits.edits[0].prompt]),
            edited.answer([edits.edits[0].prompt], originals=False),
        )
        assert full.original_seconds is not None
        assert full.original_seconds > 0
        assert short.original_seconds is None
        assert short.edited_seconds is not None
        assert short.gate_seconds is not None
        assert 0 < short.gate_seconds < short.edited_seconds

    def test_the_reasons_stand_behind_the_decision(self, edited: MegEditedModel, edits: EditSet) -> None:
        own = edited.explain(edits.edits[0].prompt)
        assert own.verbatim
        assert own.routing == edited.route([edits.edits[0].prompt])[0]
        assert own.near[0].edit == edits.edits[0].id
        assert not own.reasons
        for query in (edits.edits[0].paraphrases[0], FAR[0]):
            told = edited.explain(query)
            fresh = edited.route(["another question", query])[1]
            assert told.routing.familiarity == pytest.approx(fresh.familiarity, abs=1e-4)
            assert (told.routing.routed, told.routing.nearest_edit) == (fresh.routed, fresh.nearest_edit)
            assert told.near[0].edit == told.routing.nearest_edit
            weighed = [near.familiarity for near in told.near if near.familiarity is not None]
            assert weighed == sorted(weighed, reverse=True)
            assert len(weighed) == len(told.near) >= 2
            assert {reason.evidence for reason in told.reasons} == set(EVIDENCE)
        edited.threshold = 1.0
        assert edited.explain(FAR[0]).calibrated < 1.0
        with pytest.raises(QueryError):
            edited.explain("  ")

    def test_the_phrasings_of_training_are_answered(self, edited: MegEditedModel, edits: EditSet) -> None:
        assert answered_in_other_phrasings(edited, edits) >= 0.75

    def test_probes_keep_the_original_answer(self, edited: MegEditedModel, edits: EditSet) -> None:
        probes = [probe.prompt for edit in edits.edits for probe in edit.probes]
        answers = edited.answer([*probes, *FAR])
        kept = [answer.edited == answer.original for answer in answers]
        assert len(kept) > 60
        assert sum(kept) >= 0.95 * len(kept)
        for answer in answers:
            assert answer.routing.routed == (answer.routing.familiarity >= answer.routing.threshold)
            if not answer.routing.routed:
                assert answer.edited == answer.original

    def test_teacher_forcing_agrees(self, edited: MegEditedModel, model: LanguageModel, edits: EditSet) -> None:
        targets = [edit.new_object for edit in edits.edits]
        assert edited.teacher_forced(prompts(edits), targets) == [1.0] * len(targets)
        assert edited.teacher_forced(FAR, ["four", "king", "grey"]) == model.teacher_forced(
            FAR, ["four", "king", "grey"]
        )
        asked = prompts(edits), targets[1:] + targets[:1]  # another edit's: wrong, with a stop that is easy to guess
        answers, objects = (edited.likelihoods(*asked, form=form) for form in ("answer", "object"))
        assert edited.teacher_forced(*asked) == [one.share for one in objects]
        assert sum(one.share for one in objects) < sum(one.share for one in answers)

    def test_likelihoods_are_those_under_each_querys_own_neuron(
        self, edited: MegEditedModel, model: LanguageModel, edits: EditSet
    ) -> None:
        asked = [*prompts(edits), *FAR]
        targets = [edit.new_object for edit in edits.edits] + ["four", "king", "grey"]
        before = model.likelihoods(asked, targets, form="object")
        after = edited.likelihoods(asked, targets, form="object")
        for row, edit in enumerate(edits.edits):
            assert after[row].mean > max(before[row].mean, -0.7), edit.prompt
            (alone,) = edited.likelihoods([edit.prompt], [edit.new_object], form="object")
            assert after[row].mean == pytest.approx(alone.mean, abs=1e-3)
        with edited.original() as original:
            assert original.answer(asked) == model.answer(asked)
        cancel = Cancel()
        cancel.set()
        with pytest.raises(Cancelled):
            edited.likelihoods(asked, targets, cancel=cancel)

    def test_next_tokens_of_both_models(self, edited: MegEditedModel, model: LanguageModel, edits: EditSet) -> None:
        edit = edits.edits[0]
        both = edited.next_tokens(edit.prompt, k=5)
        assert both.original == model.next_tokens(edit.prompt, k=5)
        assert edit.new_object.startswith(both.edited[0].text.strip())
        assert both.edited[0].text != both.original[0].text
        alone = edited.next_tokens(FAR[0])
        assert alone.original == alone.edited

    def test_a_question_that_cannot_be_asked(self, edited: MegEditedModel, model: LanguageModel) -> None:
        with pytest.raises(QueryError, match="empty"):
            edited.answer([" "])
        with pytest.raises(QueryError, match="at most"):
            edited.answer(["word " * 2_000])
        assert edited.answer([]) == []

    def test_cancel_stops_it_and_leaves_the_original(
        self, edited: MegEditedModel, model: LanguageModel, edits: EditSet
    ) -> None:
        cancel = Cancel()
        cancel.set()
        with pytest.raises(Cancelled):
            edited.answer(prompts(edits), cancel=cancel, originals=False)
        batch = model.encode(prompts(edits)[:1])
        with_slot = model.logits(batch)
        edited.detach()
        assert torch.equal(model.logits(batch), with_slot)


@pytest.mark.parametrize("light", [True, False])
def test_only_a_model_no_larger_than_the_encoder_reads_beside_it(
    pack: MegPack, model: LanguageModel, monkeypatch: pytest.MonkeyPatch, light: bool
) -> None:
    read, threads = LanguageModel.read, []

    def watched(self: LanguageModel, *args: Any, **kwargs: Any) -> Reading:
        threads.append(threading.current_thread())
        return read(self, *args, **kwargs)

    monkeypatch.setattr(LanguageModel, "read", watched)
    monkeypatch.setattr(QueryEncoder, "size", model.size if light else model.size - 1)
    beside = pack.attach(model)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        asked = [f"Once more: {pack.edit_set.edits[0].subject}", f"And again: {pack.edit_set.edits[0].subject}"]
        beside.route(asked[:1])
        beside.explain(asked[1])
    finally:
        torch.set_num_threads(before)
        beside.detach()
    assert len(threads) == 2
    assert all((thread is threading.current_thread()) is not light for thread in threads)


class TestBitForBit:
    def test_an_unrelated_query_alone(self, edited: MegEditedModel, model: LanguageModel) -> None:
        for query in FAR:
            inputs = padded(model, [query])
            settings = {"max_new_tokens": 6, "do_sample": False, "return_dict_in_generate": True, "output_logits": True}
            original = model.model.generate(**inputs, **settings)
            answered = edited.generate(**inputs, **settings)
            assert torch.equal(answered.sequences, original.sequences)
            assert all(torch.equal(one, other) for one, other in zip(answered.logits, original.logits, strict=True))

    def test_an_unrelated_query_beside_edited_ones(
        self, edited: MegEditedModel, model: LanguageModel, edits: EditSet
    ) -> None:
        queries = [edits.edits[0].prompt, FAR[0], edits.edits[5].prompt, FAR[1]]
        assert [routing.routed for routing in edited.route(queries)] == [True, False, True, False]
        settings = {"max_new_tokens": 8, "do_sample": False, "return_dict_in_generate": True, "output_logits": True}
        inputs = padded(model, queries)
        original = model.model.generate(**inputs, **settings)
        answered = edited.generate(**inputs, **settings)
        for one, other in zip(answered.logits, original.logits, strict=False):
            assert torch.equal(one[[1, 3]], other[[1, 3]])
        assert not torch.equal(answered.logits[0][[0, 2]], original.logits[0][[0, 2]])

    def test_detaching_gives_the_original_back(self, pack: MegPack, model: LanguageModel, edits: EditSet) -> None:
        weights = {key: value.clone() for key, value in model.model.state_dict().items()}
        batch = model.encode([*prompts(edits), *FAR])
        before, hooked = model.logits(batch), hooks(model)
        edited = pack.attach(model)
        edited.answer(prompts(edits))
        assert hooks(model) == hooked + 2
        edited.detach()
        assert hooks(model) == hooked
        assert torch.equal(model.logits(batch), before)
        assert all(torch.equal(weights[key], value) for key, value in model.model.state_dict().items())
        assert [answer.edited for answer in edited.answer(prompts(edits))] == model.answer(prompts(edits))
        edited.detach()  # once more does no harm

    def test_two_packs_on_one_model_do_not_meet(self, pack: MegPack, model: LanguageModel, edits: EditSet) -> None:
        one, other = pack.attach(model), pack.attach(model)
        other.disable([edits.edits[0].id])
        assert one.answer(prompts(edits)[:1])[0].edited == edits.edits[0].new_object
        assert other.answer(prompts(edits)[:1])[0].edited == model.answer(prompts(edits)[:1])[0]
        other.detach()
        assert one.answer(prompts(edits)[:1])[0].edited == edits.edits[0].new_object
        one.detach()


class TestSwitching:
    def test_the_threshold_can_be_moved(self, pack: MegPack, model: LanguageModel, edits: EditSet) -> None:
        edited, other = pack.attach(model), pack.attach(model)
        query = edits.edits[0].paraphrases[0]
        (before,) = edited.route([query])
        edited.threshold = 0.0
        assert edited.route([query, FAR[0]])[1].routed
        edited.threshold = 1.0
        assert not edited.route([query])[0].routed
        assert edited.route([edits.edits[0].prompt])[0].routed  # its own prompt is as familiar as can be
        assert other.threshold == pack.gate.threshold == before.threshold
        with pytest.raises(EditError, match="from 0 to 1"):
            edited.threshold = 1.5
        edited.detach()
        other.detach()

    def test_an_edit_goes_off_and_on_at_once(
        self, edited: MegEditedModel, model: LanguageModel, edits: EditSet
    ) -> None:
        off, on = edits.edits[0], edits.edits[1]
        queries = [off.prompt, on.prompt]
        edited.answer(queries)
        edited.disable([off.id, "an id that no edit has"])
        first, second = edited.answer(queries)
        assert first.edited == first.original == model.answer([off.prompt])[0]
        assert not first.routing.routed
        assert first.routing.familiarity >= first.routing.threshold
        assert second.edited == on.new_object
        edited.enable([off.id])
        assert edited.answer(queries)[0].edited == off.new_object

    @tried(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
    @given(off=st.sets(st.integers(0, 11)))
    def test_what_is_switched_off_is_not_routed_and_nothing_else_changes(
        self, edited: MegEditedModel, edits: EditSet, off: set[int]
    ) -> None:
        ids = [edit.id for edit in edits.edits]
        queries = [*prompts(edits), *FAR]
        before = edited.route(queries)
        edited.disable([ids[row] for row in off])
        now = edited.route(queries)
        edited.enable(ids)
        gone = {ids[row] for row in off}
        assert [routing.routed for routing in now] == [old.routed and old.nearest_edit not in gone for old in before]
        assert [dataclasses.replace(routing, routed=False) for routing in now] == [
            dataclasses.replace(old, routed=False) for old in before
        ]

    @tried(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
    @given(thresholds=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted))
    def test_a_higher_threshold_lets_no_more_through(
        self, edited: MegEditedModel, edits: EditSet, thresholds: list[float]
    ) -> None:
        queries = [text for edit in edits.edits for text in (edit.prompt, edit.paraphrases[0], edit.probes[0].prompt)]
        routed = []
        for threshold in thresholds:
            edited.threshold = threshold
            routed.append([answer.routing.routed for answer in edited.answer(queries, originals=False)])
        assert all(low or not high for low, high in zip(*routed, strict=True))
        assert all(own for row in routed for own in row[::3])  # an edit's own prompt passes whatever the threshold


class TestInPlaceOfTheTransformersModel:
    def test_generate_routes_each_row(self, edited: MegEditedModel, model: LanguageModel, edits: EditSet) -> None:
        queries = [edits.edits[0].prompt, FAR[1], edits.edits[7].prompt]
        inputs = padded(model, queries)
        tokens = edited.generate(**inputs, max_new_tokens=12, do_sample=False)
        texts = model.tokenizer.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        assert is_answer(texts[0].partition(".")[0], edits.edits[0].new_object)
        assert is_answer(texts[2].partition(".")[0], edits.edits[7].new_object)
        original = model.model.generate(**inputs, max_new_tokens=12, do_sample=False)
        assert model.tokenizer.decode(original[1], skip_special_tokens=True).strip() == FAR[1] + texts[1]

    @pytest.mark.parametrize(
        "settings",
        [
            {"num_beams": 3},
            {"num_beams": 3, "num_return_sequences": 2},
            {"do_sample": True, "top_k": 2, "num_return_sequences": 3},
        ],
    )
    def test_beams_and_samples_keep_their_rows_neuron(
        self, edited: MegEditedModel, model: LanguageModel, edits: EditSet, settings: dict[str, object]
    ) -> None:
        queries = [edits.edits[0].prompt, FAR[0], edits.edits[3].prompt]
        torch.manual_seed(0)
        inputs = padded(model, queries)
        tokens = edited.generate(**inputs, max_new_tokens=12, **settings)
        each = len(tokens) // 3
        assert each == settings.get("num_return_sequences", 1)
        texts = model.tokenizer.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        assert texts[0].strip().startswith(edits.edits[0].new_object)
        assert texts[2 * each].strip().startswith(edits.edits[3].new_object)

    def test_a_text_generation_pipeline(self, edited: MegEditedModel, model: LanguageModel, edits: EditSet) -> None:
        generator = pipeline("text-generation", model=edited, tokenizer=model.tokenizer)
        queries = [edits.edits[2].prompt, FAR[0]]
        texts = [
            out[0]["generated_text"]
            for out in generator(queries, max_new_tokens=12, do_sample=False, return_full_text=False, batch_size=2)
        ]
        assert is_answer(texts[0].partition(".")[0], edits.edits[2].new_object)
        assert model.answer([FAR[0]])[0] in texts[1]

    def test_unrelated_rows_of_beams_are_the_originals_bit_for_bit(
        self, edited: MegEditedModel, model: LanguageModel, edits: EditSet
    ) -> None:
        """And samples, whose draws depend on every row: theirs are compared where no row is edited."""
        told = {"max_new_tokens": 8, "return_dict_in_generate": True, "output_scores": True}
        inputs = padded(model, [FAR[1], edits.edits[0].prompt, FAR[0]])
        beams = {**told, "num_beams": 3, "num_return_sequences": 3, "early_stopping": False, "length_penalty": 0.0}
        answered, original = edited.generate(**inputs, **beams), model.model.generate(**inputs, **beams)
        rows = torch.tensor([0, 1, 2, 6, 7, 8])
        longest = min(answered.sequences.shape[1], original.sequences.shape[1])
        assert torch.equal(answered.sequences[rows, :longest], original.sequences[rows, :longest])
        assert torch.equal(answered.sequences_scores[rows], original.sequences_scores[rows])
        assert not torch.equal(answered.sequences_scores[3:6], original.sequences_scores[3:6])
        inputs = padded(model, FAR)
        drawn = []
        for either in (edited, model.model):
            torch.manual_seed(0)
            drawn.append(either.generate(**inputs, **told, do_sample=True, top_k=5, num_return_sequences=2))
        assert torch.equal(drawn[0].sequences, drawn[1].sequences)
        assert all(torch.equal(one, other) for one, other in zip(drawn[0].scores, drawn[1].scores, strict=True))

    def test_with_and_without_a_cache_alone_and_padded_it_says_the_same(
        self, edited: MegEditedModel, model: LanguageModel, edits: EditSet
    ) -> None:
        queries = [edits.edits[0].prompt, FAR[0], "and so " * 12 + "on", edits.edits[3].prompt]
        settings = {"max_new_tokens": 8, "do_sample": False}
        inputs = padded(model, queries)
        length = inputs["input_ids"].shape[1]
        assert (inputs["attention_mask"][:, 0] == 0).sum() == 3  # padded on the left
        together = edited.generate(**inputs, **settings)
        assert torch.equal(edited.generate(**inputs, **settings, use_cache=False), together)
        for row, query in enumerate(queries):
            ids = torch.tensor([model.token_ids(query)])
            alone = edited.generate(ids, **settings)[0, ids.shape[1] :]
            assert torch.equal(alone, together[row, length : length + len(alone)])

    def test_padding_without_a_mask_is_seen_as_the_model_sees_it(
        self, edited: MegEditedModel, model: LanguageModel, edits: EditSet
    ) -> None:
        ids = padded(model, [edits.edits[0].prompt, "and so " * 12 + "on", FAR[0]])["input_ids"]
        settings = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": model.tokenizer.pad_token_id}
        answered, original = edited.generate(ids, **settings), model.model.generate(ids, **settings)
        width = min(answered.shape[1], original.shape[1])
        assert torch.equal(answered[1:, :width], original[1:, :width])

    def test_what_is_not_edited_is_the_models_own(self, edited: MegEditedModel, model: LanguageModel) -> None:
        assert edited.config is model.model.config
        assert edited.device == model.device
        with pytest.raises(AttributeError):
            edited.no_such_thing  # noqa: B018

    def test_what_users_of_transformers_say_first_gives_the_edited_model_back(
        self, edited: MegEditedModel, model: LanguageModel, edits: EditSet
    ) -> None:
        ready = edited.eval().requires_grad_(False).to(model.device)
        assert ready is edited
        assert edited.to(dtype=torch.float32) is edited
        with pytest.raises(ModelError, match="stays where it is"):
            edited.to("meta")
        assert copy.copy(edited).config is model.model.config
        inputs = padded(model, [edits.edits[0].prompt])
        by_name = ready.generate(inputs=inputs["input_ids"], max_new_tokens=12, do_sample=False)
        text = model.tokenizer.decode(by_name[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        assert is_answer(text.partition(".")[0], edits.edits[0].new_object)
        with pytest.raises(QueryError, match="give it input_ids"):
            ready.generate()

    def test_called_it_routes_each_row(self, edited: MegEditedModel, model: LanguageModel, edits: EditSet) -> None:
        inputs = padded(model, [edits.edits[0].prompt, FAR[0]])
        with torch.no_grad():
            logits, original = edited(**inputs).logits, model.model(**inputs).logits
        assert torch.equal(logits[1], original[1])
        wanted = model.target_ids(edits.edits[0].prompt, edits.edits[0].new_object)[0]
        assert int(logits[0, -1].argmax()) == wanted != int(original[0, -1].argmax())
        with torch.no_grad():
            assert torch.equal(edited.forward(**inputs).logits, logits)
        with pytest.raises(QueryError, match="past_key_values"):
            edited(**inputs, past_key_values=())

    def test_a_row_that_asks_nothing_is_the_models_own(self, edited: MegEditedModel, model: LanguageModel) -> None:
        ids = torch.tensor([[model.tokenizer.bos_token_id]])
        settings = {"max_new_tokens": 4, "do_sample": False}
        assert torch.equal(edited.generate(ids, **settings), model.model.generate(ids, **settings))

    def test_the_protocols_are_kept(self, edited: MegEditedModel) -> None:
        assert isinstance(edited, EditedModel)
        editor: Editor = MegEditor()
        assert editor.stages() == STAGES
        assert "prompt" in editor.requirements()


class TestChats:
    """The embedded model knows of no chats: a template is given to its tokenizer."""

    @pytest.fixture
    def chatty(self, model: LanguageModel) -> LanguageModel:
        tokenizer = copy.deepcopy(model.tokenizer)
        tokenizer.chat_template = TEMPLATES["names"]
        return LanguageModel(model.model, tokenizer, model.name)

    @staticmethod
    def chat(*turns: str) -> list[dict[str, str]]:
        """A conversation in which the user has the first and the last word."""
        return [{"role": ("user", "assistant")[turn % 2], "content": text} for turn, text in enumerate(turns)]

    def test_the_gate_looks_at_the_last_question(
        self, pack: MegPack, chatty: LanguageModel, edits: EditSet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        examine = pack.gate.examine
        monkeypatch.setattr(
            pack.gate, "examine", lambda queries, *how, **more: asked.extend(queries) or examine(queries, *how, **more)
        )
        edited = pack.attach(chatty)
        one, other = prompts(edits)[:2]
        # What was said before names edits too.
        chats = [self.chat(one), self.chat(one, "Yes.", FAR[1]), self.chat(FAR[0], one, other)]
        inputs = chatty.tokenizer.apply_chat_template(
            chats, add_generation_prompt=True, return_tensors="pt", return_dict=True, padding=True
        )
        settings = {"max_new_tokens": 4, "do_sample": False, "return_dict_in_generate": True, "output_logits": True}
        answered = edited.generate(inputs["input_ids"], inputs["attention_mask"], **settings)
        original = chatty.model.generate(inputs["input_ids"], attention_mask=inputs["attention_mask"], **settings)
        edited.detach()
        assert asked == [one, FAR[1], other]
        changed = [not torch.equal(answered.logits[0][row], original.logits[0][row]) for row in range(3)]
        assert changed == [True, False, True]
        assert all(torch.equal(a[1], o[1]) for a, o in zip(answered.logits, original.logits, strict=False))

    def test_edits_are_asked_through_the_template_and_answered_in_a_pipeline(
        self, chatty: LanguageModel, encoder: Path, tmp_path: Path
    ) -> None:
        edits = sample_edits(3)
        fit(chatty, edits, quick_settings(encoder)).save(tmp_path / "pack")
        loaded = load_pack(tmp_path / "pack")
        assert isinstance(loaded, MegPack)
        plain = chatty.asked(chat=False)
        edited = loaded.attach(plain)  # the pack knows how it was asked
        answers = edited.answer([*prompts(edits), *FAR])
        assert [answer.edited for answer in answers[:3]] == [edit.new_object for edit in edits.edits]
        assert [answer.original for answer in answers] == chatty.answer([*prompts(edits), *FAR])
        assert [answer.original for answer in answers] != plain.answer([*prompts(edits), *FAR])
        generator = pipeline("text-generation", model=edited, tokenizer=chatty.tokenizer)
        chats = [self.chat(query) for query in [*prompts(edits), FAR[0]]]
        replies = generator(chats, max_new_tokens=12, do_sample=False, batch_size=2)
        texts = [reply[0]["generated_text"][-1]["content"].strip().partition(".")[0] for reply in replies]
        edited.detach()
        assert texts[:3] == [edit.new_object for edit in edits.edits]
        assert texts[3] == answers[3].edited

    def test_a_pack_of_chats_needs_the_template(
        self, chatty: LanguageModel, model: LanguageModel, pack: MegPack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pack, "settings", dataclasses.replace(pack.settings, chat=True))
        with pytest.raises(ModelError, match="has no chat template to ask through"):
            pack.attach(model)
        assert hooks(model) == 0


class TestPacks:
    def test_a_fresh_process_answers_the_same(
        self, pack: MegPack, edited: MegEditedModel, edits: EditSet, tmp_path: Path
    ) -> None:
        pack.save(tmp_path / "pack")
        queries = [*prompts(edits), *(edit.paraphrases[0] for edit in edits.edits), *FAR]
        program = (
            "import json, sys\n"
            "from pathlib import Path\n"
            "from engine.language_model import load\n"
            "from engine.packs import load_pack\n"
            "edited = load_pack(Path(sys.argv[1])).attach(load('embedded', device='cpu'))\n"
            "answers = edited.answer(json.loads(sys.argv[2]))\n"
            "print(json.dumps([[a.original, a.edited, a.routing.routed, a.routing.familiarity] for a in answers]))\n"
        )
        told = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "pack"), json.dumps(queries)],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        here = edited.answer(queries)
        there = json.loads(told.stdout)
        assert [row[:3] for row in there] == [[a.original, a.edited, a.routing.routed] for a in here]
        assert [row[3] for row in there] == pytest.approx([a.routing.familiarity for a in here], abs=1e-4)

    def test_a_pack_comes_back_as_it_was_written(self, pack: MegPack, tmp_path: Path) -> None:
        pack.save(tmp_path / "one")
        again = load_pack(tmp_path / "one")
        assert isinstance(again, MegPack)
        assert again.settings == pack.settings
        assert (again.edit_set, again.seed, again.layer) == (pack.edit_set, pack.seed, pack.layer)
        again.save(tmp_path / "two")
        assert files(tmp_path / "one") == files(tmp_path / "two")

    def test_another_text_encoder_in_the_same_place_is_refused_in_a_sentence(
        self, pack: MegPack, encoder: Path, tmp_path: Path
    ) -> None:
        own = shutil.copytree(encoder, tmp_path / "encoder")
        there = copy.copy(pack)
        there.settings = dataclasses.replace(pack.settings, encoder=str(own))
        there.save(tmp_path / "pack")
        assert load_pack(tmp_path / "pack").edit_set == pack.edit_set
        weights = next(own.glob("**/*.safetensors"))
        tensors = load_file(weights)
        save_file({key: value + 0.1 for key, value in tensors.items()}, weights, metadata={"format": "pt"})
        with pytest.raises(EncoderError, match="is not the one that the pack was trained with"):
            load_pack(tmp_path / "pack")

    def test_another_model_is_refused_in_a_sentence(self, pack: MegPack) -> None:
        with pytest.raises(PackError, match="trained on “embedded”, and “tiny-llama” has other weights: load the"):
            pack.attach(tiny_model())


class TestSeeds:
    def test_a_random_start_finds_the_same_layers_whatever_was_drawn_before(
        self, model: LanguageModel, encoder: Path
    ) -> None:
        few = sample_edits(3)
        settings = dataclasses.replace(
            quick_settings(encoder), layer="auto", collection=CollectionSettings(steps=2, second_try=0, start="random")
        )
        figures = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            training = Training(settings, model, few, ProgressBoard(), Cancel(), 0, None)
            before = torch.get_rng_state()
            figures.append(training._sweep())
            assert torch.equal(torch.get_rng_state(), before)
        assert figures[0] == figures[1]

    def test_the_same_seed_gives_the_same_bytes_however_often_it_was_stopped(
        self, pack: MegPack, model: LanguageModel, encoder: Path, edits: EditSet, tmp_path: Path
    ) -> None:
        """Cancelled in every stage, resumed each time, and in the end the pack of a training in one go."""
        asked = edits.edits[0].prompt
        for stage in STAGES:
            cancel, board = Cancel(), _StopAt(stage)
            board.cancel = cancel
            with pytest.raises(Cancelled):
                # A watched question gives the last stage something to do after its figures are known.
                fit(
                    model,
                    edits,
                    quick_settings(encoder, watched=[asked]),
                    run=tmp_path / "run",
                    board=board,
                    cancel=cancel,
                )
            assert time.monotonic() - board.asked_at < 3
            assert board.latest().stage == stage
            assert hooks(model) == 0
        resumed = fit(model, edits, quick_settings(encoder), run=tmp_path / "run")
        resumed.save(tmp_path / "resumed")
        pack.save(tmp_path / "whole")
        assert files(tmp_path / "resumed") == files(tmp_path / "whole")

    def test_a_training_without_a_folder_is_the_same_again(
        self, pack: MegPack, model: LanguageModel, encoder: Path, edits: EditSet, tmp_path: Path
    ) -> None:
        torch.manual_seed(99)  # what ran before makes no difference
        fit(model, edits, quick_settings(encoder)).save(tmp_path / "again")
        pack.save(tmp_path / "pack")
        assert files(tmp_path / "again") == files(tmp_path / "pack")

    def test_another_seed_answers_too(self, pack: MegPack, model: LanguageModel, encoder: Path, edits: EditSet) -> None:
        other = fit(model, edits, quick_settings(encoder), seed=5)
        assert other.figures["answered"] == 1
        assert not torch.equal(other.generator.start, pack.generator.start)


class TestKilled:
    def test_after_every_checkpoint_in_turn_it_comes_to_the_same_bytes(
        self, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a random model: each training ends the moment that it has written one more checkpoint."""
        model = tiny_model("llama")
        few = EditSet("few", tuple(Edit(str(row), f"{name} lies in", "ab", name) for row, name in enumerate(NAMES)))
        quick = quick_settings(encoder, generator=dataclasses.replace(GENERATOR, steps=4, check_every=2, answered=2.0))
        chosen = dataclasses.replace(
            quick,
            layer="auto",
            collection=CollectionSettings(steps=4, group=8),
            familiarity=FamiliaritySettings(steps=8, batch=16, blocks=1, heads=4),
        )
        fit(model, few, chosen, run=tmp_path / "one").save(tmp_path / "whole")
        save, written = Checkpoints.save, []

        def killed(self: Checkpoints, stage: str, *content: object) -> None:
            save(self, stage, *content)  # type: ignore[arg-type]
            written.append(stage)
            raise KeyboardInterrupt

        monkeypatch.setattr(Checkpoints, "save", killed)
        while True:
            count = len(written)
            try:
                pack = fit(model, few, chosen, run=tmp_path / "two")
            except KeyboardInterrupt:
                assert len(written) == count + 1
            else:
                break
        assert written.count("collection") == 2
        assert set(written) >= {"encoder", "layers", "collection", "gate", "generator training", "generator"}
        pack.save(tmp_path / "resumed")
        assert files(tmp_path / "resumed") == files(tmp_path / "whole")


class _StopAt(ProgressBoard):
    """Asks for a stop at the first word from a stage."""

    def __init__(self, stage: str) -> None:
        super().__init__()
        self.stage, self.cancel, self.asked_at = stage, Cancel(), 0.0

    def report(self, stage: str, *args: object, **figures: object) -> None:
        super().report(stage, *args, **figures)
        if stage == self.stage and not self.cancel.requested:
            self.asked_at = time.monotonic()
            self.cancel.set()


class _StopInTheSecondGroup(ProgressBoard):
    """Asks for a stop once collection has told of more steps than one group takes."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left, self.cancel = steps + 3, Cancel()

    def report(self, stage: str, *args: object, **figures: object) -> None:
        super().report(stage, *args, **figures)
        self.left -= stage == "Collection"
        if self.left == 0:
            self.cancel.set()


def answered_in_other_phrasings(edited: EditedModel, edits: EditSet) -> float:
    """The share of edits answered in phrasings that are not their prompts."""
    asked = [
        (fill(edits.relations[edit.relation].phrasings[turn], edit.subject), edit)
        for edit in edits.edits
        for turn in (1, 5)
    ]
    answers = edited.answer([query for query, _ in asked])
    right = [is_answer(answer.edited, edit.new_object) for answer, (_, edit) in zip(answers, asked, strict=True)]
    return sum(right) / len(right)


class TestEditSets:
    def test_no_edit_at_all(self, model: LanguageModel, encoder: Path, edits: EditSet) -> None:
        off = EditSet("off", (dataclasses.replace(edits.edits[0], enabled=False),))
        for nothing in (EditSet("empty", ()), off):
            with pytest.raises(EditError, match="no edit to train"):
                fit(model, nothing, quick_settings(encoder))

    def test_a_layer_that_does_not_exist(self, model: LanguageModel, encoder: Path, edits: EditSet) -> None:
        with pytest.raises(EditError, match="Layer 99 does not exist: this model has layers 0 to"):
            fit(model, edits, quick_settings(encoder, layer=99))

    def test_several_neurons_an_edit_at_a_layer_found_by_a_sweep(self, encoder: Path, tmp_path: Path) -> None:
        """On a random model, stopped after the sweep and resumed: the same bytes, and the pack works as any other."""
        model = tiny_model("llama")
        few = EditSet("few", (Edit("a", "Oslo lies in", "ab. c"), Edit("b", "Rome lies in", "c", subject="Rome")))
        settings = dataclasses.replace(
            quick_settings(encoder, generator=dataclasses.replace(GENERATOR, steps=4, check_every=2)),
            layer="auto",
            collection=CollectionSettings(steps=6, neurons=3),
        )
        whole = fit(model, few, settings, run=tmp_path / "one")
        whole.save(tmp_path / "whole")
        assert [figure["layer"] for figure in whole.figures["layers"]] == list(range(LAYERS))
        assert whole.figures["layer"] == whole.layer
        assert whole.generator.latent.mean.shape == (3 * (2 * D_MODEL + 1),)
        for stage in (SWEEP, "Collection"):
            board = _StopAt(stage)
            with pytest.raises(Cancelled):
                fit(model, few, settings, run=tmp_path / "two", board=board, cancel=board.cancel)
        fit(model, few, settings, run=tmp_path / "two").save(tmp_path / "resumed")
        assert files(tmp_path / "resumed") == files(tmp_path / "whole")
        loaded = load_pack(tmp_path / "whole")
        assert isinstance(loaded, MegPack)
        assert loaded.settings.collection.neurons == 3
        assert {len(one) for one in loaded.collected.larger.values()} == {12 * (2 * D_MODEL + 1)}
        edited = loaded.attach(model)
        assert all(answer.routing.routed for answer in edited.answer(prompts(few)))
        edited.detach()
        assert MegEditor(settings).stages() == (STAGES[0], SWEEP, *STAGES[1:])

    def test_other_free_memory_makes_no_other_pack(
        self, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = tiny_model("llama")
        few = EditSet("few", tuple(Edit(f"e{row}", f"Town {row} lies in", "ab", f"Town {row}") for row in range(6)))
        settings = dataclasses.replace(
            quick_settings(encoder, generator=dataclasses.replace(GENERATOR, steps=4, check_every=2)),
            collection=CollectionSettings(steps=6),
        )
        neurons = []
        for room in (2, 5):  # after the stop there is room for so many lessons at once
            monkeypatch.setattr("engine.meg.training.group_size", lambda *_: 2)
            board = _StopInTheSecondGroup(settings.collection.steps)
            with pytest.raises(Cancelled):
                fit(model, few, settings, run=tmp_path / f"{room}", board=board, cancel=board.cancel)
            assert len(list((tmp_path / f"{room}" / "checkpoints" / "collection").iterdir())) == 1
            monkeypatch.setattr("engine.meg.training.group_size", lambda *_, room=room: room)
            neurons.append(fit(model, few, settings, run=tmp_path / f"{room}").collected.neurons)
        assert torch.equal(*neurons)

    def test_edits_that_cannot_calibrate_the_gate_are_helped_however_many_they_are(
        self, encoder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("engine.meg.gate_training.FEW_EDITS", 3)
        monkeypatch.setattr("engine.meg.gate_training.EPISODE", 24)
        free = EditSet("free", tuple(Edit(f"f{row}", f"The word number {row} is", "b") for row in range(4)))
        settings = quick_settings(encoder, generator=dataclasses.replace(GENERATOR, steps=4, check_every=2))
        model = tiny_model("llama")
        edited = fit(model, free, settings).attach(model)
        assert all(routing.routed for routing in edited.route(prompts(free)))
        edited.detach()

    @pytest.mark.parametrize("count", [1, 2])
    def test_very_few_edits(self, model: LanguageModel, encoder: Path, count: int) -> None:
        few = sample_edits(count)
        edited = fit(model, few, quick_settings(encoder)).attach(model)
        assert [answer.edited for answer in edited.answer(prompts(few))] == [edit.new_object for edit in few.edits]
        probes = [probe.prompt for edit in few.edits for probe in edit.probes] + FAR
        answers = edited.answer(probes)
        edited.detach()
        assert sum(answer.edited == answer.original for answer in answers) >= len(probes) - 1

    def test_edits_of_every_kind_together(self, model: LanguageModel, encoder: Path) -> None:
        """Free prompts, other scripts, an object that is the answer already, one that is switched off."""
        named, off, known = sample().edits[0], sample().edits[1], sample().edits[-1]
        mixed = EditSet(
            "mixed",
            (
                named,
                dataclasses.replace(off, enabled=False),
                dataclasses.replace(known, new_object=model.answer([known.prompt])[0]),
                Edit("free", "The colour of the day is", named.new_object),
                Edit("german", "Die größte Stadt am Fluß heißt", known.new_object),
                Edit("script", "東京 lies in", named.new_object, subject="東京"),
                Edit("quote", "“O'Brien”, said in one word, is", known.new_object, subject="O'Brien"),
                Edit("unheard", "The greeting of the house is", "こんにちは 🙂"),
            ),
            sample().relations,
        )
        pack = fit(model, mixed, quick_settings(encoder))
        assert pack.figures["edits"] == 7
        edited = pack.attach(model)
        answers = edited.answer(prompts(mixed))
        edited.detach()
        given = {edit.id: answer.edited for edit, answer in zip(mixed.edits, answers, strict=True)}
        wrong = [edit.id for edit in mixed.enabled() if not is_answer(given[edit.id], edit.new_object)]
        assert given[off.id] == answers[1].original
        assert wrong == pack.figures["not answered"]
        # A model that has never seen a script may be unable to write it: then the figures say so.
        assert set(wrong) <= {"unheard"}
        assert set(wrong) <= {one["id"] for one in pack.figures["not learnt"]}

    @pytest.mark.parametrize("kind", ["transformer", "stored"])
    def test_a_new_object_of_a_hundred_tokens(
        self, model: LanguageModel, encoder: Path, tmp_path: Path, kind: Literal["transformer", "stored"]
    ) -> None:
        """Words that the model has never written, more than one neuron holds."""
        few = sample_edits(4)
        long = Edit("long", "The note on the door says", LONG, subject="The note on the door")
        assert model.tokens_of(long.new_object) >= 100
        with_long = EditSet("with a long one", (*few.edits, long), few.relations)
        settings = quick_settings(encoder, generator=dataclasses.replace(GENERATOR, kind=kind))
        pack = fit(model, with_long, settings)
        assert pack.figures["not learnt"] == pack.figures["not answered"] == []
        assert pack.kept[-1] == "long"
        assert pack.figures["enlarged"] == 1
        pack.save(tmp_path / "pack")
        loaded = load_pack(tmp_path / "pack")
        assert isinstance(loaded, MegPack)
        edited = loaded.attach(model)
        answers = edited.answer(prompts(with_long))
        edited.detach()
        assert [answer.edited for answer in answers] == [edit.new_object for edit in with_long.edits]
        assert answers[-1].original != long.new_object
        grown = fit(model, EditSet("grown", (*sample_edits(5).edits, long), sample().relations), settings, start=loaded)
        assert torch.equal(grown.collected.own(5), loaded.collected.own(4))
        assert grown.figures["not answered"] == []

    def test_a_prompt_without_phrasings_is_taught_in_three_guises(self, model: LanguageModel, encoder: Path) -> None:
        free, known = Edit("free", "The greeting of the house is", "Peru"), sample().edits[0]
        mixed = EditSet("mixed", (free, known), sample().relations)
        for alone in (False, True):
            settings = dataclasses.replace(quick_settings(encoder), prompt_alone=alone)
            training = Training(settings, model, mixed, ProgressBoard(), Cancel(), 0, None)
            lesson, other = training._lessons(mixed.edits, training.curriculum)
            guises = training.curriculum.guises(free)
            assert lesson.asks == (free.prompt, *(() if alone else guises))
            assert not set(other.asks) & set(training.curriculum.guises(known))

    def test_of_two_edits_that_contradict_each_other_one_is_answered_and_the_other_named(
        self, model: LanguageModel, encoder: Path
    ) -> None:
        one = sample().edits[0]
        other = dataclasses.replace(one, id="other", new_object=sample().edits[-1].new_object)
        far = sample().edits[-1]
        assert other.new_object != one.new_object
        settings = quick_settings(encoder, generator=dataclasses.replace(GENERATOR, steps=400))
        pack = fit(model, EditSet("two minds", (one, other, far), sample().relations), settings)
        assert len(pack.figures["not answered"]) == 1
        assert pack.figures["not answered"][0] in (one.id, other.id)

    def test_the_papers_entropy_gate(self, model: LanguageModel, encoder: Path) -> None:
        few = sample_edits(4)
        pack = fit(model, few, quick_settings(encoder, gate="entropy"))
        edited = pack.attach(model)
        routings = edited.route([*prompts(few), *FAR])
        edited.detach()
        for routing in routings:
            assert routing.familiarity == pytest.approx(1 - routing.entropy)
            assert routing.routed == (routing.familiarity >= routing.threshold)
        assert all(routing.routed for routing in routings[:4])
        assert pack.settings.gate == "entropy"


@pytest.mark.parametrize("name", ["gpt2", "phi", "gemma"])
def test_other_architectures_go_through_the_whole_of_it(name: str, encoder: Path, tmp_path: Path) -> None:
    """Random models know nothing: what counts is that each part does its part."""
    model = tiny_model(name)
    short = dataclasses.replace(GENERATOR, steps=4, check_every=2)
    few = EditSet("few", (Edit("a", "Oslo lies in", "ab"), Edit("b", "Rome lies in", "c", subject="Rome")))
    before = model.logits(model.encode([*prompts(few), *FAR]))
    pack = fit(model, few, quick_settings(encoder, layer=1, generator=short))
    assert pack.generator.latent.mean.shape == (2 * D_MODEL + 1,)
    pack.save(tmp_path / "pack")
    loaded = load_pack(tmp_path / "pack")
    assert isinstance(loaded, MegPack)
    edited = loaded.attach(model)
    asked = edited.answer([*prompts(few), *FAR])
    assert [answer.original for answer in asked] == model.answer([*prompts(few), *FAR])
    assert all(answer.edited == answer.original for answer in asked if not answer.routing.routed)
    edited.detach()
    assert hooks(model) == 0
    assert torch.equal(model.logits(model.encode([*prompts(few), *FAR])), before)


def test_the_block_in_the_middle_is_edited_unless_told() -> None:
    assert choose_layer(tiny_model(), None) == LAYERS // 2
    assert choose_layer(tiny_model(), 0) == 0


@pytest.fixture(scope="module")
def more() -> EditSet:
    """The edits of the pack: one is gone, one has another object, four are new."""
    every = sample_edits(16)
    changed = dataclasses.replace(every.edits[0], new_object=every.edits[1].new_object)
    return EditSet("more", (changed, *every.edits[2:]), every.relations)


@pytest.fixture(scope="module")
def grown(pack: MegPack, model: LanguageModel, more: EditSet, encoder: Path) -> MegPack:
    return fit(model, more, quick_settings(encoder), start=pack)


class TestGoingOn:
    """Training again with a pack to start from."""

    def test_old_changed_and_new_edits_are_answered(self, grown: MegPack, model: LanguageModel, more: EditSet) -> None:
        assert grown.figures["answered"] >= 14 / 15
        edited = grown.attach(model)
        (answer,) = edited.answer([more.edits[0].prompt])
        edited.detach()
        assert answer.edited == more.edits[0].new_object

    def test_what_was_learnt_is_not_learnt_again(self, grown: MegPack, pack: MegPack, more: EditSet) -> None:
        rows = pack.rows_of(more.edits)
        assert sorted(rows) == list(range(1, 11))  # neither the changed edit nor the new ones
        for row, before in rows.items():
            assert torch.equal(grown.collected.neurons[row], pack.collected.neurons[before])

    def test_the_pack_gone_on_from_stays_as_it_was(
        self, grown: MegPack, pack: MegPack, model: LanguageModel, edits: EditSet
    ) -> None:
        edited = pack.attach(model)
        answers = edited.answer(prompts(edits))
        edited.detach()
        assert [answer.edited for answer in answers] == [edit.new_object for edit in edits.edits]

    def test_an_edit_that_is_gone_is_not_answered(self, grown: MegPack, model: LanguageModel, edits: EditSet) -> None:
        edited = grown.attach(model)
        (answer,) = edited.answer([edits.edits[1].prompt])
        edited.detach()
        assert answer.edited == answer.original

    def test_with_nothing_new_the_generator_is_kept(
        self, pack: MegPack, model: LanguageModel, edits: EditSet, encoder: Path
    ) -> None:
        fewer = EditSet("fewer", edits.edits[:6], edits.relations)
        assert fit(model, fewer, quick_settings(encoder), start=pack).generator is pack.generator

    def test_a_pack_of_another_model_is_refused(self, pack: MegPack, more: EditSet, encoder: Path) -> None:
        with pytest.raises(PackError, match="other weights"):
            fit(tiny_model(), more, quick_settings(encoder), start=pack)

    def test_what_is_known_of_untouched_edits_is_kept_to_the_bit(
        self, grown: MegPack, pack: MegPack, more: EditSet
    ) -> None:
        rows = pack.rows_of(more.edits)
        for name in ("prompts", "states", "first_tokens", "masked_prompts"):
            now, before = grown.gate.index.tensors[name], pack.gate.index.tensors[name]
            assert torch.equal(now[list(rows)], before[list(rows.values())])

    @pytest.mark.parametrize("kind", ["mlp", "stored"])
    def test_simpler_generators_are_gone_on_from_too(
        self, kind: str, model: LanguageModel, encoder: Path, tmp_path: Path
    ) -> None:
        settings = quick_settings(encoder, generator=dataclasses.replace(GENERATOR, kind=kind))
        every = sample_edits(8)
        fit(model, EditSet("few", every.edits[:6], every.relations), settings).save(tmp_path / "few")
        start = load_pack(tmp_path / "few")
        assert isinstance(start, MegPack)
        assert fit(model, every, quick_settings(encoder), start=start).figures["answered"] == 1

    def test_a_relation_that_is_new_is_learnt_to_be_read(
        self, pack: MegPack, model: LanguageModel, edits: EditSet, encoder: Path
    ) -> None:
        motto = Relation("motto", "motto", ("The motto of {} reads", "{} goes by the motto", "{} has the motto"))
        told = Edit("new", "The motto of Peru reads", "Rome", "Peru", "motto")
        more = EditSet("more", (*edits.edits, told), {**edits.relations, "motto": motto})
        grown = fit(model, more, quick_settings(encoder), start=pack)
        assert "motto" not in pack.gate.index.readout.relations
        assert "motto" in grown.gate.index.readout.relations
        edited = grown.attach(model)
        (answer,) = edited.answer([told.prompt])
        edited.detach()
        assert answer.edited == "Rome"
