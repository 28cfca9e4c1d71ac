"""Everything that a user may choose before a MeG training, with what each choice means.

Nothing here needs torch: the command line and the window show these settings before the engine is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from engine.setting_fields import SettingError, check, setting

EMBEDDED = "embedded"
GateKind = Literal["fused", "entropy"]
PAPER_STEPS = 80  # passes over each edit while its neuron is found, as the authors take
PAPER_MINUTES = 60.0  # of the generator's training under the preset, where nobody says how many


@dataclass(frozen=True, slots=True)
class TuningSettings:
    """How the encoder is tuned."""

    steps: int = setting(24, "Steps in which the text encoder learns to tell relations apart.", least=1, most=100_000)
    facts: int = setting(
        24,
        "Facts a step: as many questions, paraphrases and hard negatives.",
        title="facts a step",
        least=2,
        most=4_096,
    )
    learning_rate: float = setting(1e-4, "How far each step goes.", least=1e-8, most=1)
    temperature: float = setting(
        0.07, "How sharply a question is set apart from the others of its step: lower is sharper.", least=0.001, most=10
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """How neurons are optimised."""

    steps: int = setting(24, "Steps in which each edit's neuron is sought.", least=1, most=100_000)
    learning_rate: float = setting(0.05, "How far each step goes.", least=1e-6, most=10)
    guard_weight: float = setting(
        0.3, "How much it counts that other questions keep their answers, beside the edit's own.", least=0, most=100
    )
    learnt: float = setting(
        0.05, "The loss at which an edit counts as learnt and leaves its group.", title="learnt at", least=0, most=10
    )
    second_try: int = setting(
        3,
        "Times as many steps for edits that were not learnt, each time they are tried again; 0: they are not.",
        least=0,
        most=100,
    )
    start: Literal["always on", "random"] = setting(
        "always on", "How a neuron begins: firing everywhere and doing nothing, or small and random as the authors do."
    )
    neurons: int = setting(1, "Neurons an edit, to begin with.", title="neurons an edit", least=1, most=16)
    most: int = setting(
        16,
        "Neurons for an edit that fewer cannot hold, at most: it is tried with four times as many, and again. Such an "
        "edit keeps them; none are generated for it.",
        title="most neurons an edit",
        least=1,
        most=16,
    )
    group: int = setting(
        256, "Edits whose neurons are sought at once, at most; fewer where memory is short.", least=1, most=65_536
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class FamiliaritySettings:
    """Shape and training of the familiarity network; `paper` gives the authors' own."""

    heads: int = setting(64, "Label heads: each gives every edit its own random label.", least=1, most=4_096)
    classes: int = setting(10, "Labels that a head has to choose from.", least=2, most=1_000)
    blocks: int = setting(2, "Residual blocks of the network.", least=0, most=100)
    widening: int = setting(4, "How many times wider a block is inside.", least=1, most=64)
    dropout: float = setting(0.0, "Share of a block's output left out at each step.", least=0, most=0.95)
    steps: int = setting(100, "Steps of training; one more is taken for every sixteen edits.", least=1, most=1_000_000)
    batch: int = setting(512, "Questions a step.", least=1, most=65_536)
    learning_rate: float = setting(6e-3, "How far each step goes.", least=1e-8, most=1)
    scale: float = setting(
        10.0,
        "How much a question's vector is enlarged, so that the blocks can tell questions apart.",
        least=0.1,
        most=1_000,
    )
    noise: float = setting(0.9, "Length of the noise put on a question's vector of length 1.", least=0, most=100)
    strangers: float = setting(0.3, "How much questions about no edit count.", least=0, most=100)

    def __post_init__(self) -> None:
        check(self)

    def steps_for(self, edits: int, new: int | None = None) -> int:
        """How many steps so many edits take; half where all but `new` are known already."""
        if new is not None:
            return max(1, (self.steps + new // 16) // 2)
        return self.steps + edits // 16

    @classmethod
    def paper(cls) -> FamiliaritySettings:
        """Five blocks, one head, no noise, no strangers."""
        return cls(heads=1, blocks=5, dropout=0.1, noise=0.0, strangers=0.0)


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """Shape, training and sampling of the generator; `paper` gives the authors' own recipe."""

    kind: Literal["transformer", "mlp", "stored"] = setting(
        "transformer", "What makes the neurons, or keeps them: “stored” answers with the collected neurons themselves."
    )
    latent: bool = setting(
        True, "Whether principal components of the neurons are made, and not their raw weights.", title="latent"
    )
    components: int = setting(256, "Principal components of the neurons, at most.", least=1, most=65_536)
    variance: float = setting(
        0.99, "As many components as hold this share of the neurons' variance.", least=0.01, most=1
    )
    token: int = setting(128, "Components in one token, at most.", title="token size", least=1, most=65_536)
    anchoring: float = setting(
        0.9,
        "How far a question's vector is drawn towards that of the edit it is about: 0 not at all, 1 wholly.",
        least=0,
        most=1,
    )
    width: int = setting(256, "Width of the transformer; the heads have to divide it.", least=8, most=16_384)
    layers: int = setting(2, "Blocks of the transformer.", title="blocks", least=1, most=100)
    heads: int = setting(4, "Attention heads a block.", least=1, most=256)
    condition_width: int = setting(
        1_024, "Width inside the residual blocks that a question's vector goes through.", least=1, most=65_536
    )
    noise: float = setting(0.3, "Noise on a question's vector while training: it buys generality.", least=0, most=100)
    sampling_steps: int = setting(4, "Steps in which a neuron is made.", least=1, most=1_000)
    learning_rate: float = setting(6e-3, "How far each step of training goes.", least=1e-8, most=1)
    batch: int | None = setting(
        None,
        "Neurons a step of training. Nothing: by the number of edits.",
        title="neurons a step",
        least=1,
        most=65_536,
    )
    from_noise: float | None = setting(
        None,
        "Share of each step that starts from noise alone: there the neuron has to come from the question's vector. "
        "Nothing: by the number of edits.",
        title="from noise alone",
        least=0,
        most=1,
    )
    steps: int | None = setting(
        None,
        "Steps at most: training stops when the edits are answered. Nothing: by the number of edits.",
        title="most steps",
        least=1,
        most=100_000_000,
    )
    check_every: int = setting(
        50, "Steps between two looks at how many edits are answered; also between two checkpoints.", least=1, most=10**6
    )
    answered: float = setting(
        0.998,
        "Share of edits that must be answered before training stops; more than 1: it takes all of its steps.",
        title="stop when answered",
        least=0,
        most=2,
    )
    paraphrased: float = setting(
        0.99,
        "Share of held-back paraphrases that must be answered before training stops.",
        least=0,
        most=1,
        title="stop when paraphrased",
    )
    stopping: Literal["answers", "distance"] = setting(
        "answers", "What training stops by: what is answered, or how near the weights are to the collected ones."
    )
    distance: float = setting(0.5, "How near the weights have to be where training stops by distance.", least=0)
    keep_missed: bool = setting(
        True,
        "Whether edits that the trained generator does not answer, in their own words or in others, keep the neurons "
        "that were found for them.",
        title="keep what is missed",
    )
    optimiser: Literal["muon", "adamw"] = setting("muon", "“adamw” moves all weights at a constant rate.")
    minutes: float | None = setting(
        None,
        "Minutes at most. The same seed gives the same pack only where the steps run out first.",
        title="most minutes",
        least=0,
        most=100_000,
    )

    def __post_init__(self) -> None:
        check(self)
        if self.width % self.heads:
            raise SettingError(
                f"The generator's “width” {self.width:,} cannot be shared among {self.heads:,} “heads”: "
                "take a width that they divide."
            )

    @classmethod
    def paper(cls, minutes: float) -> GeneratorSettings:
        """The authors' recipe (arXiv 2512.14395, section 3.4) in a transformer of our size, ended after `minutes`.

        Raw weights in patches of 100 numbers, z as it is, no noise on it, AdamW, 50 sampling steps, and training until
        the weights are near. Their twelve blocks of width 768 would see far fewer steps in the same time.
        """
        return cls(
            latent=False,
            token=100,
            anchoring=0.0,
            noise=0.0,
            from_noise=0.0,
            batch=512,
            sampling_steps=50,
            learning_rate=1e-4,
            optimiser="adamw",
            stopping="distance",
            keep_missed=False,
            steps=1_000_000,
            check_every=500,
            minutes=minutes,
        )

    def steps_for(self, edits: int, new: int | None = None) -> int:
        """How many steps the training of so many edits may take; a fifth where all but `new` are known already."""
        if new is not None:
            return max(1, (self.steps or 300 + new) // 5)
        return self.steps or 300 + edits // 4

    def batch_for(self, edits: int) -> int:
        """How many neurons a step learns from: of thousands, each would come up too seldom in a small batch."""
        return self.batch or min(2_048, max(512, edits // 5))

    def from_noise_for(self, edits: int, *, goes_on: bool) -> float:
        """The share of a step that starts from noise alone.

        There a query is told from all others, which takes the longer the more there are; at the other times a neuron
        is made exact, which answers the last of them. A generator that is gone on from makes exact ones already.
        """
        if self.from_noise is not None:
            return self.from_noise
        if goes_on:
            return 0.75
        return min(0.75, 0.25 + 0.25 * max(0.0, math.log(max(edits, 1) / 1_024, 4)))


@dataclass(frozen=True, slots=True)
class MegSettings:
    """Everything that a user may choose before training."""

    layer: int | Literal["auto"] | None = field(
        default=None,
        metadata={"help": "The FFN block to edit, from 0, or a sweep over several (default: the one in the middle)."},
    )
    encoder: str = setting(EMBEDDED, "The text encoder: “embedded”, a folder, or a cached name.")
    gate: Literal["fused", "entropy"] = setting(
        "fused", "What tells questions about edits from others: the calibrated gate, or the paper's."
    )
    false_routing: float = setting(
        0.005, "Share of unrelated look-alikes that the gate may let through.", least=0, most=1
    )
    guards: int = setting(
        2, "Questions that each neuron learns to leave alone.", title="guards an edit", least=0, most=2
    )
    prompt_alone: bool = setting(
        False, "Whether an edit's prompt alone is trained on, and none of its relation's phrasings."
    )
    chat: bool | None = setting(
        None, "Whether the model is asked through its chat template (default: where it has one).", title="chat template"
    )
    watched: tuple[str, ...] = ()
    tuning: TuningSettings = field(default_factory=TuningSettings)
    collection: CollectionSettings = field(default_factory=CollectionSettings)
    familiarity: FamiliaritySettings = field(default_factory=FamiliaritySettings)
    generator: GeneratorSettings = field(default_factory=GeneratorSettings)

    def __post_init__(self) -> None:
        check(self)
        if isinstance(self.layer, int) and self.layer < 0:
            raise SettingError(f"“layer” is counted from 0: there is no layer {self.layer}.")


PARTS: Mapping[str, type] = {
    "tuning": TuningSettings,
    "collection": CollectionSettings,
    "familiarity": FamiliaritySettings,
    "generator": GeneratorSettings,
}
"""The parts of MegSettings, in the order of the pipeline."""


def paper(start: MegSettings, minutes: float = PAPER_MINUTES) -> MegSettings:
    """The authors' own recipe (arXiv 2512.14395), as far as it goes on a small model; the rest as in `start`.

    Small random neurons, one prompt an edit and no guards, the one-headed entropy gate, a generator of raw weights that
    stops by their distance or after `minutes`.
    """
    ours = start.generator
    return replace(
        start,
        gate="entropy",
        guards=0,
        prompt_alone=True,
        collection=replace(start.collection, start="random", steps=PAPER_STEPS, second_try=0),
        familiarity=FamiliaritySettings.paper(),
        generator=replace(GeneratorSettings.paper(minutes), width=ours.width, layers=ours.layers, heads=ours.heads),
    )


def fast(start: MegSettings) -> MegSettings:
    """Sooner done, and content with less; the rest as in `start`."""
    return replace(
        start,
        tuning=replace(start.tuning, steps=12),
        collection=replace(start.collection, steps=16, second_try=2),
        familiarity=replace(start.familiarity, steps=60),
        generator=replace(start.generator, answered=0.98, paraphrased=0.95, check_every=25),
    )


def stored(start: MegSettings) -> MegSettings:
    """No generator is trained: the collected neurons themselves answer; the rest as in `start`."""
    return replace(start, generator=replace(start.generator, kind="stored"))


Preset = Literal["fast", "balanced", "paper"]
PRESETS: Mapping[str, tuple[str, Callable[[], MegSettings]]] = {
    "fast": ("Sooner done: fewer steps, and content when 98 % are answered.", lambda: fast(MegSettings())),
    "balanced": ("As MeG Studio was measured: 99.8 % answered before it stops.", MegSettings),
    "paper": (
        f"The authors' own recipe, for comparison: {PAPER_MINUTES:g} minutes at most, and worse on a small model.",
        lambda: paper(MegSettings()),
    ),
}
"""For each preset what it means in a sentence, and its settings."""


def settings_from(values: Mapping[str, Any]) -> MegSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    parts: dict[str, Any] = dict(values)
    for name, kind in PARTS.items():
        parts[name] = kind(**parts[name])
    parts["watched"] = tuple(parts["watched"])
    return MegSettings(**parts)
