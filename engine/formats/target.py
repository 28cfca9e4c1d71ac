"""A file that edits are written to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine import atomic
from engine.formats.source import FormatError


def write_bytes(path: Path, chunks: Iterable[bytes]) -> None:
    """Write `chunks` to `path`, whole or not at all. Raises FormatError where the disk refuses."""
    try:
        if path.is_dir():
            raise FormatError(f"{path} is a folder: choose a name for the file in it.")
        atomic.write_file(path, chunks)
    except OSError as error:
        raise FormatError(f"{path} cannot be written: {error.strerror}.") from error
