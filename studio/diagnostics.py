"""What a report of trouble needs: versions, graphics cards, folders; without tokens and without the user's name."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from PySide6.QtCore import QLocale, qVersion
from PySide6.QtGui import QGuiApplication

from studio.redaction import redacted
from studio.settings import Locations
from studio.store.project import SCHEMA, ProjectInfo

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
_CARDS = Path("/proc/driver/nvidia/gpus")


def report(places: Locations, project: ProjectInfo | None, engaged: Mapping[str, str]) -> str:
    """The report as plain text; `engaged` is what the window knows of model and device."""
    lines = [f"{name} {_version(name)}" for name in _PACKAGES]
    lines += [
        f"Python {platform.python_version()}",
        f"Qt {qVersion()} on {QGuiApplication.platformName()}, {_screens()}",
        f"System {platform.platform()}, language {QLocale.system().name()}",
        f"Graphics cards {_cards()}",
        f"Projects {places.projects}",
        f"Settings {places.config}",
        f"Logs {places.state}",
        f"Project {project.folder if project else 'none'}, schema {SCHEMA}",
        *(f"{name} {value}" for name, value in engaged.items()),
    ]
    return redacted("\n".join(lines))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _screens() -> str:
    return ", ".join(
        f"{screen.size().width()}×{screen.size().height()} at {screen.devicePixelRatio():g}"
        for screen in QGuiApplication.screens()
    )


def _cards() -> str:
    """The graphics cards as torch names them where it is at work already, else as the system's driver does.

    torch is not asked to look for them here: that takes seconds, and this is the window's thread.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return f"{', '.join(names)} (CUDA {torch.version.cuda})"
    names = []
    for file in sorted(_CARDS.glob("*/information")) if _CARDS.is_dir() else []:
        fields = dict(line.split(":", 1) for line in file.read_text("utf-8", "replace").splitlines() if ":" in line)
        names.append(fields.get("Model", "unknown").strip())
    return ", ".join(names) or "none that the system's driver names"
