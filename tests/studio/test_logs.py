"""The log, what a crash leaves behind, and what of both may leave the computer."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import qWarning
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from studio import diagnostics, logs
from studio.dialogs.about import AboutDialog
from studio.dialogs.log import LogDialog
from studio.logs import LOG, CrashLog, last_crash, parse, start_logging, stop_logging
from studio.redaction import redacted
from studio.settings import HOME, Locations, locations
from studio.window import MainWindow

TOKEN = "hf_" + "a" * 30


@pytest.fixture
def places() -> Locations:
    return locations()


@pytest.fixture
def logging_on(places: Locations) -> Iterator[logging.Handler]:
    handler = start_logging(places)
    yield handler
    stop_logging(handler)


def entries(places: Locations) -> list[logs.Entry]:
    return parse((places.state / LOG).read_text("utf-8"))


def test_the_log_holds_our_steps_everybodys_warnings_and_what_qt_says(
    places: Locations, logging_on: logging.Handler
) -> None:
    logging.getLogger("studio.window").info("a step")
    logging.getLogger("elsewhere").info("a step of others")
    logging.getLogger("elsewhere").warning("a warning\nof two lines")
    qWarning("from Qt")
    assert [(entry.level, entry.source, entry.text) for entry in entries(places)] == [
        (logging.INFO, "studio.window", "a step"),
        (logging.WARNING, "elsewhere", "a warning\nof two lines"),
        (logging.WARNING, "studio.qt", "from Qt"),
    ]


def test_an_error_in_a_thread_is_in_the_log(places: Locations, logging_on: logging.Handler) -> None:
    def fail() -> None:
        raise ValueError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    (entry,) = entries(places)
    assert entry.level == logging.ERROR
    assert "ValueError: in a thread" in entry.text


def test_the_log_rolls_over(places: Locations, logging_on: logging.Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging_on, "maxBytes", 2_000)
    for number in range(200):
        logging.getLogger("studio").info("step %d of a long day", number)
    files = sorted(path.name for path in places.state.glob("studio.log*"))
    assert files == ["studio.log", "studio.log.1", "studio.log.2", "studio.log.3"]
    assert all(path.stat().st_size <= 2_000 for path in places.state.glob("studio.log*"))


def test_the_viewer_follows_filters_and_copies_without_secrets(
    places: Locations, logging_on: logging.Handler, qtbot: QtBot
) -> None:
    logger = logging.getLogger("studio")
    dialog = LogDialog(places.state)
    qtbot.addWidget(dialog)
    assert "empty" in dialog._told.text()
    logger.info("opened %s", Path.home() / "facts")
    logger.warning("the token %s was refused", TOKEN)
    logger.error("it broke\nTraceback …")
    qtbot.waitUntil(lambda: "it broke" in dialog.text.toPlainText())
    assert "3 entries" in dialog._told.text()
    dialog.level.setCurrentIndex(dialog.level.findData(logging.ERROR))
    assert dialog.text.toPlainText().splitlines()[1:] == ["Traceback …"]
    assert dialog._told.text() == "1 of 3 entries"
    logger.info("not of this level")
    dialog.look()
    assert "not of this level" not in dialog.text.toPlainText()
    dialog.level.setCurrentIndex(0)
    dialog.search.setText("TOKEN")
    dialog.copy.click()
    copied = QGuiApplication.clipboard().text()
    assert "was refused" in copied
    assert TOKEN not in copied
    dialog.search.clear()
    dialog.copy.click()
    assert str(Path.home()) not in QGuiApplication.clipboard().text()


def test_the_viewer_goes_on_after_the_log_has_rolled_over(
    places: Locations, logging_on: logging.Handler, qtbot: QtBot
) -> None:
    logger = logging.getLogger("studio")
    dialog = LogDialog(places.state)
    qtbot.addWidget(dialog)
    for number in range(20):
        logger.info("before %d", number)
    dialog.look()
    logging_on.doRollover()  # type: ignore[attr-defined]
    logger.info("after")
    dialog.look()
    assert dialog.text.toPlainText().splitlines()[-1].endswith("after")
    assert len(dialog._entries) == 21


def test_the_viewer_shows_only_the_newest(places: Locations, qtbot: QtBot) -> None:
    lines = [f"2026-11-21 10:00:00,000 INFO studio: step {number}" for number in range(6_000)]
    (places.state / LOG).write_text("\n".join(lines) + "\n", "utf-8")
    dialog = LogDialog(places.state)
    qtbot.addWidget(dialog)
    assert len(dialog._entries) == 5_000
    assert dialog.text.document().blockCount() <= 20_000


def run_and_end(code: str) -> subprocess.CompletedProcess[str]:
    preamble = (
        "from studio.logs import *; from studio.settings import locations; from studio.start import watch_start\n"
        "places = locations(); log = CrashLog(places); watch_start(log)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", preamble + code], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("import faulthandler; faulthandler._sigsegv()", "Segmentation fault"),
        ("raise ValueError('before there was a window')", "before there was a window"),
        ("import os; os.abort()", "Aborted"),
    ],
)
def test_what_a_crash_left_behind_is_told_once(places: Locations, code: str, left: str) -> None:
    done = run_and_end(code)
    assert done.returncode != 0
    told = last_crash(places)
    assert left in told
    assert "File" in told
    assert last_crash(places) == ""


def test_a_good_end_leaves_nothing(places: Locations) -> None:
    assert run_and_end("pass").returncode == 0
    assert list(places.state.glob("crash-*")) == []


def test_a_healthy_second_window_is_no_crash(places: Locations) -> None:
    file = places.state / f"crash-{os.getppid()}.log"  # a process that runs
    file.write_text("its own business")
    assert last_crash(places) == ""
    assert file.exists()


def test_crashes_are_kept_where_no_clean_up_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(HOME)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "cache" not in str(locations().state.relative_to(tmp_path)).casefold()


def test_a_crash_log_that_cannot_be_made_is_survived(places: Locations) -> None:
    (places.state / f"crash-{os.getpid()}.log").mkdir()
    log = CrashLog(places)
    log.write(ValueError("x"))
    log.close()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"token {TOKEN}.", "token hf_…."),
        ("https://me:secret@host/x", "https://…@host/x"),
        ("/mnt/alice/models and malice", "/mnt/<user>/models and malice"),
        ("/mnt/alice-old/x", "/mnt/alice-old/x"),
        ("/home/alice", "~"),
        ("/home/alice/a b", "~/a b"),
        ("/home/alicia", "/home/alicia"),
        ("my-own-secret-value", "…"),
    ],
)
def test_what_is_redacted(monkeypatch: pytest.MonkeyPatch, text: str, kept: str) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    monkeypatch.setenv("USER", "alice")
    monkeypatch.setenv("HF_TOKEN", "my-own-secret-value")
    assert redacted(text) == kept


def test_diagnostics_name_no_home_no_user_no_token(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, qtbot: QtBot
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USER", "alice")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    engaged = {"Model": str(tmp_path / "models" / "mine"), "Device": "/mnt/alice/disk"}
    text = diagnostics.report(locations(), window.workspace.project, engaged)
    assert str(tmp_path) not in text
    assert "alice" not in text
    assert "hf_" not in text
    for word in ("PySide6", "torch", "Python", "Graphics cards", "schema", "~/models/mine", "System"):
        assert word in text
    dialog = AboutDialog(text, window)
    dialog.copy.click()
    assert QGuiApplication.clipboard().text() == text
    dialog.reject()


def test_graphics_cards_are_named_without_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "0000:01").mkdir()
    (tmp_path / "0000:01" / "information").write_text("Model: \t NVIDIA H100\nIRQ: 3\n")
    monkeypatch.setattr(diagnostics, "_CARDS", tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert diagnostics._cards() == "NVIDIA H100"
