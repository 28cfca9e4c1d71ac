from __future__ import annotations

import pytest

from engine.edits import Probe, ProbeKind
from studio.store.conflicts import Resolution, conflicts, resolve, resolve_duplicates
from studio.store.edits import EditDraft, add_edits, delete_edits
from studio.store.listing import EditState, edit_ids, get_edit, rows
from studio.store.project import Project
from studio.store.undo import undo, undo_name
from tests.studio.store.conftest import dump


@pytest.fixture
def ids(project: Project) -> tuple[int, ...]:
    """Three edits that ask the same, the last of them a contradiction, and one that asks something else."""
    far = Probe(ProbeKind.FAR, "far")
    return add_edits(
        project,
        [
            EditDraft("Lyon", "Österreich", "capital", paraphrases=("one",), probes=(far,)),
            EditDraft(
                "lyon",
                "O\u0308STERREICH",
                "capital",
                prompt="Austria is ruled from",
                paraphrases=("ONE", "two"),
                aliases=("Austria",),
                probes=(far, Probe(ProbeKind.NEIGHBOUR, "near")),
            ),
            EditDraft("Graz", "österreich", "capital"),
            EditDraft("Milan", "Italy", "capital"),
        ],
    ).added


def states(project: Project, ids: tuple[int, ...]) -> list[EditState]:
    return [row.state for row in rows(project, ids)]


def test_what_is_not_kept_is_switched_off(project: Project, ids: tuple[int, ...]) -> None:
    assert [(found.edit_ids, found.contradiction) for found in conflicts(project)] == [(ids[:3], True)]
    changes = resolve(project, ids[2], ids[:3], Resolution.SWITCH_OFF)
    assert changes.updated == ids[:2]
    assert states(project, ids) == [EditState.DISABLED, EditState.DISABLED, EditState.READY, EditState.READY]
    assert conflicts(project) == []
    assert not resolve(project, ids[2], ids[:2], Resolution.SWITCH_OFF)
    assert undo_name(project) == "settle a conflict"
    undo(project)
    assert len(conflicts(project)) == 1


def test_what_is_not_kept_is_deleted(project: Project, ids: tuple[int, ...]) -> None:
    before = dump(project)
    assert resolve(project, ids[0], ids[1:3], Resolution.DELETE).removed == ids[1:3]
    assert edit_ids(project, sort="entered") == [ids[0], ids[3]]
    undo(project)
    assert dump(project) == before


def test_what_is_not_kept_gives_its_texts_to_what_is(project: Project, ids: tuple[int, ...]) -> None:
    before = dump(project)
    changes = resolve(project, ids[0], ids[1:2], Resolution.MERGE)
    assert (changes.updated, changes.removed) == (ids[:1], ids[1:2])
    kept = get_edit(project, ids[0])
    assert kept is not None
    assert kept.paraphrases == ("one", "Austria is ruled from", "two")  # “ONE” is “one”
    assert kept.aliases == ("Austria",)  # the other spelling of the subject is the subject
    assert [probe.prompt for probe in kept.probes] == ["far", "near"]
    undo(project)
    assert dump(project) == before


def test_nothing_happens_where_the_edit_to_keep_is_gone(project: Project, ids: tuple[int, ...]) -> None:
    delete_edits(project, ids[:1])
    assert not resolve(project, ids[0], ids[1:3], Resolution.DELETE)
    assert undo_name(project) == "delete 1 edit"


def test_all_duplicates_in_one_step_and_no_contradiction_with_them(project: Project, ids: tuple[int, ...]) -> None:
    twice = [EditDraft("Cusco", f"Land {number}", "capital") for number in range(5)]
    first = add_edits(project, twice).added
    again = add_edits(project, twice).added
    changes = resolve_duplicates(project, Resolution.DELETE)
    assert changes.removed == again
    assert states(project, first) == [EditState.READY] * 5
    assert [found.edit_ids for found in conflicts(project)] == [ids[:3]]
    assert undo_name(project) == "settle 5 duplicates"
    assert undo(project).added == again
    assert not resolve_duplicates(project, Resolution.SWITCH_OFF).removed
