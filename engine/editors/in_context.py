"""In-context editing: the model stays as it is, and is told something before each question that an edit answers.

What is told comes in passages. Where they do not all fit the model's positions, whole passages are left out, in an
order that each editor states; no passage and no question is ever cut.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from engine.clock import Clock
from engine.decoding import GREEDY, Decoding
from engine.editor import Answer, NextTokens, Routing
from engine.edits import Edit, EditError
from engine.language_model import LanguageModel, Likelihood, QueryError, TargetForm
from engine.runs import Cancel
from engine.stopping import Extent


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known of one question before it is asked."""

    routing: Routing
    edit: Edit | None = None  # the edit that the question meets
    passages: tuple[str, ...] = ()  # what goes before the question; what comes first is left out first


def told(model: LanguageModel, question: str, passages: Sequence[str], room: int) -> str:
    """`question` with the last of `passages` before it: as many as leave `room` tokens for what the model says."""

    def fits(left_out: int) -> bool:
        try:
            return len(model.token_ids("".join(passages[left_out:]) + question)) + room <= model.max_positions
        except QueryError:
            return False

    left_out = bisect_left(range(len(passages)), True, key=fits)
    return "".join(passages[left_out:]) + question


def statement(edit: Edit) -> str:
    """An edit as a sentence: its prompt with the new object."""
    return f"{edit.prompt.rstrip()} {edit.new_object.strip()}."


def passage(form: str, edit: Edit, question: str) -> str:
    """What goes before `question`, which meets `edit`; `form` says how, with {fact} and {question}."""
    return form.format(fact=statement(edit), question=question)


def check_room(model: LanguageModel, edit: Edit, before: str) -> None:
    """Raise EditError where `before` cannot go before the edit's own prompt, for want of positions."""
    if told(model, edit.prompt, (before,), model.extent(edit.new_object).tokens) == edit.prompt:
        raise EditError(
            f"Edit {edit.id} “{edit.prompt[:40]}” is too long to be told: the fact, the question and the answer "
            f"together take more than the {model.max_positions:,} tokens of the model. Shorten it."
        )


class InContextEditedModel(ABC):
    """A language model that is told something before each question that meets an edit."""

    gated: bool
    _model: LanguageModel

    @abstractmethod
    def _recall(self, queries: Sequence[str]) -> list[Recalled]:
        """What each query meets; raises QueryError for one that the model cannot be asked."""

    def answer(
        self,
        queries: Sequence[str],
        *,
        cancel: Cancel | None = None,
        originals: bool = True,
        decoding: Decoding = GREEDY,
    ) -> list[Answer]:
        """Both models' answers; with `originals` False those of the original model to told queries are left empty."""
        clock = Clock()
        recalled = self._recall(queries)
        extents = [self._extent(each).under(decoding) for each in recalled]
        prompts = [
            self._told(query, each, extent.tokens)
            for query, each, extent in zip(queries, recalled, extents, strict=True)
        ]
        looked = clock.share(len(queries))
        edited = self._model.answer(prompts, extents=extents, decoding=decoding, questions=queries, cancel=cancel)
        changed = clock.share(len(queries))
        # What is told nothing is asked of the original model: its answer is both.
        others = [row for row, query in enumerate(queries) if prompts[row] != query]
        originally = {row: text for row, text in enumerate(edited) if prompts[row] == queries[row]}
        seconds = dict.fromkeys(originally, changed)
        if originals:
            texts = self._model.answer(
                [queries[row] for row in others],
                extents=[extents[row] for row in others],
                decoding=decoding,
                cancel=cancel,
            )
            originally.update(zip(others, texts, strict=True))
            seconds |= dict.fromkeys(others, clock.share(len(others)))
        return [
            Answer(
                query,
                originally.get(row, ""),
                edited[row],
                recalled[row].routing,
                seconds.get(row),
                looked + changed,
                looked if self.gated else None,
            )
            for row, query in enumerate(queries)
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
        rows = zip(queries, self._recall(queries), targets, strict=True)
        prompts = [self._told(query, each, self._model.tokens_of(target)) for query, each, target in rows]
        return self._model.likelihoods(prompts, targets, form=form, cancel=cancel)

    @contextmanager
    def original(self) -> Iterator[LanguageModel]:
        """The original model, asked as this one is: nothing in it is ever changed."""
        yield self._model

    def next_tokens(self, query: str, k: int = 8) -> NextTokens:
        """The likeliest next tokens of both models."""
        (each,) = self._recall([query])
        prompt = self._told(query, each)
        original = self._model.next_tokens(query, k)
        return NextTokens(original, original if prompt == query else self._model.next_tokens(prompt, k))

    def detach(self) -> None:  # noqa: B027  there is nothing to do in any of them
        """Nothing was changed in the model."""

    def _told(self, query: str, recalled: Recalled, room: int = 0) -> str:
        """What the model is asked, with `room` for an answer: as much as the edit's own takes, at least."""
        return told(self._model, query, recalled.passages, max(room, self._extent(recalled).tokens))

    def _extent(self, recalled: Recalled) -> Extent:
        """How far both models answer, so that like is compared with like: as the edit's new object goes."""
        return Extent() if recalled.edit is None else self._model.extent(recalled.edit.new_object)
