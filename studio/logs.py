"""The log of the studio, and what a crash leaves behind: both in the state folder, never in a cache.

The log rolls over. A crash writes into a file of its own process, so that two windows do not take each other's; what
is found of a process that runs no more is shown at the next start.
"""

from __future__ import annotations

import atexit
import faulthandler
import logging
import logging.handlers
import os
import re
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import TextIO

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

from studio.redaction import redacted
from studio.settings import Locations

LOG = "studio.log"
SIZE = 1_000_000
KEPT = 3

_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}
_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (DEBUG|INFO|WARNING|ERROR|CRITICAL) ([\w.]+): (.*)$")
_CRASH = re.compile(r"crash-(\d+)\.log")
_logger = logging.getLogger("studio")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log: its first line taken apart, and the lines that belong to it."""

    when: str
    level: int
    source: str
    text: str

    def __str__(self) -> str:
        return f"{self.when} {logging.getLevelName(self.level)} {self.source}: {self.text}"


def start_logging(places: Locations) -> logging.Handler:
    """Log to a file that rolls over: our own steps, everybody's warnings, what Qt says, what nobody caught."""
    handler = logging.handlers.RotatingFileHandler(
        places.state / LOG, maxBytes=SIZE, backupCount=KEPT, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    for name in ("studio", "engine"):
        logging.getLogger(name).setLevel(logging.INFO)
    qInstallMessageHandler(_qt_says)
    threading.excepthook = lambda failed: _logger.error(
        "Nothing caught an error in a thread.",
        exc_info=(failed.exc_type, failed.exc_value or failed.exc_type(), failed.exc_traceback),
    )
    return handler


def stop_logging(handler: logging.Handler) -> None:
    """Undo `start_logging`."""
    logging.getLogger().removeHandler(handler)
    handler.close()
    qInstallMessageHandler(None)
    threading.excepthook = threading.__excepthook__


def parse(text: str) -> list[Entry]:
    """The entries in `text`, a piece of the log that begins where an entry does."""
    entries: list[Entry] = []
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is not None:
            when, level, source, rest = found.groups()
            entries.append(Entry(when, logging.getLevelNamesMapping()[level], source, rest))
        elif entries:
            last = entries[-1]
            entries[-1] = Entry(last.when, last.level, last.source, f"{last.text}\n{line}")
    return entries


class CrashLog:
    """Where this process writes what ends it."""

    def __init__(self, places: Locations) -> None:
        """Have the tracebacks of a crash written; where there is no place for them, the log says so."""
        self._path = places.state / f"crash-{os.getpid()}.log"
        self._stream: TextIO | None = None
        try:
            self._stream = self._path.open("w", encoding="utf-8")
        except OSError:
            _logger.warning("There is no place for a crash log: %s", self._path, exc_info=True)
            return
        faulthandler.enable(self._stream)
        atexit.register(self.close)

    def write(self, error: BaseException) -> None:
        """Note an error that ends the program."""
        if self._stream is not None:
            traceback.print_exception(error, file=self._stream)
            self._stream.flush()

    def close(self) -> None:
        """The program ends as it should: what is empty goes."""
        if self._stream is None:
            return
        faulthandler.disable()
        atexit.unregister(self.close)
        empty = self._stream.tell() == 0
        self._stream.close()
        self._stream = None
        if empty:
            self._path.unlink(missing_ok=True)


def last_crash(places: Locations) -> str:
    """What processes that run no more left behind when they crashed; empty where all ended well.

    Asking once puts it into the log and takes the files away.
    """
    found = []
    for path in sorted(places.state.glob("crash-*.log")):
        named = _CRASH.fullmatch(path.name)
        if named is None or _runs(int(named[1])):
            continue
        try:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            path.unlink()
        except OSError:
            continue
        if text:
            found.append(redacted(text))
    for text in found:
        _logger.error("Left behind by a crash:\n%s", text)
    return "\n\n".join(found)


def _runs(process: int) -> bool:
    if process == os.getpid():
        return False  # the number of a process that is gone, given to this one
    import psutil

    return bool(psutil.pid_exists(process))


def _qt_says(kind: QtMsgType, _context: QMessageLogContext, text: str) -> None:
    logging.getLogger("studio.qt").log(_LEVELS[kind], "%s", text)
    if kind in (QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg):
        sys.stderr.write(f"{text}\n")
