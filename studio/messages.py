"""What the window says to the user: plain values, so that whoever has something to say needs no widget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How much a message matters; its icon says so too, not its colour alone."""

    GOOD = "good"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"  # the user can put it right
    BUG = "bug"  # only we can


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that a message offers to do."""

    label: str
    act: Callable[[], object]
    lasting: bool = False  # whether it means the same when another project is open


@dataclass(frozen=True, slots=True)
class Message:
    """One sentence or two for the user; `details` is what “Copy diagnostics” adds to what is known of the machine."""

    kind: Kind
    text: str
    details: str = ""
    deeds: tuple[Deed, ...] = ()
