"""What became of the edits that a run was trained on: the snapshot against the project as it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.edits import Edit, EditSet, Probe
from studio.store import listing
from studio.store.project import Project


class Since(StrEnum):
    """What happened to an edit after the snapshot was taken."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    OFF = "switched off"
    ON = "switched on"


@dataclass(frozen=True, slots=True)
class SnapshotChange:
    """One edit that is no longer as the run was trained on it."""

    since: Since
    key: str  # its id
    prompt: str
    before: str  # what differs, as it was; empty for what was added
    now: str  # and as it is; empty for what was removed


_PARTS = (
    ("new object", "new_object"),
    ("prompt", "prompt"),
    ("subject", "subject"),
    ("relation", "relation"),
    ("aliases", "aliases"),
    ("paraphrases", "paraphrases"),
    ("probes", "probes"),
)


def changes_since(project: Project, snapshot: EditSet) -> list[SnapshotChange]:
    """Every edit that was added, removed, changed or switched since `snapshot` was taken, in the order of EditSets.

    An edit that is off and was not there is not told of: it makes no difference to a training.
    """
    now = {edit.id: edit for edit in listing.edit_set(project).edits}
    found = []
    for edit in snapshot.edits:
        there = now.pop(edit.id, None)
        if there is None:
            found.append(SnapshotChange(Since.REMOVED, edit.id, edit.prompt, edit.new_object, ""))
        else:
            found += _between(edit, there)
    found += [
        SnapshotChange(Since.ADDED, edit.id, edit.prompt, "", edit.new_object) for edit in now.values() if edit.enabled
    ]
    return found


def _between(before: Edit, now: Edit) -> list[SnapshotChange]:
    found = []
    differing = [(name, part) for name, part in _PARTS if getattr(before, part) != getattr(now, part)]
    if differing:
        told = [
            "; ".join(
                f"{name}: {_told(getattr(edit, part))}" if name != "new object" else _told(edit.new_object)
                for name, part in differing
            )
            for edit in (before, now)
        ]
        found.append(SnapshotChange(Since.CHANGED, now.id, now.prompt, *told))
    if before.enabled != now.enabled:
        since = Since.ON if now.enabled else Since.OFF
        found.append(SnapshotChange(since, now.id, now.prompt, before.new_object, now.new_object))
    return found


def _told(value: object) -> str:
    """A text as it is, several beside one another."""
    if isinstance(value, tuple):
        return " · ".join(part.prompt if isinstance(part, Probe) else str(part) for part in value) or "none"
    return str(value) or "none"
