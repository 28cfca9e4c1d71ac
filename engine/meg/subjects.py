"""Does a query name an edit's subject? Found by whole words, whatever the case, the accents' encoding or the ending."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from engine.edits import Edit, fold

_WORD = re.compile(r"\w+(?:['’](?!s\b)\w+)*")


def words(text: str) -> tuple[str, ...]:
    """The folded words of `text`, possessive endings dropped."""
    return tuple(_WORD.findall(re.sub(r"['’]s\b", "", fold(text))))


def stem(word: str) -> str:
    """A word without the ending of an English plural, the same for both numbers: party, parties → parti."""
    if len(word) < 5:
        return word
    word = word.removesuffix("s").removesuffix("e")
    return word[:-1] + "i" if word.endswith("y") else word


class SubjectIndex:
    """The subjects and aliases of a list of edits, looked up in a query by its runs of words."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._rows: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for row, edit in enumerate(edits):
            for name in (edit.subject, *edit.aliases):
                key = tuple(stem(word) for word in words(name))
                if key:
                    self._rows[key].add(row)
        self._longest = max((len(key) for key in self._rows), default=0)

    def named(self, query: str) -> dict[int, tuple[int, int]]:
        """The rows of the edits that `query` names, each with the span of characters that names it.

        Of overlapping names the longer one counts: a query about Paris Hilton does not name Paris.
        """
        folded, places = _folded(query)
        tokens = [
            (stem(match.group()), (places[match.start()][0], places[match.end() - 1][1]))
            for match in _WORD.finditer(_plain(folded))
        ]
        taken = [False] * len(tokens)
        found: dict[int, tuple[int, int]] = {}
        for length in range(min(self._longest, len(tokens)), 0, -1):
            for start in range(len(tokens) - length + 1):
                if any(taken[start : start + length]):
                    continue
                rows = self._rows.get(tuple(token for token, _ in tokens[start : start + length]))
                if rows:
                    span = (tokens[start][1][0], tokens[start + length - 1][1][1])
                    found.update((row, span) for row in rows if row not in found)
                    taken[start : start + length] = [True] * length
        return found


def _folded(text: str) -> tuple[str, list[tuple[int, int]]]:
    """`text` folded letter by letter, and for each of its characters the span of `text` that it stands for.

    A letter is one with the marks that follow it: it may be written as one character or as several.
    """
    if text.isascii():
        return text.lower(), [(place, place + 1) for place in range(len(text))]
    letters: list[str] = []
    places: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        end = start + 1
        while end < len(text) and _joins(text[start:end], text[end]):
            end += 1
        letter = fold(text[start:end]) or (" " if text[start:end].isspace() else "")
        letters.append(letter)
        places.extend([(start, end)] * len(letter))
        start = end
    return "".join(letters), places


def _joins(letter: str, following: str) -> bool:
    """Whether `following` is a part of `letter`: a mark on it, or one that makes another letter of it."""
    if unicodedata.combining(following):
        return True
    return len(unicodedata.normalize("NFKC", letter + following)) < sum(
        len(unicodedata.normalize("NFKC", part)) for part in (letter, following)
    )


def _plain(query: str) -> str:
    """`query` with possessive endings blanked out, every other character where it was."""
    return re.sub(r"['’]s\b", lambda match: " " * len(match.group()), query)
