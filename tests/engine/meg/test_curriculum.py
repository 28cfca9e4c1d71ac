from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from assets import catalogue
from engine.edits import Edit, EditSet, Probe, ProbeKind, Relation, fill
from engine.meg.curriculum import SENTENCE, Curriculum, split_phrasings


@pytest.fixture(scope="module")
def edit_set():
    relation = catalogue.relations()["P19"]
    subjects = [fact.subject for fact in catalogue.facts() if fact.relation == "P19"][:20]
    edits = tuple(
        Edit(
            f"e{row}",
            fill(relation.phrasings[0], subject),
            "Oslo",
            subject,
            "P19",
            paraphrases=tuple(fill(text, subject) for text in relation.held_out),
            probes=(Probe(ProbeKind.NEIGHBOUR, fill(relation.phrasings[1], subjects[(row + 1) % 20])),),
        )
        for row, subject in enumerate(subjects[:10])
    )
    return EditSet("births", edits)


def every_query(curriculum):
    edits, phrasings = curriculum.edits, curriculum.phrasings
    asked = {text for edit in edits for text in (*curriculum.asks(edit), *curriculum.calibration_asks(edit))}
    strangers = [
        stranger.query
        for part in (phrasings.trained, phrasings.calibration)
        for _ in range(5)
        for stranger in curriculum.strangers(edits, part)
    ]
    return asked, strangers


def test_what_measures_is_never_taught(edit_set):
    asked, strangers = every_query(Curriculum(edit_set, 0))
    measured = {text for edit in edit_set.edits for text in (*edit.paraphrases, *(p.prompt for p in edit.probes))}
    assert not measured & (asked | set(strangers))
    held_out = {text for relation in catalogue.relations().values() for text in relation.held_out}
    tails = {template.replace("{}", "").strip() for template in held_out}
    subjects = {edit.subject for edit in edit_set.edits}
    for query in asked | set(strangers):
        for subject in subjects:
            if subject in query:
                assert query.replace(subject, "", 1).strip() not in tails


def test_a_stranger_asks_no_edit(edit_set):
    curriculum = Curriculum(edit_set, 0)
    asked, strangers = every_query(curriculum)
    assert len(strangers) > 100
    assert not asked & set(strangers)


def test_pseudo_edits_are_no_strangers_afterwards(edit_set):
    curriculum = Curriculum(edit_set, 0)
    pseudo = curriculum.pseudo_edits(3_000)
    said = {text for edit in pseudo for text in (*curriculum.asks(edit), *curriculum.calibration_asks(edit))}
    strangers = {s.query for s in curriculum.strangers(curriculum.edits, curriculum.phrasings.trained)}
    assert strangers
    assert not said & strangers


def test_the_same_seed_draws_the_same(edit_set):
    first, again, other = (every_query(Curriculum(edit_set, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first[1] != other[1]


def test_every_fourth_phrasing_calibrates_and_few_all_train():
    eight = Relation("r", "r", tuple(f"{{}} {n}" for n in range(8)))
    two = Relation("s", "s", ("{} a", "{} b"))
    split = split_phrasings({"r": eight, "s": two})
    assert split.calibration == {"r": ("{} 3", "{} 7"), "s": ()}
    assert len(split.trained["r"]) == 6
    assert split.trained["s"] == ("{} a", "{} b")


def test_free_prompts_have_their_prompt_alone():
    curriculum = Curriculum(EditSet("", (Edit("1", "The sky is", "green"),)), 0)
    (edit,) = curriculum.edits
    assert curriculum.asks(edit) == ("The sky is",)
    assert curriculum.calibration_asks(edit) == ()
    assert curriculum.same_subject(edit, curriculum.phrasings.trained) is None
    assert curriculum.neighbour(edit, curriculum.phrasings.trained) is None
    assert curriculum.far(curriculum.phrasings.trained)


def test_the_same_seed_draws_the_same_in_every_process():
    program = (
        "from assets import catalogue\n"
        "from engine.edits import Edit, EditSet\n"
        "from engine.meg.curriculum import Curriculum\n"
        "curriculum = Curriculum(EditSet('', (Edit('1', 'The sky is', 'green'),)), 7)\n"
        "edits = curriculum.pseudo_edits(400)\n"
        "for part in (curriculum.phrasings.trained, curriculum.phrasings.calibration):\n"
        "    for stranger in curriculum.strangers(edits, part): print(ascii(stranger.query))\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0].count(b"\n") > 1_000
    assert told[0] == told[1]


def test_a_swapped_subject_never_asks_another_edit():
    subjects = [fact.subject for fact in catalogue.facts() if fact.relation == "P19"][:12]
    own = Relation("own", "favourite dish", ("{} likes to eat", "The dish of {} is", "{} always orders"))
    edits = tuple(
        Edit(f"e{row}", fill(own.phrasings[0], subject), "soup", subject, "own") for row, subject in enumerate(subjects)
    )
    curriculum = Curriculum(EditSet("dishes", edits, {"own": own}), 0)
    prompts = {edit.prompt for edit in edits}
    # No phrasing of the relation is kept back, so that only the prompt itself can be turned into a stranger.
    made = [curriculum.neighbour(edit, curriculum.phrasings.calibration) for edit in edits for _ in range(20)]
    assert sum(query is not None for query in made) > 200
    assert not prompts & set(made)
    assert all(query is None or query.endswith("likes to eat") for query in made)


def test_a_prompt_that_nothing_else_is_known_of_is_asked_in_other_guises(edit_set):
    free = Edit("free", "Where did Ada Lovelace live?", "Oslo")
    mixed = EditSet("mixed", (*edit_set.edits, free))
    careless, after = Curriculum(mixed, 0).guises(free)
    assert careless == "where did ada lovelace live"
    sentence = after.removesuffix(f" {free.prompt}")
    assert sentence != after
    assert sentence.endswith(".")
    assert len(sentence) <= SENTENCE
    told = {fact.object for fact in catalogue.facts()}
    assert any(sentence.endswith(f" {known}.") for known in told)
    assert not any(edit.subject in sentence for edit in edit_set.edits)
    assert Curriculum(mixed, 0).guises(free) == (careless, after)


def test_no_guise_is_the_prompt_itself_or_measures_it():
    free = Edit("free", "where did ada lovelace live", "Oslo")
    (after,) = Curriculum(EditSet("one", (free,)), 0).guises(free)
    asked = replace(free, paraphrases=(after,))
    assert after not in Curriculum(EditSet("one", (asked,)), 0).guises(asked)
