"""A language model with a MeG pack attached: every query is routed, generated for and answered on its own.

`SlottedModel` is what it has in common with other editors that put something into one FFN block for each query.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from engine.clock import Clock
from engine.decoding import GREEDY, Decoding
from engine.editor import Answer, NextTokens, Routing
from engine.language_model import (
    LanguageModel,
    Likelihood,
    QueryError,
    TargetForm,
    kept_positions,
    target_lengths,
    target_likelihoods,
)
from engine.meg.gate import Gate
from engine.meg.neuron_source import NeuronSource
from engine.meg.router import QueryRouter, Routed, Router
from engine.model_files import ModelError
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
    """A language model that has something in one FFN block for routed queries; usable where transformers' model is.

    What is put into the block is there for all who ask the language model: one thread asks at a time.
    """

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
        if name == "_model":  # of one that is being copied
            raise AttributeError(name)
        return getattr(self._model.model, name)

    def eval(self) -> Self:
        """This one, which is always ready to be asked."""
        self._model.model.eval()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """This one, the original's weights being learnt or not."""
        self._model.model.requires_grad_(requires_grad)
        return self

    def to(self, *where: Any, **named: Any) -> Self:
        """This one, where it lies there already. Raises ModelError otherwise: what is attached would stay behind."""
        mine = torch.empty(0, device=self._model.device, dtype=self._model.model.dtype)
        wanted = mine.to(*where, **named)
        if (wanted.device, wanted.dtype) != (mine.device, mine.dtype):
            raise ModelError("An edited model stays where it is: load the original there, and attach the pack to that.")
        return self

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
        """For each query, the share of its target's tokens, the stop aside, that are likeliest given the true ones."""
        return [likelihood.share for likelihood in self.likelihoods(queries, targets, form="object")]

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
                logits = self._model.logits(batch, kept_positions(batch))
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
    def generate(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        inputs: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """As the transformers model's `generate`; each row is routed by its own text, a chat by its last question.

        `inputs` is transformers' other name for `input_ids`. Raises QueryError where neither is given.
        """
        tokens = inputs if input_ids is None else input_ids
        if tokens is None:
            raise QueryError("An edited model is asked in tokens: give it input_ids.")
        with self._put_for(tokens, attention_mask):
            return self._model.model.generate(input_ids=tokens, attention_mask=attention_mask, **kwargs)

    def __call__(self, input_ids: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> Any:
        """As the transformers model's forward; each row is routed by its own text.

        Raises QueryError with `past_key_values`, since what they stand for cannot be read.
        """
        if kwargs.get("past_key_values") is not None:
            raise QueryError("An edited model is given whole texts: leave out past_key_values, or call generate.")
        with self._put_for(input_ids, attention_mask):
            return self._model.model(input_ids=input_ids, attention_mask=attention_mask, **kwargs)

    forward = __call__

    @contextmanager
    def _put_for(self, tokens: Tensor, attention_mask: Tensor | None) -> Iterator[None]:
        """What rows of `tokens` [rows, length] are to have is in its place while the block runs."""
        mask = torch.ones_like(tokens) if attention_mask is None else attention_mask
        queries = [self._query(row[kept.bool()]) for row, kept in zip(tokens, mask, strict=True)]
        asking = [row for row, query in enumerate(queries) if query.strip()]
        routings, z = self._router.examine([queries[row] for row in asking]) if asking else ([], torch.empty(0))
        chosen = [place for place, routing in enumerate(routings) if routing.routed]
        try:
            if chosen:
                rows = torch.tensor([asking[place] for place in chosen], device=z.device)
                own = self._inserts(z[chosen], [routings[place] for place in chosen])
                self._slot.put(own, rows, of=len(queries))
            yield
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
