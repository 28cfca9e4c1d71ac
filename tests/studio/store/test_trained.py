from __future__ import annotations

import pytest

from engine.edits import Probe, ProbeKind
from studio.store.edits import (
    EditDraft,
    add_edits,
    delete_edits,
    set_enabled,
    set_familiarity,
    set_original_answers,
    update_edit,
)
from studio.store.listing import EditFilter, counts, edit_ids, edit_set, rows
from studio.store.project import Project
from studio.store.runs import RunState, add_run, delete_run, update_run
from studio.store.settings import set_setting
from studio.store.trained import RUN_IN_USE, Since, changes_since, edits_since, note_trained
from studio.store.undo import undo


@pytest.fixture
def ids(project: Project) -> tuple[int, ...]:
    """Five edits, the last switched off, and the run in use, trained on them."""
    made = add_edits(
        project,
        [EditDraft("x", f"Land {number}", "capital", enabled=number < 4) for number in range(5)],
    ).added
    run = add_run(project, editor="MeG", model="embedded", seed=1, snapshot="abc", edits=4)
    note_trained(project, run.id, edit_set(project))
    set_setting(project, RUN_IN_USE, run.id)
    return made


def since(project: Project, ids: tuple[int, ...]) -> list[Since]:
    return [row.since for row in rows(project, ids)]


def test_nothing_changed_at_first_and_answers_are_no_change(project: Project, ids: tuple[int, ...]) -> None:
    set_original_answers(project, {ids[0]: "Paris"})
    set_familiarity(project, {ids[0]: 0.5})
    assert since(project, ids) == [Since.SAME] * 5
    assert counts(project).since == {}
    assert edit_ids(project, filter=EditFilter.CHANGED) == []


def test_each_kind_of_change_is_marked_counted_and_filtered(project: Project, ids: tuple[int, ...]) -> None:
    update_edit(project, ids[0], new_object="y")
    update_edit(project, ids[1], probes=(Probe(ProbeKind.FAR, "far"),))
    set_enabled(project, [ids[2]], False)
    delete_edits(project, [ids[3]])
    set_enabled(project, [ids[4]], True)  # the training did not know it
    new, off = add_edits(project, [EditDraft("z", prompt="p"), EditDraft("z", prompt="q", enabled=False)]).added
    left = (ids[0], ids[1], ids[2], ids[4], new, off)
    marks = [Since.CHANGED, Since.CHANGED, Since.OFF, Since.ON, Since.ADDED, Since.SAME]
    assert since(project, left) == marks
    assert counts(project).since == {Since.ADDED: 1, Since.CHANGED: 2, Since.OFF: 1, Since.ON: 1, Since.REMOVED: 1}
    assert set(edit_ids(project, filter=EditFilter.CHANGED)) == set(left[:5])
    assert edit_ids(project, "land 0", filter=EditFilter.CHANGED) == [ids[0]]
    while undo(project):
        pass
    assert counts(project).since == {Since.REMOVED: 4}  # even the adding was taken back


def test_a_change_taken_back_is_no_change(project: Project, ids: tuple[int, ...]) -> None:
    update_edit(project, ids[0], new_object="y")
    undo(project)
    update_edit(project, ids[1], subject="Elsewhere")
    update_edit(project, ids[1], subject="Land 1")  # by hand
    assert counts(project).since == {}


def test_without_a_run_in_use_nothing_is_marked(project: Project, ids: tuple[int, ...]) -> None:
    update_edit(project, ids[0], new_object="y")
    set_setting(project, RUN_IN_USE, None)
    assert counts(project).since is None
    assert since(project, ids) == [Since.SAME] * 5
    assert edit_ids(project, filter=EditFilter.CHANGED) == []


def test_another_run_has_a_snapshot_of_its_own(project: Project, ids: tuple[int, ...]) -> None:
    update_edit(project, ids[0], new_object="y")
    later = add_run(project, editor="MeG", model="embedded", seed=1, snapshot="def", edits=4)
    assert changes_since(project, later.id) is None  # nothing noted yet
    note_trained(project, later.id, edit_set(project))
    assert changes_since(project, later.id) == {}
    set_setting(project, RUN_IN_USE, later.id)
    assert since(project, ids[:1]) == [Since.SAME]
    update_run(project, later.id, state=RunState.FINISHED)
    delete_run(project, later.id)
    assert changes_since(project, later.id) is None


def test_every_way_to_differ_is_told_with_before_and_now(project: Project) -> None:
    first, second, third, fourth = add_edits(
        project,
        [
            EditDraft("Lyon", prompt="France:"),
            EditDraft("Osaka", prompt="Japan:"),
            EditDraft("Milan", prompt="Italy:", enabled=False),
            EditDraft("Porto", prompt="Portugal:"),
        ],
    ).added
    snapshot = edit_set(project)
    run = add_run(project, editor="MeG", model="embedded", seed=1, snapshot="abc", edits=3)  # of before notes were kept
    assert edits_since(project, run.id, snapshot) == []
    delete_edits(project, [first])
    update_edit(project, second, new_object="Kyoto", paraphrases=("Japan's?", "Which of Japan?"))
    set_enabled(project, [third], True)
    set_enabled(project, [fourth], False)
    add_edits(project, [EditDraft("Cusco", prompt="Peru:"), EditDraft("Quito", prompt="Ecuador:", enabled=False)])
    found = edits_since(project, run.id, snapshot)
    assert [(one.since, one.prompt, one.before, one.now) for one in found] == [
        (Since.REMOVED, "France:", "Lyon", ""),
        (
            Since.CHANGED,
            "Japan:",
            "Osaka; paraphrases: none",
            "Kyoto; paraphrases: Japan's? · Which of Japan?",
        ),
        (Since.ON, "Italy:", "Milan", "Milan"),
        (Since.OFF, "Portugal:", "Porto", "Porto"),
        (Since.ADDED, "Peru:", "", "Cusco"),
    ]
    assert changes_since(project, run.id) == dict.fromkeys((one.since for one in found), 1)
