"""The guards of the suite catch what they are there for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CARELESS = """
import socket, threading, time
import pytest
from PySide6.QtCore import QThread, QTimer, qWarning
from PySide6.QtWidgets import QLabel, QWidget

kept = []


class Sleeper(QThread):
    def run(self):
        self.msleep(300)


def test_network(): socket.create_connection(("127.0.0.1", 9), timeout=1)
def test_name(): socket.getaddrinfo("localhost", 80)
def test_timer(qapp): kept.append(QTimer()); kept[-1].start(1000)
def test_window(qapp): kept.append(QLabel("left")); kept[-1].show()
def test_qthread(qapp): kept.append(Sleeper()); kept[-1].start()
def test_thread(): threading.Thread(target=time.sleep, args=(0.5,)).start()
def test_warning(qapp): qWarning("careless")
def test_slot(qtbot): QTimer.singleShot(0, lambda: 1 / 0); qtbot.wait(50)
def test_home(): import os; assert "home" in os.environ["MEG_STUDIO_HOME"]; raise AssertionError("seen")


def test_careful(qtbot):
    widget = QWidget(); qtbot.addWidget(widget); widget.show()
    timer = QTimer(widget); timer.start(1); qtbot.wait(5)


@pytest.fixture(autouse=True, scope="module")
def tidy():
    yield
    for each in kept:
        if isinstance(each, QThread): each.wait()
    kept.clear()
"""


def test_a_careless_test_fails(tmp_path: Path) -> None:
    careless = tmp_path / "test_careless.py"
    careless.write_text(CARELESS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "-rA", "--tb=line", "-p", "no:cacheprovider", str(careless)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = {
        line.split("::")[1].split(" ")[0]: line.split(" ")[0]
        for line in done.stdout.splitlines()
        if "::test_" in line and line.split(" ")[0] in ("PASSED", "FAILED", "ERROR")
    }
    assert verdicts.pop("test_careful") == "PASSED", done.stdout
    assert len(verdicts) == 9
    assert set(verdicts.values()) <= {"FAILED", "ERROR"}, verdicts


@pytest.mark.parametrize("plugin", [[], ["-p", "no:pytest-qt"]])
def test_the_engine_is_tested_without_qt_too(plugin: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "--collect-only", str(ROOT / "tests" / "engine" / "test_edits.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
