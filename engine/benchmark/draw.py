"""Edit sets to measure on: facts that the embedded model knows, drawn with a seed and given another object.

What measures is never taught: paraphrases and probes are said in the relations' held-out phrasings, which training
never uses, and no probe asks for a fact that is edited.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from assets import catalogue
from assets.catalogue import Fact
from assets.subject_types import askable, conceivable
from engine.edits import Edit, EditError, EditSet, Probe, ProbeKind, Relation, fill
from engine.edits import fold as fold_anew
from engine.formats.registry import ReadOptions, read_edits

fold = cache(fold_anew)  # every subject and object is folded many times over

NEIGHBOURS = 2
SAME_SUBJECT = 2  # probes about facts of the same subject, at most; one plausible question where it has no other fact


@dataclass(frozen=True, slots=True)
class _Stock:
    """What edits are made from: the known facts, and which of them are edited."""

    relations: Mapping[str, Relation]
    of_relation: Mapping[str, Sequence[Fact]]
    of_subject: Mapping[str, Sequence[Fact]]  # by the folded subject
    spare: Sequence[Fact]  # known and not edited
    spare_of_relation: Mapping[str, Sequence[Fact]]
    edited: frozenset[tuple[str, str]]  # folded subject, relation


def draw_edits(count: int, seed: int, *, paraphrases: int = 2) -> EditSet:
    """`count` edits of facts that the embedded model knows, with so many `paraphrases` each.

    Raises EditError where there are too few facts for edits and their probes.
    """
    draw = random.Random(f"benchmark {seed}")
    relations = catalogue.relations()
    known = [fact for fact in catalogue.facts() if fact.known]
    if not 0 < count < len(known):
        raise EditError(f"{count:,} edits cannot be drawn: the embedded model knows {len(known):,} facts.")
    chosen = draw.sample(known, count)
    stock = _stock(relations, known, chosen)
    edits = tuple(_edit(f"b{number:05d}", fact, stock, draw, paraphrases) for number, fact in enumerate(chosen, 1))
    used = {edit.relation for edit in edits}
    return EditSet(
        f"{count:,} edits drawn with seed {seed}", edits, {id: relations[id] for id in relations if id in used}
    )


def draw_records(path: Path, format: str, count: int, seed: int) -> EditSet:
    """`count` edits drawn from a file of CounterFact or zsRE records (`format`).

    Raises FormatError where the file cannot be read, EditError where it holds too few.
    """
    imported = read_edits(path, format, relations=catalogue.relations(), options=ReadOptions(zsre_target="alt"))
    return draw_from(imported.edit_set, path.name, count, seed)


def draw_from(edit_set: EditSet, name: str, count: int, seed: int) -> EditSet:
    """`count` of the enabled edits of `edit_set`, which is called `name`; raises EditError where it holds too few."""
    edits = edit_set.enabled()
    if not 0 < count <= len(edits):
        raise EditError(f"{count:,} edits cannot be drawn from {name}: it holds {len(edits):,}.")
    chosen = random.Random(f"records {seed}").sample(edits, count)
    return EditSet(f"{count:,} edits of {name} drawn with seed {seed}", tuple(chosen), edit_set.relations)


def _key(fact: Fact) -> tuple[str, str]:
    return fold(fact.subject), fact.relation


def _stock(relations: Mapping[str, Relation], known: Sequence[Fact], chosen: Sequence[Fact]) -> _Stock:
    edited = frozenset(_key(fact) for fact in chosen)
    of_relation: dict[str, list[Fact]] = defaultdict(list)
    of_subject: dict[str, list[Fact]] = defaultdict(list)
    spare: list[Fact] = []
    spare_of_relation: dict[str, list[Fact]] = defaultdict(list)
    for fact in known:
        of_relation[fact.relation].append(fact)
        of_subject[fold(fact.subject)].append(fact)
        if _key(fact) not in edited:
            spare.append(fact)
            spare_of_relation[fact.relation].append(fact)
    return _Stock(relations, of_relation, of_subject, spare, spare_of_relation, edited)


def _edit(id: str, fact: Fact, stock: _Stock, draw: random.Random, paraphrases: int) -> Edit:
    relation = stock.relations[fact.relation]
    true = {fold(other.object) for other in stock.of_subject[fold(fact.subject)]}
    objects = sorted({other.object for other in stock.of_relation[fact.relation] if fold(other.object) not in true})
    new_object = draw.choice(objects)
    said = draw.sample(relation.held_out, min(paraphrases, len(relation.held_out)))
    return Edit(
        id=id,
        subject=fact.subject,
        relation=fact.relation,
        new_object=new_object,
        prompt=fill(relation.phrasings[0], fact.subject),
        original_answer=fact.object,
        paraphrases=tuple(fill(template, fact.subject) for template in said),
        probes=(
            *_neighbours(fact, new_object, stock, draw),
            *_same_subject(fact, stock, draw),
            _far(fact, stock, draw),
        ),
    )


def _probe(kind: ProbeKind, subject: str, relation: str, stock: _Stock, draw: random.Random) -> Probe:
    return Probe(kind, fill(draw.choice(stock.relations[relation].held_out), subject))


def _neighbours(fact: Fact, new_object: str, stock: _Stock, draw: random.Random) -> list[Probe]:
    """Other subjects whose object is not the new one, so that a leak shows."""
    others = [other for other in stock.spare_of_relation[fact.relation] if fold(other.object) != fold(new_object)]
    if len(others) < NEIGHBOURS:
        raise EditError(
            f"Too many edits: nothing of relation {fact.relation} is left to measure with. Draw fewer edits."
        )
    return [
        _probe(ProbeKind.NEIGHBOUR, other.subject, other.relation, stock, draw)
        for other in draw.sample(others, NEIGHBOURS)
    ]


def _same_subject(fact: Fact, stock: _Stock, draw: random.Random) -> list[Probe]:
    """What else the model knows of the subject, or else a question that makes sense for such a subject."""
    subject = fold(fact.subject)
    known = [other.relation for other in stock.of_subject[subject]]
    asked = [id for id in known if (subject, id) not in stock.edited][:SAME_SUBJECT]
    if not asked:
        # Where nothing surely makes sense (what has a genre may be a person or a work), something that may has to do.
        for sensible in (askable(known, stock.relations), conceivable(fact.relation, stock.relations)):
            free = [id for id in sensible if (subject, id) not in stock.edited]
            if free:
                asked = [draw.choice(free)]
                break
    return [_probe(ProbeKind.SAME_SUBJECT, fact.subject, id, stock, draw) for id in asked]


def _far(fact: Fact, stock: _Stock, draw: random.Random) -> Probe:
    others = [other for other in (draw.choice(stock.spare) for _ in range(64)) if other.relation != fact.relation]
    return _probe(ProbeKind.FAR, others[0].subject, others[0].relation, stock, draw)
