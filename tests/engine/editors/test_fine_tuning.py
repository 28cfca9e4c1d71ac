"""FT-M and FT-L: one output weight goes down the slope of its loss, within its bound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from engine.editors.fine_tuning import last_prompt_token
from engine.editors.registry import EDITORS
from engine.editors.settings.fine_tuning import FineTuningSettings, settings_from
from engine.editors.weights import CHANGES
from engine.edits import EditError, EditSet
from engine.evaluation.answers import is_answer
from engine.language_model import LanguageModel, target_loss
from engine.runs import Cancel, Cancelled
from engine.weight_exchange import Matrix, exchanged
from tests.engine.editors.weight_editing import StopAt, attached, few, fit, tiny_edits
from tests.tiny_models import CONFIGS, LAYERS, tiny_model

ONE = FineTuningSettings(passes=1, learning_rate=1e-3)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("layer", [0, 2])
def test_one_step_goes_against_the_slope_of_the_loss(name: str, layer: int) -> None:
    model, edits = tiny_model(name), tiny_edits()
    matrix = Matrix.outlet(model, layer)
    batch = model.encode_targets([edit.prompt for edit in edits.edits], [edit.new_object for edit in edits.edits])
    assert batch.labels is not None
    matrix.weight.requires_grad_(True)
    loss = target_loss(model.logits(batch), batch.labels).mean()
    (slope,) = torch.autograd.grad(loss, matrix.weight)
    matrix.weight.requires_grad_(False)
    pack = fit("ft-m", replace(ONE, layer=layer), model, edits)
    change = pack.changes()[matrix.name]
    assert set(pack.tensors[CHANGES]) == {matrix.name}
    # Adam's first step is the rate long in every weight, against its slope.
    steep = slope.abs() > 1e-5
    assert bool(steep.any())
    torch.testing.assert_close(change[steep], -1e-3 * slope[steep].sign(), rtol=0.02, atol=0)
    with exchanged(model.model, pack.changes()):
        assert target_loss(model.logits(batch), batch.labels).mean() < loss


def test_the_last_prompt_tokens_loss_reads_every_token_there() -> None:
    logits = torch.randn(2, 4, 7)  # of the last four positions
    labels = torch.tensor([[-100, -100, 3, 5, 0], [-100, -100, -100, 2, 0]])  # 0 is the full stop
    first, second = F.log_softmax(logits[0, 0], -1), F.log_softmax(logits[1, 1], -1)
    wanted = torch.stack([-(first[3] + first[5]) / 2, -second[2]])
    torch.testing.assert_close(last_prompt_token(logits, labels), wanted)
    alone = torch.tensor([[-100, -100, -100, -100, 6]])
    torch.testing.assert_close(
        last_prompt_token(logits[:1], alone), -F.log_softmax(logits[0, 2], -1)[6][None]
    )  # a target of one token is read whatever it is


def test_ft_m_answers_what_it_is_taught(model: LanguageModel, edits: EditSet) -> None:
    pack = fit("ft-m", EDITORS["ft-m"].presets["balanced"][1](), model, edits)
    assert pack.figures["layer"] == len(model.blocks) // 2
    assert pack.figures["loss"] < 0.01
    with attached(pack, model) as edited:
        answers = edited.answer([edit.prompt for edit in edits.edits], originals=False)
    right = [is_answer(answer.edited, edit.new_object) for answer, edit in zip(answers, edits.edits, strict=True)]
    assert sum(right) >= len(right) - 1


def test_ft_l_moves_no_weight_further_than_its_bound(model: LanguageModel, edits: EditSet) -> None:
    bound = 0.013
    settings = replace(EDITORS["ft-l"].presets["balanced"][1](), most_change=bound, passes=6)
    for loss in ("every token", "last prompt token"):
        change = next(iter(fit("ft-l", replace(settings, loss=loss), model, few(edits, 0, 1)).changes().values()))
        assert float(change.abs().max()) == pytest.approx(bound)
        assert float((change.abs() > 0.99 * bound).float().mean()) > 0.2


def test_the_bound_is_one_from_the_original_weight_however_often_it_is_gone_on_from() -> None:
    model, edits = tiny_model("gpt2"), tiny_edits()
    settings = FineTuningSettings(passes=3, learning_rate=1e-3, most_change=2e-3, learnt=0.0)
    pack = fit("ft-l", settings, model, replace(edits, edits=edits.edits[:1]))
    for count in range(2, len(edits.edits) + 1):
        before = pack.changes()
        pack = fit("ft-l", settings, model, replace(edits, edits=edits.edits[:count]), start=pack)
    ((name, change),) = pack.changes().items()
    assert not torch.equal(change, before[name])
    assert float(change.abs().max()) <= 2e-3 * (1 + 1e-6)


@pytest.mark.parametrize("name", ["ft-l", "ft-m"])
def test_every_preset_can_be_made_and_restored(name: str) -> None:
    model, edits = tiny_model(), tiny_edits()
    for _, make in EDITORS[name].presets.values():
        settings = replace(make(), passes=2)
        pack = fit(name, settings, model, edits)
        assert pack.editor == name
        assert pack.settings == replace(settings, chat=False)
        assert settings_from({**{field: getattr(settings, field) for field in settings.__slots__}}) == settings


def test_a_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(EditError, match=f"Layer {LAYERS} does not exist"):
        fit("ft-m", replace(ONE, layer=LAYERS), tiny_model(), tiny_edits())


def test_a_fit_that_was_stopped_goes_on_to_the_same_pack(tmp_path: Path) -> None:
    model, edits, cancel = tiny_model(), tiny_edits(), Cancel()
    settings = replace(ONE, passes=12, batch=2)  # two steps a pass
    whole = fit("ft-m", settings, model, edits)
    with pytest.raises(Cancelled):
        fit("ft-m", settings, model, edits, run=tmp_path, cancel=cancel, board=StopAt(cancel, 15))
    board = StopAt(Cancel(), 1_000)
    again = fit("ft-m", settings, model, edits, run=tmp_path, board=board)
    assert board.first == 11
    assert again.mark() == whole.mark()
    assert again.figures == whole.figures
