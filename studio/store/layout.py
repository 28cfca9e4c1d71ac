"""What lies in a project's folder, and what a folder must be to become one."""

from __future__ import annotations

from pathlib import Path

from studio.store.backups import FILE
from studio.store.errors import ProjectExists
from studio.store.holding import LOCK, NOTE
from studio.words import tr

RUNS = "runs"


def check_empty(folder: Path) -> None:
    """Raise ProjectExists unless a project can be made in `folder`."""
    leftovers = (LOCK, NOTE, f"{FILE}.partial-")  # of an attempt that was cut off
    if any(not path.name.startswith(leftovers) for path in folder.iterdir()):
        raise ProjectExists(
            tr("There is something in this folder already: {folder}", folder=folder),
            tr("Choose a new or an empty folder."),
        )
