"""What every editor says of itself: as the registry has it, under the editor's name."""

from __future__ import annotations

from typing import Any, ClassVar

from engine.editors.registry import editor_kind


class RegisteredEditor:
    """An editor that is in the registry."""

    name: ClassVar[str]
    settings: Any

    def stages(self) -> tuple[str, ...]:
        """The stages of a fit with these settings, in order."""
        return editor_kind(self.name).stages_of(self.settings)

    def requirements(self) -> tuple[str, ...]:
        """What an edit must have, for the user to read."""
        return editor_kind(self.name).requires
