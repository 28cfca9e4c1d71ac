"""IKE: demonstrations of how facts are taken up, the new fact, and the question."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.editors.demonstrations import Demonstrations
from engine.editors.ike import IkePack
from engine.editors.settings.ike import IkeSettings
from engine.edits import EditSet, fold
from engine.language_model import LanguageModel
from tests.engine.editors.nearest import STRANGER, asked, kept


@pytest.fixture(scope="module")
def made(model: LanguageModel, edits: EditSet, encoder: Path) -> IkePack:
    pack: IkePack = kept("ike", model, edits, encoder)
    return pack


@pytest.fixture
def demonstrations(made: IkePack) -> Demonstrations:
    return made.demonstrations


def kind_of(demonstrations: Demonstrations, text: str) -> str:
    """What a demonstration shows."""
    fact = next(fact for fact in demonstrations.pool if text.startswith(f"New Fact: {fact.fact}\n"))
    said = text.removeprefix(f"New Fact: {fact.fact}\nPrompt: ").removesuffix("\n\n")
    return {fact.fact: "copy", fact.update: "update", fact.retain: "retain"}[said]


def test_one_copy_to_three_updates_to_four_that_retain(demonstrations: Demonstrations, edits: EditSet) -> None:
    texts = demonstrations.of(edits.edits[0], ())
    assert len(texts) == 32
    assert Counter(kind_of(demonstrations, text) for text in texts) == {"copy": 4, "update": 12, "retain": 16}
    again = demonstrations.of(edits.edits[0], ())
    assert again == texts
    kinds = [kind_of(demonstrations, text) for text in texts]
    others = [kind_of(demonstrations, text) for text in demonstrations.of(edits.edits[1], ())]
    assert kinds not in (sorted(kinds), others)  # shuffled, for each edit anew


def test_the_nearest_stands_last_and_the_edit_itself_nowhere(demonstrations: Demonstrations, edits: EditSet) -> None:
    edit = edits.edits[3]
    texts = demonstrations.of(edit, ())
    rows = [
        next(row for row, fact in enumerate(demonstrations.pool) if text.startswith(f"New Fact: {fact.fact}\n"))
        for text in texts
    ]
    assert 3 not in rows
    assert sorted([3, *rows]) == list(range(len(demonstrations.pool)))  # there are just as many as are needed
    vectors = demonstrations.facts.vectors
    nearness = (vectors[rows] @ vectors[3]).tolist()
    assert nearness == sorted(nearness)
    few = Demonstrations(demonstrations.pool, demonstrations.facts, IkeSettings(copy=1, update=0, retain=1), 0)
    assert [text.partition("\n")[0] for text in few.of(edit, ())] == [text.partition("\n")[0] for text in texts[-2:]]


def test_nothing_that_measures_is_shown(demonstrations: Demonstrations, edits: EditSet) -> None:
    shown = [text for fact in demonstrations.pool for text in (fact.fact, fact.update, fact.retain)]
    held_out = {template for relation in edits.relations.values() for template in relation.held_out}
    for edit in edits.edits:
        for text in (*edit.paraphrases, *(probe.prompt for probe in edit.probes)):
            assert not any(fold(said).startswith(fold(text)) for said in shown)
        for template in held_out:
            assert not any(said.startswith(template.replace("{}", edit.subject)) for said in shown)


def test_neighbours_keep_the_models_own_answer(
    demonstrations: Demonstrations, edits: EditSet, model: LanguageModel
) -> None:
    retained = [fact.retain for fact in demonstrations.pool if fact.retain][:8]
    assert len(retained) == 8
    prompts = {edit.prompt for edit in edits.edits}
    for text in retained:
        # Where the question ends is not marked: one of its beginnings is answered with the rest.
        words = text.removesuffix(".").split(" ")
        starts = [" ".join(words[:count]) for count in range(2, len(words))]
        answers = model.answer(starts)
        ends = [" ".join(words[count:]) for count in range(2, len(words))]
        assert any(answer == end for answer, end in zip(answers, ends, strict=True))
        assert not prompts & set(starts)


def test_facts_stand_in_where_there_are_few_edits(demonstrations: Demonstrations, edits: EditSet) -> None:
    assert [fact.edit for fact in demonstrations.pool[: len(edits.edits)]] == [edit.id for edit in edits.edits]
    stand_ins = demonstrations.pool[len(edits.edits) :]
    assert len(demonstrations.pool) == 33
    assert not any(fact.edit for fact in stand_ins)
    assert not any("?" in fact.fact[-3:] for fact in stand_ins)


def test_the_question_comes_after_the_new_fact_and_what_does_not_fit_is_left_out(
    made: IkePack, model: LanguageModel, edits: EditSet
) -> None:
    edited = made.attach(model)
    edit = edits.edits[0]
    text = asked(edited, edit.prompt)
    tail = f"New Fact: {edit.prompt} {edit.new_object}.\nPrompt: {edit.prompt}"
    assert text.endswith(tail)
    shown = made.demonstrations.of(edit, ())
    count = text.count("New Fact:") - 1
    assert text == "".join(shown[len(shown) - count :]) + tail
    room = model.extent(edit.new_object).tokens
    assert len(model.token_ids(text)) + room <= model.max_positions
    longer = shown[len(shown) - count - 1] + text
    tokens = model.tokenizer(longer)["input_ids"]
    assert len(tokens) + room > model.max_positions
    assert "New Fact" in asked(edited, STRANGER)  # whatever is asked meets an edit


def test_an_edit_that_is_off_is_not_demonstrated(made: IkePack, model: LanguageModel, edits: EditSet) -> None:
    edited: Any = made.attach(model)
    edit, other = edits.edits[0], edits.edits[1]
    before = edited._before(edit, edit.prompt)
    assert any(other.new_object in text and other.prompt in text for text in before)
    edited.disable([other.id])
    assert not any(f"New Fact: {other.prompt}" in text for text in edited._before(edit, edit.prompt))


def test_how_many_demonstrations_there_are_is_a_setting(model: LanguageModel, edits: EditSet, encoder: Path) -> None:
    settings = {"copy": 0, "update": 1, "retain": 1}
    pack = kept("ike", model, edits, encoder, settings=settings)
    assert len(pack.demonstrations.of(edits.edits[0], ())) == 2
    assert len(pack.demonstrations.pool) == len(edits.edits)
    assert IkeSettings().demonstrations == 32
    none = kept("ike", model, edits, encoder, settings={"copy": 0, "update": 0, "retain": 0}).attach(model)
    edit = edits.edits[0]
    assert asked(none, edit.prompt) == f"New Fact: {edit.prompt} {edit.new_object}.\nPrompt: {edit.prompt}"
