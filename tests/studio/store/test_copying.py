from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runs import Cancel, Cancelled, ProgressBoard
from studio.store import copying
from studio.store.edits import EditDraft, add_edits
from studio.store.errors import ProjectDiskFull, ProjectError, ProjectExists
from studio.store.listing import edit_ids
from studio.store.project import Project


def with_a_run(project: Project) -> None:
    add_edits(project, [EditDraft("Lyon", "France", "capital")])
    run = project.runs_folder / "2026" / "pack"
    run.mkdir(parents=True)
    (run / "weights.safetensors").write_bytes(b"w" * 100)


def test_a_copy_is_a_project_of_its_own(project: Project, tmp_path: Path) -> None:
    with_a_run(project)
    board = ProgressBoard()
    target = tmp_path / "a" / "Copy"
    assert project.save_copy(target, board=board) == target
    add_edits(project, [EditDraft("Osaka", "Japan", "capital")])
    copy = Project.open(target)
    assert (copy.name, len(edit_ids(copy)), len(edit_ids(project))) == ("Copy", 1, 2)
    assert (copy.runs_folder / "2026" / "pack" / "weights.safetensors").read_bytes() == b"w" * 100
    assert copy.backups() == ()
    copy.close()
    assert board.latest().stage


def test_an_empty_folder_will_do_and_a_full_one_will_not(project: Project, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    project.save_copy(tmp_path / "empty")
    with pytest.raises(ProjectExists):
        project.save_copy(tmp_path / "empty")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ProjectExists):
        project.save_copy(tmp_path / "file")
    with pytest.raises(ProjectError, match="itself"):
        project.save_copy(project.folder / "runs" / "copy")


def test_what_is_cut_off_leaves_nothing_and_is_cleared_by_the_next(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_run(project)
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        project.save_copy(tmp_path / "to" / "copy", cancel=cancel)
    assert list((tmp_path / "to").iterdir()) == []

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(copying.os, "fsync", full)
        with pytest.raises(ProjectDiskFull):
            project.save_copy(tmp_path / "to" / "copy")
    assert list((tmp_path / "to").iterdir()) == []

    killed = tmp_path / "to" / ".copy.partial-1"
    killed.mkdir()
    (killed / "project.sqlite").write_text("half")
    project.save_copy(tmp_path / "to" / "copy")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["copy"]


def test_a_copy_never_appears_half_made(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_a_run(project)
    seen: list[bool] = []
    rename: Callable[..., None] = copying.os.rename

    def noted(source: Path, target: Path) -> None:
        seen.append(target.exists())
        assert (source / "runs" / "2026" / "pack" / "weights.safetensors").exists()
        rename(source, target)

    monkeypatch.setattr(copying.os, "rename", noted)
    project.save_copy(tmp_path / "copy")
    assert seen == [False]
