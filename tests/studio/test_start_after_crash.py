"""What a studio that crashed left behind is shown by the next start's window, over two real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WINDOW = """
import faulthandler, sys
from pathlib import Path
from PySide6.QtCore import QTimer
from studio import start

make = start.make_window

def make_window(*given):
    window = make(*given)
    window.projects.opened.connect(lambda: QTimer.singleShot(0, window, lambda: end(window)))
    return window

def end(window):
    if sys.argv[2] == "crash":
        faulthandler._sigsegv()
    message = window.messages.current()
    if message is not None:
        print(message.kind, message.text, message.details, sep="\\n")
    print("end")
    window.close()

start.make_window = make_window
sys.exit(start.run_window(Path(sys.argv[1])))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    from studio.store.project import Project

    Project.create(tmp_path / "project", "Crashing").close()
    return tmp_path / "project"


def run(project: Path, how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WINDOW, str(project), how],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        timeout=120,
        check=False,
    )


def test_a_crash_is_told_at_the_next_start_and_then_no_more(project: Path) -> None:
    assert run(project, "crash").returncode != 0
    told = run(project, "look")
    assert told.returncode == 0, told.stderr
    kind, text, *details = told.stdout.splitlines()
    assert kind == "warning"
    assert text.startswith("MeG Studio crashed the last time it ran.")
    assert any("Segmentation fault" in line for line in details)
    assert any("in end" in line for line in details)
    again = run(project, "look")
    assert again.stdout.splitlines() == ["end"], again.stderr
