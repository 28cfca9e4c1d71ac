"""A language model with a MeG pack attached: every query is routed, generated for and answered on its own.

`SlottedModel` is what it has in common with other editors that put something into one FFN block for each query.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from engine.clock import Clock
from engine.decoding import GREEDY, Decoding
from engine.editor import Answer, NextTokens, Routing
from engine.language_model import LanguageModel, Likelihood, TargetForm, target_lengths, target_likelihoods
from engine.meg.gate import Gate
from engine.meg.neuron_source import NeuronSource
from engine.meg.router import QueryRouter, Routed, Router
from engine.neuron import Neurons, NeuronSlot
from engine.runs import Cancel
from engine.stopping import MAX_NEW_TOKENS


class Insert(Protocol):
    """What is put into an FFN block, for some rows of a batch."""

    def rows(self, index: Tensor) -> Self:
        """That of the rows which `index` names."""


InsertT = TypeVar("InsertT", bound=Insert)
PutT = TypeVar("PutT", bound=Insert, contravariant=True)


class Slot(Protocol[PutT]):
    """The place in an FFN block where it is put."""

    def put(self, inserts: PutT | None, rows: Tensor | None = None, of: int = 0) -> None:
        """Use `inserts` from now on: number i for batch row `rows[i]` of `of`, or for row i."""

    def remove(self) -> None:
        """Take the slot out of the block for good."""


class SlottedModel(Routed, ABC, Generic[InsertT]):
    """A language model that has something in one FFN block for routed queries; usable where transformers' model is."""

    def __init__(self, model: LanguageModel, router: QueryRouter, slot: Slot[InsertT]) -> None:
        super().__init__(model, router)
        self._slot = slot

    @abstractmethod
    def _inserts(self, z: Tensor, routings: Sequence[Routing]) -> InsertT:
        """What is put in for routed queries, given what they were told by: a row of z each."""

    def _before(self, inserts: InsertT, targets: Tensor) -> InsertT:  # noqa: ARG002  what it does for those who ask where they are
        """`inserts` for rows whose prompts are followed by so many tokens: `targets` [rows]."""
        return inserts

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not defined here: config, device, generation_config, …
        return getattr(self._model.model, name)

    def answer(
        self,
        queries: Sequence[str],
        *,
        cancel: Cancel | None = None,
        originals: bool = True,
        decoding: Decoding = GREEDY,
    ) -> list[Answer]:
        """Both models' answers; with `originals` False the original model is asked only where it answers itself."""
        clock = Clock()
        routings, z = self._router.examine(queries, thorough=originals)
        gate = clock.share(len(queries))
        chosen = [row for row, routing in enumerate(routings) if routing.routed]
        known = set(chosen)
        plain = list(range(len(queries))) if originals else [row for row in range(len(queries)) if row not in known]
        extents = [self._router.extent(routing).under(decoding) for routing in routings]
        asked, far = [queries[row] for row in plain], [extents[row] for row in plain]
        texts = self._model.answer(asked, extents=far, decoding=decoding, cancel=cancel)
        originally = dict(zip(plain, texts, strict=True))
        plainly = clock.share(len(plain))
        edited = dict(originally)
        if chosen:
            inserts = self._inserts(z[chosen], [routings[row] for row in chosen])
            prompts, far = [queries[row] for row in chosen], [extents[row] for row in chosen]
            try:
                for rows in self._model.batches(prompts, far):
                    self._slot.put(inserts.rows(torch.tensor(rows, device=z.device)))
                    texts = self._model.decode(
                        [prompts[row] for row in rows], [far[row] for row in rows], cancel, decoding
                    )
                    edited.update((chosen[row], text) for row, text in zip(rows, texts, strict=True))
            finally:
                self._slot.put(None)
        changed = clock.share(len(chosen))
        return [
            Answer(
                query,
                originally.get(row, ""),
                edited[row],
                routings[row],
                plainly if row in originally else None,
                gate + (changed if row in known else plainly),
                gate,
            )
            for row, query in enumerate(queries)
        ]

    def teacher_forced(self, queries: Sequence[str], targets: Sequence[str]) -> list[float]:
        """For each query, the share of its target's tokens that are likeliest given the true ones before."""
        return [likelihood.share for likelihood in self.likelihoods(queries, targets)]

    @torch.no_grad()
    def likelihoods(
        self,
        queries: Sequence[str],
        targets: Sequence[str],
        *,
        form: TargetForm = "answer",
        cancel: Cancel | None = None,
    ) -> list[Likelihood]:
        """How likely each target is after its query."""
        routings, z = self._router.examine(queries)
        chosen = [row for row, routing in enumerate(routings) if routing.routed]
        found: dict[int, Likelihood] = {}
        inserts = self._inserts(z[chosen], [routings[row] for row in chosen]) if chosen else None
        place = {row: number for number, row in enumerate(chosen)}
        for rows in self._model.batches(queries):
            if cancel is not None:
                cancel.check()
            batch = self._model.encode_targets([queries[row] for row in rows], [targets[row] for row in rows], form)
            inside = [number for number, row in enumerate(rows) if row in place]
            try:
                if inserts is not None and inside:
                    own = inserts.rows(torch.tensor([place[rows[number]] for number in inside], device=z.device))
                    at = torch.tensor(inside, device=z.device)
                    self._slot.put(self._before(own, target_lengths(batch)[at]), at, of=len(rows))
                logits = self._model.logits(batch)
            finally:
                self._slot.put(None)
            found.update(zip(rows, target_likelihoods(logits, batch), strict=True))
        return [found[row] for row in range(len(queries))]

    def next_tokens(self, query: str, k: int = 8) -> NextTokens:
        """The likeliest next tokens of both models."""
        routings, z = self._router.examine([query])
        original = self._model.next_tokens(query, k)
        if not routings[0].routed:
            return NextTokens(original, original)
        try:
            self._slot.put(self._inserts(z, routings))
            return NextTokens(original, self._model.next_tokens(query, k))
        finally:
            self._slot.put(None)

    @torch.no_grad()
    def generate(self, input_ids: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> Any:
        """As the transformers model's `generate`; each row is routed by its own text, a chat by its last question."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        queries = [self._query(row[kept.bool()]) for row, kept in zip(input_ids, mask, strict=True)]
        routings, z = self._router.examine(queries)
        chosen = [row for row, routing in enumerate(routings) if routing.routed]
        try:
            if chosen:
                rows = torch.tensor(chosen, device=z.device)
                self._slot.put(self._inserts(z[rows], [routings[row] for row in chosen]), rows, of=len(queries))
            return self._model.model.generate(input_ids=input_ids, attention_mask=attention_mask, **kwargs)
        finally:
            self._slot.put(None)

    def detach(self) -> None:
        """Give the original model back, bit for bit."""
        self._slot.remove()

    def _query(self, tokens: Tensor) -> str:
        """What a row of tokens asks: the user's last question where it is a chat, its whole text otherwise."""
        tokenizer, template = self._model.tokenizer, self._model.template
        tokens = tokens[-(self._model.max_positions - 2 * MAX_NEW_TOKENS) :]  # of more the gate could read nothing
        asked = template and template.question(tokenizer.decode(tokens, skip_special_tokens=False))
        text: str = asked or tokenizer.decode(tokens, skip_special_tokens=True)
        return text


class MegEditedModel(SlottedModel[Neurons]):
    """A language model with a MeG pack attached."""

    _router: Router

    def __init__(self, model: LanguageModel, gate: Gate, generator: NeuronSource, slot: NeuronSlot) -> None:
        super().__init__(model, Router(model, gate), slot)
        self._generator = generator

    def generate_neurons(self, queries: Sequence[str]) -> Neurons:
        """The neurons generated for `queries`, whether the gate lets them through or not."""
        routings, z = self._router.examine(queries)
        return self._inserts(z, routings)

    def _inserts(self, z: Tensor, routings: Sequence[Routing]) -> Neurons:
        """The neurons of routed queries: one for each row of z."""
        anchors = self._router.gate.index.prompts[[self._router.row(routing) for routing in routings]]
        return Neurons.from_flat(self._generator.generate(z, anchors), self._model.d_model)
