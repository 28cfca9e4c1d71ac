"""Fluency: entropies that can be counted by hand, and texts of the length that the protocol has."""

from __future__ import annotations

import math

import pytest

from engine.edits import Edit, EditSet
from engine.evaluation.fluency import LENGTH, entropy
from engine.evaluation.protocol import PROTOCOLS, Options
from engine.language_model import LanguageModel
from tests.engine.evaluation.known import KnownEdited
from tests.tiny_models import tiny_model


def test_the_entropy_of_texts_that_can_be_counted():
    # a b | b a | a b | b a and aba | bab | aba: two pairs, twice each, and two triples, twice and once.
    triples = -(2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3))
    assert entropy("a b a b a") == pytest.approx((2 / 3 * 1 + 4 / 3 * triples) / 2)
    assert entropy("one two three four five") == pytest.approx((2 / 3 * math.log2(4) + 4 / 3 * math.log2(3)) / 2)
    assert entropy("so so so so so so") == 0.0
    assert entropy("word") == entropy("") == 0.0
    assert entropy("a, b") == entropy("a , b")


def test_texts_go_as_far_as_the_protocol_says_and_are_kept():
    model = tiny_model()  # writes on and on
    edits = EditSet("", (Edit("1", "Ada was born in", "Oslo"), Edit("2", "The cradle of Berta stood in", "Rome")))
    edited = KnownEdited(model, {"Ada was born in": "na " * 30})
    report = PROTOCOLS["fluency"].measure(edited, edits)  # type: ignore[arg-type]
    first, second = report.rows
    ids = [model.token_ids(row.original) for row in report.rows]
    assert all(LENGTH - 10 <= len(row) <= LENGTH + 10 for row in ids)  # bytes that are no text are written as one
    assert first.edited == "Ada was born in " + "na " * 27 + "na"
    assert second.edited == second.original
    assert second.original.startswith("The cradle of Berta stood in")
    assert first.values["entropy"] == (entropy(first.original), entropy(first.edited))
    assert report.figure("Fluency").edited < report.figure("Fluency").original
    assert report.figure("Fluency").unit == "bits"
    again = PROTOCOLS["fluency"].measure(edited, edits)  # type: ignore[arg-type]
    other = PROTOCOLS["fluency"].measure(edited, edits, Options(seed=1))  # type: ignore[arg-type]
    assert [row.original for row in again.rows] == [row.original for row in report.rows]
    assert [row.original for row in other.rows] != [row.original for row in report.rows]


def test_an_edit_set_without_edits_is_not_measured(model: LanguageModel):
    (figure,) = PROTOCOLS["fluency"].measure(KnownEdited(model, {}), EditSet("", ())).figures  # type: ignore[arg-type]
    assert (figure.original, figure.edited, figure.asked) == (None, None, 0)
