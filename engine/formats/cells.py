"""Cells that a spreadsheet would take for formulas, and the apostrophe that keeps it from executing them.

The apostrophe can be taken off again without knowing the original: a cell that already begins with one in front of such
a character gets a second.
"""

from __future__ import annotations

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_LOOKS_PROTECTED = tuple(f"'{start}" for start in (*_STARTS_A_FORMULA, "'"))


def protect(cell: str) -> str:
    """`cell` as a spreadsheet shows it and does not execute it."""
    return f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) or cell.startswith(_LOOKS_PROTECTED) else cell


def unprotect(cell: str) -> str:
    """The cell that `protect` was given; one that it never touched stays as it is."""
    return cell[1:] if cell.startswith(_LOOKS_PROTECTED) else cell
