from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from studio.store import backups
from studio.store.backups import back_up, list_backups, thinned
from studio.store.edits import EditDraft, add_edits
from studio.store.errors import ProjectDamaged, ProjectDiskFull
from studio.store.listing import edit_ids
from studio.store.project import Project
from studio.store.settings import set_setting

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def test_a_backup_is_made_when_something_changed_and_only_then(project: Project) -> None:
    first = project.back_up()
    assert first is not None
    assert project.back_up() is None
    edit_ids(project)
    assert project.back_up() is None  # reading is no change
    set_setting(project, "device", "cpu")
    assert project.back_up() is not None
    add_edits(project, [EditDraft("Lyon", "France", "capital")])
    last = project.back_up()
    assert last is not None
    assert last.edits == 1
    assert [backup.edits for backup in list_backups(project.folder)] == [1, 0, 0]
    assert list_backups(project.folder)[0] == last


def test_what_was_not_backed_up_before_a_crash_is_at_the_next_close(project: Project) -> None:
    add_edits(project, [EditDraft("Lyon", "France", "capital")])
    folder = project.folder
    # As if killed: no backup, the lock given up.
    project._database.close()
    project._hold.release()
    project._closed = True
    assert list_backups(folder) == ()
    again = Project.open(folder)
    again.close()
    assert [backup.edits for backup in list_backups(folder)] == [1]


def test_a_backup_can_be_opened_by_itself(project: Project, tmp_path: Path) -> None:
    add_edits(project, [EditDraft("Lyon", "France", "capital")])
    backup = project.back_up()
    assert backup is not None
    assert sorted(path.name for path in backup.path.parent.iterdir()) == [backup.path.name]
    other = tmp_path / "other"
    other.mkdir()
    (other / "project.sqlite").write_bytes(backup.path.read_bytes())
    opened = Project.open(other)
    assert len(edit_ids(opened)) == 1
    opened.close()


def test_a_file_that_fails_its_check_is_never_backed_up_over_good_ones(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = project.back_up()
    add_edits(project, [EditDraft("Lyon", "France", "capital")])
    with monkeypatch.context() as patch:
        patch.setattr(backups, "integrity_problem", lambda _: "row 3 missing from index")
        with pytest.raises(ProjectDamaged, match="row 3 missing") as caught:
            project.back_up()
    assert caught.value.backups == list_backups(project.folder) == (good,)
    assert list((project.folder / "backups").iterdir()) == [good.path]


def test_a_full_disk_costs_the_backup_and_nothing_else(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    add_edits(project, [EditDraft("Lyon", "France", "capital")])
    folder = project.folder

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(backups, "put_in_place", full)
        with pytest.raises(ProjectDiskFull, match="no room"):
            project.close()
    assert list((folder / "backups").iterdir()) == []
    again = Project.open(folder)  # closed all the same, lock and all
    assert len(edit_ids(again)) == 1
    again.close()


def test_a_damaged_backup_is_refused_and_changes_nothing(project: Project) -> None:
    add_edits(project, [EditDraft("Lyon", "France", "capital") for _ in range(200)])
    backup = project.back_up()
    assert backup is not None
    folder = project.folder
    project.close()
    data = bytearray(backup.path.read_bytes())
    data[4096 * 3 : 4096 * 4] = bytes(4096)
    backup.path.write_bytes(data)
    before = (folder / "project.sqlite").read_bytes()
    with pytest.raises(ProjectDamaged, match="copy is damaged"):
        Project.restore(folder, backup)
    assert (folder / "project.sqlite").read_bytes() == before
    assert not (folder / "set-aside").exists()
    backup.path.write_bytes(b"nothing at all")
    assert list_backups(folder) == ()


def test_restoring_keeps_the_file_with_its_log_aside(project: Project) -> None:
    backup = project.back_up()
    assert backup is not None
    folder = project.folder
    project.close()
    (folder / "project.sqlite-wal").write_bytes(b"a log that belongs to the old file")
    aside = Project.restore(folder, backup)
    assert aside.with_name("project.sqlite-wal").exists()
    assert not (folder / "project.sqlite-wal").exists()
    Project.restore(folder, backup)  # twice in one second
    assert len(list((folder / "set-aside").iterdir())) == 2


def test_thinning_keeps_the_newest_then_one_a_day_a_week_and_a_month() -> None:
    hourly = [NOW - timedelta(hours=number) for number in range(24 * 600)]
    kept = thinned(hourly, NOW)
    assert set(hourly[:10]) <= kept
    assert len(kept) < 50
    days = {moment.date() for moment in kept}
    assert {(NOW - timedelta(days=number)).date() for number in range(backups.KEEP_DAYS)} <= days
    months = {(moment.year, moment.month) for moment in kept}
    assert len(months) >= backups.KEEP_MONTHS
    assert min(kept) > NOW - timedelta(days=400)
    assert thinned([], NOW) == set()
    # What was kept once is kept again: nothing is thinned to nothing by being looked at often.
    assert thinned(sorted(kept), NOW) == kept


def test_thinning_leaves_those_before_an_update_alone(project: Project) -> None:
    raw = project._database.raw
    special = back_up(raw, project.folder, backups.BEFORE_UPDATE, now=NOW - timedelta(days=900))
    old = [back_up(raw, project.folder, now=NOW - timedelta(days=900, minutes=number)) for number in range(12)]
    newest = back_up(raw, project.folder, now=NOW)
    left = {backup.path for backup in list_backups(project.folder)}
    assert {special.path, newest.path} <= left
    assert old[-1].path not in left
