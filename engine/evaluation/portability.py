"""Portability: does what follows from an edit follow? (Yao et al. 2023, section 5; MQuAKE, Zhong et al. 2023)

Every question is made from the edit set's own data and from facts that the model knows:

Alias       the edit's question with another name of its subject
Inverse     the way back, from the new object to the subject, for relations of which there is one
One-hop     what the model knows of the new object: Ada was born in Oslo, and Oslo lies in …
Multi-hop   a chain of two to four edits, each about the new object of the one before

A chain is asked in steps, each step about what the model itself answered before, and at once, as one question that
names the first subject alone. A way back and a question at once count only where the original model answers them
about what was true before the edit: of a model that cannot do it at all, nothing would be said of the editor. Right is
what is exactly the wanted answer, as for Reliability.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets import catalogue
from engine.edits import SLOT, Edit, EditSet, Relation, fill, fold
from engine.evaluation.answers import is_answer, share, spread
from engine.evaluation.protocol import Figure, Options, ProtocolReport, Row, Told
from engine.evaluation.sides import Side, edited_side, original_side
from engine.runs import Cancel

if TYPE_CHECKING:
    from engine.editor import EditedModel

BATCH = 256
MOST_HOPS = 4
INVERSES: Mapping[str, str] = {
    "P6": "{} is the head of government of",
    "P26": "{} is married to",
    "P35": "{} is the head of state of",
    "P36": "{} is the capital of",
    "P169": "{} is the chief executive officer of",
    "P1376": "The capital of {} is",
}
"""Ways back of relations that go from one to one, by their Wikidata property."""
ALIAS, INVERSE = "Alias", "Inverse"
ONE_HOP, MULTI_HOP = "One-hop", "Multi-hop"
IN_STEPS, AT_ONCE = "{}, in steps", "{}, at once"
ABOUT = (
    "The share of questions answered exactly, made from the edits' aliases, relations and chains and from facts that "
    "the model knows. In steps: every hop is asked about what the model itself answered before. At once and the "
    "inverse: asked where the original model could do so about what was true before."
)
FIGURES = {
    ALIAS: "The edit's question with an alias of its subject.",
    INVERSE: "From the new object back to the subject.",
    IN_STEPS.format(ONE_HOP): "What is known of the new object, asked hop by hop.",
    AT_ONCE.format(ONE_HOP): "The same in one question about the first subject.",
    IN_STEPS.format(MULTI_HOP): "A chain of edits, asked hop by hop.",
    AT_ONCE.format(MULTI_HOP): "The same in one question about the first subject.",
}


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a chain: what is asked of a subject, and what it shall be answered."""

    template: str  # with a slot for the subject
    relation: str  # its name, for a question at once
    wanted: str


@dataclass(frozen=True, slots=True)
class Chain:
    """An edit and what follows from it."""

    figure: str  # ONE_HOP or MULTI_HOP
    edit: str  # id of the first
    subject: str
    prompt: str  # of the first hop
    hops: tuple[Hop, ...]
    before: str  # what the question at once was answered before the edits, as far as is known; empty where it is not

    @property
    def at_once(self) -> str:
        """The whole chain as one question: “The capital of the country of citizenship of Ada is”."""
        asked = self.subject
        for hop in self.hops[:-1]:
            asked = f"the {hop.relation} of {asked}"
        return fill(self.hops[-1].template, asked)


@dataclass(frozen=True, slots=True)
class _Question:
    figure: str
    edit: str
    query: str
    wanted: str
    control: str = ""  # a question that the original model must answer …
    answer: str = ""  # … so, or the question says nothing


def measure(
    edited: EditedModel,
    edit_set: EditSet,
    options: Options,
    *,
    cancel: Cancel | None = None,
    report: Told | None = None,
) -> ProtocolReport:
    """Aliases, ways back, and chains of the enabled edits; see `ProtocolKind`."""
    chains = _chains(edit_set, options.seed)
    questions = [*_aliases(edit_set), *_ways_back(edit_set), *map(_at_once, chains)]
    able = _able(edited, questions, cancel)
    asked = [
        one
        for figure in FIGURES
        for one in spread([two for two in questions if two.figure == figure and two in able], options.most)
    ]
    walked = [
        one
        for kind in (ONE_HOP, MULTI_HOP)
        for one in spread([two for two in chains if two.figure == kind], options.most)
    ]
    of = len(asked) + len(walked)
    rows: list[Row] = []
    for start in range(0, len(asked), BATCH):
        rows += _ask(edited, asked[start : start + BATCH], cancel)
        if report is not None:
            report(len(rows), of)
    for start in range(0, len(walked), BATCH):
        rows += _walk(edited, walked[start : start + BATCH], cancel)
        if report is not None:
            report(len(rows), of)
    figures = tuple(_figure(name, [row for row in rows if row.figure == name]) for name in FIGURES)
    return ProtocolReport("portability", "Portability", ABOUT, figures, tuple(rows), tuple(_notes(questions, able)))


def _aliases(edit_set: EditSet) -> Iterator[_Question]:
    for edit in edit_set.enabled():
        relation = edit_set.relations.get(edit.relation)
        for alias in edit.aliases:
            if relation is not None:
                yield _Question(ALIAS, edit.id, fill(relation.phrasings[0], alias), edit.new_object)
            elif edit.subject and edit.subject in edit.prompt:
                yield _Question(ALIAS, edit.id, edit.prompt.replace(edit.subject, alias, 1), edit.new_object)


def _ways_back(edit_set: EditSet) -> Iterator[_Question]:
    subjects: dict[tuple[str, str], set[str]] = defaultdict(set)
    for edit in edit_set.enabled():
        subjects[edit.relation, fold(edit.new_object)].add(fold(edit.subject))
    for edit in edit_set.enabled():
        back = INVERSES.get(edit.relation)
        if back is not None and edit.subject and len(subjects[edit.relation, fold(edit.new_object)]) == 1:
            control = fill(back, edit.original_answer) if edit.original_answer else ""
            yield _Question(INVERSE, edit.id, fill(back, edit.new_object), edit.subject, control, edit.subject)


def _at_once(chain: Chain) -> _Question:
    control = chain.at_once if chain.before else ""
    return _Question(
        AT_ONCE.format(chain.figure), chain.edit, chain.at_once, chain.hops[-1].wanted, control, chain.before
    )


def _able(edited: EditedModel, questions: Sequence[_Question], cancel: Cancel | None) -> set[_Question]:
    """The questions that say something: those without a control, and those whose control is answered."""
    controls = list(dict.fromkeys(one.control for one in questions if one.control))
    with edited.original() as model:
        answers = dict(zip(controls, model.answer(controls, cancel=cancel), strict=True))
    return {
        one for one in questions if one.figure == ALIAS or (one.control and is_answer(answers[one.control], one.answer))
    }


def _chains(edit_set: EditSet, seed: int) -> list[Chain]:
    """At most one chain over known facts and one over edits for each edit, drawn with `seed`."""
    draw = random.Random(f"portability {seed}")
    relations = {**catalogue.relations(), **edit_set.relations}
    known: dict[str, dict[str, str]] = defaultdict(dict)  # folded subject -> relation -> object
    for fact in catalogue.facts():
        if fact.known:
            known[fold(fact.subject)][fact.relation] = fact.object
    of_subject: dict[str, list[Edit]] = defaultdict(list)
    for edit in edit_set.enabled():
        if edit.subject and edit.relation in relations:
            of_subject[fold(edit.subject)].append(edit)
    chains: list[Chain] = []
    for edit in edit_set.enabled():
        if not edit.subject or edit.relation not in relations:
            continue
        taken = {one.relation for one in of_subject[fold(edit.new_object)]}
        free = [id for id in known[fold(edit.new_object)] if id not in taken]
        if free:
            id = draw.choice(free)
            last = Hop(relations[id].phrasings[0], relations[id].name, known[fold(edit.new_object)][id])
            before = known[fold(edit.original_answer)].get(id, "")
            chains.append(Chain(ONE_HOP, edit.id, edit.subject, edit.prompt, (_hop(edit, relations), last), before))
        path = _path(edit, of_subject, draw)
        if len(path) > 1:
            hops = tuple(_hop(one, relations) for one in path)
            before = edit.original_answer
            for one in path[1:]:
                before = known[fold(before)].get(one.relation, "")
            chains.append(Chain(MULTI_HOP, edit.id, edit.subject, edit.prompt, hops, before))
    return chains


def _path(edit: Edit, of_subject: Mapping[str, Sequence[Edit]], draw: random.Random) -> list[Edit]:
    """Edits of which each is about the new object of the one before, no subject twice."""
    path, seen = [edit], {fold(edit.subject)}
    while len(path) < MOST_HOPS:
        subject = fold(path[-1].new_object)
        if subject in seen or not of_subject.get(subject):
            break
        seen.add(subject)
        path.append(draw.choice(of_subject[subject]))
    return path


def _hop(edit: Edit, relations: Mapping[str, Relation]) -> Hop:
    relation = relations[edit.relation]
    own = edit.prompt.replace(edit.subject, SLOT, 1) if edit.prompt.count(edit.subject) == 1 else ""
    template = own if own.count(SLOT) == 1 else relation.phrasings[0]
    return Hop(template, relation.name, edit.new_object)


def _ask(edited: EditedModel, asked: Sequence[_Question], cancel: Cancel | None) -> list[Row]:
    answers = edited.answer([one.query for one in asked], cancel=cancel)
    return [
        Row(one.figure, one.query, one.edit, one.wanted, "", answer.original, answer.edited)
        for one, answer in zip(asked, answers, strict=True)
    ]


def _walk(edited: EditedModel, chains: Sequence[Chain], cancel: Cancel | None) -> list[Row]:
    """Ask chains hop by hop, on both models."""
    with original_side(edited, cancel) as side:
        before = _steps(chains, side)
    with edited_side(edited, cancel) as side:
        after = _steps(chains, side)
    return [
        Row(
            IN_STEPS.format(chain.figure),
            " → ".join([chain.prompt, *(hop.template for hop in chain.hops[1:])]),
            chain.edit,
            chain.hops[-1].wanted,
            "",
            original[-1],
            given[-1],
            {
                f"hop {number} right": (float(is_answer(one, hop.wanted)), float(is_answer(two, hop.wanted)))
                for number, (hop, one, two) in enumerate(zip(chain.hops, original, given, strict=True), 1)
            },
        )
        for chain, original, given in zip(chains, before, after, strict=True)
    ]


def _steps(chains: Sequence[Chain], side: Side) -> list[list[str]]:
    """What is answered at each hop of each chain; nothing more once a hop is answered with nothing."""
    said: list[list[str]] = [[] for _ in chains]
    for hop in range(MOST_HOPS):
        going = [row for row, chain in enumerate(chains) if hop < len(chain.hops)]
        asking = [row for row in going if not hop or said[row][-1]]
        queries = [
            chains[row].prompt if not hop else fill(chains[row].hops[hop].template, said[row][-1]) for row in asking
        ]
        answers = dict(zip(asking, side.write(queries) if queries else [], strict=True))
        for row in going:
            said[row].append(answers.get(row, ""))
    return said


def _figure(name: str, rows: Sequence[Row]) -> Figure:
    original = share([is_answer(row.original, row.wanted) for row in rows])
    edited = share([is_answer(row.edited, row.wanted) for row in rows])
    return Figure(name, FIGURES[name], original, edited, len(rows))


def _notes(questions: Sequence[_Question], able: set[_Question]) -> Iterator[str]:
    for figure in FIGURES:
        made = [one for one in questions if one.figure == figure]
        left = sum(one not in able for one in made)
        if left:
            yield (
                f"{figure}: {left:,} of {len(made):,} questions were left out, for the original model does not answer "
                "them about what was true before, or that is not known."
            )
