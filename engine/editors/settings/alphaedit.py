"""What a user may choose before edits are written by AlphaEdit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.editors.settings.locating import StatisticsSettings, ValueSettings
from engine.editors.settings.memit import LAYER, LAYERS
from engine.setting_fields import check, setting


@dataclass(frozen=True, slots=True)
class AlphaEditSettings:
    """Editing in the null space of what is to be kept."""

    layer: int | None = setting(None, LAYER, title="last layer", least=0)
    layers: int | None = setting(None, LAYERS, least=1, most=100)
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
    def paper(cls) -> AlphaEditSettings:
        """As the reference: an absolute threshold of 0.02, a ridge of 10, batches of 100 (arXiv 2410.02355)."""
        return cls(threshold="absolute", unused=2e-2, ridge=10.0, values=ValueSettings.paper(clamp=0.75, contexts=5))


def settings_from(values: Mapping[str, Any]) -> AlphaEditSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    parts: dict[str, Any] = dict(values)
    parts["statistics"] = StatisticsSettings(**parts["statistics"])
    parts["values"] = ValueSettings(**parts["values"])
    return AlphaEditSettings(**parts)


PRESETS: Mapping[str, tuple[str, Callable[[], AlphaEditSettings]]] = {
    "balanced": ("As measured on the embedded model.", AlphaEditSettings),
    "paper": (
        "As the reference sets it for large models; a small one answers fewer so.",
        AlphaEditSettings.paper,
    ),
}
