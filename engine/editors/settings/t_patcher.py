"""What a user may choose of T-Patcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.setting_fields import check, setting


@dataclass(frozen=True, slots=True)
class TPatcherSettings:
    """How patches are learnt; `paper` gives the reference's own."""

    neurons: int = setting(
        5, "Neurons an edit, at most: one for each token that is wrong.", title="neurons an edit", least=1, most=64
    )
    amplification: float = setting(10.0, "How many times faster a patch's output is learnt.", least=0.1, most=1_000)
    margin: float | None = setting(
        None,
        "How far below 0 a patch stays elsewhere. Nothing: as far as the model's activation takes.",
        least=0,
        most=30,
    )
    steps: int = setting(300, "Steps in which each patch is learnt, at most.", least=1, most=100_000)
    least_steps: int = setting(
        25, "Steps before the first look at whether a patch is learnt.", title="least steps", least=0, most=100_000
    )
    learning_rate: float = setting(0.01, "How far each step goes.", least=1e-6, most=10)
    clip: float = setting(5.0, "The longest gradient of a patch that is followed as it is.", least=1e-3, most=1e6)
    activation_weight: float = setting(1.0, "How much it counts that a patch fires for its edit.", least=0, most=1e6)
    memory_weight: float = setting(10.0, "How much it counts that it stays silent elsewhere.", least=0, most=1e6)
    hardest: int = setting(
        1_000, "Of all that a patch must stay silent for, so many count: the hardest.", least=1, most=1_000_000
    )
    memory: int = setting(
        2_000, "Questions about no edit that patches must stay silent for.", title="questions", least=1, most=1_000_000
    )
    others: Literal["all", "past"] = setting(
        "all",
        "Which other edits a patch stays silent for: all, or those learnt before it as in the reference.",
        title="other edits",
    )
    group: int = setting(
        64, "Edits whose patches are learnt side by side; 1: one after the other.", least=1, most=65_536
    )
    chat: bool | None = setting(
        None, "Whether the model is asked through its chat template (default: where it has one).", title="chat template"
    )

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def paper(cls) -> TPatcherSettings:
        """The reference's settings for zsRE (arXiv 2301.09785): one edit after the other, a margin of 3."""
        return cls(margin=3.0, steps=2_000, least_steps=100, others="past", group=1)


PRESETS: Mapping[str, tuple[str, Callable[[], TPatcherSettings]]] = {
    "balanced": ("Patches learnt side by side, as silent elsewhere as the model's activation takes.", TPatcherSettings),
    "paper": ("The reference's own: one edit after the other, and up to 2,000 steps.", TPatcherSettings.paper),
}
"""For each preset what it means in a sentence, and its settings."""


def settings_from(values: Mapping[str, Any]) -> TPatcherSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    return TPatcherSettings(**values)
