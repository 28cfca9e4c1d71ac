"""UltraEdit: normalised keys and slopes, and a ridge regression a turn."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from engine.editors.registry import EDITORS
from engine.editors.settings.ultra_edit import UltraEditSettings, settings_from
from engine.editors.ultra_edit import Running, Seen, chosen_layers, observe, ridge_regression, solve_turn
from engine.edits import EditError, EditSet
from engine.evaluation.answers import is_answer
from engine.language_model import LanguageModel, target_loss
from engine.runs import Cancel, Cancelled, ProgressBoard
from engine.setting_fields import SettingError
from engine.weight_exchange import Matrix
from tests.engine.editors.weight_editing import attached, few, fit, tiny_edits
from tests.tiny_models import CONFIGS, LAYERS, tiny_model

CPU = torch.device("cpu")


def seen(tokens: int, draw: int = 0) -> Seen:
    made = torch.Generator().manual_seed(draw)
    keys, slopes, written = (torch.randn(tokens, width, generator=made, dtype=torch.float64) for width in (7, 4, 4))
    return Seen(3 * keys + 1, slopes, written)


@pytest.mark.parametrize("rows", [5, 40])
def test_a_ridge_regression_solves_its_normal_equation(rows: int) -> None:
    keys, values = torch.randn(rows, 12).double(), torch.randn(rows, 3).double()
    ridge = torch.tensor(0.3).double()
    found = ridge_regression(keys, values, ridge)
    torch.testing.assert_close(keys.T @ keys @ found + 0.3 * found, keys.T @ values)


def test_what_was_seen_turn_by_turn_is_what_was_seen_at_once() -> None:
    rows = torch.randn(30, 5).double() * torch.arange(1, 6) + 2
    rows[:, 4] = 7  # never varies
    running = Running.blank(5, CPU)
    for part in rows.split([1, 12, 17]):
        running.see(part)
    torch.testing.assert_close(running.mean, rows.mean(0))
    normal = running.normalised(rows)
    torch.testing.assert_close(normal[:, :4], (rows[:, :4] - rows[:, :4].mean(0)) / rows[:, :4].std(0, correction=0))
    assert float(normal[:, 4].abs().max()) < 1e-3


def test_a_turn_solves_its_equation_and_the_first_sets_the_scales() -> None:
    settings, running = UltraEditSettings(strength=0.5, ridge=0.2), Running.blank(11, CPU)
    first, second = seen(20), seen(9, draw=1)
    change = solve_turn(first, running, settings)
    both = torch.cat([first.keys, first.slopes], 1)
    keys, slopes = ((both - both.mean(0)) / both.std(0, correction=0)).split([7, 4], 1)
    wanted = -keys.square().sum(1, keepdim=True) * slopes
    wanted = wanted * 0.5 * first.written.norm(dim=1).mean() / wanted.norm(dim=1).mean()
    ridge = 0.2 * first.keys.square().sum(1).mean()
    left = first.keys.T @ first.keys @ change.T + ridge * change.T
    torch.testing.assert_close(left, first.keys.T @ wanted)
    scales = running.rate.clone(), running.ridge.clone()
    solve_turn(second, running, settings)
    assert (running.rate, running.ridge) == scales
    assert int(running.count) == 29


def test_the_papers_scales_are_taken_as_they_are() -> None:
    running = Running.blank(11, CPU)
    solve_turn(seen(20), running, UltraEditSettings(learning_rate=1e-6, ridge=None))
    assert float(running.rate) == 1e-6
    assert float(running.ridge) == 1


@pytest.mark.parametrize("name", CONFIGS)
def test_keys_and_slopes_are_those_of_the_weight(name: str) -> None:
    model, edits, last = tiny_model(name), tiny_edits(), LAYERS - 1
    found, loss, _ = observe(model, range(last + 1), edits.edits)
    batch = model.encode_targets([edit.prompt for edit in edits.edits], [edit.new_object for edit in edits.edits])
    assert batch.labels is not None
    matrix = Matrix.outlet(model, last)
    matrix.weight.requires_grad_(True)
    losses = target_loss(model.logits(batch), batch.labels) * (batch.labels != -100).sum(1)
    (slope,) = torch.autograd.grad(losses.sum(), matrix.weight)
    # In the last layer the slope of the weight is that of the answers' tokens alone.
    torch.testing.assert_close(
        (found[last].slopes.T @ found[last].keys).float(), matrix.turned(slope), atol=1e-5, rtol=1e-3
    )
    assert loss == pytest.approx(float(losses.sum().detach() / (batch.labels != -100).sum()), rel=1e-4)


def test_layers_are_chosen_by_a_rule_or_named() -> None:
    model = tiny_model()
    assert chosen_layers(model, UltraEditSettings()) == range(1, LAYERS - 1)
    assert chosen_layers(model, UltraEditSettings(first_layer=2, last_layer=3)) == range(2, 4)
    assert chosen_layers(model, UltraEditSettings(last_layer=0)) == range(1)
    with pytest.raises(EditError, match=f"Layer {LAYERS} does not exist"):
        chosen_layers(model, UltraEditSettings(last_layer=LAYERS))
    with pytest.raises(EditError, match="comes after the last"):
        chosen_layers(model, UltraEditSettings(first_layer=3))
    with pytest.raises(SettingError, match="exchange them"):
        UltraEditSettings(first_layer=3, last_layer=2)


@pytest.mark.parametrize("name", ["gpt2", "gptj", "llama"])
def test_going_on_is_one_more_turn(name: str) -> None:
    model, edits = tiny_model(name), tiny_edits()
    settings = UltraEditSettings(turn=2)
    whole = fit("ultraedit", settings, model, edits)
    start = fit("ultraedit", settings, model, few(edits, 0, 1))
    grown = fit("ultraedit", settings, model, edits, start=start)
    assert grown.changes().keys() == whole.changes().keys()
    for key, change in whole.changes().items():
        torch.testing.assert_close(grown.changes()[key], change, rtol=1e-3, atol=1e-5)


def test_most_edits_are_answered_and_the_model_comes_back(model: LanguageModel, edits: EditSet) -> None:
    board = ProgressBoard()
    pack = fit("ultraedit", EDITORS["ultraedit"].presets["balanced"][1](), model, edits, board=board)
    with attached(pack, model) as edited:
        answers = edited.answer([edit.prompt for edit in edits.edits], originals=False)
        right = [is_answer(answer.edited, edit.new_object) for answer, edit in zip(answers, edits.edits, strict=True)]
        assert sum(right) >= 8
        with pytest.raises(EditError, match="UltraEdit cannot take one edit back"):
            edited.disable([edits.edits[0].id])
    assert board.latest().step == len(edits.edits)


def test_the_same_twice_a_stop_and_a_blow_up() -> None:
    model, edits, cancel = tiny_model(), tiny_edits(), Cancel()
    settings = UltraEditSettings(turn=2)
    assert fit("ultraedit", settings, model, edits).mark() == fit("ultraedit", settings, model, edits).mark()
    cancel.set()
    with pytest.raises(Cancelled):
        fit("ultraedit", settings, model, edits, cancel=cancel)
    with pytest.raises(EditError, match=r"stopped at edit 1 .* 1 learnt with it"):
        fit("ultraedit", replace(settings, strength=1000.0, growth=0.1), model, edits)


def test_settings_come_back() -> None:
    for _, make in EDITORS["ultraedit"].presets.values():
        made = make()
        assert settings_from({name: getattr(made, name) for name in made.__slots__}) == made


def test_a_new_object_that_is_the_original_answer_is_refused(model: LanguageModel, edits: EditSet) -> None:
    known = replace(edits.edits[0], original_answer=edits.edits[0].new_object)
    with pytest.raises(EditError, match=f"Edit {known.id} .* is the original answer already"):
        fit("ultraedit", UltraEditSettings(), model, replace(edits, edits=(known,)))


def test_a_block_that_has_rows_and_positions_in_one_is_seen_alike() -> None:
    model, edits = tiny_model(), tiny_edits().enabled()
    plain, *_ = observe(model, [0], edits)
    block = model.blocks[0]
    handles = (
        block.outlet.register_forward_pre_hook(lambda _, args: (args[0].flatten(0, 1),)),
        block.module.register_forward_hook(lambda _, args, out: out.view(args[0].shape)),
    )
    flat, *_ = observe(model, [0], edits)
    for handle in handles:
        handle.remove()
    for part in ("keys", "slopes", "written"):
        torch.testing.assert_close(getattr(flat[0], part), getattr(plain[0], part))
    some = block.outlet.register_forward_pre_hook(lambda _, args: (args[0].flatten(0, 1)[:3],))
    other = block.module.register_forward_hook(lambda _, args, out: torch.zeros_like(args[0]) + out.sum())
    with pytest.raises(EditError, match="layer 0 reads tokens of its own choice"):
        observe(model, [0], edits)
    some.remove()
    other.remove()
