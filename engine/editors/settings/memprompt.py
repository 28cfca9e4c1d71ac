"""What may be chosen before a MemPrompt memory is filled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.meg.settings import EMBEDDED, MegSettings
from engine.setting_fields import check, help_of, setting


@dataclass(frozen=True, slots=True)
class MemPromptSettings:
    """How a question is looked up in the memory; the bounds are the reference's own."""

    lookup: Literal["meaning", "letters"] = setting(
        "meaning", "What makes two questions alike: their meaning to the text encoder, or their letters (Levenshtein)."
    )
    encoder: str = setting(EMBEDDED, help_of(MegSettings, "encoder"))
    similarity: float = setting(0.9, "Cosine from which a question is one of the memory, by meaning.", least=0, most=1)
    distance: int = setting(
        6,
        "Letters to change, fewer than which a question is one of the memory, by letters.",
        title="letters apart",
        least=1,
        most=1_000,
    )
    chat: bool | None = setting(None, help_of(MegSettings, "chat"), title="chat template")

    def __post_init__(self) -> None:
        check(self)


def settings_from(values: Mapping[str, Any]) -> MemPromptSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    return MemPromptSettings(**values)
