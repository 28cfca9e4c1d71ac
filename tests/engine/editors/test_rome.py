"""ROME: one rank-one change an edit, W' k = v*."""

from __future__ import annotations

import pytest
import torch

from engine.editors.locating import lessons_of
from engine.editors.rome import ASSOCIATIONS, DIRECTIONS, KEYS, TARGETS, WRITES, RomeEditor, usual_layer, writes
from engine.editors.settings.locating import StatisticsSettings
from engine.editors.settings.rome import RomeSettings
from engine.editors.subject_states import read_subject_states
from engine.edits import EditSet
from engine.evaluation.answers import is_answer
from engine.runs import Cancel, ProgressBoard
from tests.engine.editors.locating import EDITS, fit, quick_settings, some, text
from tests.engine.quick import sample_edits
from tests.tiny_models import CONFIGS, tiny_model


def values_of(model, pack, row):
    """What the outlet makes of the key of edit `row` now, and what it shall."""
    found, block = pack.tensors[ASSOCIATIONS], model.blocks[pack.state["layer"]]
    bias = getattr(block.outlet, "bias", None)
    written = block.outlet(found[KEYS][row : row + 1])[0]
    return written if bias is None else written - bias, found[TARGETS][row]


@pytest.mark.parametrize("keys", ["consistent", "faithful"])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_changed_weight_makes_the_target_of_the_key(name, keys, tmp_path):
    model = tiny_model(name)
    pack = fit("rome", model, quick_settings("rome", text(tmp_path), layer=1, keys=keys), some(2))
    edited = pack.attach(model)
    written, target = values_of(model, pack, 1)
    torch.testing.assert_close(written, target, rtol=1e-4, atol=1e-5)
    edited.disable(["e1"])
    written, target = values_of(model, pack, 0)
    torch.testing.assert_close(written, target, rtol=1e-4, atol=1e-5)
    edited.detach()
    before, _ = values_of(model, pack, 0)
    assert not torch.allclose(before, target, rtol=1e-2)


@pytest.mark.parametrize("keys", ["consistent", "faithful"])
def test_the_key_is_the_mean_or_the_prompts_own(keys, tmp_path):
    model = tiny_model()
    settings = quick_settings("rome", text(tmp_path), layer=1, keys=keys)
    pack = fit("rome", model, settings, some(1))
    lessons = lessons_of(model, EDITS.edits[:1], EDITS, pack.state["contexts"], pack.settings.values)
    states = read_subject_states(model, lessons, [1], Cancel())
    own, mean = states.own_keys[1], states.keys[1]
    assert not torch.allclose(own, mean, rtol=1e-2)
    torch.testing.assert_close(pack.tensors[ASSOCIATIONS][KEYS], mean if keys == "consistent" else own)


def test_usual_keys_are_disturbed_less_than_by_any_other_rank_one_change():
    torch.manual_seed(0)
    usual = torch.randn(500, 20).double() @ torch.randn(20, 20).double()
    moment = usual.T @ usual / len(usual)
    key, target, weight = torch.randn(1, 20), torch.randn(1, 6), torch.randn(6, 20)
    best = torch.linalg.solve(moment, key.double().T).T.float()

    def disturbed(direction):
        write = writes(weight, key, direction, target)
        change = (write.T @ direction).double()
        torch.testing.assert_close((weight + change.float()) @ key[0], target[0], rtol=1e-3, atol=1e-3)
        return float((usual @ change.T).square().sum())

    least = disturbed(best)
    assert least < disturbed(key)
    assert all(least < disturbed(best + 0.1 * torch.randn(1, 20) * best.std()) for _ in range(5))


def test_an_edit_in_between_is_taken_back_as_if_it_had_not_been_written(tmp_path):
    model = tiny_model()
    pack = fit("rome", model, quick_settings("rome", text(tmp_path), layer=1))
    found = pack.tensors[ASSOCIATIONS]
    rows = [0, 2, 3, 4]
    without = pack.without(frozenset({"e1"}), model)
    weight = model.blocks[1].outlet.weight.data
    expected = writes(weight, found[KEYS][rows], found[DIRECTIONS][rows], found[TARGETS][rows])
    assert torch.equal(without.tensors[ASSOCIATIONS][WRITES], expected)
    assert without.learnt() == {"e0", "e2", "e3", "e4"}
    edited = without.attach(model)
    written, target = values_of(model, without, 3)
    torch.testing.assert_close(written, target, rtol=1e-4, atol=1e-5)
    edited.detach()


def test_the_usual_layer_goes_by_the_depth():
    model = tiny_model()
    assert usual_layer(model, "subject") == 0
    assert usual_layer(model, "question") == len(model.layers) // 2


def test_the_embedded_model_answers_one_edit_and_its_paraphrases(model):
    right = []
    for edit in sample_edits(3).edits:
        edits = EditSet("one", (edit,), sample_edits(3).relations)
        settings = RomeSettings(statistics=StatisticsSettings(tokens=20_000))
        pack = RomeEditor(settings).fit(model, edits, progress=ProgressBoard(), cancel=Cancel())
        edited = pack.attach(model)
        answers = edited.answer([edit.prompt, *edit.paraphrases], originals=False)
        right.append([is_answer(answer.edited, edit.new_object) for answer in answers])
        edited.detach()
    assert sum(map(all, right)) >= 2, right
