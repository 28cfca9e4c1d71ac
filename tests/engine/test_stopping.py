from __future__ import annotations

import pytest

from engine.stopping import Extent, sentence_end


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" Paris. The city", "Paris"),
        (" St. Louis. It", "St. Louis"),
        (" George W. Bush.", "George W. Bush"),
        (" 3.5 metres. And", "3.5 metres"),
        (" 1912.", "1912"),
        ("\n\nRome\n", "Rome"),
        (" Rome\nQ:", "Rome"),
        (" no stop", "no stop"),
    ],
)
def test_an_answer_is_the_first_sentence(text, answer):
    assert Extent().clip(text) == answer


@pytest.mark.parametrize(
    ("text", "wanted", "answer"),
    [
        (" A poet. He died in Rome. The", "A poet. He died in Rome", "A poet. He died in Rome"),
        (" A poet. He lived in Rome.", "A poet. He died in Rome", "A poet"),
        (" Malcolm X. He was born", "Malcolm X", "Malcolm X"),
        (" Rome\nParis.\nOslo", "Rome\nParis", "Rome\nParis"),
        (" 3.5 metres. And", "3", "3.5 metres"),
        (" Washington D.C.. The", "Washington D.C.", "Washington D.C."),
        (" Paris. The", "London", "Paris"),
        (" Paris", "Paris and Rome", "Paris"),
    ],
)
def test_an_answer_goes_as_far_as_what_was_wanted_of_it(text, wanted, answer):
    assert Extent(wanted=wanted).clip(text) == answer


def test_an_answer_is_not_ended_while_it_may_still_be_what_was_wanted():
    extent = Extent(wanted="A poet. Not 3")
    assert [extent.end(text, whole=False) for text in (" A poet.", " A poet. No", " A poet. Not 3.", " A poet. \ufffd")]
    assert [extent.end(text, whole=False) for text in (" A poet.", " A poet. Not 3.")] == [None, None]
    assert extent.end(" A poet. Yes", whole=False) == len(" A poet")
    assert extent.end(" A poet. Not 3. So", whole=False) == len(" A poet. Not 3")
    assert Extent(wanted="Oslo").end(" Oslo.", whole=False) == len(" Oslo")


def test_a_number_may_go_on_while_decoding():
    assert sentence_end(" 3.", whole=False) is None
    assert sentence_end(" 3.", whole=True) == 2
    assert sentence_end(" Paris.", whole=False) == 6
