"""Cells that a spreadsheet would execute."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.formats.cells import protect, unprotect


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-40", "@SUM(A1)", "\t=1", "\r=1", "＝1", "'=1", "''"])
def test_protected(cell: str) -> None:
    assert protect(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "Kelm", "1-1", "'tis", "'"])
def test_left_alone(cell: str) -> None:
    assert protect(cell) == cell
    assert unprotect(cell) == cell


@given(st.text(st.sampled_from("'=+-@\t ab")))
@example("'''=")
def test_comes_back(cell: str) -> None:
    assert unprotect(protect(cell)) == cell
    assert not protect(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
