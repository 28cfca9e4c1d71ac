"""Portability: questions that follow from edits, on models whose answers are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from assets import catalogue
from engine.edits import Edit, EditSet, fill
from engine.evaluation.protocol import PROTOCOLS, Options
from engine.runs import Cancel, Cancelled

RELATIONS = catalogue.relations()


class Table:
    """Answers from a table, and “unknown” to anything else."""

    def __init__(self, table: dict[str, str]) -> None:
        self.table, self.asked = table, []

    def answer(self, queries: Sequence[str], *, cancel: Any = None, **_: Any) -> list[str]:
        if cancel is not None:
            cancel.check()
        self.asked += queries
        return [self.table.get(query, "unknown") for query in queries]


class Edited:
    def __init__(self, original: dict[str, str], edited: dict[str, str]) -> None:
        self.first, self.now = Table(original), Table(original | edited)

    @contextmanager
    def original(self) -> Iterator[Table]:
        yield self.first

    def answer(self, queries: Sequence[str], *, cancel: Any = None, **_: Any) -> list[Any]:
        from engine.editor import Answer, ungated

        before, after = self.first.answer(queries, cancel=cancel), self.now.answer(queries, cancel=cancel)
        return [Answer(query, one, two, ungated(query)) for query, one, two in zip(queries, before, after, strict=True)]


def said(relation: str, subject: str) -> str:
    return fill(RELATIONS[relation].phrasings[0], subject)


def edit(id: str, subject: str, relation: str, new: str, old: str, **more: Any) -> Edit:
    return Edit(id, said(relation, subject), new, subject, relation, old, **more)


def edit_set(*edits: Edit) -> EditSet:
    return EditSet("", edits, {one.relation: RELATIONS[one.relation] for one in edits})


def measured(edited: Edited, edits: EditSet, **more: Any):
    return PROTOCOLS["portability"].measure(edited, edits, **more)  # type: ignore[arg-type]


# France and Italy are countries of which the model knows the capital and more.
ITALY = {fact.relation: fact.object for fact in catalogue.facts() if fact.subject == "Italy" and fact.known}
KNOWN = {said(relation, "Italy"): answer for relation, answer in ITALY.items()}
BIRTH = edit("1", "Ada Example", "P27", "Italy", "France", aliases=("Countess Example",))


def test_an_alias_is_asked_in_the_relations_own_words():
    alias = said("P27", "Countess Example")
    report = measured(Edited({alias: "France"}, {alias: "Italy"}), edit_set(BIRTH))
    figure = report.figure("Alias")
    assert (figure.original, figure.edited, figure.asked) == (0.0, 1.0, 1)
    free = Edit("1", "Who was Ada Example?", "a poet", "Ada Example", aliases=("Countess Example",))
    (row,) = measured(Edited({}, {}), EditSet("", (free,))).rows
    assert (row.query, row.wanted) == ("Who was Countess Example?", "a poet")


def test_the_way_back_counts_where_the_original_model_can_go_it():
    capital = edit("1", "France", "P36", "Lyon", "Paris")
    edited = Edited({"Paris is the capital of": "France"}, {"Lyon is the capital of": "France"})
    figure = measured(edited, edit_set(capital)).figure("Inverse")
    assert (figure.original, figure.edited, figure.asked) == (0.0, 1.0, 1)
    report = measured(Edited({}, {"Lyon is the capital of": "France"}), edit_set(capital))
    assert (report.figure("Inverse").edited, report.figure("Inverse").asked) == (None, 0)
    assert any(note.startswith("Inverse: left out 1 of 1") for note in report.notes)
    twice = edit_set(capital, edit("2", "Spain", "P36", "Lyon", "Madrid"))
    assert measured(edited, twice).figure("Inverse").asked == 0  # two ways back are none


def test_one_hop_asks_what_is_known_of_the_new_object_in_steps_and_at_once():
    known = ITALY
    before = {fact.relation: fact.object for fact in catalogue.facts() if fact.subject == "France" and fact.known}
    first = measured(Edited(KNOWN, {}), edit_set(BIRTH))
    (row,) = [row for row in first.rows if row.figure == "One-hop, in steps"]
    relation = next(id for id in known if row.query.endswith(RELATIONS[id].phrasings[0]))
    at_once = said(relation, "the country of citizenship of Ada Example")
    original = {
        said("P27", "Ada Example"): "France",
        said(relation, "France"): before[relation],
        said(relation, "Italy"): known[relation],
        at_once: before[relation],
    }
    told = measured(Edited(original, {said("P27", "Ada Example"): "Italy"}), edit_set(BIRTH))
    steps, once = told.figure("One-hop, in steps"), told.figure("One-hop, at once")
    assert (steps.edited, steps.asked) == (1.0, 1)
    assert steps.original == float(before[relation] == known[relation])
    assert once.asked == 1
    (row,) = [row for row in told.rows if row.figure == "One-hop, at once"]
    assert (row.query, row.wanted, row.original) == (at_once, known[relation], before[relation])
    assert measured(Edited(original | {at_once: "no idea"}, {}), edit_set(BIRTH)).figure("One-hop, at once").asked == 0


def test_a_chain_of_edits_is_asked_about_what_was_answered_before():
    chain = edit_set(
        edit("1", "Ada Example", "P27", "Examplia", "France"),
        edit("2", "Examplia", "P36", "Exampleton", "nowhere"),
        edit("3", "Exampleton", "P17", "Italy", "nowhere"),
    )
    right = {one.prompt: one.new_object for one in chain.edits}
    report = measured(Edited({}, right), chain)
    rows = {row.edit: row for row in report.rows if row.figure == "Multi-hop, in steps"}
    assert set(rows) == {"1", "2"}
    assert (
        rows["1"].query
        == f"{chain.edits[0].prompt} → {RELATIONS['P36'].phrasings[0]} → {RELATIONS['P17'].phrasings[0]}"
    )
    assert (rows["1"].wanted, rows["1"].edited, rows["1"].original) == ("Italy", "Italy", "unknown")
    assert [value[1] for value in rows["1"].values.values()] == [1.0, 1.0, 1.0]
    broken = right | {chain.edits[1].prompt: "Elsewhere"}
    lost = measured(Edited({}, broken), chain)
    (row,) = [row for row in lost.rows if row.edit == "1" and row.figure == "Multi-hop, in steps"]
    assert row.edited == "unknown"
    assert [value[1] for value in row.values.values()] == [1.0, 0.0, 0.0]
    assert lost.figure("Multi-hop, in steps").edited == 0.0


def test_a_ring_of_edits_ends():
    ring = edit_set(
        edit("1", "Examplia", "P36", "Exampleton", "x"),
        edit("2", "Exampleton", "P17", "Examplia", "x"),
    )
    right = {one.prompt: one.new_object for one in ring.edits}
    report = measured(Edited({}, right), ring)
    assert report.figure("Multi-hop, in steps").asked == 2
    assert report.figure("Multi-hop, in steps").edited == 1.0


def test_a_hop_that_is_answered_with_nothing_ends_the_chain():
    edited = Edited(KNOWN, {BIRTH.prompt: ""})
    report = measured(edited, edit_set(replace(BIRTH, aliases=())))
    assert report.figure("One-hop, in steps").edited == 0.0
    assert edited.now.asked == [BIRTH.prompt]


def test_one_hop_counts_where_the_original_model_knows_the_second_fact():
    assert measured(Edited(KNOWN, {}), edit_set(BIRTH)).figure("One-hop, in steps").asked == 1
    report = measured(Edited({}, {}), edit_set(BIRTH))
    assert report.figure("One-hop, in steps").asked == 0
    assert any(note.startswith("One-hop, in steps: left out 1 of 1") for note in report.notes)


def test_without_questions_nothing_is_measured():
    report = measured(Edited({}, {}), EditSet("", (Edit("1", "Why is the sky blue?", "Because"),)))
    assert all((figure.edited, figure.asked) == (None, 0) for figure in report.figures)


def test_the_same_seed_asks_the_same_and_it_stops_when_asked():
    one, other = (measured(Edited({}, {}), edit_set(BIRTH), options=Options(seed=3)) for _ in range(2))
    assert one.rows == other.rows
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        measured(Edited({}, {}), edit_set(BIRTH), cancel=cancel)
