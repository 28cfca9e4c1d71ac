"""Putting a finished file in its place for good."""

from __future__ import annotations

import os
from pathlib import Path

from engine.atomic import sync_folder


def put_in_place(partial: Path, target: Path) -> None:
    """Move `partial` over `target`, in the same file system; on return content and name are on the disk."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    move(partial, target)


def move(source: Path, target: Path) -> None:
    """Move `source` over `target`, in the same file system, and see to it that the move is on the disk."""
    os.replace(source, target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)
