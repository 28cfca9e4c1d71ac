"""Rejected rows in a file of their own: as they stood, each with why it was rejected, to be mended and imported again.

The rows of a table make a table. The records of a JSON file make one record a line, in their own format, with the key
“rejected” beside their own; what could not even be read as JSON stands there as a text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.formats import csv, jsonl
from engine.formats.imported import Imported
from engine.formats.intake import REJECTED
from engine.formats.target import write_bytes
from engine.strict_json import dump


def suffix(imported: Imported) -> str:
    """How the name of the file ends."""
    return ".jsonl" if imported.header is None else ".csv"


def write_rejects(path: Path, imported: Imported) -> None:
    """Write the rejected rows of `imported` to `path`. Raises FormatError where the disk refuses."""
    if imported.header is None:
        write_bytes(path, _lines(imported))
    else:
        # The mark of UTF-8: without it, a spreadsheet on Windows takes the file for another encoding.
        write_bytes(path, ["\ufeff".encode(), _encoded(csv.rejects_text(imported))])


def _lines(imported: Imported) -> Iterator[bytes]:
    if imported.format == jsonl.NAME and imported.edit_set.relations:
        yield _encoded(dump(jsonl.header_of(imported.edit_set))) + b"\n"
    faults = imported.faults()
    for rejected in imported.rejected_rows:
        because = [f"{column}: {reason}" if column else reason for column, reason in faults[rejected.row]]
        why: dict[str, Any] = {imported.unit: rejected.row, "because": because}
        if isinstance(rejected.content, dict):
            own = {key: value for key, value in rejected.content.items() if key != REJECTED}
            record = {**own, REJECTED: why}
        elif isinstance(rejected.content, str):
            record = {REJECTED: {**why, "text": rejected.content}}
        else:
            record = {REJECTED: {**why, "text": dump([rejected.content])[1:-1]}}
        try:
            yield dump(record).encode() + b"\n"
        except UnicodeEncodeError:  # half a character, which may be the very fault
            yield json.dumps(record).encode() + b"\n"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="backslashreplace")
