"""MEMIT and AlphaEdit: their solutions of one layer, how they share edits among layers, and how one is taken back."""

from __future__ import annotations

import pytest
import torch

from engine.checkpoints import Checkpoints
from engine.editors.alphaedit import AlphaEditEditor, AlphaEditSolver, null_space
from engine.editors.key_statistics import SecondMoment
from engine.editors.locating import lessons_of
from engine.editors.memit import MemitEditor, MemitSolver
from engine.editors.registry import EDITORS
from engine.editors.settings.alphaedit import AlphaEditSettings
from engine.editors.settings.memit import MemitSettings
from engine.editors.spreading import MET, TARGET, TARGETS, usual_layers
from engine.editors.subject_states import read_subject_states
from engine.edits import EditError, EditSet, ProbeKind
from engine.evaluation.answers import is_answer
from engine.runs import Cancel, Cancelled
from engine.setting_fields import SettingError, with_values
from tests.engine.editors.locating import EDITS, fit, quick_settings, some, text
from tests.engine.quick import sample_edits
from tests.tiny_models import CONFIGS, D_FF, tiny_model

NORMED = "gemma2"


def moment(rank=D_FF, seed=0):
    """A second moment of keys that use so many directions, far more than they use the others."""
    torch.manual_seed(seed)
    directions = torch.linalg.qr(torch.randn(D_FF, D_FF).double())[0]
    sizes = torch.cat([torch.linspace(1, 5, rank), torch.full((D_FF - rank,), 1e-6)]).double()
    return SecondMoment((directions * sizes @ directions.T).float(), 1_000), directions[:, :rank]


def states(model, pack, edits=EDITS.edits, layers=range(1, 3)):
    lessons = lessons_of(model, edits, EDITS, pack.state["contexts"], pack.settings.values)
    return read_subject_states(model, lessons, layers, Cancel())


@pytest.mark.parametrize("kind", [name for name in CONFIGS if name != NORMED])
@pytest.mark.parametrize("name", ["memit", "alphaedit"])
def test_what_is_sought_leaves_the_last_layer(name, kind, tmp_path):
    model = tiny_model(kind)
    near = {"preserving": 1e-7} if name == "memit" else {"ridge": 1e-9, "unused": 0.9}
    settings = quick_settings(name, text(tmp_path), values__contexts=0, values__phrasings=0, **near)
    pack = fit(name, model, settings)
    before = states(model, pack).stream
    edited = pack.attach(model)
    after, target = states(model, pack).stream, pack.tensors[TARGETS][TARGET][-1]
    edited.detach()
    assert (after - target).norm() < 0.02 * (before - target).norm()
    assert set(pack.changes()) == {
        key
        for layer in (1, 2)
        for key, weight in model.model.named_parameters()
        if weight is model.blocks[layer].outlet.weight
    }


@pytest.mark.parametrize("name", ["memit", "alphaedit"])
def test_where_a_norm_comes_after_the_block_one_layer_is_written_to(name, tmp_path):
    model, corpus = tiny_model(NORMED), text(tmp_path)
    with pytest.raises(EditError, match="norms what an FFN block writes"):
        fit(name, model, quick_settings(name, corpus))
    near = {"preserving": 1e-7} if name == "memit" else {"ridge": 1e-9, "unused": 0.9}
    settings = quick_settings(name, corpus, layers=1, values__contexts=0, values__phrasings=0, **near)
    pack = fit(name, model, settings)
    edited = pack.attach(model)
    written = states(model, pack, layers=[2]).value
    edited.detach()
    torch.testing.assert_close(written, pack.tensors[TARGETS][TARGET][-1], rtol=1e-2, atol=1e-3)


def test_memit_solves_its_least_squares():
    usual, _ = moment()
    torch.manual_seed(1)
    keys, shares = torch.randn(5, D_FF).double(), torch.randn(5, 8).double()
    change = MemitSolver(MemitSettings(preserving=3.0), {0: usual}).change(0, keys, shares)
    slope = (change @ keys.T - shares.T) @ keys + 3.0 * change @ usual.matrix.double()
    assert slope.norm() < 1e-4 * (shares.T @ keys).norm()


def test_what_is_kept_weighs_more_the_more_edits_there_are():
    usual, _ = moment()
    torch.manual_seed(1)
    keys, shares = torch.randn(5, D_FF).double(), torch.randn(5, 8).double()
    named, unnamed = MemitSolver(MemitSettings(preserving=1.5), {0: usual}), MemitSolver(MemitSettings(), {0: usual})
    assert torch.equal(unnamed.change(0, keys, shares), named.change(0, keys, shares))


def test_the_projector_is_idempotent_and_orthogonal_to_usual_keys():
    usual, used = moment(rank=50)
    space = null_space(usual, AlphaEditSettings(unused=1e-3))
    projector = space @ space.T
    assert space.shape[1] == D_FF - 50
    torch.testing.assert_close(projector @ projector, projector)
    assert (projector @ used).abs().max() < 1e-5
    absolute = null_space(usual, AlphaEditSettings(threshold="absolute", unused=0.02))
    torch.testing.assert_close(absolute @ absolute.T, projector)
    louder = null_space(SecondMoment(1e4 * usual.matrix, 1_000), AlphaEditSettings(unused=1e-3))
    torch.testing.assert_close(louder @ louder.T, projector)


def test_alphaedit_solves_its_equation_and_leaves_usual_and_earlier_keys_alone():
    usual, used = moment(rank=50)
    solver = AlphaEditSolver(AlphaEditSettings(unused=1e-3, threshold="share", ridge=1e-6), {0: usual})
    torch.manual_seed(1)
    earlier, keys, shares = torch.randn(4, D_FF).double(), torch.randn(5, D_FF).double(), torch.randn(5, 8).double()
    solver.learnt(0, earlier)
    change = solver.change(0, keys, shares)
    space = null_space(usual, AlphaEditSettings(unused=1e-3))
    projector, ridge = space @ space.T, 1e-6 * usual.matrix.double().trace()
    left = projector @ (keys.T @ keys + earlier.T @ earlier) + ridge * torch.eye(D_FF)
    torch.testing.assert_close(change.T, torch.linalg.solve(left, projector @ keys.T @ shares))
    assert (change @ used).abs().max() < 1e-4 * change.abs().max()
    torch.testing.assert_close(change @ keys.T, shares.T, rtol=1e-3, atol=1e-3)
    assert (change @ earlier.T).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (AlphaEditSettings(unused=0.0), "nowhere to write: raise"),
        (AlphaEditSettings(threshold="absolute", unused=100.0), "nothing that is kept: lower"),
    ],
)
def test_a_null_space_of_nothing_or_of_everything_is_refused_in_a_sentence(settings, told):
    with pytest.raises(EditError, match=f"directions of layer 0's keys .* {told} “unused below”"):
        AlphaEditSolver(settings, {0: moment()[0]})


def test_alphaedit_counts_the_null_space_and_the_keys_met_of_every_layer():
    model = tiny_model()
    alphaedit, memit = (
        editor.memory(model, EDITS.edits)
        for editor in (
            AlphaEditEditor(AlphaEditSettings(layer=2, layers=3)),
            MemitEditor(MemitSettings(layer=2, layers=3)),
        )
    )
    assert alphaedit - memit == 3 * 2 * 8 * D_FF**2


def test_without_a_ridge_there_is_no_one_solution():
    with pytest.raises(SettingError, match="ridge"):
        AlphaEditSettings(ridge=0.0)


def test_the_rank_of_the_null_space_is_told(tmp_path):
    pack = fit("alphaedit", tiny_model(), quick_settings("alphaedit", text(tmp_path)))
    assert {layer: size for layer, (_, size) in pack.figures["null space"].items()} == {"1": D_FF, "2": D_FF}
    assert all(0 < rank < D_FF for rank, _ in pack.figures["null space"].values())


@pytest.mark.parametrize("name", ["memit", "alphaedit"])
def test_solving_again_without_an_edit_is_learning_without_it(name, tmp_path):
    # Felt at the one place alone, and in the first round, an edit's z hangs on no other edit of its batch.
    model, settings = tiny_model(), quick_settings(name, text(tmp_path), values__reach="subject", rounds=1)
    every = fit(name, model, settings)
    fewer = EditSet("four", tuple(edit for edit in EDITS.edits if edit.id != "e1"))
    learnt, solved = fit(name, model, settings, fewer), every.without(frozenset({"e1"}), model)
    torch.testing.assert_close(solved.tensors[TARGETS][TARGET], learnt.tensors[TARGETS][TARGET], rtol=1e-4, atol=1e-5)
    for key, change in learnt.changes().items():
        assert (solved.changes()[key] - change).norm() < 1e-3 * change.norm()
        assert (every.changes()[key] - change).norm() > 1e-2 * change.norm()


def test_batches_are_written_one_after_the_other_and_solved_again_so(tmp_path):
    model = tiny_model()
    settings = quick_settings("alphaedit", text(tmp_path), batch=2)
    pack = fit("alphaedit", model, settings)
    assert pack.batches() == [("e0", "e1"), ("e2", "e3"), ("e4",)]
    assert pack.tensors[MET]["1"].shape == (5, D_FF)
    without = pack.without(frozenset({"e4"}), model)
    assert without.batches() == [("e0", "e1"), ("e2", "e3")]
    torch.testing.assert_close(without.tensors[MET]["2"], pack.tensors[MET]["2"][:4])
    again = pack.without(frozenset(), model)
    for key, change in pack.changes().items():
        torch.testing.assert_close(again.changes()[key], change, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["memit", "alphaedit"])
def test_what_was_learnt_with_one_seed_is_solved_again_as_it_was_when_gone_on_from_with_another(name, tmp_path):
    model, settings = tiny_model(), quick_settings(name, text(tmp_path), values__reach="subject", rounds=1)
    first = fit(name, model, settings, some(3))
    grown = fit(name, model, settings, EDITS, start=first, seed=1)
    assert grown.contexts == first.contexts
    again = grown.without(frozenset({"e3", "e4"}), model)
    for key, change in first.changes().items():
        torch.testing.assert_close(again.changes()[key], change, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["memit", "alphaedit"])
def test_a_fit_that_was_stopped_goes_on_to_the_same_bytes(name, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.editors.target_values.TOKENS_AT_ONCE", 200)  # several groups a batch
    model, settings = tiny_model(), quick_settings(name, text(tmp_path), batch=3, rounds=2)
    whole = fit(name, model, settings).mark()

    class StopAfter(Checkpoints):
        saved = 0

        def save(self, *given, **more):
            path = super().save(*given, **more)
            StopAfter.saved += 1
            if StopAfter.saved % 2 == 0:
                cancel.set()
            return path

    monkeypatch.setattr("engine.editors.weights.Checkpoints", StopAfter)
    stops = 0
    while True:
        cancel = Cancel()
        try:
            pack = fit(name, model, settings, cancel=cancel, run=tmp_path / "run")
        except Cancelled:
            stops += 1
        else:
            break
    assert stops > 1
    assert pack.mark() == whole


def test_nothing_is_taken_back_where_the_statistics_are_gone(tmp_path, monkeypatch):
    model = tiny_model()
    pack = fit("memit", model, quick_settings("memit", text(tmp_path)))
    edited = pack.attach(model)
    monkeypatch.setenv("MEG_STUDIO_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(EditError, match=r"statistics .* are no longer kept on this computer"):
        edited.disable(["e1"])
    edited.detach()


def test_the_usual_layers_go_by_the_depth():
    model = tiny_model()
    count = len(model.layers)
    assert usual_layers(model, "subject", 5) == range(1)
    assert usual_layers(model, "question", 5) == range(max(0, count - 4), count - 1)
    assert usual_layers(model, "question", D_FF + 1) == range(max(0, count - 5), count - 1)


def test_values_of_many_edits_are_those_of_each_alone(tmp_path, monkeypatch):
    model, settings = tiny_model(), quick_settings("memit", text(tmp_path))
    together = fit("memit", model, settings).tensors[TARGETS][TARGET]
    monkeypatch.setattr("engine.editors.target_values.TOKENS_AT_ONCE", 1)
    apart = fit("memit", model, settings).tensors[TARGETS][TARGET]
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["memit", "alphaedit"])
def test_the_embedded_model_answers_several_edits_at_once_and_little_else_changes(name, model):
    edits = sample_edits(6)
    settings = with_values(EDITORS[name].presets["balanced"][1](), {"statistics.tokens": 20_000, "values.steps": 20})
    edited = fit(name, model, settings, edits).attach(model)
    answers = edited.answer([edit.prompt for edit in edits.edits], originals=False)
    right = [is_answer(answer.edited, edit.new_object) for answer, edit in zip(answers, edits.edits, strict=True)]
    probes = [probe.prompt for edit in edits.edits for probe in edit.probes if probe.kind is ProbeKind.NEIGHBOUR]
    kept = [is_answer(answer.edited, answer.original) for answer in edited.answer(probes)]
    edited.detach()
    assert sum(right) == 6
    assert sum(kept) >= 0.8 * len(kept)
