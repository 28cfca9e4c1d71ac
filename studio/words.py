"""Small matters of wording that sentences for the user share."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """`number` things, in words: "1 edit", "3 edits"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
