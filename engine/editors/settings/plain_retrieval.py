"""What may be chosen before plain retrieval is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.meg.settings import EMBEDDED, MegSettings
from engine.setting_fields import check, help_of, setting


@dataclass(frozen=True, slots=True)
class PlainRetrievalSettings:
    """How the edit that goes before a question is found."""

    encoder: str = setting(EMBEDDED, help_of(MegSettings, "encoder"))
    threshold: float = setting(
        0.0,
        "Cosine to the nearest edit's prompt from which a question meets that edit; 0: every question meets it.",
        least=0,
        most=1,
    )
    chat: bool | None = setting(None, help_of(MegSettings, "chat"), title="chat template")

    def __post_init__(self) -> None:
        check(self)


def settings_from(values: Mapping[str, Any]) -> PlainRetrievalSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    return PlainRetrievalSettings(**values)
