"""A fact that was said to be saved is saved: killed processes and full disks."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from studio.errors import describe
from studio.store.edits import EditDraft, add_edits
from studio.store.errors import ProjectDiskFull, ProjectError
from studio.store.listing import edit_ids
from studio.store.project import Project
from studio.store.undo import undo, undo_name

WRITER = """
import sys
from pathlib import Path
from studio.store.edits import EditDraft, add_edits, update_edit
from studio.store.project import Project

project = Project.open(Path(sys.argv[1]))
number = 0
while True:
    drafts = [EditDraft(f"object {number} {each}", prompt=f"prompt {number}") for each in range(1 + number % 3)]
    ids = add_edits(project, drafts).added
    update_edit(project, ids[0], new_object="changed")
    print(*ids, flush=True)
    number += 1
    if number % 7 == 0:
        project.back_up()
"""


def test_no_saved_fact_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    Project.create(folder, "Killed").close()
    draw = random.Random(3)
    acknowledged: set[int] = set()
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()  # it has begun
            time.sleep(draw.uniform(0, 0.15))
            writer.kill()
            lines = first + writer.stdout.read()
        # The last line may be cut off: that one was not acknowledged.
        for line in lines.decode().split("\n")[:-1]:
            acknowledged |= {int(number) for number in line.split()}
        opened = Project.open(folder)
        try:
            assert opened.info.repairs == ()
            assert acknowledged <= set(edit_ids(opened))
        finally:
            opened.close()
    assert len(acknowledged) >= 5


def fill(project: Project) -> tuple[int, ProjectError]:
    """Add edits until there is no room: how many were saved, and what was said then."""
    saved = 0
    for number in range(10_000):
        try:
            saved += len(add_edits(project, [EditDraft("x" * 2_000, prompt=f"{number} " + "y" * 2_000)]).added)
        except ProjectError as error:
            return saved, error
    raise AssertionError("the disk never filled up")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode != 0:
        pytest.skip("a small disk can only be mounted by root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_loses_nothing_that_was_saved(tiny_disk: Path) -> None:
    project = Project.create(tiny_disk / "p", "Full")
    filler = tiny_disk / "filler"
    filler.write_bytes(bytes(1024 * 1024))
    saved, error = fill(project)
    assert isinstance(error, ProjectDiskFull)
    message = describe(error)
    assert not message.is_bug
    assert "no room left on the disk" in message.sentence
    assert "Make room" in message.action
    # What was saved is there, can be read, and no half of the last fact is.
    assert len(edit_ids(project)) == saved > 10
    # Room is made: the same fact can be saved now, and everything works again.
    filler.unlink()
    assert len(add_edits(project, [EditDraft("again", prompt="p")]).added) == 1
    assert undo_name(project) == "add 1 edit"
    assert undo(project).removed
    # There may be no room for a backup: that much is said, and the project is closed.
    with suppress(ProjectDiskFull):
        project.close()
    again = Project.open(tiny_disk / "p")
    try:
        assert len(edit_ids(again)) == saved
    finally:
        with suppress(ProjectDiskFull):
            again.close()


def test_creating_on_a_full_disk_leaves_nothing_half_made(tiny_disk: Path) -> None:
    filler = tiny_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    with pytest.raises(ProjectError) as caught:
        Project.create(tiny_disk / "p", "Full")
    assert not describe(caught.value).is_bug
    filler.unlink()
    Project.create(tiny_disk / "p", "Full").close()


LIMITED = """
import resource, signal, sys
from pathlib import Path
from studio.errors import describe
from studio.store.edits import EditDraft, add_edits
from studio.store.listing import edit_ids
from studio.store.project import Project

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
project = Project.open(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
saved = 0
try:
    while saved < 10_000:
        saved += len(add_edits(project, [EditDraft("x" * 2_000, prompt="y" * 2_000)]).added)
except Exception as error:
    message = describe(error)
    assert not message.is_bug, message.details
    print(message.sentence)
assert len(edit_ids(project)) == saved
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
saved += len(add_edits(project, [EditDraft("again", prompt="p")]).added)
project.close()
print(saved)
"""


@pytest.mark.skipif(os.name == "nt", reason="there are no limits on the size of files there")
def test_a_file_that_may_not_grow_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    Project.create(folder, "Limited").close()
    done = subprocess.run([sys.executable, "-c", LIMITED, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sentence, saved = done.stdout.splitlines()
    assert "disk" in sentence
    opened = Project.open(folder)
    try:
        assert len(edit_ids(opened)) == int(saved) > 5
    finally:
        opened.close()
