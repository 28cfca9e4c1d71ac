"""Chooses the embedded model's facts out of T-REx records and writes them as the product's own table.

A record is one JSON object a line with `relation`, `subject` and `object`. What is left out is as useful as what is
kept: subjects that no chosen fact names serve as subjects that the model never saw.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.catalogue import FACTS_FILE, Fact, relations, write_facts
from engine.edits import fold

LONGEST = 42  # characters of a subject or object
# Relations whose objects come from a short list of types: an object met only once or twice there is an error of T-REx.
CLOSED = frozenset(
    ["P30", "P37", "P103", "P106", "P108", "P136", "P140", "P176", "P178", "P407", "P413", "P449", "P1303", "P1412"]
)
RAREST_CLOSED_OBJECT = 3
# Objects that are not of the relation's type, found by reading every relation's commonest objects.
WRONG_TYPE = {
    "P27": {"Frankfurt", "Babylon"},
    "P31": {"English", "BBC", "Sony"},
    "P101": {
        "physician",
        "mathematician",
        "comedian",
        "programmer",
        "priest",
        "actor",
        "poet",
        "composer",
        "architect",
        "musician",
    },
    "P108": {"Victoria", "Berlin", "Canada", "Sur"},
    "P136": {"BBC", "chess", "poker", "orchestra"},
    "P140": {"Christian", "Muslim", "Jerusalem"},
    "P413": {"closer"},
    "P449": {"Argentina", "iTunes", "Arena", "Challenge"},
    "P937": {"library"},
    "P1303": {"slide", "singing"},
}
PLAIN = re.compile(r"[\w '’\-–&,()!/]+")
LATIN = re.compile(r"[A-Za-zÀ-ɏḀ-ỿ0-9 '’\-–&,()!/]+")


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen facts, and (subject, relation) pairs about subjects that no chosen fact names."""

    facts: tuple[Fact, ...]
    unseen: tuple[tuple[str, str], ...]


class RecordError(ValueError):
    """A line of the record file that cannot be read; the message names it."""


def read_records(path: Path) -> list[Fact]:
    """The records of a JSON-lines file, in file order, relations that the catalogue lacks included."""
    records = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                records.append(Fact(entry["subject"], entry["relation"], entry["object"]))
            except (ValueError, KeyError, TypeError) as error:
                raise RecordError(f"{path}, line {number}: expected subject, relation and object ({error}).") from error
    return records


def is_clean(text: str) -> bool:
    """Whether `text` is short, printable Latin writing with no stop in it, fit for a sentence."""
    return (
        2 <= len(text) <= LONGEST
        and text == " ".join(text.split())
        and text[0].isalnum()
        and PLAIN.fullmatch(text) is not None
        and LATIN.fullmatch(text) is not None
        and "_" not in text
        and fold(text) != "unknown"
    )


def choose_facts(records: Sequence[Fact], *, per_relation: int, per_object: int) -> Choice:
    """At most `per_relation` facts a relation, `per_object` of them with one object; same records, same choice.

    A subject keeps its first object in a relation. Subjects that several relations know come first, since they are
    what same-subject probes need; after that the records' own order decides.
    """
    spelling: dict[str, str] = {}
    by_relation: dict[str, dict[str, Fact]] = {relation: {} for relation in relations()}
    object_counts = {relation: Counter[str]() for relation in by_relation}
    for record in records:
        if record.relation in object_counts:
            object_counts[record.relation][record.object] += 1
    everywhere: dict[str, str] = {}
    for record in records:
        key = fold(record.subject)
        everywhere.setdefault(key, record.subject)
        if record.relation not in by_relation or not _is_usable(record, object_counts[record.relation]):
            continue
        subject = spelling.setdefault(key, record.subject)
        by_relation[record.relation].setdefault(key, Fact(subject, record.relation, record.object))
    meetings = Counter(key for facts in by_relation.values() for key in facts)
    chosen: list[Fact] = []
    for facts in by_relation.values():
        objects: Counter[str] = Counter()
        kept = 0
        for key in sorted(facts, key=lambda key: -meetings[key]):
            fact = facts[key]
            if kept < per_relation and objects[fact.object] < per_object:
                objects[fact.object] += 1
                kept += 1
                chosen.append(fact)
    seen = {fold(fact.subject) for fact in chosen} | {fold(fact.object) for fact in chosen}
    unseen = {
        (everywhere[fold(record.subject)], record.relation): None
        for record in records
        if record.relation in by_relation and is_clean(record.subject) and fold(record.subject) not in seen
    }
    order = {relation: index for index, relation in enumerate(by_relation)}
    chosen.sort(key=lambda fact: (order[fact.relation], fold(fact.subject)))
    return Choice(tuple(chosen), tuple(pair for pair in unseen if is_clean(pair[0])))


def subjects_of_several_relations(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    """The facts of each subject that at least two relations know."""
    groups: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        groups[fact.subject].append(fact)
    return {subject: group for subject, group in groups.items() if len(group) > 1}


def _is_usable(record: Fact, counts: Counter[str]) -> bool:
    return (
        is_clean(record.subject)
        and is_clean(record.object)
        and fold(record.subject) != fold(record.object)
        and record.object not in WRONG_TYPE.get(record.relation, ())
        and (record.relation not in CLOSED or counts[record.object] >= RAREST_CLOSED_OBJECT)
    )


def main() -> None:
    """Write the table of facts and print what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=Path, required=True, help="T-REx records, one JSON object a line")
    parser.add_argument("--out", type=Path, default=FACTS_FILE, help="table to write (default: %(default)s)")
    parser.add_argument("--per-relation", type=int, default=680, help="most facts of one relation")
    parser.add_argument("--per-object", type=int, default=300, help="most facts of one relation with one object")
    options = parser.parse_args()
    choice = choose_facts(read_records(options.facts), per_relation=options.per_relation, per_object=options.per_object)
    write_facts(options.out, choice.facts)
    several = subjects_of_several_relations(choice.facts)
    print(
        f"{len(choice.facts):,} facts of {len({fact.relation for fact in choice.facts})} relations over "
        f"{len({fact.subject for fact in choice.facts}):,} subjects, {len(several):,} of them in several relations; "
        f"{len({subject for subject, _ in choice.unseen}):,} subjects left over"
    )


if __name__ == "__main__":
    main()
