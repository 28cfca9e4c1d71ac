"""The two models of a comparison, spoken to alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from engine.decoding import GREEDY, Decoding
from engine.language_model import LanguageModel, Likelihood, TargetForm
from engine.runs import Cancel

if TYPE_CHECKING:
    from engine.editor import EditedModel


class Side(Protocol):
    """The original or the edited model."""

    @property
    def model(self) -> LanguageModel:
        """The model's tokens and length."""

    def write(self, queries: Sequence[str], decoding: Decoding = GREEDY) -> list[str]:
        """What this model answers to each query. Raises Cancelled when asked to stop."""

    def weigh(self, queries: Sequence[str], targets: Sequence[str], form: TargetForm = "object") -> list[Likelihood]:
        """How likely each target is after its query. Raises Cancelled when asked to stop."""


class _Original:
    def __init__(self, model: LanguageModel, cancel: Cancel | None) -> None:
        self.model, self._cancel = model, cancel

    def write(self, queries: Sequence[str], decoding: Decoding = GREEDY) -> list[str]:
        return self.model.answer(queries, decoding=decoding, cancel=self._cancel)

    def weigh(self, queries: Sequence[str], targets: Sequence[str], form: TargetForm = "object") -> list[Likelihood]:
        return self.model.likelihoods(queries, targets, form=form, cancel=self._cancel)


class _Edited:
    def __init__(self, edited: EditedModel, model: LanguageModel, cancel: Cancel | None) -> None:
        self._edited, self.model, self._cancel = edited, model, cancel

    def write(self, queries: Sequence[str], decoding: Decoding = GREEDY) -> list[str]:
        answers = self._edited.answer(queries, cancel=self._cancel, originals=False, decoding=decoding)
        return [answer.edited for answer in answers]

    def weigh(self, queries: Sequence[str], targets: Sequence[str], form: TargetForm = "object") -> list[Likelihood]:
        return self._edited.likelihoods(queries, targets, form=form, cancel=self._cancel)


@contextmanager
def original_side(edited: EditedModel, cancel: Cancel | None = None) -> Iterator[Side]:
    """The original model, for as long as the context lasts."""
    with edited.original() as model:
        yield _Original(model, cancel)


@contextmanager
def edited_side(edited: EditedModel, cancel: Cancel | None = None) -> Iterator[Side]:
    """The edited model."""
    with edited.original() as model:
        tokens = model  # for its tokens and its length alone: the edits are back before anything is asked
    yield _Edited(edited, tokens, cancel)
