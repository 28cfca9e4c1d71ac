"""Everything that a user may choose before a MeG training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.meg.collection import CollectionSettings
from engine.meg.encoder import EMBEDDED, TuningSettings
from engine.meg.familiarity import FamiliaritySettings
from engine.meg.gate import GateKind
from engine.meg.generator import GeneratorSettings


@dataclass(frozen=True, slots=True)
class MegSettings:
    """Everything that a user may choose before training."""

    layer: int | Literal["auto"] | None = None  # None: the block in the middle; "auto": found by a sweep
    encoder: str = EMBEDDED
    gate: GateKind = "fused"
    false_routing: float = 0.0075  # share of unrelated look-alikes that the gate may let through
    guards: int = 2  # queries that each neuron learns to leave alone
    prompt_alone: bool = False  # whether an edit's prompt alone is trained on, and none of its relation's phrasings
    chat: bool | None = None  # ask through the model's chat template; None: where it has one
    watched: tuple[str, ...] = ()
    tuning: TuningSettings = field(default_factory=TuningSettings)
    collection: CollectionSettings = field(default_factory=CollectionSettings)
    familiarity: FamiliaritySettings = field(default_factory=FamiliaritySettings)
    generator: GeneratorSettings = field(default_factory=GeneratorSettings)


def settings_from(values: Mapping[str, Any]) -> MegSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    parts: dict[str, Any] = dict(values)
    for name, kind in (
        ("tuning", TuningSettings),
        ("collection", CollectionSettings),
        ("familiarity", FamiliaritySettings),
        ("generator", GeneratorSettings),
    ):
        parts[name] = kind(**parts[name])
    parts["watched"] = tuple(parts["watched"])
    return MegSettings(**parts)
