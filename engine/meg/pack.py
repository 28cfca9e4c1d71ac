"""A trained MeG editor: what its training leaves, in memory and on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from engine.edits import EditSet
from engine.language_model import LanguageModel
from engine.meg.edited_model import MegEditedModel
from engine.meg.encoder import QueryEncoder
from engine.meg.familiarity import FamiliarityNetwork
from engine.meg.gate import EditIndex, Fusion, Gate
from engine.meg.generator import Generator
from engine.meg.settings import MegSettings, settings_from
from engine.neuron import NeuronSlot
from engine.packs import ModelIdentity, PackError, StoredPack, write_pack


class MegPack:
    """A trained MeG editor."""

    def __init__(
        self,
        *,
        settings: MegSettings,
        layer: int,
        model_name: str,
        fingerprint: str,
        seed: int,
        edit_set: EditSet,
        gate: Gate,
        generator: Generator,
        figures: Mapping[str, Any],
    ) -> None:
        self.settings, self.layer, self.seed = settings, layer, seed
        self.model_name, self.fingerprint = model_name, fingerprint
        self.edit_set, self.gate, self.generator = edit_set, gate, generator
        self.figures = dict(figures)

    def save(self, folder: Path) -> None:
        """Write the pack; see `engine.packs`."""
        generator, generator_meta = self.generator.state()
        index = self.gate.index
        write_pack(
            folder,
            editor="meg",
            model=ModelIdentity(name=self.model_name, fingerprint=self.fingerprint),
            seed=self.seed,
            settings=dataclasses.asdict(self.settings),
            figures=self.figures,
            state={
                "layer": self.layer,
                "phrasings": index.phrasings,
                "fusion": dataclasses.asdict(self.gate.fusion),
                "generator": generator_meta,
            },
            tensors={
                "encoder": index.encoder.tuned(),
                "index": index.tensors,
                "familiarity": dict(self.gate.network.state_dict()),
                "generator": generator,
            },
            edits=self.edit_set,
        )

    @classmethod
    def from_stored(cls, stored: StoredPack, device: torch.device | str = "cpu") -> MegPack:
        """The pack that `save` wrote."""
        state: dict[str, Any] = dict(stored.manifest.state)
        settings = settings_from(stored.manifest.settings)
        encoder = QueryEncoder.load(settings.encoder, device)
        encoder.restore(stored.tensors["encoder"])
        tensors = {key: value.to(device) for key, value in stored.tensors["index"].items()}
        index = EditIndex(stored.edits.enabled(), state["phrasings"], encoder, tensors)
        network = FamiliarityNetwork(encoder.width, settings.familiarity).to(device)
        network.load_state_dict(stored.tensors["familiarity"])
        fusion = Fusion.restored(state["fusion"])
        return cls(
            settings=settings,
            layer=int(state["layer"]),
            model_name=stored.manifest.model.name,
            fingerprint=stored.manifest.model.fingerprint,
            seed=stored.manifest.seed,
            edit_set=stored.edits,
            gate=Gate(index, network.eval().requires_grad_(False), fusion, settings.gate),
            generator=Generator.restored(
                stored.tensors["generator"], state["generator"], encoder.width, settings.generator, torch.device(device)
            ),
            figures=stored.manifest.figures,
        )

    def attach(self, model: LanguageModel) -> MegEditedModel:
        """`model` with this editor, asked as it was when the pack was trained.

        Raises PackError where that was another model, ModelError where it can no longer be asked so.
        """
        if model.fingerprint() != self.fingerprint:
            raise PackError(
                f"This pack was trained on “{self.model_name}”, and “{model.name}” has other weights: "
                "load the model it was trained on."
            )
        asked = model.asked(chat=self.settings.chat)
        return MegEditedModel(asked, self.gate, self.generator, NeuronSlot(asked.blocks[self.layer]))
