"""An edited model without a gate: the model itself is changed, and every query meets every edit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch

from engine.clock import Clock
from engine.decoding import GREEDY, Decoding
from engine.editor import Answer, Explanation, NextTokens, Routing, ungated
from engine.edits import EditError, EditSet, fold
from engine.language_model import LanguageModel, Likelihood, TargetForm
from engine.runs import Cancel
from engine.stopping import Extent


class UngatedModel(ABC):
    """A changed language model; usable where the transformers model is. What changes it is its kind's own."""

    gated = False

    def __init__(self, model: LanguageModel, title: str, edit_set: EditSet) -> None:
        """`model` is asked as the edits of `edit_set` were learnt; `title` is how the editor is called."""
        self._model, self._title = model, title
        asked = {fold(text): edit for edit in edit_set.enabled() for text in (*edit.paraphrases, edit.prompt)}
        self._extents = {text: model.extent(edit.new_object) for text, edit in asked.items()}
        self._usual = Extent(max((extent.tokens for extent in self._extents.values()), default=Extent().tokens))

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not defined here: config, device, generation_config, …
        return getattr(self._model.model, name)

    @property
    def threshold(self) -> float:
        """0: every query meets the edits. Raises EditError where it is to be moved."""
        return 0.0

    @threshold.setter
    def threshold(self, value: float) -> None:
        if value != 0:
            raise EditError(
                f"{self._title} has no gate, so there is no threshold to move: every question meets the edits."
            )

    def route(self, queries: Sequence[str]) -> list[Routing]:
        """That every query meets the edits. Raises QueryError for a query that the model cannot be asked."""
        for query in queries:
            self._model.token_ids(query)
        return [ungated(query) for query in queries]

    def explain(self, query: str) -> Explanation:
        """That there is no gate to explain: no edit is nearer than another, and no evidence is weighed."""
        (routing,) = self.route([query])
        return Explanation(routing, near=(), reasons=(), verbatim=False, calibrated=0.0)

    def answer(
        self,
        queries: Sequence[str],
        *,
        cancel: Cancel | None = None,
        originals: bool = True,
        decoding: Decoding = GREEDY,
    ) -> list[Answer]:
        """Both models' answers; with `originals` False the original answers are left empty."""
        routings = self.route(queries)
        # A query that asks for an edit in known words ends as its new object does; the words decide of no token.
        extents = [self._extents.get(fold(query), self._usual).under(decoding) for query in queries]
        clock = Clock()
        edited = self._model.answer(queries, extents=extents, decoding=decoding, cancel=cancel)
        edited_seconds = clock.share(len(queries))
        originally, seconds = [""] * len(queries), None
        if originals:
            with self.original() as original:
                originally = original.answer(queries, extents=extents, decoding=decoding, cancel=cancel)
            seconds = clock.share(len(queries))
        return [
            Answer(query, before, after, routing, seconds, edited_seconds)
            for query, before, after, routing in zip(queries, originally, edited, routings, strict=True)
        ]

    def teacher_forced(self, queries: Sequence[str], targets: Sequence[str]) -> list[float]:
        """For each query, the share of its target's tokens, the stop aside, that are likeliest given the true ones."""
        return [likelihood.share for likelihood in self.likelihoods(queries, targets, form="object")]

    def likelihoods(
        self,
        queries: Sequence[str],
        targets: Sequence[str],
        *,
        form: TargetForm = "answer",
        cancel: Cancel | None = None,
    ) -> list[Likelihood]:
        """How likely each target is after its query."""
        return self._model.likelihoods(queries, targets, form=form, cancel=cancel)

    def next_tokens(self, query: str, k: int = 8) -> NextTokens:
        """The likeliest next tokens of both models."""
        edited = self._model.next_tokens(query, k)
        with self.original() as original:
            return NextTokens(original.next_tokens(query, k), edited)

    @torch.no_grad()
    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """As the transformers model's `generate`."""
        return self._model.model.generate(*args, **kwargs)

    @abstractmethod
    def original(self) -> AbstractContextManager[LanguageModel]:
        """The original model, asked as this one is, for as long as the context lasts."""

    @abstractmethod
    def disable(self, edit_ids: Iterable[str]) -> None:
        """Switch edits off; raises EditError, and changes nothing, where the method cannot."""

    @abstractmethod
    def enable(self, edit_ids: Iterable[str]) -> None:
        """Switch edits on again."""

    @abstractmethod
    def detach(self) -> None:
        """Give the original model back, bit for bit."""
