"""A trained MeG editor: what its training leaves, in memory and on disk."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.edits import Edit, EditSet
from engine.language_model import LanguageModel
from engine.meg.collection import Collected
from engine.meg.completed import completed
from engine.meg.edit_index import EditIndex
from engine.meg.edited_model import MegEditedModel
from engine.meg.encoder import EncoderError, QueryEncoder
from engine.meg.familiarity import FamiliarityNetwork
from engine.meg.fusion import Fusion
from engine.meg.gate import Gate
from engine.meg.generator import Generator
from engine.meg.neuron_source import NeuronSource
from engine.meg.relation_readout import RelationReadout
from engine.meg.settings import MegSettings, settings_from
from engine.meg.stored import StoredNeurons
from engine.neuron import NeuronSlot
from engine.packs import ModelIdentity, StoredPack, check_base_model, write_pack


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
        generator: NeuronSource,
        collected: Collected,
        kept: Sequence[str] = (),
        figures: Mapping[str, Any],
    ) -> None:
        """`kept` are the ids of edits that answer with their own neurons, whatever the generator makes of them."""
        self.settings, self.layer, self.seed = settings, layer, seed
        self.model_name, self.fingerprint = model_name, fingerprint
        self.edit_set, self.gate, self.generator, self.collected = edit_set, gate, generator, collected
        self.kept, self.figures = tuple(kept), dict(figures)

    def rows_of(self, edits: Sequence[Edit]) -> dict[int, int]:
        """For each row of `edits` that this pack has learnt, just as it is now, the row of its neuron."""
        learnt = {edit.id: row for row, edit in enumerate(self.edit_set.enabled()) if self.collected.answered[row]}
        mine = self.edit_set.enabled()
        return {
            row: learnt[edit.id]
            for row, edit in enumerate(edits)
            if edit.id in learnt and _taught(edit) == _taught(mine[learnt[edit.id]])
        }

    def mark(self) -> str:
        """A sha256 that tells this training from others: its edits, its seed, and the neurons that were found."""
        told = f"{self.seed} {[edit.id for edit in self.edit_set.edits]} {sorted(self.figures.items())}"
        return hashlib.sha256(self.collected.neurons.numpy().tobytes() + told.encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the pack; see `engine.packs`."""
        # A generator that is none has no tensors but the collected neurons.
        generator, generator_meta = self.generator.state() if isinstance(self.generator, Generator) else ({}, {})
        gate, gate_meta = gate_state(self.gate)
        write_pack(
            folder,
            editor="meg",
            model=ModelIdentity(name=self.model_name, fingerprint=self.fingerprint),
            seed=self.seed,
            settings=dataclasses.asdict(self.settings),
            figures=self.figures,
            state={
                "layer": self.layer,
                "kept": list(self.kept),
                **gate_meta,
                "generator": generator_meta,
            },
            tensors={
                **gate,
                "generator": generator,
                "collected": self.collected.tensors(),
            },
            edits=self.edit_set,
        )

    @classmethod
    def from_stored(cls, stored: StoredPack, device: torch.device | str = "cpu") -> MegPack:
        """The pack that `save` wrote."""
        state: dict[str, Any] = dict(stored.manifest.state)
        settings = settings_from(stored.manifest.settings)
        gate = restored_gate(stored, settings, device)
        collected = Collected.restored(stored.tensors["collected"])
        return cls(
            settings=settings,
            layer=int(state["layer"]),
            model_name=stored.manifest.model.name,
            fingerprint=stored.manifest.model.fingerprint,
            seed=stored.manifest.seed,
            edit_set=stored.edits,
            gate=gate,
            generator=_neuron_source(stored, settings, gate, collected),
            collected=collected,
            kept=state["kept"],
            figures=stored.manifest.figures,
        )

    def to(self, device: torch.device) -> None:
        """Move to `device` whatever computes."""
        if self.gate.index.prompts.device != device:
            self.gate, self.generator = self.gate.to(device), self.generator.to(device)

    def attach(self, model: LanguageModel) -> MegEditedModel:
        """`model` with this editor, asked as it was when the pack was trained; the pack moves to the model's device.

        Raises PackError where that was another model, ModelError where it can no longer be asked so.
        """
        check_base_model(model, self.model_name, self.fingerprint)
        self.to(model.device)
        asked = model.asked(chat=self.settings.chat)
        return MegEditedModel(asked, self.gate, self._source(), NeuronSlot(asked.blocks[self.layer]))

    def _source(self) -> NeuronSource:
        """Where neurons come from, what is kept included."""
        rows = {edit.id: row for row, edit in enumerate(self.gate.index.edits)}
        kept = [rows[id] for id in self.kept]
        return completed(self.generator, self.gate.index.prompts, self.collected, kept)


def _taught(edit: Edit) -> tuple[str, ...]:
    """What a neuron depends on."""
    return edit.prompt, edit.new_object, edit.subject, edit.relation


def _neuron_source(stored: StoredPack, settings: MegSettings, gate: Gate, collected: Collected) -> NeuronSource:
    """Where a pack's neurons come from, on the gate's device."""
    prompts = gate.index.prompts
    if settings.generator.kind == "stored":
        return StoredNeurons(prompts, collected.neurons.to(prompts.device))
    state: dict[str, Any] = dict(stored.manifest.state)
    return Generator.restored(
        stored.tensors["generator"], state["generator"], prompts.shape[1], settings.generator, prompts.device
    )


def gate_state(gate: Gate) -> tuple[dict[str, Mapping[str, Tensor]], dict[str, Any]]:
    """A gate's tensors by file and its share of a pack's state, from which `restored_gate` makes the same gate."""
    tensors: dict[str, Mapping[str, Tensor]] = {
        "encoder": gate.index.encoder.tuned(),
        "index": {**gate.index.tensors, **gate.index.readout.tensors()},
        "familiarity": dict(gate.network.state_dict()),
    }
    return tensors, {
        "encoder": gate.index.encoder.mark(),
        "phrasings": gate.index.phrasings,
        "relations": gate.index.readout.relations,
        "fusion": dataclasses.asdict(gate.fusion),
    }


def restored_gate(stored: StoredPack, settings: MegSettings, device: torch.device | str) -> Gate:
    """The gate of a pack, on `device`."""
    state: dict[str, Any] = dict(stored.manifest.state)
    encoder = QueryEncoder.load(settings.encoder, device)
    if encoder.mark() != state.get("encoder"):
        raise EncoderError(
            f"The text encoder “{settings.encoder}” is not the one that the pack was trained with: put that one back."
        )
    encoder.restore(stored.tensors["encoder"])
    tensors = {key: value.to(device) for key, value in stored.tensors["index"].items()}
    readout = RelationReadout.restored(state["relations"], tensors)
    index = EditIndex(stored.edits.enabled(), state["phrasings"], encoder, readout, tensors)
    network = FamiliarityNetwork(encoder.width, settings.familiarity).to(device)
    network.load_state_dict(stored.tensors["familiarity"])
    return Gate(index, network.eval().requires_grad_(False), Fusion.restored(state["fusion"]), settings.gate)
