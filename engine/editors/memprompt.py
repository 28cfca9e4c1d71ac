"""MemPrompt (arXiv 2201.06009): a memory of questions, each with its clarification, that is looked up before asking.

A question that is near enough to one of the memory is asked together with the clarification: what the edit says. The
reference samples from an instructed model; here decoding is whatever is asked for, greedy by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from engine.editors.lookup import ByLetters, Lookup
from engine.editors.nearest_edit import NearestEditEditor, NearestEditPack
from engine.editors.settings.memprompt import MemPromptSettings
from engine.edits import Edit
from engine.packs import StoredPack
from engine.runs import Cancel


class MemPromptPack(NearestEditPack):
    """A memory: the edits' prompts and clarifications, and what they are looked up by."""

    editor = "memprompt"
    form = "{question} | clarification: {fact} "

    @property
    def threshold(self) -> float:
        """How alike a question has to be to one of the memory."""
        if self.settings.lookup == "letters":
            return ByLetters.within(self.settings.distance)
        return float(self.settings.similarity)

    @classmethod
    def index(
        cls,
        settings: Any,
        edits: Sequence[Edit],
        device: torch.device | str,
        *,
        known: Lookup | None = None,
        cancel: Cancel | None = None,
    ) -> Lookup:
        """What the memory is looked up by."""
        if settings.lookup == "letters":
            return ByLetters([edit.prompt for edit in edits])
        return super().index(settings, edits, device, known=known, cancel=cancel)

    @classmethod
    def restored_index(cls, settings: Any, stored: StoredPack, device: torch.device | str) -> Lookup:
        """The lookup of a stored memory."""
        if settings.lookup == "letters":
            return ByLetters([edit.prompt for edit in stored.edits.enabled()])
        return super().restored_index(settings, stored, device)


class MemPromptEditor(NearestEditEditor):
    """Editing by a memory of clarifications."""

    name = "memprompt"
    pack = MemPromptPack

    def __init__(self, settings: MemPromptSettings | None = None) -> None:
        super().__init__(settings or MemPromptSettings())
