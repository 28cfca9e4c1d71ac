"""What a user may choose before a fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.setting_fields import check, setting


@dataclass(frozen=True, slots=True)
class FineTuningSettings:
    """Plain gradient descent on the output weight of one FFN block."""

    layer: int | None = setting(
        None, "The FFN block whose output weight is trained, from 0. Nothing: the one in the middle.", least=0
    )
    loss: Literal["every token", "last prompt token"] = setting(
        "every token",
        "What is trained: each token of the new object after those before it, or, as the first code of FT-L has it, "
        "all of them at once where the prompt ends, which is right for objects of one token alone.",
    )
    passes: int = setting(50, "Passes over the edits, at most.", least=1, most=100_000)
    learning_rate: float = setting(1e-2, "How far each step goes.", least=1e-8, most=1)
    batch: int = setting(32, "Edits a step.", title="edits a step", least=1, most=65_536)
    learnt: float = setting(
        0.01, "The mean loss of a pass at which training stops.", title="stop at a loss of", least=0, most=10
    )
    most_change: float | None = setting(
        None,
        "How far any one weight may move from where it was, up or down. Nothing: as far as it takes.",
        title="most change of a weight",
        least=1e-9,
        most=10,
    )
    growth: float = setting(
        10.0,
        "Training is stopped where the change of a layer comes to so many times its weights.",
        title="most growth",
        least=0,
        most=1_000,
    )
    chat: bool | None = setting(
        None, "Whether the model is asked through its chat template (default: where it has one).", title="chat template"
    )

    def __post_init__(self) -> None:
        check(self)


def settings_from(values: Mapping[str, Any]) -> FineTuningSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    return FineTuningSettings(**values)


Presets = Mapping[str, tuple[str, Callable[[], FineTuningSettings]]]
FT_M: Presets = {
    "balanced": ("As measured on the embedded model: it answers what it is taught.", FineTuningSettings),
    "paper": (
        "The learning rate and the passes that FT-M has as a baseline of models of some billion weights.",
        lambda: FineTuningSettings(learning_rate=5e-4, passes=25),
    ),
}
FT_L: Presets = {
    "balanced": (
        "As measured on the embedded model: no weight moves by more than about three quarters of the usual one.",
        lambda: FineTuningSettings(most_change=0.08),
    ),
    "paper": (
        "As in its first code, where all tokens of an object are read off the end of the prompt: first layer, tight "
        "bound.",
        lambda: FineTuningSettings(layer=0, loss="last prompt token", learning_rate=5e-4, passes=25, most_change=5e-4),
    ),
}
