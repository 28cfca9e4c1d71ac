"""GRACE's codebook: keys, how far each reaches, and the journal of what every edit did to it (arXiv 2211.11031).

An edit comes in by one of three rules: it gets a *new* key, its key and the nearest one *split* the distance between
them where their answers differ, or the nearest key *grows* as far as to it where their answers are the same. Every rule
looks at keys, labels and radii alone; the journal holds what each of them changed, so that taking an edit out leaves
the codebook that would be there without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.device import exact

Rules = Literal["fixed", "faithful"]
AT_ONCE = 1_024  # queries whose distances to all keys are in memory
ADDED_AT_ONCE = 128  # edits whose distances to all keys are


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of the journal: what an edit, a row of `Codebook.keys`, did."""

    edit: int
    deed: Literal["new", "split", "grown"]
    place: int | None = None  # of the entry that was split or grown
    before: float = 0.0  # the radius of that entry before it


class Codebook:
    """Which keys are in use, and how far they reach; entries are in the order in which they came."""

    def __init__(self, keys: Tensor, labels: Sequence[Sequence[int]], radius: float, rules: Rules = "fixed") -> None:
        """`keys` [edits, d_model] and `labels`, the token ids of the new objects; a new key reaches as far as `radius`.

        No edit is in the codebook yet.
        """
        self.keys = exact(keys)
        self.radius = radius
        self._labels = [tuple(label) for label in labels]
        self._rules = rules
        self.journal: list[Entry] = []
        self.entries: list[int] = []  # rows of `keys`
        self.radii: list[float] = []
        self._members: list[list[int]] = []  # of each entry the edits that it answers, its own first

    def live(self) -> list[int]:
        """The rows of the edits that are in the codebook, in the order in which they came."""
        return [entry.edit for entry in self.journal]

    def set_live(self, rows: Sequence[int]) -> None:
        """Have the edits `rows` in the codebook, in that order, and no others.

        What came after the first difference is taken back by the journal, the last first, and comes in again.
        """
        same = 0
        for known, wanted in zip(self.live(), rows, strict=False):
            if known != wanted:
                break
            same += 1
        while len(self.journal) > same:
            self._take_back()
        for start in range(same, len(rows), ADDED_AT_ONCE):
            some = list(rows[start : start + ADDED_AT_ONCE])
            for row, apart in zip(some, _apart(self.keys[some], self.keys), strict=True):
                self._add(row, apart)

    def nearest(self, queries: Tensor, many: int = 1) -> tuple[Tensor, Tensor]:
        """The places of the `many` nearest entries and their distances, [queries, many] each, nearest first.

        Of entries as near the one that came last is first: it was edited last.
        """
        keys = self.keys[self.entries[::-1]]
        places, distances = [], []
        for some in exact(queries).split(AT_ONCE):
            found = _apart(some, keys).sort(dim=1, stable=True)
            places.append(len(keys) - 1 - found.indices[:, :many])
            distances.append(found.values[:, :many])
        return torch.cat(places), torch.cat(distances)

    def answering(self, place: int, query: Tensor) -> int:
        """The edit whose value a query [d_model] in reach of entry number `place` gets.

        A key that has grown answers for several edits. The reference gives all of them the value of the first, which
        may not answer the others; `fixed`, the nearest of them gives its own.
        """
        members = self._members[place]
        if self._rules == "faithful" or len(members) == 1:
            return members[0]
        return members[int((self.keys[members] - exact(query)).norm(dim=1).argmin())]

    def _add(self, row: int, to_keys: Tensor) -> None:
        """Have edit `row` in, which lies `to_keys` [edits] apart from every key."""
        if not self.entries:
            return self._enter(Entry(row, "new"), self.radius)
        apart = to_keys[self.entries]
        distance = float(apart.min())
        place = int((apart == distance).nonzero()[-1])
        before = self.radii[place]
        if distance > self.radius + before:
            return self._enter(Entry(row, "new"), self.radius)
        if self._labels[self.entries[place]] == self._labels[row]:
            self.radii[place] = max(before, distance)
            self._members[place].append(row)
            self.journal.append(Entry(row, "grown", place, before))
            return None
        half = distance / 2
        shrinks = self._rules == "fixed"  # a radius that another conflict made small must not become large by this one
        self.radii[place] = min(before, half) if shrinks else half
        return self._enter(Entry(row, "split", place, before), min(self.radius, half) if shrinks else half)

    def _enter(self, entry: Entry, radius: float) -> None:
        self.journal.append(entry)
        self.entries.append(entry.edit)
        self.radii.append(radius)
        self._members.append([entry.edit])

    def _take_back(self) -> None:
        entry = self.journal.pop()
        if entry.deed != "grown":
            self.entries.pop()
            self.radii.pop()
            self._members.pop()
        elif entry.place is not None:
            self._members[entry.place].pop()
        if entry.place is not None:
            self.radii[entry.place] = entry.before


def _apart(some: Tensor, keys: Tensor) -> Tensor:
    """How far each of `some` [rows, d_model] lies from each of `keys` [keys, d_model]: [rows, keys]."""
    return torch.cdist(some, keys, compute_mode="donot_use_mm_for_euclid_dist")
