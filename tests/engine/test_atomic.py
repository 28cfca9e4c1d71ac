"""Whole or not at all: every call to the disk is made to fail once."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from engine import atomic


class Broken(Exception):
    """Stands for a process that ends at this very call."""


def failing(original: Callable[..., object], at: int) -> Callable[..., object]:
    calls = 0

    def call(*arguments: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        if calls == at:
            raise Broken
        return original(*arguments, **more)

    return call


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write_file(path, [b"one", b"two"])
    assert path.read_bytes() == b"onetwo"
    atomic.write_file(path, [b"new"])
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    atomic.write_file(link, [b"new"])
    assert link.is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["replace", "fsync"])
@pytest.mark.parametrize("at", [1, 2])
def test_a_file_is_old_or_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(atomic.os, name, failing(getattr(os, name), at))
    with suppress(Broken):
        atomic.write_file(path, [b"new"])
    assert path.read_bytes() in (b"old", b"new")
    assert os.listdir(tmp_path) == ["file"]


def test_content_that_fails_halfway_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def chunks() -> object:
        yield b"half"
        raise Broken

    with pytest.raises(Broken):
        atomic.write_file(path, chunks())  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def fill(target: Path, content: bytes) -> None:
    with atomic.new_folder(target) as folder:
        (folder / "a").write_bytes(content)
        (folder / "b").write_bytes(content)


def content(target: Path) -> tuple[bytes, bytes]:
    atomic.recover_folder(target)
    return (target / "a").read_bytes(), (target / "b").read_bytes()


@pytest.mark.parametrize("name", ["replace", "fsync"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_a_folder_is_old_or_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int) -> None:
    target = tmp_path / "deep" / "folder"
    fill(target, b"old")
    monkeypatch.setattr(atomic.os, name, failing(getattr(os, name), at))
    with suppress(Broken):
        fill(target, b"new")
    monkeypatch.undo()
    assert content(target) in ((b"old", b"old"), (b"new", b"new"))
    fill(target, b"next")
    assert content(target) == (b"next", b"next")
    assert os.listdir(target.parent) == ["folder"]


def test_a_kill_between_the_two_renames_is_made_good(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    fill(target, b"old")
    os.replace(target, tmp_path / "folder.previous")
    assert content(target) == (b"old", b"old")


def test_a_kill_before_the_old_folder_went_is_tidied_up(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    fill(target, b"new")
    fill(tmp_path / "folder.previous", b"old")
    assert content(target) == (b"new", b"new")
    assert os.listdir(tmp_path) == ["folder"]


def test_only_dead_processes_leavings_are_cleared(tmp_path: Path) -> None:
    dead = 2**22 + 1  # beyond the highest number that Linux gives a process
    for name in (f"x.tmp-{dead}-0123abcd", f"x.tmp-{os.getpid()}-0123abcd", "x.tmp-mine", "x"):
        (tmp_path / name).mkdir()
    (tmp_path / f"y.tmp-{dead}-0123abcd").write_bytes(b"")
    atomic.clear_temporaries(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([f"x.tmp-{os.getpid()}-0123abcd", "x.tmp-mine", "x"])
