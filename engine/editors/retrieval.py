"""Retrieval: no weight of the model is changed; the edit that a query is about is put before the question.

The gate is MeG's, so that the two differ in how an edit is answered and in nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from engine.decoding import GREEDY, Decoding
from engine.editor import Answer, NextTokens, Routing
from engine.edits import EditError, EditSet
from engine.language_model import LanguageModel, Likelihood, TargetForm
from engine.meg.gate import Gate
from engine.meg.pack import check_model, gate_state, restored_gate
from engine.meg.router import Clock, RoutedModel
from engine.meg.settings import MegSettings, settings_from
from engine.meg.training import Training
from engine.packs import ModelIdentity, StoredPack, write_pack
from engine.runs import Cancel, ProgressBoard


class RetrievalEditor:
    """Editing by a sentence before the question, behind the Editor protocol."""

    def __init__(self, settings: MegSettings | None = None) -> None:
        self.settings = settings or MegSettings()

    def stages(self) -> tuple[str, ...]:
        """The stages of a fit, in order."""
        return ("Encoder", "Gate")

    def requirements(self) -> tuple[str, ...]:
        """As for MeG: a subject and a relation make the gate much surer."""
        return ("prompt", "new object")

    def fit(
        self,
        model: LanguageModel,
        edits: EditSet,
        *,
        progress: ProgressBoard,
        cancel: Cancel,
        seed: int = 0,
        run: Path | None = None,
    ) -> RetrievalPack:
        """Train the gate on the enabled edits; see `engine.editor.Editor.fit`."""
        if not edits.enabled():
            raise EditError("There is no edit to train: add one, or switch one on.")
        training = Training(self.settings, model, edits, progress, cancel, seed, run)
        gate = training.gate_alone()
        return RetrievalPack(training.settings, model.name, model.fingerprint(), seed, edits, gate)


class RetrievalPack:
    """A gate and the edits that it knows."""

    def __init__(
        self, settings: MegSettings, model_name: str, fingerprint: str, seed: int, edit_set: EditSet, gate: Gate
    ) -> None:
        self.settings, self.model_name, self.fingerprint = settings, model_name, fingerprint
        self.seed, self.edit_set, self.gate = seed, edit_set, gate
        self.figures: dict[str, Any] = {"edits": len(edit_set.enabled()), "threshold": gate.threshold}

    def save(self, folder: Path) -> None:
        """Write the pack; see `engine.packs`."""
        tensors, state = gate_state(self.gate)
        write_pack(
            folder,
            editor="retrieval",
            model=ModelIdentity(name=self.model_name, fingerprint=self.fingerprint),
            seed=self.seed,
            settings=dataclasses.asdict(self.settings),
            figures=self.figures,
            state=state,
            tensors=tensors,
            edits=self.edit_set,
        )

    @classmethod
    def from_stored(cls, stored: StoredPack, device: torch.device | str = "cpu") -> RetrievalPack:
        """The pack that `save` wrote."""
        manifest = stored.manifest
        settings = settings_from(manifest.settings)
        gate = restored_gate(stored, settings, device)
        return cls(settings, manifest.model.name, manifest.model.fingerprint, manifest.seed, stored.edits, gate)

    def attach(self, model: LanguageModel) -> RetrievalEditedModel:
        """`model` with this editor, asked as it was when the gate was trained; raises as `MegPack.attach` does."""
        check_model(model, self.model_name, self.fingerprint)
        if self.gate.index.prompts.device != model.device:
            self.gate = self.gate.to(model.device)
        return RetrievalEditedModel(model.asked(chat=self.settings.chat), self.gate)


class RetrievalEditedModel(RoutedModel):
    """A language model that is told the edit which a query is about."""

    def answer(
        self,
        queries: Sequence[str],
        *,
        cancel: Cancel | None = None,
        originals: bool = True,
        decoding: Decoding = GREEDY,
    ) -> list[Answer]:
        """Both models' answers; with `originals` False the original answers to routed queries are left empty."""
        clock = Clock()
        routings = self.route(queries)
        gate = clock.share(len(queries))
        extents = [self._router.extent(routing).under(decoding) for routing in routings]
        edited = self._model.answer(
            self._told(routings), extents=extents, decoding=decoding, questions=queries, cancel=cancel
        )
        told = clock.share(len(queries))
        asked = [row for row, routing in enumerate(routings) if routing.routed] if originals else []
        originally = dict(enumerate(edited)) | {row: "" for row, routing in enumerate(routings) if routing.routed}
        seconds = {row: told for row, routing in enumerate(routings) if not routing.routed}
        texts = self._model.answer(
            [queries[row] for row in asked],
            extents=[extents[row] for row in asked],
            decoding=decoding,
            cancel=cancel,
        )
        originally.update(zip(asked, texts, strict=True))
        seconds |= dict.fromkeys(asked, clock.share(len(asked)))
        return [
            Answer(query, originally[row], edited[row], routings[row], seconds.get(row), gate + told)
            for row, query in enumerate(queries)
        ]

    def teacher_forced(self, queries: Sequence[str], targets: Sequence[str]) -> list[float]:
        """For each query, the share of its target's tokens that are likeliest given the true ones before."""
        return [likelihood.share for likelihood in self.likelihoods(queries, targets)]

    def likelihoods(
        self,
        queries: Sequence[str],
        targets: Sequence[str],
        *,
        form: TargetForm = "answer",
        cancel: Cancel | None = None,
    ) -> list[Likelihood]:
        """How likely each target is after its query."""
        return self._model.likelihoods(self._told(self.route(queries)), targets, form=form, cancel=cancel)

    def next_tokens(self, query: str, k: int = 8) -> NextTokens:
        """The likeliest next tokens of both models."""
        (told,) = self._told(self.route([query]))
        return NextTokens(self._model.next_tokens(query, k), self._model.next_tokens(told, k))

    def detach(self) -> None:
        """Nothing was changed in the model."""

    def _told(self, routings: Sequence[Routing]) -> list[str]:
        """What the model is asked: a routed query with its edit before it, any other as it is."""
        told = []
        for routing in routings:
            edit = self._router.edit(routing)
            told.append(f"{edit.prompt} {edit.new_object}. {routing.query}" if routing.routed else routing.query)
        return told
