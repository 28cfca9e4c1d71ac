"""What may be chosen before an IKE pool of demonstrations is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.meg.settings import EMBEDDED, MegSettings
from engine.setting_fields import check, help_of, setting


@dataclass(frozen=True, slots=True)
class IkeSettings:
    """How a question is demonstrated; 4, 12 and 16 demonstrations are the reference's own."""

    encoder: str = setting(EMBEDDED, help_of(MegSettings, "encoder"))
    copy: int = setting(4, "Demonstrations that repeat a new fact.", title="copy demonstrations", least=0, most=256)
    update: int = setting(
        12, "Demonstrations that answer a new fact in other words.", title="update demonstrations", least=0, most=256
    )
    retain: int = setting(
        16, "Demonstrations that a neighbour keeps its answer.", title="retain demonstrations", least=0, most=256
    )
    chat: bool | None = setting(None, help_of(MegSettings, "chat"), title="chat template")

    def __post_init__(self) -> None:
        check(self)

    @property
    def demonstrations(self) -> int:
        """How many demonstrations a question has at most."""
        return self.copy + self.update + self.retain


def settings_from(values: Mapping[str, Any]) -> IkeSettings:
    """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
    return IkeSettings(**values)
