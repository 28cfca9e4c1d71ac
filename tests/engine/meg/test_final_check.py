"""The last stage of a training, with real neurons and a generator that knows the prompts alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from engine.edits import EditSet
from engine.language_model import LanguageModel
from engine.meg.curriculum import Curriculum
from engine.meg.final_check import FinalCheck
from engine.meg.pack import MegPack
from engine.meg.stored import StoredNeurons
from engine.neuron import attached
from engine.runs import Cancel, Cancelled


class KnowsPromptsAlone(StoredNeurons):
    """The collected neurons for who asks in a prompt's own words, and neurons that do nothing for all others."""

    def generate(self, z, anchors):
        found = super().generate(z, anchors)
        return torch.where(torch.isclose(z, anchors, atol=1e-4).all(1, keepdim=True), found, 0)


@pytest.fixture
def phrasings(edits: EditSet):
    """Another phrasing of each edit, by row."""
    curriculum = Curriculum(edits, seed=0)
    return [(row, curriculum.asks(edit)[1]) for row, edit in enumerate(edits.edits)]


@pytest.fixture
def check(model: LanguageModel, pack: MegPack, edits: EditSet):
    with attached(model.blocks[pack.layer]) as slot:
        yield lambda cancel=None, told=None: FinalCheck(
            model,
            slot,
            pack.gate,
            edits.edits,
            cancel or Cancel(),
            lambda *so_far: None if told is None else told.append(so_far),
        )


def test_edits_that_are_missed_in_other_words_keep_their_neurons(check, pack, edits, phrasings) -> None:
    prompts, found = pack.gate.index.prompts, pack.collected
    held = StoredNeurons(prompts, found.neurons)
    poor = KnowsPromptsAlone(prompts, found.neurons)
    told: list[tuple[int, int, float]] = []

    by_stored = check()._wrong(held, phrasings)
    can_be_answered = {row for row, query in phrasings if (row, query) not in by_stored}
    assert can_be_answered, "the gate of this training lets no other phrasing through"

    checked = check(told=told).run(poor, found, phrasings, keep_missed=True)
    assert set(checked.kept) == can_be_answered
    assert checked.unanswered == ()
    assert told[-1] == (2 * len(edits.edits), 2 * len(edits.edits), 1.0)

    assert check().run(poor, found, phrasings, keep_missed=False).kept == ()
    assert check().run(held, found, phrasings, keep_missed=True).kept == ()


def test_an_edit_with_more_neurons_keeps_them_and_one_that_they_do_not_help_is_named(check, pack) -> None:
    prompts, found = pack.gate.index.prompts, pack.collected
    nothing = torch.zeros_like(found.neurons)
    larger = {1: torch.cat([found.neurons[1], found.neurons[1] * 0]), 2: torch.zeros(2 * found.neurons.shape[1])}
    checked = check().run(StoredNeurons(prompts, nothing), replace(found, larger=larger), (), keep_missed=False)
    assert checked.kept == (1,)
    assert 2 in checked.unanswered
    assert 1 not in checked.unanswered


def test_it_can_be_stopped(check, pack) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        check(cancel).run(pack.generator, pack.collected, (), keep_missed=True)
