"""What a user may choose before edits are written by ROME."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.editors.settings.locating import StatisticsSettings, ValueSettings
from engine.setting_fields import check, setting


@dataclass(frozen=True, slots=True)
class RomeSettings:
    """Rank-one model editing."""

    layer: int | None = setting(
        None,
        "The FFN block that is written to, from 0. Nothing: the first of a model of up to eight layers, and after a "
        "sixth of a deeper one's.",
        least=0,
    )
    keys: Literal["faithful", "consistent"] = setting(
        "consistent",
        "“consistent” writes under the key that was measured in all contexts; “faithful” solves for that one and "
        "writes under the prompt's alone, as the first code does, which at times breaks the model.",
    )
    growth: float = setting(
        10.0,
        "Editing is stopped where the change of the layer comes to so many times its weights.",
        title="most growth",
        least=0,
        most=1_000,
    )
    chat: bool | None = setting(
        None, "Whether the model is asked through its chat template (default: where it has one).", title="chat template"
    )
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    values: ValueSettings = field(default_factory=lambda: ValueSettings(steps=60, clamp=2.0))

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def paper(cls) -> RomeSettings:
        """As the reference: keys of two kinds, twenty contexts, no other phrasings (arXiv 2202.05262)."""
        return cls(keys="faithful", values=ValueSettings.paper(clamp=4.0, contexts=20))


def settings_from(values: Mapping[str, Any]) -> RomeSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    parts: dict[str, Any] = dict(values)
    parts["statistics"] = StatisticsSettings(**parts["statistics"])
    parts["values"] = ValueSettings(**parts["values"])
    return RomeSettings(**parts)


PRESETS: Mapping[str, tuple[str, Callable[[], RomeSettings]]] = {
    "balanced": ("As measured on the embedded model.", RomeSettings),
    "paper": ("As the reference sets it for large models; a small one answers fewer edits so.", RomeSettings.paper),
}
