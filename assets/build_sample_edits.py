"""Writes the sample edit set: edits on subjects whose facts the embedded model knows, with paraphrases and probes.

Every choice is drawn from one seeded source over the table of facts, so the same table gives the same set. The T-REx
records are read to keep out new objects that are true as well.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.build_facts import read_records
from assets.catalogue import FACTS_FILE, SAMPLE_EDITS, Fact, read_facts, relations
from assets.subject_types import askable
from engine.edits import Edit, EditSet, Probe, ProbeKind, Relation, fill, fold
from engine.formats import jsonl

NAME = "Sample edits"
NEIGHBOURS = 3
SAME_SUBJECT = 2

FAR = (
    "Review: a warm and clever comedy with a wonderful cast Sentiment:",
    "Review: two hours of noise without a single good idea Sentiment:",
    "Review: the photography is beautiful and the ending moved me Sentiment:",
    "Review: a dull script that wastes its talented actors Sentiment:",
    "Review: one of the most charming films of the year Sentiment:",
    "Review: slow, confused and far too long Sentiment:",
    "Water boils when it is heated to a temperature of",
    "After Monday comes",
    "The opposite of left is",
    "Q: How many legs does a spider have? A:",
    "Q: What colour is a ripe banana? A:",
    "To open a locked door, you need a",
    "Once upon a time there lived a",
    "Q: Which season follows winter? A:",
    "The recipe calls for flour, eggs and",
    "Please turn off the light before you",
)


class SampleError(RuntimeError):
    """The table of facts does not hold what the sample set needs; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class _Stock:
    """What edits are made from."""

    catalogue: Mapping[str, Relation]
    known: Mapping[str, Sequence[Fact]]  # relation id -> facts that the model knows
    of_subject: Mapping[str, Sequence[Fact]]  # folded subject -> its facts
    true_objects: Mapping[tuple[str, str], frozenset[str]]  # folded subject, relation id -> folded objects
    objects: Mapping[str, Sequence[str]]  # relation id -> objects that several known facts have


def build_edits(facts: Sequence[Fact], records: Iterable[Fact], *, per_relation: int, seed: int) -> list[Edit]:
    """`per_relation` edits of every relation, the relations taking turns, ids counted from s0001."""
    chance = random.Random(seed)
    stock = _stock(facts, records)
    chosen = _edited_facts(stock, chance, per_relation)
    edited = {fold(fact.subject) for fact in chosen}
    return [_edit(f"s{number:04d}", fact, stock, edited, chance) for number, fact in enumerate(chosen, 1)]


def write_edits(path: Path, edits: Sequence[Edit], catalogue: Mapping[str, Relation]) -> None:
    """Write the edits with the relations that they use."""
    used = {edit.relation for edit in edits}
    jsonl.write(EditSet(NAME, tuple(edits), {id: catalogue[id] for id in catalogue if id in used}), path)


def _stock(facts: Sequence[Fact], records: Iterable[Fact]) -> _Stock:
    known: dict[str, list[Fact]] = defaultdict(list)
    of_subject: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        of_subject[fold(fact.subject)].append(fact)
        if fact.known:
            known[fact.relation].append(fact)
    true_objects: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        true_objects[fold(record.subject), record.relation].add(fold(record.object))
    objects = {
        relation: [item for item, count in Counter(fact.object for fact in rows).items() if count > 1]
        for relation, rows in known.items()
    }
    return _Stock(
        catalogue=relations(),
        known=known,
        of_subject=of_subject,
        true_objects={key: frozenset(values) for key, values in true_objects.items()},
        objects=objects,
    )


def _edited_facts(stock: _Stock, chance: random.Random, per_relation: int) -> list[Fact]:
    """Known facts of different subjects, relation by relation in turn, subjects that several relations know first."""
    taken: set[str] = set()
    columns = []
    for relation in stock.catalogue:
        candidates = list(stock.known.get(relation, ()))
        chance.shuffle(candidates)
        candidates.sort(key=lambda fact: -len(_others(stock, fact)))
        column: list[Fact] = []
        for fact in candidates:
            key = fold(fact.subject)
            if len(column) < per_relation and key not in taken and _is_good_example(stock, fact):
                taken.add(key)
                column.append(fact)
        if len(column) < per_relation:
            raise SampleError(f"Relation {relation} has {len(column)} known facts to edit, {per_relation} are needed.")
        columns.append(column)
    return [fact for row in zip(*columns, strict=True) for fact in row]


def _others(stock: _Stock, fact: Fact) -> list[Fact]:
    return [other for other in stock.of_subject[fold(fact.subject)] if other.relation != fact.relation and other.known]


def _is_good_example(stock: _Stock, fact: Fact) -> bool:
    """Whether a fact reads well as an edit.

    Its object is one that several subjects have; the subject's name gives no object away (“Toyota Corolla” made by
    Honda reads absurd); and there are two more things to ask of the subject.
    """
    objects = stock.objects[fact.relation]
    name = f" {fold(fact.subject)} "
    return (
        fact.object in objects
        and not any(f" {fold(item)} " in name for item in objects)
        and len(_askable(fact, stock)) >= SAME_SUBJECT
    )


def _edit(id: str, fact: Fact, stock: _Stock, edited: set[str], chance: random.Random) -> Edit:
    relation = stock.catalogue[fact.relation]
    true = stock.true_objects.get((fold(fact.subject), fact.relation), frozenset()) | {fold(fact.object)}
    new_object = chance.choice([item for item in stock.objects[fact.relation] if fold(item) not in true])
    probes = (
        *_neighbours(fact, new_object, stock, edited, chance),
        *_same_subject(fact, stock, chance),
        _far(fact, stock, edited, chance),
    )
    return Edit(
        id=id,
        subject=fact.subject,
        relation=fact.relation,
        new_object=new_object,
        prompt=fill(relation.phrasings[0], fact.subject),
        original_answer=fact.object,
        paraphrases=tuple(fill(phrasing, fact.subject) for phrasing in relation.held_out),
        probes=probes,
    )


def _neighbours(fact: Fact, new_object: str, stock: _Stock, edited: set[str], chance: random.Random) -> list[Probe]:
    """Probes about other subjects, none of them edited; their objects differ from the new one, so that a leak shows."""
    relation = stock.catalogue[fact.relation]
    candidates = [
        other
        for other in stock.known[fact.relation]
        if fold(other.subject) not in edited and fold(other.object) != fold(new_object)
    ]
    if len(candidates) < NEIGHBOURS:
        raise SampleError(f"Relation {fact.relation} has too few known facts for {NEIGHBOURS} neighbour probes.")
    templates = [
        chance.choice(relation.phrasings),
        chance.choice(relation.held_out),
        chance.choice((*relation.phrasings, *relation.held_out)),
    ]
    return [
        Probe(ProbeKind.NEIGHBOUR, fill(template, other.subject))
        for template, other in zip(templates, chance.sample(candidates, NEIGHBOURS), strict=True)
    ]


def _same_subject(fact: Fact, stock: _Stock, chance: random.Random) -> list[Probe]:
    """Questions about the subject in other relations: the ones whose answer the model knows, then plausible ones."""
    asked = [other.relation for other in _others(stock, fact)][:SAME_SUBJECT]
    plausible = [id for id in _askable(fact, stock) if id not in asked]
    chance.shuffle(plausible)
    asked.extend(plausible[: SAME_SUBJECT - len(asked)])
    return [
        Probe(
            ProbeKind.SAME_SUBJECT,
            fill(chance.choice((*stock.catalogue[id].phrasings, *stock.catalogue[id].held_out)), fact.subject),
        )
        for id in asked
    ]


def _askable(fact: Fact, stock: _Stock) -> list[str]:
    """Other relations that make sense for whatever the subject may be; none where its relations disagree."""
    known = [other.relation for other in stock.of_subject[fold(fact.subject)]]
    return [id for id in askable(known, stock.catalogue) if id != fact.relation]


def _far(fact: Fact, stock: _Stock, edited: set[str], chance: random.Random) -> Probe:
    """A review, a sentence about nothing here, or a known fact of another relation about a subject not edited."""
    if chance.random() < 0.5:
        return Probe(ProbeKind.FAR, chance.choice(FAR))
    id = chance.choice([id for id in stock.known if id != fact.relation])
    other = chance.choice([other for other in stock.known[id] if fold(other.subject) not in edited])
    return Probe(ProbeKind.FAR, fill(chance.choice(stock.catalogue[id].phrasings), other.subject))


def main() -> None:
    """Write the sample edit set and print what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=Path, required=True, help="T-REx records, one JSON object a line")
    parser.add_argument(
        "--table", type=Path, default=FACTS_FILE, help="facts with what is known (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=SAMPLE_EDITS, help="file to write (default: %(default)s)")
    parser.add_argument("--per-relation", type=int, default=12, help="edits of each relation (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    edits = build_edits(
        tuple(read_facts(options.table)),
        read_records(options.facts),
        per_relation=options.per_relation,
        seed=options.seed,
    )
    write_edits(options.out, edits, relations())
    print(f"{len(edits)} edits of {len({edit.relation for edit in edits})} relations")


if __name__ == "__main__":
    main()
