from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
from filelock import FileLock

from studio.store.errors import ProjectElsewhere, ProjectError, ProjectLocked
from studio.store.holding import NOTE, Hold
from studio.store.project import Project


def test_the_note_names_this_computer_and_goes_with_the_hold(tmp_path: Path) -> None:
    hold = Hold(tmp_path)
    assert json.loads((tmp_path / NOTE).read_text())["computer"] == platform.node()
    with pytest.raises(ProjectLocked):
        Hold(tmp_path, anyway=True)
    hold.release()
    assert not (tmp_path / NOTE).exists()
    Hold(tmp_path).release()


def test_a_folder_where_files_cannot_be_locked_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError  # as filelock does where the file system has no locks

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(ProjectError, match="cannot be locked"):
        Hold(tmp_path)


def test_a_note_of_this_computer_is_of_a_process_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / NOTE).write_text(json.dumps({"computer": platform.node(), "process": 1}))
    Hold(tmp_path).release()


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"', "{}", '{"computer": ""}'])
def test_a_note_that_says_nothing_is_in_nobodys_way(tmp_path: Path, content: str) -> None:
    (tmp_path / NOTE).write_text(content)
    Hold(tmp_path).release()


def test_a_note_of_another_computer_stops_all_who_do_not_insist(tmp_path: Path) -> None:
    (tmp_path / NOTE).write_text(json.dumps({"computer": "far-away", "process": 1}))
    with pytest.raises(ProjectElsewhere, match="far-away"):
        Hold(tmp_path)
    assert "far-away" in (tmp_path / NOTE).read_text()  # refused, untouched
    Hold(tmp_path, anyway=True).release()
    Hold(tmp_path).release()


def test_a_project_can_be_opened_anyway(project: Project) -> None:
    project.close()
    (project.folder / NOTE).write_text(json.dumps({"computer": "far-away", "process": 1}))
    with pytest.raises(ProjectElsewhere):
        Project.open(project.folder)
    Project.open(project.folder, anyway=True).close()
    Project.open(project.folder).close()
