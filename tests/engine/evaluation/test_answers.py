from __future__ import annotations

import pytest

from engine.evaluation.answers import is_answer, plain, share


@pytest.mark.parametrize("given", ["Oslo", " Oslo", "Oslo.", "  Oslo . ", "\nOslo\n"])
def test_space_and_the_final_stop_make_no_difference(given):
    assert is_answer(given, "Oslo")
    assert is_answer("Oslo", given)


@pytest.mark.parametrize("given", ["oslo", "Oslo..", "Oslo, Norway", "Osl", "", ".", "Os lo"])
def test_anything_else_does(given):
    assert not is_answer(given, "Oslo")


def test_a_stop_inside_stays():
    assert plain(" St. Louis. ") == "St. Louis"
    assert is_answer("Washington D.C", "Washington D.C.")


def test_the_share_of_nothing_is_nothing():
    assert share([]) is None
    assert share([True, False, True, True]) == 0.75
    assert share([0.5, 1.0]) == 0.75
