"""A frozen model in bfloat16, as on a GPU: neurons, gate and generator stay in float32 and answer as they should."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.language_model import LanguageModel, load
from engine.meg import gate_training
from engine.meg.collection import CollectionSettings, Lesson, collect
from engine.packs import load_pack
from engine.runs import Cancel
from tests.engine.quick import fit, quick_settings, sample_edits
from tests.tiny_models import CONFIGS, tiny_model

FAR = ["The weather tomorrow", "Two and two"]


@pytest.fixture(scope="module")
def half() -> LanguageModel:
    """The embedded model in bfloat16."""
    return load("embedded", device="cpu", dtype="bfloat16")


def test_a_training_from_edits_to_answers(
    half: LanguageModel, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_training, "EPISODE", 32)
    edits = sample_edits(6)
    before = half.answer(FAR)
    pack = fit(half, edits, quick_settings(encoder), run=tmp_path / "run")
    assert pack.figures["not learnt"] == []
    pack.save(tmp_path / "pack")
    edited = load_pack(tmp_path / "pack").attach(half)
    prompts = [edit.prompt for edit in edits.edits]
    answers = edited.answer([*prompts, *FAR])
    assert [answer.edited for answer in answers] == [*(edit.new_object for edit in edits.edits), *before]
    assert edited.teacher_forced(prompts, [edit.new_object for edit in edits.edits]) == [1.0] * 6
    assert edited.next_tokens(prompts[0]).edited != edited.next_tokens(prompts[0]).original
    batch = half.encode(prompts)
    written = edited.generate(batch.input_ids, batch.attention_mask, max_new_tokens=4)
    assert len(written) == 6
    edited.detach()
    assert half.answer(FAR) == before


@pytest.mark.parametrize("name", CONFIGS)
def test_every_kind_of_block_is_collected_for(name: str) -> None:
    model = tiny_model(name)
    model.model.to(torch.bfloat16)
    lessons = [Lesson(("Ada is", "She is"), "a", (("Bob is", "b"),)), Lesson(("Eve is",), "e", (("Dan is", "d"),))]
    losses: list[float] = []
    found = collect(
        model,
        2,
        lessons,
        CollectionSettings(steps=10),
        cancel=Cancel(),
        report=lambda _, loss: losses.append(loss),
    )
    assert found.neurons.dtype == torch.float32
    assert found.neurons.isfinite().all()
    assert losses[-1] < losses[0]
