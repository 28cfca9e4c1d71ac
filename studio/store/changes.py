"""What an operation on a project changed, so that each view reloads only what concerns it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Changes:
    """The ids and parts of a project that one operation changed; falsy where it changed nothing."""

    added: tuple[int, ...] = ()  # edits that were not there before
    updated: tuple[int, ...] = ()  # edits that were changed; the conflict marks of others may differ too
    removed: tuple[int, ...] = ()  # edits that are gone
    skipped: int = 0  # edits of an import that were there already, word for word
    relations: bool = False  # the relations, their names or phrasings
    watched: bool = False  # the watched questions
    comparisons: bool = False  # the history of the Compare page
    runs: tuple[int, ...] = ()  # runs that were added, changed or removed
    settings: tuple[str, ...] = ()  # names of the project settings that changed
    undo: bool = False  # what undo or redo would do now

    @property
    def edits(self) -> bool:
        """Whether any edit was added, changed or removed."""
        return bool(self.added or self.updated or self.removed)

    def __bool__(self) -> bool:
        return bool(
            self.edits or self.relations or self.watched or self.comparisons or self.runs or self.settings or self.undo
        )
