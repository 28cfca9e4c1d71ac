"""What a user may choose of GRACE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.setting_fields import check, setting


@dataclass(frozen=True, slots=True)
class GraceSettings:
    """How keys reach, and how values are learnt; `paper` gives the reference's own."""

    layer: int | None = setting(
        None, "The FFN block whose output is replaced, from 0. Nothing: the one in the middle.", least=0, most=10_000
    )
    radius: float | None = setting(
        None, "How far a new key reaches. Nothing: by how far known prompts lie apart.", least=0, most=1e6
    )
    reach: float = setting(
        0.5, "Where the radius is found: as this share of the usual distance between two prompts.", least=0, most=10
    )
    replace: Literal["last", "all", "prompt"] = setting(
        "last",
        "What gets the value: the prompt's last token, every token (also of the answer), or those before the last.",
    )
    rules: Literal["fixed", "faithful"] = setting(
        "fixed", "What keys do that come near others: as the reference has it, or with its two faults mended."
    )
    start: Literal["warm", "cold"] = setting(
        "warm", "How a value begins: as what the block gives out anyway, or at random."
    )
    steps: int = setting(100, "Steps in which each value is learnt, at most.", least=1, most=100_000)
    learning_rate: float = setting(1.0, "How far each step goes.", least=1e-6, most=100)
    learnt: float = setting(
        0.02, "The loss at which a value counts as learnt; 0: it takes all of its steps.", title="learnt at", least=0
    )
    group: int = setting(256, "Values that are learnt at once, at most.", least=1, most=65_536)
    chat: bool | None = setting(
        None, "Whether the model is asked through its chat template (default: where it has one).", title="chat template"
    )

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def paper(cls) -> GraceSettings:
        """The reference's settings (arXiv 2211.11031): a radius of 1, random values, a hundred steps at rate 1."""
        return cls(radius=1.0, rules="faithful", start="cold", learnt=0.0)


PRESETS: Mapping[str, tuple[str, Callable[[], GraceSettings]]] = {
    "balanced": ("The radius follows the model; a value that is learnt takes no more steps.", GraceSettings),
    "paper": ("The reference's own: a radius of 1 whatever the model, and a hundred steps.", GraceSettings.paper),
}
"""For each preset what it means in a sentence, and its settings."""


def settings_from(values: Mapping[str, Any]) -> GraceSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    return GraceSettings(**values)
