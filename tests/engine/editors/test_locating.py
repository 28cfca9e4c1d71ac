"""What ROME, MEMIT and AlphaEdit have in common: what they refuse, resume, keep and give back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from engine.editor import EditedModel
from engine.editors.registry import EDITORS, make_editor
from engine.edits import Edit, EditError, EditSet
from engine.packs import load_pack
from engine.runs import Cancel, Cancelled, ProgressBoard
from tests.engine.editors.locating import EDITS, fit, quick_settings, some, text
from tests.tiny_models import tiny_model

NAMES = ("rome", "memit", "alphaedit")
pytestmark = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def corpus(tmp_path):
    return text(tmp_path)


def state_of(model):
    return {key: value.clone() for key, value in model.model.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def files(pack, folder: Path):
    pack.save(folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_original_weights_come_back_bit_for_bit(name, corpus):
    for kind in ("gpt2", "llama"):
        model = tiny_model(kind)
        before = state_of(model)
        pack = fit(name, model, quick_settings(name, corpus))
        assert same(before, state_of(model))
        edited = pack.attach(model)
        assert isinstance(edited, EditedModel)
        assert not same(before, state_of(model))
        edited.disable(["e1"])
        edited.disable(["e3", "of no edit"])
        edited.detach()
        assert same(before, state_of(model))


def test_an_edit_goes_off_and_on_again(name, corpus):
    model = tiny_model()
    edited = fit(name, model, quick_settings(name, corpus)).attach(model)
    every = state_of(model)
    edited.disable(["e2"])
    fewer = state_of(model)
    assert not same(every, fewer)
    edited.disable(["e0"])
    edited.enable(["e0"])
    assert same(fewer, state_of(model))
    edited.enable(["e2"])
    assert same(every, state_of(model))


def test_the_same_seed_gives_the_same_pack_and_it_is_read_as_it_was_written(name, corpus, tmp_path):
    model, settings = tiny_model("gpt2"), quick_settings(name, corpus)
    pack = fit(name, model, settings)
    written = files(pack, tmp_path / "one")
    assert written == files(fit(name, model, settings), tmp_path / "two")
    again = load_pack(tmp_path / "one")
    assert files(again, tmp_path / "three") == written
    edited = again.attach(model)
    read = state_of(model)
    edited.disable(["e1"])
    fewer = state_of(model)
    edited.detach()
    edited = pack.attach(model)
    assert same(state_of(model), read)
    edited.disable(["e1"])
    assert same(state_of(model), fewer)
    edited.detach()


def test_what_was_stopped_goes_on_where_it_was(name, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.editors.rome.KEEP_EVERY", 1)
    monkeypatch.setattr("engine.editors.target_values.TOKENS_AT_ONCE", 1)  # an edit a group
    model, settings = tiny_model(), quick_settings(name, corpus)
    whole = files(fit(name, model, settings), tmp_path / "whole")

    class Stop(ProgressBoard):
        def mark(self, stage, step):
            super().mark(stage, step)
            if step == 3:
                cancel.set()

    cancel = Cancel()
    before = state_of(model)
    with pytest.raises(Cancelled):
        fit(name, model, settings, cancel=cancel, board=Stop(), run=tmp_path / "run")
    assert same(before, state_of(model))
    marks = []

    class Watch(ProgressBoard):
        def mark(self, stage, step):
            marks.append(step)

    resumed = fit(name, model, settings, board=Watch(), run=tmp_path / "run")
    assert marks == list(range(4, 1 + len(EDITS.edits) * (2 if hasattr(settings, "rounds") else 1)))
    assert files(resumed, tmp_path / "resumed") == whole


def test_a_stop_is_heard_at_once(name, corpus):
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        fit(name, tiny_model(), quick_settings(name, corpus), cancel=cancel)


def test_new_edits_are_learnt_on_top_of_a_pack(name, corpus):
    model, settings = tiny_model(), quick_settings(name, corpus)
    first = fit(name, model, settings, some(3))
    grown = fit(name, model, settings, EDITS, start=first)
    assert grown.learnt() == {edit.id for edit in EDITS.edits}
    edited = grown.attach(model)
    both = state_of(model)
    edited.disable(["e3", "e4"])
    fewer = state_of(model)
    edited.detach()
    edited = first.attach(model)
    for key, value in state_of(model).items():
        torch.testing.assert_close(fewer[key], value, rtol=1e-3, atol=1e-6)
    assert not same(both, state_of(model))
    edited.detach()


def test_an_edit_that_is_gone_is_taken_out_of_what_is_gone_on_from(name, corpus):
    model, settings = tiny_model(), quick_settings(name, corpus)
    first = fit(name, model, settings, some(3))
    left = fit(name, model, settings, EditSet("two", EDITS.edits[:2]), start=first)
    assert left.learnt() == {"e0", "e1"}
    changes = first.without(frozenset({"e2"}), model).changes()
    assert all(torch.equal(change, changes[key]) for key, change in left.changes().items())


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (Edit("e9", "The river of Oslo is", "x"), "Edit e9 .* has no subject"),
        (Edit("e9", "The river of Oslo is", "x", "Bergen"), "does not contain its subject “Bergen”"),
        (
            Edit("e9", "The river of Oslo is", "Akerselva", "Oslo", original_answer="Akerselva."),
            "e9 .* which is the original answer",
        ),
    ],
)
def test_what_cannot_be_located_is_refused_in_a_sentence(name, edit, told):
    board = ProgressBoard()
    with pytest.raises(EditError, match=told):
        fit(name, tiny_model(), quick_settings(name, ""), EditSet("bad", (*EDITS.edits, edit)), board=board)
    assert not board.stages()


def test_a_layer_that_is_not_there_is_refused_in_a_sentence(name, corpus):
    with pytest.raises(EditError, match=r"(does not|do not all) exist: this model has layers 0 to 3, choose"):
        fit(name, tiny_model(), quick_settings(name, corpus, layer=4))
    if name != "rome":
        with pytest.raises(EditError, match="Layers -1 to 2 do not all exist"):
            fit(name, tiny_model(), quick_settings(name, corpus, layers=4))


def test_too_little_memory_is_told_before_it_starts(name, corpus, monkeypatch):
    monkeypatch.setattr("engine.editors.learnable.free_memory", lambda _: 1_000)
    with pytest.raises(EditError, match=f"{EDITORS[name].title} needs about"):
        fit(name, tiny_model(), quick_settings(name, corpus))


def test_an_empty_corpus_is_refused_in_a_sentence(name, tmp_path):
    (tmp_path / "nothing.txt").write_text("\n")
    with pytest.raises(EditError, match="holds no text"):
        fit(name, tiny_model(), quick_settings(name, str(tmp_path / "nothing.txt")))


def test_changes_that_run_away_stop_it_with_a_sentence(name, corpus):
    model = tiny_model()
    before = state_of(model)
    with pytest.raises(EditError, match="Editing was stopped at edit e"):
        fit(name, model, quick_settings(name, corpus, growth=1e-6))
    assert same(before, state_of(model))


def test_it_says_what_it_needs_and_where_its_text_is_from(name, corpus):
    editor = make_editor(name, quick_settings(name, corpus))
    assert any("subject" in line for line in editor.requirements())
    assert any("writes the text itself" in line for line in editor.requirements())
    assert fit(name, tiny_model(), quick_settings(name, corpus), some(1)).figures["corpus"] == "file"
    assert fit(name, tiny_model(), quick_settings(name, ""), some(1)).figures["corpus"] == "own words"


def test_settings_go_through_json(name):
    kind = EDITORS[name]
    for _, make in kind.presets.values():
        settings = make()
        assert kind.restore(json.loads(json.dumps(dataclasses.asdict(settings)))) == settings
