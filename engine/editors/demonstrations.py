"""IKE's demonstrations: how other facts were taken up, for a model to do the same with a new one.

The pool is made of the edits themselves, said in their prompts and in the phrasings that training may use (see
`engine.meg.curriculum`); an edit's paraphrases, its probes and a relation's held-out phrasings are never shown. Where
there are fewer edits than demonstrations, facts that are neither edited nor probed stand in, each with another object
of its relation.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import torch

from assets import catalogue
from engine.editors.in_context import statement
from engine.editors.lookup import ByMeaning
from engine.editors.settings.ike import IkeSettings
from engine.edits import Edit, EditSet, fold
from engine.language_model import LanguageModel
from engine.meg.curriculum import Curriculum
from engine.runs import Cancel

FORM = "New Fact: {fact}\nPrompt: "
"""What goes before a question once a fact is new."""
BATCH = 64  # neighbours that the model is asked at once


@dataclass(frozen=True, slots=True)
class PoolFact:
    """One new fact and what may be asked after it, each a question with its answer; empty where there is none."""

    edit: str  # the id of the edit that it is; empty for a fact that stands in
    fact: str  # its prompt with the new object
    update: str  # the same in other words
    retain: str  # a neighbour, with the model's own answer

    def shown(self, kind: str) -> str:
        """The demonstration of `kind`; where there is none, the fact is copied."""
        said = {"update": self.update, "retain": self.retain}.get(kind) or self.fact
        return f"{FORM.format(fact=self.fact)}{said}\n\n"


def make_pool(
    model: LanguageModel,
    edit_set: EditSet,
    settings: IkeSettings,
    seed: int,
    *,
    cancel: Cancel,
    report: Callable[[int, int], None],
) -> tuple[PoolFact, ...]:
    """The facts of a pool, those of the enabled edits first, in their order; `report` is told how many are done."""
    curriculum = Curriculum(edit_set, seed)
    draw = random.Random(f"pool {seed}")
    facts = [*curriculum.edits, *_stand_ins(curriculum, settings.demonstrations + 1 - len(curriculum.edits), draw)]
    trained = curriculum.phrasings.trained
    neighbours = [curriculum.neighbour(edit, trained) or curriculum.far(trained) for edit in facts]
    answers: list[str] = []
    for start in range(0, len(facts), BATCH):
        report(start, len(facts))
        asked = neighbours[start : start + BATCH]
        said = iter(model.answer([question for question in asked if question], cancel=cancel))
        answers.extend(next(said) if question else "" for question in asked)
    report(len(facts), len(facts))
    pool = []
    for row, (edit, question, answer) in enumerate(zip(facts, neighbours, answers, strict=True)):
        others = curriculum.asks(edit)[1:]
        pool.append(
            PoolFact(
                edit.id if row < len(curriculum.edits) else "",
                statement(edit),
                statement(replace(edit, prompt=draw.choice(others))) if others else "",
                f"{question} {answer}." if answer else "",
            )
        )
    return tuple(pool)


def _stand_ins(curriculum: Curriculum, count: int, draw: random.Random) -> list[Edit]:
    """`count` facts that are not edited, each with another object of its relation."""
    if count <= 0:
        return []
    objects: dict[str, set[str]] = defaultdict(set)
    true = {}
    for fact in catalogue.facts():
        objects[fact.relation].add(fact.object)
        true[fold(fact.subject), fact.relation] = fact.object
    found = []
    for edit in curriculum.pseudo_edits(count):
        others = sorted(objects[edit.relation] - {true[fold(edit.subject), edit.relation]})
        if others:
            found.append(replace(edit, new_object=draw.choice(others)))
    return found


class Demonstrations:
    """A pool, from which each edit's demonstrations are taken by nearness to its fact."""

    def __init__(self, pool: Sequence[PoolFact], facts: ByMeaning, settings: IkeSettings, seed: int) -> None:
        """`facts` has the pool's facts, in their order; the first are those of the edits."""
        self.pool, self.facts = tuple(pool), facts
        self._settings, self._seed = settings, seed
        self._rows = {fact.edit: row for row, fact in enumerate(self.pool) if fact.edit}

    def to(self, device: torch.device) -> Demonstrations:
        """The same on `device`."""
        return Demonstrations(self.pool, self.facts.to(device), self._settings, self._seed)

    def of(self, edit: Edit, disabled: Collection[str]) -> tuple[str, ...]:
        """The demonstrations before `edit`, the nearest last; none of the edits that are `disabled`.

        Which one is a copy, an update or retains is shuffled, the same way whenever this edit is asked for.
        """
        own = self._rows[edit.id]
        nearest = (self.facts.vectors @ self.facts.vectors[own]).argsort(descending=True, stable=True).tolist()
        rows = [row for row in nearest if row != own and self.pool[row].edit not in disabled]
        kinds = self._kinds(edit)
        chosen = zip(rows[: len(kinds)], kinds, strict=False)
        return tuple(self.pool[row].shown(kind) for row, kind in chosen)[::-1]

    def _kinds(self, edit: Edit) -> list[str]:
        settings = self._settings
        kinds = ["copy"] * settings.copy + ["update"] * settings.update + ["retain"] * settings.retain
        random.Random(f"demonstrations {self._seed} {edit.id}").shuffle(kinds)
        return kinds
