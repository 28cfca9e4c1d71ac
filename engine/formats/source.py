"""A file that edits are read from: opened with caps, decoded without guessing."""

from __future__ import annotations

import codecs
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from engine.formats.watch import Watch

MAX_FILE_BYTES = 256 * 2**20
"""Files beyond this are refused before they are opened: a hundred thousand edits need a fifth of it."""

NOT_DECODED = re.compile("[\udc80-\udcff]")
"""Stands in `Source.text` for each byte that is no UTF-8, so that a row with damaged bytes costs only itself."""

_SIGNATURES = (
    (b"PK\x03\x04", "is an Excel workbook or another zip archive: save its sheet as CSV first"),
    (b"SQLite format 3\x00", "is a database: open it as a project instead"),
    (b"\xff\xfe", "is written in UTF-16: choose the encoding utf-16"),
    (b"\xfe\xff", "is written in UTF-16: choose the encoding utf-16"),
)


class FormatError(ValueError):
    """A file that cannot be read or written as asked; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file, with the name that messages call it by."""

    name: str
    text: str
    watch: Watch = field(default_factory=Watch, repr=False, compare=False)

    @property
    def title(self) -> str:
        """A name for the edit set where the file gives none: the file's, without its suffix."""
        return Path(self.name).stem

    @classmethod
    def open(cls, path: Path, encoding: str = "utf-8", watch: Watch | None = None) -> Source:
        """Read `path`. Raises FormatError where it is no readable text of that encoding.

        In UTF-8, bytes that are none are kept as `NOT_DECODED` for the reader to reject row by row.
        """
        name = path.name
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                raise FormatError(f"{path} is a folder: choose a file in it.")
            if not stat.S_ISREG(status.st_mode):  # a pipe or a device may never end
                raise FormatError(f"{path} is no ordinary file.")
            if status.st_size > MAX_FILE_BYTES:
                raise FormatError(f"{name} is larger than {MAX_FILE_BYTES // 2**20} MB: split it.")
            data = path.read_bytes()
        except FileNotFoundError:
            raise FormatError(f"There is no file {path}.") from None
        except OSError as error:
            raise FormatError(f"{path} cannot be read: {error.strerror}.") from None
        return cls.decode(name, data, encoding, watch)

    @classmethod
    def decode(cls, name: str, data: bytes, encoding: str = "utf-8", watch: Watch | None = None) -> Source:
        """The same for bytes that are already read."""
        try:
            utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
            if utf8:
                for signature, what in _SIGNATURES:
                    if data.startswith(signature):
                        raise FormatError(f"{name} {what}.")
                beginning = data[:4096]
                if beginning.count(0) * 8 > len(beginning):  # a stray one is the fault of its row
                    raise FormatError(f"{name} is no text in UTF-8: if it is in UTF-16, choose that encoding.")
                text = data.decode("utf-8-sig", errors="surrogateescape")
            else:
                text = data.decode(encoding).removeprefix("\ufeff")
        except LookupError:
            raise FormatError(f"There is no text encoding “{encoding}”: choose utf-8, utf-16 or cp1252.") from None
        except UnicodeError:
            raise FormatError(f"{name} is not written in {encoding}: choose another encoding.") from None
        if not text.strip():
            raise FormatError(f"{name} is empty.")
        return cls(name, text, watch or Watch())
