"""What a user may choose before edits are written by MEMIT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.editors.settings.locating import StatisticsSettings, ValueSettings
from engine.setting_fields import check, setting

LAYER = (
    "The last FFN block that is written to, from 0. Nothing: the first of a model of up to eight layers, and after a "
    "quarter of a deeper one's."
)
LAYERS = "How many blocks are written to, the last one included. Nothing: one of a shallow model, five of a deeper one."


@dataclass(frozen=True, slots=True)
class MemitSettings:
    """Mass-editing memory in a transformer."""

    layer: int | None = setting(None, LAYER, title="last layer", least=0)
    layers: int | None = setting(None, LAYERS, least=1, most=100)
    preserving: float = setting(
        10.0,
        "How many edits' weight has what the model usually reads, against the edits: more disturbs less, and more "
        "edits are missed.",
        title="weight of what is kept",
        least=0,
        most=1e9,
    )
    batch: int | None = setting(
        None, "Edits that are written at once. Nothing: all of them.", title="edits at once", least=1, most=10**6
    )
    growth: float = setting(
        10.0,
        "Editing is stopped where the change of a layer comes to so many times its weights.",
        title="most growth",
        least=0,
        most=1_000,
    )
    chat: bool | None = setting(
        None, "Whether the model is asked through its chat template (default: where it has one).", title="chat template"
    )
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    values: ValueSettings = field(default_factory=ValueSettings)

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def paper(cls) -> MemitSettings:
        """As the reference for GPT-J: λ 15,000, changes of at most 0.75 of the stream (arXiv 2210.07229)."""
        return cls(preserving=15_000.0, values=ValueSettings.paper(clamp=0.75, contexts=5))


def settings_from(values: Mapping[str, Any]) -> MemitSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    parts: dict[str, Any] = dict(values)
    parts["statistics"] = StatisticsSettings(**parts["statistics"])
    parts["values"] = ValueSettings(**parts["values"])
    return MemitSettings(**parts)


PRESETS: Mapping[str, tuple[str, Callable[[], MemitSettings]]] = {
    "balanced": ("As measured on the embedded model.", MemitSettings),
    "paper": ("As the reference sets it for large models; a small one answers fewer edits so.", MemitSettings.paper),
}
