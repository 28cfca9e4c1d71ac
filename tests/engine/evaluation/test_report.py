"""The figures, on an edited model of which every answer is known."""

from __future__ import annotations

from dataclasses import replace
from statistics import harmonic_mean

import pytest

from engine.editor import Answer, Routing
from engine.edits import Edit, EditSet, Probe, ProbeKind
from engine.evaluation import report
from engine.evaluation.report import Measured, Report, evaluate
from engine.runs import Cancel, Cancelled


class Known:
    """Answers from a table of query → (original, edited); what has two answers was routed."""

    def __init__(self, table: dict[str, tuple[str, str]], shares: dict[str, float] | None = None) -> None:
        self.table, self.shares = table, shares or {}
        self.batches: list[int] = []
        self.scored: list[tuple[str, str]] = []

    def answer(self, queries, *, cancel=None, originals=True):
        if cancel is not None:
            cancel.check()
        self.batches.append(len(queries))
        answers = []
        for query in queries:
            original, edited = self.table[query]
            routed = original != edited
            routing = Routing(query, 0.9 if routed else 0.1, routed, 0.5, 0.5, "e", 0.5)
            answers.append(Answer(query, original if originals or not routed else "", edited, routing))
        return answers

    def teacher_forced(self, queries, targets):
        self.scored.extend(zip(queries, targets, strict=True))
        return [self.shares.get(query, 1.0) for query in queries]


def probe(kind: ProbeKind, prompt: str) -> Probe:
    return Probe(kind, prompt)


EDITS = EditSet(
    "births",
    (
        Edit(
            "1",
            "Ada was born in",
            "Oslo",
            paraphrases=("Ada's cradle stood in", "Q: Where was Ada born? A:"),
            probes=(
                probe(ProbeKind.NEIGHBOUR, "Berta was born in"),
                probe(ProbeKind.NEIGHBOUR, "Carl was born in"),
                probe(ProbeKind.SAME_SUBJECT, "Ada died in"),
            ),
        ),
        Edit("2", "Dora was born in", "Rome"),
        Edit("3", "Emil was born in", "Kiev", enabled=False, paraphrases=("Emil's cradle stood in",)),
    ),
)
TABLE = {
    "Ada was born in": ("London", "Oslo."),
    "Ada's cradle stood in": ("London", " Oslo"),
    "Q: Where was Ada born? A:": ("London", "Bergen"),
    "Berta was born in": ("Paris", "Paris"),
    "Carl was born in": ("Bern", "Oslo"),
    "Ada died in": ("Bath", "Bath"),
    "Dora was born in": ("Prague", "Prague"),
}


def test_every_figure_is_the_share_of_its_own_queries():
    shares = {"Ada was born in": 0.5, "Q: Where was Ada born? A:": 0.0, "Carl was born in": 0.25}
    measured = evaluate(Known(TABLE, shares), EDITS)
    assert measured.reliability == Measured(ag=0.5, tf=0.75, routed=0.5, asked=2)
    assert measured.generality == Measured(ag=0.5, tf=0.5, routed=1.0, asked=2)
    assert measured.locality == {
        "neighbour": Measured(ag=0.5, tf=0.625, routed=0.5, asked=2),
        "same-subject": Measured(ag=1.0, tf=1.0, routed=0.0, asked=1),
        "far": Measured(None, None, None, 0),
    }


def test_locality_counts_each_kind_of_probe_once():
    measured = evaluate(Known(TABLE), EDITS)
    assert measured.mean_locality() == ((0.5 + 1.0) / 2, 1.0)
    assert measured.score() == pytest.approx(harmonic_mean([0.5, 1.0, 0.5, 1.0, 0.75, 1.0]))


def test_what_was_wrong_is_named_with_what_was_wanted():
    wrong = evaluate(Known(TABLE), EDITS).wrong
    assert [(one.edit, one.kind, one.query, one.wanted, one.given) for one in wrong] == [
        ("2", "reliability", "Dora was born in", "Rome", "Prague"),
        ("1", "generality", "Q: Where was Ada born? A:", "Oslo", "Bergen"),
        ("1", "neighbour", "Carl was born in", "Bern", "Oslo"),
    ]
    assert [one.familiarity for one in wrong] == [0.1, 0.9, 0.9]


def test_a_probe_is_scored_on_the_original_models_own_answer():
    edited = Known(TABLE)
    evaluate(edited, EDITS)
    assert ("Carl was born in", "Bern") in edited.scored
    assert ("Ada was born in", "Oslo") in edited.scored


def test_edits_that_are_off_are_not_asked():
    edited = Known(TABLE)
    evaluate(edited, EDITS)  # the table does not know Emil
    assert "Emil was born in" not in dict(edited.scored)


def test_nothing_to_ask_gives_no_figure():
    measured = evaluate(Known({}), EditSet("empty", ()))
    assert measured.reliability == Measured(None, None, None, 0)
    assert measured.score() is None
    assert measured.mean_locality() == (None, None)


def test_the_score_is_that_of_what_was_measured():
    alone = EditSet("", (EDITS.edits[1],))
    measured = evaluate(Known({"Dora was born in": ("Prague", "Rome")}, {"Dora was born in": 0.5}), alone)
    assert measured.score() == pytest.approx(harmonic_mean([1.0, 0.5]))


def test_without_a_gate_nothing_was_let_through():
    gated = evaluate(Known(TABLE), EDITS)
    ungated = Report.of(replace(row, nearest_edit="", routed=True) for row in gated.asked)
    assert (gated.reliability.routed, ungated.reliability.routed) == (0.5, None)
    assert ungated.reliability.ag == gated.reliability.ag
    assert ungated.score() == gated.score()


def test_a_figure_of_zero_makes_the_score_zero():
    zero, one = Measured(0.0, 0.0, 0.0, 5), Measured(1.0, 1.0, 1.0, 5)
    assert Report(zero, one, {"neighbour": one}).score() == 0


def test_long_lists_are_asked_in_batches_and_counted(monkeypatch):
    monkeypatch.setattr(report, "BATCH", 3)
    many = EditSet("", tuple(replace(EDITS.edits[1], id=str(row)) for row in range(8)))
    edited, told = Known(TABLE), []
    measured = evaluate(edited, many, report=lambda done, of: told.append((done, of)))
    assert edited.batches == [3, 3, 2]
    assert told == [(3, 8), (6, 8), (8, 8)]
    assert measured.reliability.asked == 8
    assert len(measured.wrong) == 8


def test_cancel_stops_it(monkeypatch):
    monkeypatch.setattr(report, "BATCH", 1)
    cancel, edited = Cancel(), Known(TABLE)
    with pytest.raises(Cancelled):
        evaluate(edited, EDITS, cancel=cancel, report=lambda *_: cancel.set())
    assert edited.batches == [1]


class Opening(Known):
    """Knows what each query would be answered, and lets by what is familiar enough."""

    def __init__(self, table, familiarity):
        super().__init__(table)
        self.familiarity, self.threshold = familiarity, 0.5

    def answer(self, queries, *, cancel=None, originals=True):
        answers = []
        for query in queries:
            original, edited = self.table[query]
            routed = self.familiarity[query] >= self.threshold
            routing = Routing(query, self.familiarity[query], routed, self.threshold, 0.5, "1", 0.5)
            kept = original if originals or not routed else ""
            answers.append(Answer(query, kept, edited if routed else original, routing))
        return answers


def test_a_thorough_evaluation_knows_both_answers_of_what_is_near_the_threshold():
    familiarity = dict.fromkeys(TABLE, 0.9) | {"Carl was born in": 0.3, "Ada died in": 0.01, "Berta was born in": 0.05}
    edited = Opening(TABLE, familiarity)
    rows = {row.query: row for row in evaluate(edited, EDITS, thorough=True).asked}
    assert rows["Ada was born in"].original == "London"
    assert rows["Ada was born in"].opened is None
    assert (rows["Carl was born in"].given, rows["Carl was born in"].opened) == ("Bern", "Oslo")
    assert rows["Berta was born in"].opened == "Paris"
    assert rows["Ada died in"].opened is None
    assert edited.threshold == 0.5


def test_the_threshold_is_put_back_when_it_is_stopped_there():
    class Stopping(Opening):
        def answer(self, queries, *, cancel=None, originals=True):
            if self.threshold < 0.5:
                raise Cancelled
            return super().answer(queries, cancel=cancel, originals=originals)

    edited = Stopping(TABLE, dict.fromkeys(TABLE, 0.3))
    with pytest.raises(Cancelled):
        evaluate(edited, EDITS, thorough=True)
    assert edited.threshold == 0.5


def test_what_was_asked_before_is_not_asked_again():
    kept = []
    whole = evaluate(Known(TABLE), EDITS, batch=2, keep=kept.extend)
    assert tuple(kept) == whole.asked
    for known in range(len(kept) + 1):
        edited, rest = Known(TABLE), []
        assert evaluate(edited, EDITS, batch=2, known=kept[:known], keep=rest.extend) == whole
        assert rest == kept[known:]
        assert sum(edited.batches) == len(kept) - known


def test_so_many_of_each_kind_are_asked_from_all_over_the_edit_set():
    many = EditSet("", tuple(replace(EDITS.edits[0], id=str(row)) for row in range(10)))
    report = evaluate(Known(TABLE), many, most=5)
    assert [row.edit for row in report.asked if row.kind == "reliability"] == ["0", "2", "4", "6", "8"]
    assert report.generality.asked == report.locality["neighbour"].asked == report.locality["same-subject"].asked == 5
    assert len({row.edit for row in report.asked if row.kind == "generality"}) == 5


def test_figures_by_relation_are_those_of_its_edits_alone():
    mixed = EditSet("", (replace(EDITS.edits[0], relation="P19"), EDITS.edits[1]))
    parts = evaluate(Known(TABLE), mixed).by_relation()
    assert list(parts) == ["P19", ""]
    assert parts["P19"].reliability.ag == 1.0
    assert (parts["P19"].generality.right, parts["P19"].generality.asked) == (1, 2)
    assert parts[""].reliability.ag == 0.0
    assert parts[""].generality.ag is None
