"""One window a project, over two real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.logs import LOG
from studio.settings import locations
from studio.single_instance import knock

START = "import sys; from studio.app import main; sys.exit(main(sys.argv[1:]))"
WINDOW = """
import sys
from pathlib import Path
from studio import start

make = start.make_window

def make_window(*given):
    window = make(*given)
    window.projects.opened.connect(lambda: print("open", flush=True))
    window.door.knocked.connect(lambda: print("called", flush=True))
    return window

start.make_window = make_window
sys.exit(start.run_window(Path(sys.argv[1])))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    from studio.store.project import Project

    Project.create(tmp_path / "project", "Shared").close()
    return tmp_path / "project"


@pytest.fixture
def first(project: Path) -> Iterator[subprocess.Popen[str]]:
    """A studio with the project open."""
    started = subprocess.Popen(
        [sys.executable, "-c", WINDOW, str(project)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert started.stdout is not None
    assert started.stdout.readline().strip() == "open"
    yield started
    started.kill()
    started.wait()
    started.stdout.close()


def start_again(project: Path) -> subprocess.CompletedProcess[str]:
    """Another start, told that there is a display so that it means to show a window."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen:"}
    return subprocess.run(
        [sys.executable, "-c", START, str(project)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )


def test_a_second_start_calls_the_first_window_and_ends(first: subprocess.Popen[str], project: Path) -> None:
    done = start_again(project)
    assert done.returncode == 0, done.stderr
    assert first.stdout is not None
    assert first.stdout.readline().strip() == "called"
    assert first.poll() is None


def test_after_a_kill_the_project_can_be_had(first: subprocess.Popen[str], project: Path) -> None:
    from studio.store.project import Project

    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not knock(project, wait=True)
    Project.open(project).close()


def test_nobody_answers_for_a_project_that_is_not_open(project: Path) -> None:
    assert not knock(project, wait=True)
    assert not (locations().state / LOG).exists()
