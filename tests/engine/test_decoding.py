from __future__ import annotations

import pytest

from engine.decoding import GREEDY, Decoding, DecodingError


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"temperature": -0.1}, "temperature -0.1"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"top_p": 0.0}, "top-p 0.0"),
        ({"top_p": 1.1}, "top-p 1.1"),
        ({"top_k": -1}, "top-k -1"),
        ({"seed": -1}, "seed -1"),
        ({"max_new_tokens": 513}, "513 new tokens"),
    ],
)
def test_settings_out_of_range_are_refused_in_a_sentence(values, named):
    with pytest.raises(DecodingError, match=named):
        Decoding(**values)


def test_what_does_nothing_in_a_greedy_answer_is_not_told():
    assert GREEDY.as_json() == {"temperature": 0.0, "max_new_tokens": 0, "first_sentence": True}
    assert Decoding(temperature=0.7, seed=3).as_json()["seed"] == 3
