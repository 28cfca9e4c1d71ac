"""What every test runs in: no network, no display, no folders of the user's, and nothing left running behind it.

Tests of the engine run without Qt too: `pytest -p no:pytest-qt tests/engine`.
"""

from __future__ import annotations

import atexit
import gc
import importlib.util
import os
import shutil
import socket
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

_CACHE = tempfile.mkdtemp(prefix="meg-studio-tests-")
atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)

# Before Qt, torch or any library of Hugging Face's is imported: they read these once.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.update(
    HF_HOME=_CACHE,
    HF_HUB_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_NUM_THREADS="1",
)
for _name in ("HF_HUB_CACHE", "HF_TOKEN", "HF_ENDPOINT", "TRANSFORMERS_CACHE"):
    os.environ.pop(_name, None)

# A machine that is busy for a second fails no test.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

HAS_QT = importlib.util.find_spec("PySide6") is not None

collect_ignore = [] if HAS_QT else ["studio", "end_to_end"]


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Know pytest-qt's settings where the plugin is left out."""
    if not pluginmanager.hasplugin("pytest-qt"):
        for name in ("qt_api", "qt_log_level_fail"):
            parser.addini(name, "read by pytest-qt")
        parser.addini("qt_log_ignore", "read by pytest-qt", type="linelist")


class NetworkUsed(AssertionError):
    """A test tried to reach the network."""


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Fail whatever opens a connection; sockets between processes of this machine's own are left alone."""
    patch = pytest.MonkeyPatch()

    def guarded(original: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                raise NetworkUsed(f"A test tried to connect to {address}.")
            return original(self, address)

        return connect

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        raise NetworkUsed(f"A test tried to look up {host}.")

    patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
    patch.setattr(socket, "getaddrinfo", resolve)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the studio's files for this test alone."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("MEG_STUDIO_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def nothing_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves a thread, a ticking timer or a window without an owner."""
    threads = set(threading.enumerate())
    qt = _QtWatch(monkeypatch) if HAS_QT else None
    yield
    started = [
        thread
        for thread in threading.enumerate()
        if thread not in threads and (not thread.daemon or thread.name.startswith("meg-studio"))
    ]
    for thread in started:  # a pool that was told to end without waiting has threads on their way out
        thread.join(0.1)
    left = [f"thread {thread.name}" for thread in started if thread.is_alive()]
    if qt is not None:
        left += qt.left()
    assert not left, f"left behind: {', '.join(left)}"


class _QtWatch:
    """The Qt objects that a test starts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from PySide6.QtCore import QCoreApplication, QThread, QTimer

        self._started: list[weakref.ref[Any]] = []
        for kind in (QTimer, QThread):
            monkeypatch.setattr(kind, "start", self._noted(kind.start))
        self._application = QCoreApplication.instance
        self._windows = {id(window) for window in self._top_level()}

    def left(self) -> list[str]:
        """What is still there."""
        from PySide6.QtCore import QCoreApplication, QEvent, QThread, QTimer
        from shiboken6 import isValid

        if self._application() is None:
            return []
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        if self._new_windows():
            gc.collect()
        left = [f"window {type(window).__name__} “{window.objectName()}”" for window in self._new_windows()]
        for reference in self._started:
            started = reference()
            if started is None or not isValid(started):
                continue
            if isinstance(started, QThread) and started.isRunning():
                left.append(f"QThread “{started.objectName()}”")
            if isinstance(started, QTimer) and started.isActive() and id(_root(started)) not in self._windows:
                left.append(f"QTimer “{started.objectName()}” of {type(_root(started)).__name__}")
        return left

    def _noted(self, original: Callable[..., Any]) -> Callable[..., Any]:
        started = self._started

        def start(self: Any, *args: Any) -> Any:
            started.append(weakref.ref(self))
            return original(self, *args)

        return start

    def _new_windows(self) -> list[Any]:
        # Qt keeps tool tips and the popups of its own widgets for later use.
        return [
            window
            for window in self._top_level()
            if id(window) not in self._windows
            and window.parent() is None
            and window.metaObject().className() not in ("QTipLabel", "QComboBoxPrivateContainer")
        ]

    def _top_level(self) -> list[Any]:
        if self._application() is None:
            return []
        from PySide6.QtWidgets import QApplication

        return QApplication.topLevelWidgets()


def _root(child: Any) -> Any:
    while child.parent() is not None:
        child = child.parent()
    return child
