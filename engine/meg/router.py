"""Queries with a gate in front of a model: which are about an edit that is switched on, and about which one."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engine.editor import Explanation, NearEdit, Routing
from engine.edits import Edit, EditError
from engine.language_model import LanguageModel, Reading
from engine.meg.gate import Gate, Verdict
from engine.meg.reasons import reasons
from engine.stopping import Extent


class QueryRouter(Protocol):
    """Tells which queries are about an edit that is switched on, and about which one."""

    threshold: float
    """The familiarity from which queries are routed; may be moved. Raises EditError outside of 0 to 1."""

    def examine(self, queries: Sequence[str], *, thorough: bool = False) -> tuple[list[Routing], Tensor]:
        """What is said of each query, and what it was told by: [queries, numbers]."""

    def explain(self, query: str) -> Explanation:
        """What is said of one query, with what it hangs on."""

    def extent(self, routing: Routing) -> Extent:
        """How far both models answer a query."""

    def disable(self, edit_ids: Iterable[str]) -> None:
        """Queries about these edits are not routed from now on."""

    def enable(self, edit_ids: Iterable[str]) -> None:
        """Queries about these edits are routed again."""


@dataclass(frozen=True, slots=True)
class _Examined:
    """The last queries and what was said of them."""

    queries: tuple[str, ...]
    thorough: bool
    verdicts: list[Verdict]
    z: Tensor


_NOTHING = _Examined((), True, [], torch.empty(0))


class Router:
    """Routes queries by a gate; edits may be switched off."""

    def __init__(self, model: LanguageModel, gate: Gate) -> None:
        self.gate = copy.copy(gate)  # whoever else has it keeps its threshold
        self._model = model
        self._disabled: set[str] = set()
        # Decoding, scoring and the next tokens of one question are asked for one after the other.
        self._examined = _NOTHING
        self._rows = {edit.id: row for row, edit in enumerate(gate.index.edits)}
        self._light = model.size <= gate.index.encoder.size

    @property
    def threshold(self) -> float:
        """The familiarity from which a query is routed, 0 to 1: calibrated, or moved by hand."""
        return self.gate.threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        if not 0 <= value <= 1:
            raise EditError(f"The threshold {value} is out of range: give a familiarity from 0 to 1.")
        self.gate.threshold = value
        self._examined = _NOTHING  # which queries the model is asked about hangs on it

    def examine(self, queries: Sequence[str], *, thorough: bool = False) -> tuple[list[Routing], Tensor]:
        """The gate's word on each query, and z [queries, z].

        Who shows the familiarity to somebody examines thoroughly; see `Gate.examine`. Raises QueryError for a query
        that the model cannot be asked.
        """
        for query in queries:
            self._model.token_ids(query)
        known = self._examined
        if tuple(queries) != known.queries or (thorough and not known.thorough):
            verdicts, z = self.gate.examine(queries, self._read, thorough=thorough, light=self._light)
            known = self._examined = _Examined(tuple(queries), thorough, verdicts, z)
        routings = [self._routing(query, verdict) for query, verdict in zip(queries, known.verdicts, strict=True)]
        return routings, known.z

    def explain(self, query: str) -> Explanation:
        """The gate's word on one query, with what it hangs on. Raises QueryError where the model cannot be asked it."""
        self._model.token_ids(query)
        weighed = self.gate.weigh(query, self._read, light=self._light)
        # Who sees the reasons is likely to ask the question next.
        self._examined = _Examined((query,), True, [weighed.verdict], weighed.z)
        edits, first = self.gate.index.edits, weighed.candidates[0]
        return Explanation(
            routing=self._routing(query, weighed.verdict),
            near=tuple(NearEdit(edits[each.edit].id, each.similarity, each.familiarity) for each in weighed.candidates),
            reasons=reasons(self.gate.fusion, first.row) if first.row else (),
            verbatim=weighed.verbatim,
            calibrated=self.gate.calibrated,
        )

    def _routing(self, query: str, verdict: Verdict) -> Routing:
        edit = self.gate.index.edits[verdict.edit]
        return Routing(
            query=query,
            familiarity=verdict.familiarity,
            routed=verdict.familiarity >= self.gate.threshold and edit.id not in self._disabled,
            threshold=self.gate.threshold,
            entropy=verdict.entropy,
            nearest_edit=edit.id,
            similarity=verdict.similarity,
        )

    def _read(self, queries: Sequence[str]) -> Reading:
        return self._model.read(queries, self.gate.index.tokens)

    def row(self, routing: Routing) -> int:
        """The row in the gate's index of the edit that a query was routed to."""
        return self._rows[routing.nearest_edit]

    def edit(self, routing: Routing) -> Edit:
        """The edit that a query was routed to."""
        return self.gate.index.edits[self.row(routing)]

    def extent(self, routing: Routing) -> Extent:
        """How far both models answer a query, so that like is compared with like: as its edit's new object goes."""
        return self._model.extent(self.edit(routing).new_object) if routing.routed else Extent()

    def disable(self, edit_ids: Iterable[str]) -> None:
        """Queries about these edits are not routed from now on."""
        self._disabled.update(edit_ids)

    def enable(self, edit_ids: Iterable[str]) -> None:
        """Queries about these edits are routed again."""
        self._disabled.difference_update(edit_ids)


class Routed:
    """A language model behind a router: what edited models that tell queries apart have in common."""

    gated = True

    def __init__(self, model: LanguageModel, router: QueryRouter) -> None:
        self._model, self._router = model, router

    @contextmanager
    def original(self) -> Iterator[LanguageModel]:
        """The original model, asked as this one is: behind a gate it is there, untouched, all the time."""
        yield self._model

    def route(self, queries: Sequence[str]) -> list[Routing]:
        """The gate's word on each query."""
        return self._router.examine(queries, thorough=True)[0]

    def explain(self, query: str) -> Explanation:
        """The gate's word on one query, with what it hangs on."""
        return self._router.explain(query)

    def disable(self, edit_ids: Iterable[str]) -> None:
        """Queries about these edits get the original model's answer from now on."""
        self._router.disable(edit_ids)

    def enable(self, edit_ids: Iterable[str]) -> None:
        """These edits are answered again."""
        self._router.enable(edit_ids)

    @property
    def threshold(self) -> float:
        """The familiarity from which queries are routed; may be moved. Raises EditError outside of 0 to 1."""
        return self._router.threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        self._router.threshold = value


class RoutedModel(Routed):
    """A language model behind a gate, however it answers."""

    _router: Router

    def __init__(self, model: LanguageModel, gate: Gate) -> None:
        super().__init__(model, Router(model, gate))
