"""What ships with the product, read on demand: the embedded model's folder, its relations, the facts it was taught.

Imports nothing heavy, so that a window can list relations before torch is loaded.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.edits import Relation, fill

ASSETS = Path(__file__).resolve().parent
MODEL = ASSETS / "model"
SAMPLE_EDITS = ASSETS / "sample_edits.jsonl"
RELATIONS_FILE = ASSETS / "relations.json"
FACTS_FILE = ASSETS / "facts.tsv"
FACT_COLUMNS = ("subject", "relation", "object", "known")


class CatalogueError(RuntimeError):
    """A shipped file is missing or damaged; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A true fact that the embedded model was taught.

    `known` says that the model answers it exactly in every phrasing of its relation, held-out ones included.
    """

    subject: str
    relation: str  # id, as in `relations()`
    object: str
    known: bool = False


@dataclass(frozen=True, slots=True)
class PseudoEdit:
    """Two phrasings of one fact: a paraphrase pair for tuning an encoder, made of facts that are not edited."""

    subject: str
    relation: str
    prompt: str
    paraphrase: str


@cache
def relations() -> dict[str, Relation]:
    """The embedded model's relations by id, in the catalogue's order; a relation's first phrasing is its default."""
    return {
        entry["id"]: Relation(entry["id"], entry["name"], tuple(entry["phrasings"]), tuple(entry["held_out"]))
        for entry in _relation_entries()
    }


@cache
def statements() -> dict[str, tuple[str, ...]]:
    """By relation id, sentences that name the object early, with the slots `{object}` and `{subject}`."""
    return {entry["id"]: tuple(entry["statements"]) for entry in _relation_entries()}


@cache
def facts() -> tuple[Fact, ...]:
    """Every fact that the embedded model was taught, one object for each subject and relation, in file order."""
    return tuple(read_facts(FACTS_FILE))


def read_facts(path: Path) -> Iterator[Fact]:
    """The facts of a table with the columns of FACT_COLUMNS; CatalogueError where it is missing or damaged."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
            if tuple(next(rows, ())) != FACT_COLUMNS:
                raise CatalogueError(
                    f"{path} does not start with the columns {', '.join(FACT_COLUMNS)}: install again."
                )
            for row in rows:
                if len(row) != len(FACT_COLUMNS) or row[3] not in ("0", "1"):
                    raise CatalogueError(f"{path}, line {rows.line_num}, is damaged: install the program again.")
                yield Fact(row[0], row[1], row[2], row[3] == "1")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path} cannot be read ({error}): install the program again.") from error


def write_facts(path: Path, rows: Iterable[Fact]) -> None:
    """Write `rows` as `read_facts` reads them, replacing the file in one step."""
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
        table.writerow(FACT_COLUMNS)
        table.writerows((fact.subject, fact.relation, fact.object, int(fact.known)) for fact in rows)
    draft.replace(path)


def pseudo_edits(pairs_per_fact: int = 1) -> Iterator[PseudoEdit]:
    """Paraphrase pairs over the facts, phrasings chosen in turn, never a held-out one, in file order.

    The caller leaves out the subjects that it edits.
    """
    known = relations()
    for index, fact in enumerate(facts()):
        phrasings = known[fact.relation].phrasings
        for pair in range(pairs_per_fact):
            first = (index + pair) % len(phrasings)
            # The step runs through 1 .. len - 1, so that a pair never repeats one phrasing.
            step = 1 + (index // len(phrasings) + pair) % (len(phrasings) - 1)
            second = (first + step) % len(phrasings)
            yield PseudoEdit(
                fact.subject, fact.relation, fill(phrasings[first], fact.subject), fill(phrasings[second], fact.subject)
            )


def _relation_entries() -> list[dict[str, Any]]:
    try:
        entries = json.loads(RELATIONS_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogueError(f"{RELATIONS_FILE} cannot be read ({error}): install the program again.") from error
    return list(entries)
