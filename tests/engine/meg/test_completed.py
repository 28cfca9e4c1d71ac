"""A generator whose missed edits keep their neurons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from engine.edits import EditSet
from engine.language_model import LanguageModel
from engine.meg.collection import Collected
from engine.meg.completed import completed
from engine.meg.stored import StoredNeurons
from engine.packs import load_pack
from tests.engine.quick import GENERATOR, fit, quick_settings

PROMPTS = torch.nn.functional.normalize(torch.randn(5, 16, generator=torch.Generator().manual_seed(0)), dim=1)
FOUND = torch.arange(15.0).view(5, 3)
MADE = StoredNeurons(PROMPTS, -FOUND)
COLLECTED = Collected(FOUND, torch.zeros(5), torch.ones(5, dtype=torch.bool))


def test_edits_that_are_kept_get_their_own_neuron_and_no_other_edit_does() -> None:
    source = completed(MADE, PROMPTS, COLLECTED, [1, 4])
    order = torch.tensor([4, 0, 1, 2, 3, 1])
    asked = PROMPTS[order]
    wanted = torch.stack([FOUND[row] if row in (1, 4) else -FOUND[row] for row in order.tolist()])
    assert torch.equal(source.generate(asked, asked), wanted)
    # The query's own vector does not matter: the gate has said which edit it is about.
    assert torch.equal(source.to(torch.device("cpu")).generate(asked.flip(0), asked), wanted)


def test_a_prompt_that_is_almost_that_of_a_kept_edit_is_another_edit() -> None:
    near = torch.nn.functional.normalize(PROMPTS[1:2] + 1e-4, dim=1)
    assert torch.equal(completed(MADE, PROMPTS, COLLECTED, [1]).generate(near, near), -FOUND[1:2])


def test_an_edit_with_more_neurons_gets_all_of_them_and_the_others_are_filled_up_with_nothing() -> None:
    larger = {1: torch.arange(12.0), 2: torch.arange(6.0)}
    source = completed(MADE, PROMPTS, Collected(FOUND, COLLECTED.losses, COLLECTED.answered, larger), [1, 2, 4])
    made = source.generate(PROMPTS, PROMPTS)
    assert made.shape == (5, 12)
    for row, own in enumerate((-FOUND[0], larger[1], larger[2], -FOUND[3], FOUND[4])):
        assert torch.equal(made[row, : len(own)], own)
        assert not made[row, len(own) :].any()
    assert torch.equal(source.generate(PROMPTS[[0, 3]], PROMPTS[[0, 3]]), -FOUND[[0, 3]])


def test_with_nothing_to_keep_it_is_the_generator_itself() -> None:
    assert completed(MADE, PROMPTS, COLLECTED, []) is MADE


def test_what_a_generator_misses_is_answered_by_the_neurons_that_were_found(
    model: LanguageModel, encoder: Path, edits: EditSet, tmp_path: Path
) -> None:
    untrained = replace(GENERATOR, steps=1)
    pack = fit(model, edits, quick_settings(encoder, generator=untrained))
    assert len(pack.kept) == pack.figures["kept"] > len(edits.edits) // 2
    assert pack.figures["answered"] == 1
    pack.save(tmp_path / "pack")
    edited = load_pack(tmp_path / "pack").attach(model)
    try:
        answers = edited.answer([edit.prompt for edit in edits.edits], originals=False)
    finally:
        edited.detach()
    assert all(answer.edited.startswith(edit.new_object) for answer, edit in zip(answers, edits.edits, strict=True))
    alone = fit(model, edits, quick_settings(encoder, generator=replace(untrained, keep_missed=False)))
    assert alone.kept == ()
    assert set(alone.figures["not answered"]) == set(pack.kept)
