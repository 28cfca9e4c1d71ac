"""Gated retrieval: no weight of the model is changed; the edit that a query is about is put before the question.

The gate is MeG's, so that the two differ in how an edit is answered and in nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from engine.editor import Routing
from engine.editors.in_context import InContextEditedModel, Recalled, check_room, statement
from engine.editors.registered import RegisteredEditor
from engine.edits import Edit, EditError, EditSet
from engine.language_model import LanguageModel
from engine.meg.gate import Gate
from engine.meg.gate_training import gate_memory, tuning_memory
from engine.meg.pack import gate_state, restored_gate
from engine.meg.router import RoutedModel
from engine.meg.settings import MegSettings, settings_from
from engine.meg.training import Training
from engine.packs import ModelIdentity, StoredPack, check_base_model, write_pack
from engine.runs import Cancel, ProgressBoard


class RetrievalEditor(RegisteredEditor):
    """Editing by a sentence before the question, behind the Editor protocol."""

    name = "retrieval"

    def __init__(self, settings: MegSettings | None = None) -> None:
        self.settings = settings or MegSettings()

    def memory(self, model: LanguageModel, edits: Sequence[Edit]) -> int:  # noqa: ARG002  the model is only asked
        """The encoder, what tuning it takes, and the gate."""
        return tuning_memory(self.settings, edits) + gate_memory(self.settings, edits)

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
        asked = model.asked(chat=self.settings.chat)
        for edit in edits.enabled():
            check_room(asked, edit, before(edit))
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
        check_base_model(model, self.model_name, self.fingerprint)
        if self.gate.index.prompts.device != model.device:
            self.gate = self.gate.to(model.device)
        return RetrievalEditedModel(model.asked(chat=self.settings.chat), self.gate)


class RetrievalEditedModel(InContextEditedModel, RoutedModel):
    """A language model that is told the edit which a query is about."""

    def _recall(self, queries: Sequence[str]) -> list[Recalled]:
        return [self._recalled(routing) for routing in self.route(queries)]

    def _recalled(self, routing: Routing) -> Recalled:
        if not routing.routed:
            return Recalled(routing)
        edit = self._router.edit(routing)
        return Recalled(routing, edit, (before(edit),))


def before(edit: Edit) -> str:
    """What goes before a question that meets `edit`."""
    return f"{statement(edit)} "
