"""What a report of trouble needs: versions, devices, folders; without tokens and without the home folder's name."""

from __future__ import annotations

import faulthandler
import logging
import logging.handlers
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TextIO

from PySide6.QtCore import qVersion
from PySide6.QtGui import QGuiApplication

from studio.settings import Locations
from studio.store.project import ProjectInfo

LOG = "studio.log"
CRASH = "crash.log"
_PACKAGES = (
    "meg-studio",
    "PySide6-Essentials",
    "torch",
    "transformers",
    "diffusers",
    "sqlalchemy",
    "pyqtgraph",
    "numpy",
)


def report(places: Locations, project: ProjectInfo | None, engaged: Mapping[str, str]) -> str:
    """The report as plain text; `engaged` is what the window knows of model and device."""
    lines = [f"{name} {_version(name)}" for name in _PACKAGES]
    lines += [
        f"Python {platform.python_version()}",
        f"Qt {qVersion()} on {QGuiApplication.platformName()}",
        f"System {platform.platform()}",
        f"Projects {_homeless(places.projects)}",
        f"Settings {_homeless(places.config)}",
        f"Logs {_homeless(places.state)}",
        f"Project {_homeless(project.folder) if project else 'none'}",
        *(f"{name} {_homeless(value)}" for name, value in engaged.items()),
    ]
    return "\n".join(lines)


def last_crash(places: Locations) -> str:
    """What the run before left behind when it crashed; empty where it ended well. Asking once empties it."""
    path = places.state / CRASH
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        path.unlink()
    except OSError:
        return ""
    return _homeless(text.strip())


def watch(places: Locations) -> TextIO | None:
    """Log to a file that rolls over, and have a crash write its tracebacks beside it; the stream must stay open."""
    handler = logging.handlers.RotatingFileHandler(
        places.state / LOG, maxBytes=1_000_000, backupCount=3, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        stream = (places.state / CRASH).open("w", encoding="utf-8")
    except OSError:
        logging.getLogger(__name__).warning("There is no place for a crash log.")
        return None
    faulthandler.enable(stream)
    return stream


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _homeless(text: object) -> str:
    return str(text).replace(str(Path.home()), "~").replace(sys.prefix, "<environment>")
