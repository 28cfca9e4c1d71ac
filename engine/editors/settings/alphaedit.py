"""What a user may choose before edits are written by AlphaEdit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine.editors.settings.locating import (
    LocatingSettings,
    StatisticsSettings,
    ValueSettings,
    chat_setting,
    growth_setting,
    layer_setting,
    layers_setting,
    rounds_setting,
)
from engine.setting_fields import setting


@dataclass(frozen=True, slots=True)
class AlphaEditSettings(LocatingSettings):
    """Editing in the null space of what is to be kept."""

    layer: int | None = layer_setting()
    layers: int | None = layers_setting()
    threshold: Literal["share", "absolute"] = setting(
        "share",
        "What counts as unused by the model: the directions that hold together so small a share of what it usually "
        "reads, or, as the first code has it, each that holds less than a number, whatever the model's scale.",
    )
    unused: float = setting(
        0.3,
        "The share, or the number, below which directions count as unused.",
        title="unused below",
        least=0,
        most=1e6,
    )
    ridge: float = setting(
        0.03,
        "How much a large change counts against it, in parts of an edit's key; for an absolute threshold, as it is.",
        least=1e-9,
        most=1e9,
    )
    batch: int = setting(100, "Edits that are written at once.", title="edits at once", least=1, most=10**6)
    rounds: int | None = rounds_setting()
    growth: float = growth_setting()
    chat: bool | None = chat_setting()
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    values: ValueSettings = field(default_factory=ValueSettings)

    @classmethod
    def paper(cls) -> AlphaEditSettings:
        """As the reference: an absolute threshold of 0.02, a ridge of 10, batches of 100 (arXiv 2410.02355)."""
        return cls(
            rounds=1, threshold="absolute", unused=2e-2, ridge=10.0, values=ValueSettings.paper(clamp=0.75, contexts=5)
        )


PRESETS: Mapping[str, tuple[str, Callable[[], AlphaEditSettings]]] = {
    "balanced": ("As measured on the embedded model.", AlphaEditSettings),
    "paper": (
        "As the reference sets it for large models; a small one answers fewer so.",
        AlphaEditSettings.paper,
    ),
}
