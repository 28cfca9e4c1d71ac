"""What a project keeps beside its edits: runs, comparisons, watched questions, settings."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from engine.editor import Answer, Routing
from engine.edits import EditError
from studio.store.changes import Changes
from studio.store.comparisons import (
    Asking,
    Outcome,
    add_comparisons,
    asked_lists,
    comparisons,
    delete_comparisons,
)
from studio.store.errors import ProjectError
from studio.store.project import Project
from studio.store.runs import RunRow, RunState, add_run, delete_run, runs, update_run
from studio.store.settings import get_setting, set_setting
from studio.store.watched import set_watched, watched

ANSWER = Answer("Who?", "he\x00", "she", Routing("Who?", 0.9, True, 0.5, 0.25, "edit-1", 0.75))


def test_a_run_has_a_folder_of_its_own_and_a_row(project: Project) -> None:
    made = add_run(
        project, editor="MeG / α: 2", model="embedded", seed=7, snapshot="abc", edits=3, settings={"layer": None}
    )
    again = add_run(project, editor="…", model="embedded", seed=7, snapshot="abc", edits=3)
    assert made.folder.parent == project.runs_folder
    assert made.folder.is_dir()
    assert made.folder.name.endswith("-meg-2")
    assert again.folder != made.folder
    assert datetime.now(UTC) - made.created < timedelta(minutes=1)
    changes = update_run(project, made.id, state=RunState.FINISHED, figures={"score": 98.5}, message="well\x00")
    assert changes == Changes(runs=(made.id,))
    newest, first = runs(project)
    assert newest.id == again.id
    assert (first.state, first.figures, first.message) == (RunState.FINISHED, {"score": 98.5}, "well\ufffd")
    assert (first.seed, first.snapshot, first.edits, first.settings) == (7, "abc", 3, {"layer": None})


def test_two_runs_of_one_second_do_not_share_a_folder(project: Project) -> None:
    folders = {add_run(project, editor="e", model="m", seed=0, snapshot="", edits=0).folder for _ in range(4)}
    assert len(folders) == 4


def test_a_deleted_run_takes_its_folder_and_leaves_the_history(project: Project) -> None:
    run = add_run(project, editor="e", model="m", seed=0, snapshot="", edits=0)
    (run.folder / "pack").mkdir()
    (run.folder / "pack" / "manifest.json").write_text("{}")
    add_comparisons(project, [ANSWER], Asking(run=run.id, model="m"))
    with pytest.raises(ProjectError, match="being trained"):
        delete_run(project, run.id)
    assert run.folder.exists()
    update_run(project, run.id, state=RunState.FINISHED, name="First", note="n")
    delete_run(project, run.id)
    assert not run.folder.exists()
    assert runs(project) == []
    assert comparisons(project)[0].asking.run is None
    assert not delete_run(project, run.id)
    assert not update_run(project, run.id, state=RunState.FAILED)


def finished_run(project: Project) -> RunRow:
    run = add_run(project, editor="e", model="m", seed=0, snapshot="", edits=0)
    update_run(project, run.id, state=RunState.FINISHED)
    (run.folder / "pack").mkdir()
    (run.folder / "pack" / "manifest.json").write_text("{}")
    return run


def test_a_run_is_deleted_under_the_hands_of_a_job_that_still_writes_to_it(project: Project) -> None:
    run = finished_run(project)
    refused: list[OSError] = []
    began, stop = threading.Event(), threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set() and not refused:
            number += 1
            try:
                for name in ("evaluation.jsonl.partial", f"pack/{number}"):
                    with (run.folder / name).open("ab") as file:
                        file.write(b"x" * 10_000)
            except OSError as error:
                refused.append(error)
            began.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert began.wait(10)
    delete_run(project, run.id)
    writer.join(10)
    stop.set()
    assert isinstance(refused[0], FileNotFoundError)
    assert runs(project) == []
    assert list(project.runs_folder.iterdir()) == []


def test_a_run_whose_folder_cannot_be_moved_stays_whole(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finished_run(project)

    def refuse(_self: Path, _target: Path) -> Path:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(ProjectError, match="cannot be deleted: Permission denied") as told:
            delete_run(project, run.id)
    assert str(run.folder) in told.value.action
    assert [row.id for row in runs(project)] == [run.id]
    assert (run.folder / "pack" / "manifest.json").is_file()


def test_a_run_whose_row_cannot_be_deleted_gets_its_folder_back(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished_run(project)
    write = Project.write

    @contextmanager
    def full(self: Project) -> Iterator[Session]:
        with write(self) as session:
            yield session
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Project, "write", full)
        with pytest.raises(OSError, match="No space left"):
            delete_run(project, run.id)
    assert [row.id for row in runs(project)] == [run.id]
    assert (run.folder / "pack" / "manifest.json").is_file()


def test_what_is_left_of_a_deleted_run_goes_with_the_next(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = finished_run(project), finished_run(project)
    with monkeypatch.context() as patch:

        def in_use(folder: Path) -> None:
            raise PermissionError(errno.EACCES, "in use", str(folder))

        patch.setattr("studio.store.runs.shutil.rmtree", in_use)
        delete_run(project, first.id)
    assert "still there" in caplog.text
    assert [row.id for row in runs(project)] == [second.id]
    assert len(list(project.runs_folder.iterdir())) == 2
    delete_run(project, second.id)
    assert list(project.runs_folder.iterdir()) == []


def test_what_a_person_makes_of_a_run_is_kept_with_it(project: Project) -> None:
    run = add_run(project, editor="e", model="m", seed=0, snapshot="", edits=0)
    assert (run.name, run.note, run.threshold) == ("", "", None)
    update_run(project, run.id, name="  Two\nlines ", note="a\nb", threshold=0.25)
    update_run(project, run.id, state=RunState.FINISHED)
    (found,) = runs(project)
    assert (found.name, found.note, found.threshold) == ("Two lines", "a\nb", 0.25)
    update_run(project, run.id, threshold=None)
    assert runs(project)[0].threshold is None
    for wrong in ({"name": "x" * 201}, {"name": "\x00"}, {"note": "\ud800"}, {"threshold": 1.5}):
        with pytest.raises(EditError):
            update_run(project, run.id, **wrong)  # type: ignore[arg-type]
    assert runs(project)[0].name == "Two lines"


def test_a_run_that_fails_to_be_noted_cannot_be_of_a_state_that_is_none(project: Project) -> None:
    run = add_run(project, editor="e", model="m", seed=0, snapshot="", edits=0)
    with pytest.raises(ValueError, match="sleeping"):
        update_run(project, run.id, state="sleeping")  # type: ignore[typeddict-item]
    assert runs(project)[0].state is RunState.RUNNING


def test_the_history_comes_newest_first(project: Project) -> None:
    for number in range(3):
        assert add_comparisons(project, [Answer(f"{number}", "a", "b", ANSWER.routing)], Asking()).comparisons
    add_comparisons(project, [ANSWER], Asking(model="m"))
    newest, *rest = comparisons(project)
    assert (newest.query, newest.original, newest.edited) == ("Who?", "he\ufffd", "she")
    assert (newest.familiarity, newest.routed, newest.threshold, newest.entropy) == (0.9, True, 0.5, 0.25)
    assert (newest.nearest_edit, newest.similarity, newest.asking) == ("edit-1", 0.75, Asking(model="m"))
    assert [row.query for row in rest] == ["2", "1", "0"]
    assert len(comparisons(project, limit=2)) == 2


def test_how_a_question_was_asked_is_kept(project: Project) -> None:
    run = add_run(project, editor="e", model="m", seed=0, snapshot="", edits=0)
    asking = Asking(run.id, "m", "f" * 64, "a" * 64, {"temperature": 0.7, "seed": 3}, 0.4, "2026-11-21T10:00:00+00:00")
    answer = Answer("Who?", "he", "she", ANSWER.routing, original_seconds=0.25, edited_seconds=0.5)
    add_comparisons(project, [answer], asking)
    (row,) = comparisons(project)
    assert row.asking == asking
    assert (row.original_seconds, row.edited_seconds) == (0.25, 0.5)
    assert not add_comparisons(project, [], asking)


def test_the_history_is_searched_and_narrowed_down(project: Project) -> None:
    routed, plain = ANSWER.routing, Routing("q", 0.1, False, 0.5, 0.9, "edit-1", 0.1)
    first, second = (Asking(asked_with=f"2026-11-21T10:0{minute}:00+00:00") for minute in (1, 2))
    add_comparisons(project, [Answer("STRAẞE in Köln?", "a", "b", routed), Answer("城市?", "x", "x", plain)], first)
    add_comparisons(project, [Answer("Where?", "in köln", "in köln", routed)], second)
    add_comparisons(project, [Answer("alone", "x", "y", plain)], Asking())

    def found(**chosen: object) -> list[str]:
        return [row.query for row in comparisons(project, **chosen)]  # type: ignore[arg-type]

    assert found(search="KÖLN") == ["Where?", "STRAẞE in Köln?"]
    assert found(search="köln strasse") == ["STRAẞE in Köln?"]
    assert found(search="市") == ["城市?"]
    assert found(search="100%_") == []
    assert found(search="köln", limit=1) == ["Where?"]
    assert found(outcome=Outcome.CHANGED) == ["alone", "STRAẞE in Köln?"]
    assert found(outcome=Outcome.SAME) == ["Where?", "城市?"]
    assert found(outcome=Outcome.ROUTED, asked_with=first.asked_with) == ["STRAẞE in Köln?"]
    assert [(each.key, each.questions) for each in asked_lists(project)] == [
        (second.asked_with, 1),
        (first.asked_with, 2),
    ]
    delete_comparisons(project, [comparisons(project)[0].id, 999])
    assert found(search="alone") == []


def test_watched_questions_keep_their_order(project: Project) -> None:
    assert watched(project) == ()
    assert set_watched(project, ["b", " a ", "", "b", "ü?"]).watched
    assert watched(project) == ("b", "a", "ü?")
    assert not set_watched(project, ["b", "a", "ü?"])
    with pytest.raises(EditError):
        set_watched(project, ["\ud800"])
    assert watched(project) == ("b", "a", "ü?")
    set_watched(project, [])
    assert watched(project) == ()


@pytest.mark.parametrize("value", [0, 1.5, "ü\ud800", True, [1, {"a": None}], {"layer": 3}])
def test_settings_hold_what_json_can(project: Project, value: object) -> None:
    assert get_setting(project, "x", "none") == "none"
    assert set_setting(project, "x", value).settings == ("x",)
    assert get_setting(project, "x") == value
    assert not set_setting(project, "x", value)
    assert set_setting(project, "x", None)
    assert get_setting(project, "x") is None
    assert not set_setting(project, "x", None)


def test_settings_refuse_what_json_cannot_and_what_is_the_stores(project: Project) -> None:
    with pytest.raises(ValueError, match=r"JSON compliant"):
        set_setting(project, "x", float("nan"))
    with pytest.raises(ValueError, match="the store's own"):
        set_setting(project, "_name", "x")
