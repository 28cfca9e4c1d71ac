"""What no edit is about: facts that the embedded model knows, for whatever has to stay as it is."""

from __future__ import annotations

import random
from collections.abc import Sequence

from assets import catalogue
from assets.catalogue import Fact
from engine.edits import EditSet, Probe, ProbeKind, fill, fold


def unedited_facts(edit_set: EditSet, most: int, seed: int = 0) -> list[Fact]:
    """At most so many known facts, drawn with `seed`, whose subjects no edit names as a subject or a new object."""
    named = {fold(text) for edit in edit_set.edits for text in (edit.subject, edit.new_object, *edit.aliases)}
    free = " ".join(fold(edit.prompt) for edit in edit_set.edits if not edit.subject)
    facts = []
    for fact in catalogue.facts():
        subject = fold(fact.subject)
        if fact.known and subject not in named and subject not in free:
            facts.append(fact)
    draw = random.Random(f"unedited {seed}")
    return draw.sample(facts, min(most, len(facts)))


def question(fact: Fact) -> str:
    """The question after a fact, in a phrasing that no editor is trained on; equal facts are asked in equal words."""
    phrasings = catalogue.relations()[fact.relation].held_out
    return fill(phrasings[len(fact.subject) % len(phrasings)], fact.subject)


def sentence(fact: Fact) -> str:
    """A fact as a sentence, without its stop, in words that no editor is trained on or takes its statistics from."""
    return f"{question(fact)} {fact.object}"


def unedited_probes(facts: Sequence[Fact]) -> list[Probe]:
    """The questions after some facts as far probes."""
    return [Probe(ProbeKind.FAR, question(fact)) for fact in facts]
