"""ES, PS, NS and their magnitudes, on likelihoods that are known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import harmonic_mean
from typing import Any

import pytest

from engine.edits import Edit, EditSet, Probe, ProbeKind
from engine.evaluation.counterfact import NEW, STAYS
from engine.evaluation.protocol import PROTOCOLS, Options
from engine.language_model import Likelihood
from engine.runs import Cancel, Cancelled

EDITS = EditSet(
    "births",
    (
        Edit(
            "1",
            "Ada was born in",
            "Oslo",
            original_answer="London",
            paraphrases=("Ada's cradle stood in", "Q: Where was Ada born? A:"),
            probes=(
                Probe(ProbeKind.NEIGHBOUR, "Berta was born in"),
                Probe(ProbeKind.NEIGHBOUR, "Carl was born in"),
                Probe(ProbeKind.SAME_SUBJECT, "Ada died in"),
            ),
        ),
        Edit("2", "Dora was born in", "Rome", paraphrases=("Dora's cradle stood in",)),
        Edit("3", "Emil was born in", "Kiev", enabled=False),
    ),
)
OWN = {"Berta was born in": "Paris", "Carl was born in": "Oslo", "Dora was born in": "Bern"}


class Weighing:
    """Gives every pair of query and target the mean log-probability of a table; −5 where it has none."""

    def __init__(self, table: dict[tuple[str, str], float]) -> None:
        self.table, self.forms = table, set()

    def likelihoods(
        self, queries: Sequence[str], targets: Sequence[str], *, form: str, cancel: Any
    ) -> list[Likelihood]:
        if cancel is not None:
            cancel.check()
        self.forms.add(form)
        return [
            Likelihood(len(target) * self.table.get((query, target), -5.0), len(target), 0)
            for query, target in zip(queries, targets, strict=True)
        ]

    def answer(self, queries: Sequence[str], *, cancel: Any = None) -> list[str]:
        return [OWN[query] for query in queries]


class Edited(Weighing):
    def __init__(self, edited: dict[tuple[str, str], float], original: dict[tuple[str, str], float]) -> None:
        super().__init__(edited)
        self.first = Weighing(original)

    @contextmanager
    def original(self) -> Iterator[Weighing]:
        yield self.first


ORIGINAL = {
    ("Ada was born in", "London"): -1.0,
    ("Ada's cradle stood in", "London"): -1.0,
    ("Q: Where was Ada born? A:", "Oslo"): -2.0,
    ("Berta was born in", "Paris"): -1.0,
    ("Dora was born in", "Bern"): -1.0,
}
AFTER = {
    ("Ada was born in", "Oslo"): -0.5,
    ("Ada was born in", "London"): -3.0,
    ("Ada's cradle stood in", "Oslo"): -0.5,
    ("Ada's cradle stood in", "London"): -0.4,
    ("Q: Where was Ada born? A:", "Oslo"): -0.5,
    ("Berta was born in", "Paris"): -2.0,
    ("Berta was born in", "Oslo"): -1.0,
    ("Dora was born in", "Bern"): -1.0,
    ("Dora's cradle stood in", "Rome"): -0.1,
}


def measured(options: Options | None = None, **more: Any):
    edited: Any = Edited(AFTER, ORIGINAL)
    return PROTOCOLS["counterfact"].measure(edited, EDITS, options, **more), edited


def test_each_score_is_the_mean_over_edits_of_what_is_likelier():
    report, edited = measured()
    found = {figure.name: (figure.original, figure.edited, figure.asked) for figure in report.figures}
    assert found["ES"] == (0.0, 0.5, 2)
    assert found["PS"] == ((0.5 + 0.0) / 2, (0.5 + 1.0) / 2, 3)
    assert found["NS"] == (1.0, 0.0, 1)
    assert found["S"] == (0.0, 0.0, 6)
    assert edited.forms == edited.first.forms == {"object"}


def test_magnitudes_are_differences_of_probabilities():
    report, _ = measured()
    e = math.exp
    ada, dora = e(-0.5) - e(-3), e(-5) - e(-1)
    assert report.figure("EM").edited == pytest.approx((ada + dora) / 2)
    assert report.figure("NM").original == pytest.approx(e(-1) - e(-5))
    assert report.figure("NM").edited == pytest.approx(e(-2) - e(-1))


def test_the_harmonic_mean_is_of_all_three():
    better = AFTER | {("Berta was born in", "Paris"): -0.1, ("Dora was born in", "Rome"): -0.1}
    report = PROTOCOLS["counterfact"].measure(Edited(better, ORIGINAL), EDITS)  # type: ignore[arg-type]
    assert report.figure("S").edited == pytest.approx(harmonic_mean([1.0, 0.75, 1.0]))
    alone = EditSet("", (EDITS.edits[1],))
    report = PROTOCOLS["counterfact"].measure(Edited(better, ORIGINAL), alone)  # type: ignore[arg-type]
    assert (report.figure("NS").edited, report.figure("NS").asked) == (None, 0)
    assert report.figure("S").edited is None


def test_a_neighbours_answer_is_its_own_and_one_that_is_the_new_object_says_nothing():
    report, _ = measured()
    (neighbour,) = [row for row in report.rows if row.figure == "NS"]
    assert (neighbour.query, neighbour.wanted, neighbour.against) == ("Berta was born in", "Paris", "Oslo")
    assert neighbour.values == {NEW: (-5.0, -1.0), STAYS: (-1.0, -2.0)}
    assert report.notes == ("Left out: 1 of 7, whose original answer is the new object, or nothing.",)
    dora = next(row for row in report.rows if row.edit == "2")
    assert dora.against == "Bern"  # nobody gave it: the original model's own answer


def test_neighbours_may_share_the_answer_of_their_edit():
    report, _ = measured(Options(shared=True))
    assert {row.wanted for row in report.rows if row.figure == "NS"} == {"London"}
    assert report.figure("NS").asked == 2


def test_so_many_of_each_are_asked_in_steps_that_are_told():
    told: list[tuple[int, int]] = []
    report, _ = measured(Options(most=1), report=lambda done, of: told.append((done, of)))
    assert [report.figure(name).asked for name in ("ES", "PS", "NS")] == [1, 1, 1]
    assert told == [(3, 3)]


def test_it_stops_when_asked():
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        measured(cancel=cancel)


def test_nothing_to_ask_is_not_measured():
    report = PROTOCOLS["counterfact"].measure(Edited({}, {}), EditSet("", ()))  # type: ignore[arg-type]
    assert all((figure.edited, figure.asked) == (None, 0) for figure in report.figures)
