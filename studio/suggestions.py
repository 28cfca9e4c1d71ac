"""What is suggested to a user who has not chosen yet."""

from __future__ import annotations

from engine.edits import ProbeKind
from studio.store.listing import EditFilter, EditSort, edit_ids, get_edit
from studio.store.project import Project

_EDITS = 4
_PROBES = 2


def watched_suggestions(project: Project) -> tuple[str, ...]:
    """A few prompts of edits, whose answers shall flip, and probes, whose answers must stay."""
    ids = edit_ids(project, filter=EditFilter.ENABLED, sort=EditSort.ENTERED)
    spread = ids[:: max(1, len(ids) // _EDITS)][:_EDITS]
    edits = [edit for edit in (get_edit(project, edit_id) for edit_id in spread) if edit is not None]
    probes = [probe.prompt for edit in edits for probe in edit.probes if probe.kind is ProbeKind.NEIGHBOUR]
    chosen = probes[:: max(1, len(probes) // _PROBES)][:_PROBES]
    return tuple(dict.fromkeys([*(edit.prompt for edit in edits), *chosen]))
