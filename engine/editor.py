"""The protocol behind which every editing method stands, and the values that it speaks in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from engine.decoding import GREEDY, Decoding
from engine.edits import Edit, EditSet
from engine.language_model import LanguageModel, Likelihood, TargetForm, TokenChance
from engine.runs import Cancel, ProgressBoard


@dataclass(frozen=True, slots=True)
class Routing:
    """What the gate says of one query, before anything is decoded."""

    query: str
    familiarity: float  # probability in [0, 1] that the query is about an edit
    routed: bool  # familiarity reached the threshold and the nearest edit is switched on
    threshold: float
    entropy: float  # mean entropy of the familiarity network's label heads, in [0, 1] of its maximum
    nearest_edit: str  # id of the nearest edit
    similarity: float  # cosine to that edit in the tuned space


def ungated(query: str) -> Routing:
    """What is said of a query where there is no gate: every query meets the edits."""
    return Routing(query, 1.0, routed=True, threshold=0.0, entropy=0.0, nearest_edit="", similarity=0.0)


@dataclass(frozen=True, slots=True)
class NearEdit:
    """An edit that a query may be about."""

    edit: str  # id
    similarity: float  # cosine in the tuned space
    familiarity: float | None  # None where the gate did not weigh it


@dataclass(frozen=True, slots=True)
class Reason:
    """One kind of evidence that a query is, or is not, about its nearest edit."""

    evidence: str  # its name: one of `engine.meg.reasons.EVIDENCE`
    value: float  # what was found
    usual: float  # its mean over the queries and candidates that the gate was calibrated on
    weight: float  # what it adds to the log-odds of the familiarity: below 0 it speaks against


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the gate decides on one query as it does."""

    routing: Routing
    near: tuple[NearEdit, ...]  # the likeliest first: that is the routing's nearest edit
    reasons: tuple[Reason, ...]  # the weightiest first; empty where the gate weighs no evidence
    verbatim: bool  # the query is the nearest edit's prompt, word for word, which decides alone
    calibrated: float  # the threshold that was calibrated, wherever it was moved since


@dataclass(frozen=True, slots=True)
class Answer:
    """The original and the edited model's answers to one query."""

    query: str
    original: str
    edited: str
    routing: Routing
    # In a batch, each query's even share of it.
    original_seconds: float | None = field(default=None, compare=False)  # None where the original model was not asked
    edited_seconds: float | None = field(default=None, compare=False)  # the gate's part and the generator's included
    gate_seconds: float | None = field(default=None, compare=False)  # the gate's part; None where there is no gate


@dataclass(frozen=True, slots=True)
class NextTokens:
    """The likeliest next tokens of both models, likeliest first."""

    original: tuple[TokenChance, ...]
    edited: tuple[TokenChance, ...]


@runtime_checkable
class EditedModel(Protocol):
    """A language model with an editor attached."""

    gated: bool
    """Whether queries are told apart. If not, each `Routing` is that of `ungated`, and no threshold moves."""
    threshold: float
    """The familiarity from which queries are routed; may be moved. Raises EditError outside of 0 to 1."""

    def route(self, queries: Sequence[str]) -> list[Routing]:
        """The gate's word on each query: no decoding, quick enough to follow typing."""

    def explain(self, query: str) -> Explanation:
        """The gate's word on one query, with what it hangs on: no decoding, quick enough to follow typing."""

    def answer(
        self,
        queries: Sequence[str],
        *,
        cancel: Cancel | None = None,
        originals: bool = True,
        decoding: Decoding = GREEDY,
    ) -> list[Answer]:
        """Both models' answers to each query; the rows of one batch are routed one by one.

        With `originals` False the original answers to routed queries are left empty, which saves decoding them.
        """

    def teacher_forced(self, queries: Sequence[str], targets: Sequence[str]) -> list[float]:
        """For each query, the share of its target's tokens, the stop aside, that are likeliest given the true ones."""

    def likelihoods(
        self,
        queries: Sequence[str],
        targets: Sequence[str],
        *,
        form: TargetForm = "answer",
        cancel: Cancel | None = None,
    ) -> list[Likelihood]:
        """How likely each target is after its query; routed as in `answer`, by the query alone."""

    def original(self) -> AbstractContextManager[LanguageModel]:
        """The original model, asked as the edited one is, for as long as the context lasts; then the edits are back."""

    def next_tokens(self, query: str, k: int = 8) -> NextTokens:
        """The `k` likeliest next tokens of the original and of the edited model."""

    def disable(self, edit_ids: Iterable[str]) -> None:
        """Switch edits off at once: queries about them get the original model's answer.

        Raises EditError, and changes nothing, where the method cannot take one edit back without training again.
        """

    def enable(self, edit_ids: Iterable[str]) -> None:
        """Switch edits on again."""

    def detach(self) -> None:
        """Give the original model back, bit for bit."""


@runtime_checkable
class Solved(Protocol):
    """An edited model whose weights are solved for anew when edits are switched, which may take a while."""

    def switch_off(self, edit_ids: frozenset[str], cancel: Cancel | None = None) -> None:
        """Have these edits off and all others on, solved for once.

        Nothing has changed where EditError is raised, as by `disable`, or Cancelled.
        """


class Pack(Protocol):
    """A trained editor on disk, or in memory before it is saved."""

    def save(self, folder: Path) -> None:
        """Write the pack: manifest.json, safetensors, edits.jsonl, each hashed in the manifest."""

    def attach(self, model: LanguageModel) -> EditedModel:
        """The model with this editor; raises PackError where it was trained on another model."""


class Editor(Protocol):
    """A knowledge-editing method."""

    def stages(self) -> tuple[str, ...]:
        """The names of the stages that `fit` goes through, in order."""

    def requirements(self) -> tuple[str, ...]:
        """What an edit must have for this method ("subject", "original answer", …), for the user to read."""

    def memory(self, model: LanguageModel, edits: Sequence[Edit]) -> int:
        """About how many bytes learning these edits, one at least, takes at most beside the model."""

    def fit(
        self,
        model: LanguageModel,
        edits: EditSet,
        *,
        progress: ProgressBoard,
        cancel: Cancel,
        seed: int = 0,
        run: Path | None = None,
    ) -> Pack:
        """Train on the enabled edits. `run` is a folder for checkpoints: a killed fit resumes from them.

        Raises Cancelled when asked to stop, EditError where the edits cannot be used.
        """
