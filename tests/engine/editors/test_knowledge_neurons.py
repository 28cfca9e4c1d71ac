"""Knowledge neurons: attributions add up, columns are exact, and one edit is taken back to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from engine.editors.knowledge_neurons import COLUMNS, KnowledgeNeuronPack, attribute, question
from engine.editors.registry import EDITORS
from engine.editors.settings.knowledge_neurons import KnowledgeNeuronSettings, settings_from
from engine.edits import Edit, EditError, EditSet, Relation
from engine.language_model import LanguageModel
from engine.packs import load_pack
from engine.runs import Cancel, Cancelled
from engine.setting_fields import SettingError
from engine.weight_exchange import Matrix
from tests.engine.editors.weight_editing import StopAt, attached, few, fit, tiny_edits
from tests.tiny_models import CONFIGS, D_FF, LAYERS, tiny_model

FEW = KnowledgeNeuronSettings(steps=4, prompts=2)


def weights(model: LanguageModel) -> list[torch.Tensor]:
    return [Matrix.outlet(model, layer).weight.data.clone() for layer in range(len(model.blocks))]


@pytest.mark.parametrize("name", CONFIGS)
def test_attributions_add_up_to_what_the_layer_does_for_the_answer(name: str) -> None:
    model = tiny_model(name)
    prompts = ["The capital of Kelm is", "Kelm has the capital"]  # of unlike length: one is padded
    asked = [question(model, prompt, "Oslo", "Riga") for prompt in prompts]
    found = attribute(model, asked, 200)
    assert found.attributions.shape == (LAYERS, 2, D_FF)
    for row, one in enumerate(asked):
        batch = model.batch_of([list(one.tokens)])
        said = float(model.logits(batch, 1)[0, -1].softmax(-1)[one.old])
        for layer in range(LAYERS):

            def silence(_: object, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
                silent = args[0].clone()
                silent.view(1, -1, D_FF)[:, -1] = 0
                return (silent,)

            handle = model.blocks[layer].outlet.register_forward_pre_hook(silence)
            without = float(model.logits(batch, 1)[0, -1].softmax(-1)[one.old])
            handle.remove()
            assert float(found.attributions[layer, row].sum()) == pytest.approx(said - without, rel=0.03, abs=2e-7)


def test_answers_that_begin_alike_are_asked_where_they_part() -> None:
    model = tiny_model()
    prompt = "The city is"
    asked = question(model, prompt, "New York", "New Delhi")
    assert model.tokenizer.decode(asked.tokens) == "The city is New "
    assert model.tokenizer.decode([asked.old, asked.new]) == "YD"
    shorter = question(model, prompt, "York", "Yor")
    assert model.tokenizer.decode([shorter.old, shorter.new]) == "k."


@pytest.mark.parametrize("name", CONFIGS)
def test_columns_and_nothing_else_are_moved_from_the_old_to_the_new(name: str) -> None:
    model, edits = tiny_model(name), few(tiny_edits(), 0)
    pack = fit("kn", replace(FEW, away=1.5, towards=3.0), model, edits)
    before, columns = weights(model), pack.tensors[COLUMNS]
    asked = question(model, edits.edits[0].prompt, "Oslo", "Riga")
    words = model.model.get_output_embeddings().weight.data
    old, new = F.normalize(words[asked.old], dim=0), F.normalize(words[asked.new], dim=0)
    activations = attribute(model, [asked], 4).activations
    places = list(zip(columns["layers"].tolist(), columns["neurons"].tolist(), strict=True))
    assert FEW.fewest <= len(places) <= FEW.most
    with attached(pack, model):
        for layer, (was, now) in enumerate(zip(before, weights(model), strict=True)):
            matrix = Matrix.outlet(model, layer)
            was, now = matrix.turned(was), matrix.turned(now)
            own = [neuron for one, neuron in places if one == layer]
            rest = [neuron for neuron in range(D_FF) if neuron not in own]
            assert torch.equal(now[:, rest], was[:, rest])
            for neuron in own:
                sign = activations[layer, 0, neuron].sign()
                moved = was[:, neuron] + sign * was[:, neuron].norm() * (3.0 * new - 1.5 * old)
                torch.testing.assert_close(now[:, neuron], moved)


def test_the_neurons_kept_are_the_strongest_for_the_old_answer() -> None:
    model, edits = tiny_model(), few(tiny_edits(), 1)
    pack = fit("kn", replace(FEW, prompts=1, fewest=5, threshold=1.0), model, edits)
    found = attribute(model, [question(model, edits.edits[0].prompt, "Lima", "Bern")], 4).attributions
    strongest = found.mean(1).flatten().topk(5).indices
    columns = pack.tensors[COLUMNS]
    assert (columns["layers"] * D_FF + columns["neurons"]).tolist() == strongest.tolist()


def test_one_edit_is_taken_back_to_the_bit() -> None:
    model, edits = tiny_model(), tiny_edits()
    pack = fit("kn", FEW, model, edits)
    alone = fit("kn", FEW, model, few(edits, 2))
    before = weights(model)
    with attached(alone, model):
        third = weights(model)
    with attached(pack, model) as edited:
        every = weights(model)
        edited.disable(["1", "2"])
        assert all(torch.equal(one, other) for one, other in zip(weights(model), third, strict=True))
        edited.disable(["3"])
        assert all(torch.equal(one, other) for one, other in zip(weights(model), before, strict=True))
        edited.enable(["1", "2", "3"])
        assert all(torch.equal(one, other) for one, other in zip(weights(model), every, strict=True))


def test_going_on_adds_columns_and_takes_back_those_of_edits_that_are_no_more() -> None:
    model, edits = tiny_model("gpt2"), tiny_edits()
    start = fit("kn", FEW, model, few(edits, 0, 1))
    grown = fit("kn", FEW, model, few(edits, 1, 2), start=start)
    columns = grown.tensors[COLUMNS]
    assert {grown.state["edits"][owner] for owner in columns["owners"].tolist()} == {"2", "3"}
    assert grown.figures["neurons an edit"] == len(columns["owners"]) / 2
    held = start.tensors[COLUMNS]
    kept = held["columns"][held["owners"] == start.state["edits"].index("2")]
    assert torch.equal(columns["columns"][: len(kept)], kept)
    with attached(grown, model) as edited:
        edited.disable(["2"])
        edited.disable(["3"])


def test_what_too_many_edits_of_a_relation_have_is_left_alone() -> None:
    model = tiny_model()
    relation = Relation("r", "capital", ("The capital of {} is", "{} has the capital"))
    made = [Edit(str(row), f"The capital of {name} is", "Riga", name, "r", "Oslo") for row, name in enumerate("ABCDEF")]
    edits = EditSet("one relation", tuple(made), {"r": relation})
    every = fit("kn", replace(FEW, most=4, fewest=1, common=1.0), model, edits).tensors[COLUMNS]
    less = fit("kn", replace(FEW, most=4, fewest=1, common=0.1), model, edits).tensors[COLUMNS]
    assert len(less["owners"]) < len(every["owners"])
    assert set(less["owners"].tolist()) == set(range(6))  # each keeps its fewest


def test_what_an_edit_is_measured_with_finds_no_neurons_and_its_prompt_always_does() -> None:
    model, relation = tiny_model(), Relation("r", "capital", ("The capital of {} is", "{} has the capital"))
    edit = Edit("1", "The capital of A is", "Riga", "A", "r", "Oslo")
    alone = fit("kn", FEW, model, EditSet("alone", (edit,)))
    measured = replace(edit, paraphrases=("a has the CAPITAL", edit.prompt))
    pack = fit("kn", FEW, model, EditSet("measured", (measured,), {"r": relation}))
    for name, tensor in alone.tensors[COLUMNS].items():
        assert torch.equal(pack.tensors[COLUMNS][name], tensor)


def test_a_fact_is_edited_in_the_embedded_model(model: LanguageModel, edits: EditSet, tmp_path: Path) -> None:
    some = few(edits, 0, 1)
    pack = fit("kn", EDITORS["kn"].presets["balanced"][1](), model, some)
    pack.save(tmp_path / "pack")
    loaded = load_pack(tmp_path / "pack")
    assert isinstance(loaded, KnowledgeNeuronPack)
    assert loaded.mark() == pack.mark()
    originally = model.answer([edit.prompt for edit in some.edits])
    with attached(loaded, model) as edited:
        answers = edited.answer([edit.prompt for edit in some.edits])
        assert [answer.original for answer in answers] == originally
        assert any(answer.edited == edit.new_object for answer, edit in zip(answers, some.edits, strict=True))
        edited.disable([edit.id for edit in some.edits])
        assert model.answer([edit.prompt for edit in some.edits]) == originally


def test_an_original_answer_that_is_missing_is_asked_of_the_model(model: LanguageModel, edits: EditSet) -> None:
    edit = edits.edits[0]
    (answer,) = model.answer([edit.prompt])
    told = EditSet("told", (replace(edit, original_answer=answer),))
    untold = EditSet("untold", (replace(edit, original_answer=""),))
    settings = replace(FEW, steps=2, prompts=1)
    one, other = fit("kn", settings, model, told), fit("kn", settings, model, untold)
    assert torch.equal(one.tensors[COLUMNS]["columns"], other.tensors[COLUMNS]["columns"])
    same = EditSet("same", (replace(edit, original_answer="", new_object=answer),))
    with pytest.raises(EditError, match="is the original answer already"):
        fit("kn", settings, model, same)


def test_what_was_learnt_before_does_not_answer_for_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model, edits = tiny_model(), tiny_edits()
    unknown = replace(edits, edits=tuple(replace(edit, original_answer="") for edit in edits.edits))
    before, seen = weights(model), []

    def answer(self: LanguageModel, prompts: list[str], **_: object) -> list[str]:
        seen.append(all(torch.equal(one, other) for one, other in zip(before, weights(model), strict=True)))
        return ["Oslo"] * len(prompts)

    monkeypatch.setattr(LanguageModel, "answer", answer)
    start = fit("kn", FEW, model, few(unknown, 0))
    fit("kn", FEW, model, few(unknown, 0, 1), start=start)
    assert seen == [True, True]


def test_an_original_answer_that_is_filled_in_is_no_change() -> None:
    model, edits = tiny_model(), tiny_edits()
    start = fit("kn", FEW, model, few(edits, 0, 1))
    first, second = few(edits, 0, 1).edits
    told = replace(edits, edits=(replace(first, original_answer=""), second))
    again = fit("kn", FEW, model, told, start=start)
    assert torch.equal(again.tensors[COLUMNS]["columns"], start.tensors[COLUMNS]["columns"])
    other = replace(edits, edits=(replace(first, original_answer="quite another"), second))
    changed = fit("kn", FEW, model, other, start=start)
    assert changed.state["edits"] != start.state["edits"] or not torch.equal(
        changed.tensors[COLUMNS]["columns"], start.tensors[COLUMNS]["columns"]
    )


def test_a_fit_that_was_stopped_goes_on_to_the_same_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.editors.knowledge_neurons.KEPT_EVERY", 1)
    model, edits, cancel = tiny_model(), tiny_edits(), Cancel()
    with pytest.raises(Cancelled):
        fit("kn", FEW, model, edits, run=tmp_path, cancel=cancel, board=StopAt(cancel, 2))
    board = StopAt(Cancel(), 1_000)
    assert fit("kn", FEW, model, edits, run=tmp_path, board=board).mark() == fit("kn", FEW, model, edits).mark()
    assert board.first == 2


def test_an_object_that_is_the_old_one_a_stop_and_settings_that_are_none() -> None:
    model, edits, cancel = tiny_model(), tiny_edits(), Cancel()
    same = EditSet("same", (replace(edits.edits[0], new_object="Oslo."),))
    with pytest.raises(EditError, match=r"Edit 1 .*original answer already"):
        fit("kn", FEW, model, same)
    cancel.set()
    with pytest.raises(Cancelled):
        fit("kn", FEW, model, edits, cancel=cancel)
    with pytest.raises(EditError, match="stopped at edit 1"):
        fit("kn", replace(FEW, towards=1_000.0, growth=0.5), model, edits)
    with pytest.raises(SettingError, match="exchange them"):
        KnowledgeNeuronSettings(fewest=6)
    for _, make in EDITORS["kn"].presets.values():
        made = make()
        assert settings_from({name: getattr(made, name) for name in made.__slots__}) == made
