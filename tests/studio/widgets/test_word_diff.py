from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from studio.widgets.word_diff import Mark, Piece, differences


def test_what_changed_is_marked_on_its_side() -> None:
    before, after = differences("the city of Paris", "the city of Lyon")
    assert before == [Piece("the city of ", Mark.SAME), Piece("Paris", Mark.REMOVED)]
    assert after == [Piece("the city of ", Mark.SAME), Piece("Lyon", Mark.ADDED)]


def test_equal_answers_have_no_marks() -> None:
    before, after = differences("東京 😀", "東京 😀")
    assert before == after == [Piece("東京 😀", Mark.SAME)]


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_character_is_lost(original: str, edited: str) -> None:
    before, after = differences(original, edited)
    assert "".join(piece.text for piece in before) == original
    assert "".join(piece.text for piece in after) == edited
    same = [piece.text for piece in before if piece.mark is Mark.SAME]
    assert same == [piece.text for piece in after if piece.mark is Mark.SAME]
