"""What a user may choose before edits are written by MEMIT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

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
class MemitSettings(LocatingSettings):
    """Mass-editing memory in a transformer."""

    layer: int | None = layer_setting()
    layers: int | None = layers_setting()
    preserving: float | None = setting(
        None,
        "How many edits' weight has what the model usually reads, against the edits: more disturbs less, and more "
        "edits are missed. Nothing: 0.3 for each edit that is written at once.",
        title="weight of what is kept",
        least=0,
        most=1e9,
    )
    batch: int | None = setting(
        None, "Edits that are written at once. Nothing: all of them.", title="edits at once", least=1, most=10**6
    )
    rounds: int | None = rounds_setting()
    growth: float = growth_setting()
    chat: bool | None = chat_setting()
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    values: ValueSettings = field(default_factory=ValueSettings)

    @classmethod
    def paper(cls) -> MemitSettings:
        """As the reference for GPT-J: λ 15,000, changes of at most 0.75 of the stream (arXiv 2210.07229)."""
        return cls(rounds=1, preserving=15_000.0, values=ValueSettings.paper(clamp=0.75, contexts=5))


PRESETS: Mapping[str, tuple[str, Callable[[], MemitSettings]]] = {
    "balanced": ("As measured on the embedded model.", MemitSettings),
    "paper": ("As the reference sets it for large models; a small one answers fewer edits so.", MemitSettings.paper),
}
