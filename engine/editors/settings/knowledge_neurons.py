"""What a user may choose before knowledge neurons are edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.setting_fields import SettingError, check, setting


@dataclass(frozen=True, slots=True)
class KnowledgeNeuronSettings:
    """Which neurons are held to say a fact, and how far their values are moved."""

    prompts: int = setting(
        6, "Phrasings in which each fact is asked, its prompt among them, at most.", least=1, most=1_000
    )
    steps: int = setting(
        20, "Points between none and all of an activation at which slopes are taken.", least=1, most=1_000
    )
    threshold: float = setting(
        0.2, "A neuron counts in a prompt where it has this share of the strongest one's attribution.", least=0, most=1
    )
    shared: float = setting(
        0.7,
        "A neuron is kept where it counts in this share of the prompts; moved by steps of 0.05 until enough are kept.",
        title="share of the prompts",
        least=0,
        most=1,
    )
    fewest: int = setting(2, "Neurons kept for an edit, at least.", title="fewest neurons", least=1, most=1_000)
    most: int = setting(5, "Neurons kept for an edit, at most.", title="most neurons", least=1, most=1_000)
    common: float = setting(
        0.1,
        "A neuron that more than this share of a relation's edits have says the relation, not the fact, and is left "
        "alone, as long as an edit keeps its fewest.",
        title="share of the relation",
        least=0,
        most=1,
    )
    away: float = setting(
        1.0, "How far a neuron's value is moved away from the old answer, in its own lengths.", least=0, most=1_000
    )
    towards: float = setting(
        1.0, "How far it is moved towards the new object, in its own lengths.", least=0, most=1_000
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
        if self.fewest > self.most:
            raise SettingError(f"At least {self.fewest:,} and at most {self.most:,} neurons: exchange them.")


def settings_from(values: Mapping[str, Any]) -> KnowledgeNeuronSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    return KnowledgeNeuronSettings(**values)


PRESETS: Mapping[str, tuple[str, Callable[[], KnowledgeNeuronSettings]]] = {
    "balanced": ("As in the paper: values moved by their own length.", KnowledgeNeuronSettings),
}
