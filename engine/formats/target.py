"""A file that edits are written to: what it will hold is known before it is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine import atomic
from engine.formats.imported import Rejection, Written
from engine.formats.source import FormatError


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An edit set in the form of one format, not written yet, and the account of what that form cannot hold."""

    path: Path
    format: str
    chunks: Iterable[bytes]  # the file's content, made while it is written
    rows: int
    left_out: tuple[Rejection, ...] = ()  # edits that the format has no form for
    notes: tuple[str, ...] = ()  # sentences: what the format cannot hold of the others

    def write(self) -> Written:
        """Write the file, whole or not at all. Raises FormatError where the disk refuses."""
        write_bytes(self.path, self.chunks)
        return self.account()

    def account(self) -> Written:
        """What `write` would give, without writing."""
        return Written(self.path, self.format, self.rows, self.left_out, self.notes)


def write_bytes(path: Path, chunks: Iterable[bytes]) -> None:
    """Write `chunks` to `path`, whole or not at all. Raises FormatError where the disk refuses."""
    try:
        if path.is_dir():
            raise FormatError(f"{path} is a folder: choose a name for the file in it.")
        atomic.write_file(path, chunks)
    except OSError as error:
        raise FormatError(f"{path} cannot be written: {error.strerror}.") from error
