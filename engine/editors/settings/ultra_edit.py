"""What a user may choose before UltraEdit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.setting_fields import SettingError, check, setting


@dataclass(frozen=True, slots=True)
class UltraEditSettings:
    """One forward and one backward pass a turn, and a ridge regression for each layer."""

    first_layer: int | None = setting(
        None, "The first FFN block whose output weight is changed, from 0. Nothing: a third of the way up.", least=0
    )
    last_layer: int | None = setting(None, "The last of them. Nothing: the last layer of the model but one.", least=0)
    turn: int = setting(100, "Edits that are learnt at once.", title="edits a turn", least=1, most=65_536)
    strength: float = setting(
        1.5,
        "How much an edit shall add to what a block writes, as a share of what it writes: sets the learning rate in "
        "the first turn.",
        least=0,
        most=1_000,
    )
    learning_rate: float | None = setting(
        None, "The paper's own learning rate, in place of the strength; it depends on the model.", least=0, most=10
    )
    ridge: float | None = setting(
        0.1,
        "What is added to the diagonal of the regression, as a share of a key's mean squared length in the first "
        "turn. Nothing: 1, whatever the lengths, as in the paper.",
        least=1e-9,
        most=1e6,
    )
    growth: float = setting(
        20.0,
        "Editing is stopped where the change of a layer comes to so many times its weights.",
        title="most growth",
        least=0,
        most=1_000,
    )
    chat: bool | None = setting(
        None, "Whether the model is asked through its chat template (default: where it has one).", title="chat template"
    )

    def __post_init__(self) -> None:
        check(self)
        if self.first_layer is not None and self.last_layer is not None and self.first_layer > self.last_layer:
            raise SettingError(
                f"The first layer, {self.first_layer}, comes after the last, {self.last_layer}: exchange them."
            )


def settings_from(values: Mapping[str, Any]) -> UltraEditSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    return UltraEditSettings(**values)


PRESETS: Mapping[str, tuple[str, Callable[[], UltraEditSettings]]] = {
    "balanced": ("As measured on the embedded model: rate and ridge fit themselves to the model.", UltraEditSettings),
    "paper": (
        "The paper's own learning rate and ridge, made for models of some billion weights.",
        lambda: UltraEditSettings(learning_rate=1e-6, ridge=None),
    ),
}
