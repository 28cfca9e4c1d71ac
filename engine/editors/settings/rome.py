"""What a user may choose before edits are written by ROME."""

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
)
from engine.setting_fields import setting


@dataclass(frozen=True, slots=True)
class RomeSettings(LocatingSettings):
    """Rank-one model editing."""

    layer: int | None = setting(
        None,
        "The FFN block that is written to, from 0. Nothing: the middle one of a model of up to eight layers (the first "
        "where the subject ends), and after a sixth of a deeper one's.",
        least=0,
    )
    keys: Literal["faithful", "consistent"] = setting(
        "consistent",
        "“consistent” writes under the key that was measured in all contexts; “faithful” solves for that one and "
        "writes under the prompt's alone, as the first code does, which at times breaks the model.",
    )
    growth: float = growth_setting()
    chat: bool | None = chat_setting()
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    values: ValueSettings = field(default_factory=lambda: ValueSettings(steps=60, clamp=10.0))

    @classmethod
    def paper(cls) -> RomeSettings:
        """As the reference: keys of two kinds, twenty contexts, no other phrasings (arXiv 2202.05262)."""
        return cls(keys="faithful", values=ValueSettings.paper(clamp=4.0, contexts=20))


PRESETS: Mapping[str, tuple[str, Callable[[], RomeSettings]]] = {
    "balanced": ("As measured on the embedded model.", RomeSettings),
    "paper": ("As the reference sets it for large models; a small one answers fewer edits so.", RomeSettings.paper),
}
