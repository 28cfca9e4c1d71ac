"""Trainings on the embedded model that are over in seconds, for what does not depend on how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from assets import catalogue
from engine.edits import EditSet
from engine.formats.registry import read_edits
from engine.language_model import LanguageModel
from engine.meg.editor import MegEditor
from engine.meg.encoder import TuningSettings
from engine.meg.familiarity import FamiliaritySettings
from engine.meg.gate import GateKind
from engine.meg.generator import GeneratorSettings
from engine.meg.pack import MegPack
from engine.meg.settings import MegSettings
from engine.runs import Cancel, ProgressBoard

GENERATOR = GeneratorSettings(width=128, layers=2, batch=64, noise=0.05, check_every=50)


def quick_settings(
    encoder: Path,
    *,
    gate: GateKind = "fused",
    layer: int | None = None,
    generator: GeneratorSettings = GENERATOR,
    watched: Sequence[str] = (),
) -> MegSettings:
    """Everything small, with the text encoder in the folder `encoder`."""
    return MegSettings(
        layer=layer,
        encoder=str(encoder),
        gate=gate,
        watched=tuple(watched),
        false_routing=0.005,  # a random encoder tells little: the gate is to let through what is certain
        tuning=TuningSettings(steps=10, facts=8, learning_rate=3e-3),
        familiarity=FamiliaritySettings(steps=60, batch=64, blocks=2, heads=32),
        generator=generator,
    )


def fit(
    model: LanguageModel,
    edits: EditSet,
    settings: MegSettings,
    *,
    seed: int = 0,
    run: Path | None = None,
    board: ProgressBoard | None = None,
    cancel: Cancel | None = None,
    start: MegPack | None = None,
) -> MegPack:
    """One training."""
    return MegEditor(settings).fit(
        model, edits, progress=board or ProgressBoard(), cancel=cancel or Cancel(), seed=seed, run=run, start=start
    )


@cache
def sample() -> EditSet:
    """The edit set that comes with the product."""
    return read_edits(catalogue.SAMPLE_EDITS, relations=catalogue.relations()).edit_set


def sample_edits(count: int) -> EditSet:
    """So many of the sample edits, of as many relations as can be."""
    every = sample()
    chosen = every.edits[:count]  # they go round the relations
    return EditSet("a few", chosen, {key: every.relations[key] for key in {edit.relation for edit in chosen}})
