"""What a comparison sets side by side: editors, each under one of its presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.editors.registry import EDITORS, EditorKind, editor_kind
from engine.edits import EditError

ALL = "all"
USUAL = "balanced"
"""The preset that is meant where none is named."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One editor with the settings that it is trained with."""

    kind: EditorKind
    preset: str
    settings: Any

    @property
    def name(self) -> str:
        """What tells it from the others: “memit”, “memit:paper”."""
        return self.kind.name if self.preset == USUAL else f"{self.kind.name}:{self.preset}"

    @property
    def title(self) -> str:
        """What it is called in front of people: “MEMIT”, “MEMIT (paper)”."""
        return self.kind.title if self.preset == USUAL else f"{self.kind.title} ({self.preset})"


def choose_contenders(text: str) -> tuple[Contender, ...]:
    """The contenders named in `text`, between commas, as “NAME” or “NAME:PRESET”; “all”: every editor, as usual.

    Raises EditError for an editor or a preset that there is not.
    """
    named = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not named:
        raise EditError(f"No editor is named: choose among {', '.join(EDITORS)}, or “{ALL}”.")
    every = [name for one in named for name in (EDITORS if one == ALL else (one,))]
    return tuple(_contender(name) for name in dict.fromkeys(every))


def _contender(text: str) -> Contender:
    name, _, preset = text.partition(":")
    kind = editor_kind(name)
    chosen = preset or (USUAL if USUAL in kind.presets else next(iter(kind.presets)))
    if chosen not in kind.presets:
        raise EditError(f"{kind.title} has no preset “{chosen}”: choose among {', '.join(kind.presets)}.")
    return Contender(kind, chosen, kind.presets[chosen][1]())
