"""What is suggested to a user who has not chosen yet."""

from __future__ import annotations

from engine.edits import ProbeKind
from studio.store.listing import EditFilter, EditSort, edit_ids, get_edit, rows
from studio.store.project import Project

_EDITS = 4
_LOOKED_AT = 100
"""Edits among which those of different relations are chosen."""
_PROBES = 2


def watched_suggestions(project: Project) -> tuple[str, ...]:
    """A few prompts of edits, whose answers shall flip, and probes, whose answers must stay."""
    ids = edit_ids(project, filter=EditFilter.ENABLED, sort=EditSort.ENTERED)
    spread = rows(project, ids[:: max(1, len(ids) // _LOOKED_AT)][:_LOOKED_AT])
    one_of_each: dict[str, int] = {}
    for row in spread:
        one_of_each.setdefault(row.relation, row.id)
    chosen_ids = list(dict.fromkeys([*one_of_each.values(), *(row.id for row in spread)]))[:_EDITS]
    edits = [edit for edit in (get_edit(project, edit_id) for edit_id in chosen_ids) if edit is not None]
    probes = [probe.prompt for edit in edits for probe in edit.probes if probe.kind is ProbeKind.NEIGHBOUR]
    chosen = probes[:: max(1, len(probes) // _PROBES)][:_PROBES]
    return tuple(dict.fromkeys([*(edit.prompt for edit in edits), *chosen]))
