"""What is drawn to measure on: nothing that is measured is taught."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from assets import catalogue
from engine.benchmark.draw import draw_edits, draw_records
from engine.edits import EditError, EditSet, ProbeKind, fill, find_conflicts, fold
from engine.formats.source import FormatError
from engine.meg.curriculum import Curriculum


@pytest.fixture(scope="module")
def drawn() -> EditSet:
    return draw_edits(300, 3)


def asked() -> dict[str, set[tuple[str, str]]]:
    """By query in a held-out phrasing, the facts that it may ask for."""
    questions = defaultdict(set)
    for subject in {fact.subject for fact in catalogue.facts()}:
        folded = fold(subject)
        for relation in catalogue.relations().values():
            for template in relation.held_out:
                questions[template.replace("{}", subject)].add((folded, relation.id))
    return questions


@pytest.fixture(scope="module")
def questions() -> dict[str, set[tuple[str, str]]]:
    return asked()


def test_the_seed_decides(drawn: EditSet) -> None:
    assert draw_edits(300, 3) == drawn
    assert draw_edits(300, 4).edits != drawn.edits
    assert len(drawn.edits) == 300


def test_edits_are_known_facts_with_an_object_that_is_not_true(drawn: EditSet) -> None:
    known = {(fact.subject, fact.relation): fact for fact in catalogue.facts() if fact.known}
    objects = defaultdict(set)
    for fact in catalogue.facts():
        objects[fact.relation].add(fact.object)
    for edit in drawn.edits:
        fact = known[edit.subject, edit.relation]
        assert edit.original_answer == fact.object
        assert fold(edit.new_object) != fold(fact.object)
        assert edit.new_object in objects[edit.relation]
        assert edit.prompt == fill(drawn.relations[edit.relation].phrasings[0], edit.subject)
    assert find_conflicts(drawn.edits) == []


def test_paraphrases_are_held_out_phrasings(drawn: EditSet) -> None:
    for edit in drawn.edits:
        held_out = {fill(template, edit.subject) for template in drawn.relations[edit.relation].held_out}
        assert len(set(edit.paraphrases)) == 2
        assert set(edit.paraphrases) <= held_out
    assert all(len(edit.paraphrases) == 4 for edit in draw_edits(5, 0, paraphrases=9).edits)


def test_no_probe_asks_for_an_edited_fact(drawn: EditSet, questions: dict[str, set[tuple[str, str]]]) -> None:
    edited = {(fold(edit.subject), edit.relation) for edit in drawn.edits}
    for edit in drawn.edits:
        for probe in edit.probes:
            facts = questions[probe.prompt]
            assert facts
            assert not facts & edited


def test_every_kind_of_probe(drawn: EditSet, questions: dict[str, set[tuple[str, str]]]) -> None:
    for edit in drawn.edits:
        kinds = [probe.kind for probe in edit.probes]
        assert kinds.count(ProbeKind.NEIGHBOUR) == 2
        assert kinds.count(ProbeKind.SAME_SUBJECT) in (1, 2)
        assert kinds.count(ProbeKind.FAR) == 1
        for probe in edit.probes:
            subject, relation = fold(edit.subject), edit.relation
            facts = questions[probe.prompt]
            match probe.kind:
                case ProbeKind.NEIGHBOUR:
                    assert any(of == relation and who != subject for who, of in facts)
                case ProbeKind.SAME_SUBJECT:
                    assert any(of != relation and who == subject for who, of in facts)
                case ProbeKind.FAR:
                    assert any(of != relation for _, of in facts)


def test_nothing_measured_is_trained_on(drawn: EditSet) -> None:
    curriculum = Curriculum(drawn, 0)
    measured = {text for edit in drawn.edits for text in (*edit.paraphrases, *(probe.prompt for probe in edit.probes))}
    known = curriculum.phrasings.known()
    taught = {text for edit in drawn.edits for text in (*curriculum.asks(edit), *curriculum.calibration_asks(edit))}
    taught |= {stranger.query for stranger in curriculum.strangers(drawn.edits, known)}
    taught |= {fill(template, subject) for subject, relation in curriculum.facts for template in known[relation]}
    assert not {fold(text) for text in measured} & {fold(text) for text in taught}


def test_so_many_edits_that_little_is_left() -> None:
    many = draw_edits(12_000, 0, paraphrases=1)
    edited = {(fold(edit.subject), edit.relation) for edit in many.edits}
    assert len(edited) == 12_000
    assert all({probe.kind for probe in edit.probes} == set(ProbeKind) for edit in many.edits)


@pytest.mark.parametrize("count", [0, 20_000])
def test_what_cannot_be_drawn(count: int) -> None:
    with pytest.raises(EditError, match="cannot be drawn"):
        draw_edits(count, 0)


class TestRecords:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        records = [
            {
                "case_id": number,
                "requested_rewrite": {
                    "prompt": "{} lies in",
                    "relation_id": "P17",
                    "subject": f"Town {number}",
                    "target_new": {"str": "Peru", "id": "Q1"},
                    "target_true": {"str": "Chad", "id": "Q2"},
                },
                "paraphrase_prompts": [f"Where lies Town {number}? In"],
                "neighborhood_prompts": ["Oslo lies in"],
                "generation_prompts": [],
                "attribute_prompts": [],
            }
            for number in range(6)
        ]
        path = tmp_path / "counterfact.json"
        path.write_text(json.dumps(records))
        return path

    def test_some_of_them_by_seed(self, file: Path) -> None:
        drawn = draw_records(file, "counterfact", 3, 0)
        assert len({edit.id for edit in drawn.edits}) == 3
        assert drawn == draw_records(file, "counterfact", 3, 0)
        assert any(draw_records(file, "counterfact", 3, seed).edits != drawn.edits for seed in range(1, 4))

    def test_too_few_and_none(self, file: Path, tmp_path: Path) -> None:
        with pytest.raises(EditError, match="it holds 6"):
            draw_records(file, "counterfact", 7, 0)
        with pytest.raises(FormatError, match="There is no file"):
            draw_records(tmp_path / "missing.json", "counterfact", 3, 0)
