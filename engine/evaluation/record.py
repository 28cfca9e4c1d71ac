"""An evaluation on disk, beside the run that it is of: one line a query, written as it goes on.

evaluation.jsonl.partial   the head and what was asked so far; an evaluation that was stopped goes on from it
evaluation.jsonl           a whole one: the head, a line for each query, and last the hash of all before it
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from engine import atomic
from engine.evaluation.report import KINDS, Asked
from engine.packs import MANIFEST
from engine.strict_json import JsonFault, dump, parse

FORMAT = "meg-evaluation"
VERSION = 1
FILE = "evaluation.jsonl"
PARTIAL = f"{FILE}.partial"
HASH = "sha256"


class EvaluationError(RuntimeError):
    """An evaluation that cannot be read or written; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Head:
    """What an evaluation is of: two of equal heads ask the same queries of the same edited model."""

    pack: str  # hash of the pack's manifest, which has those of all its files
    threshold: float
    queries: int
    most: int | None = None  # queries of each kind, where not all were asked


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A whole evaluation."""

    head: Head
    asked: tuple[Asked, ...]


class Recording:
    """An evaluation that is being written; `known` is what one of the same head had asked before it was stopped."""

    def __init__(self, folder: Path, head: Head) -> None:
        """Raises EvaluationError where the folder cannot be written to."""
        self.known: tuple[Asked, ...] = ()
        self._folder, self._head = folder, head
        self._path = folder / PARTIAL
        known = _lines(self._path)
        if known and _head(known[0]) == head:
            self.known = _asked_before(known[1:])
        # Written anew, so that a line that was cut off is gone.
        self._write([_line({"format": FORMAT, "version": VERSION, **asdict(head)}), *map(_row, self.known)])

    def keep(self, asked: Sequence[Asked]) -> None:
        """Append what was asked. Raises EvaluationError."""
        try:
            with self._path.open("ab") as file:
                file.writelines(map(_row, asked))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _not_written(self._path, error) from error

    def finish(self) -> None:
        """Make it a whole one, in the place of the one that was there. Raises EvaluationError."""
        try:
            data = self._path.read_bytes()
            atomic.write_file(self._folder / FILE, [data, _line({HASH: hashlib.sha256(data).hexdigest()})])
            self._path.unlink()
        except OSError as error:
            raise _not_written(self._path, error) from error

    def _write(self, lines: Sequence[bytes]) -> None:
        try:
            atomic.write_file(self._path, lines)
        except OSError as error:
            raise _not_written(self._path, error) from error


def pack_mark(pack: Path) -> str:
    """What tells the pack in a folder from every other. Raises EvaluationError where there is none."""
    try:
        return atomic.sha256((pack / MANIFEST).read_bytes())
    except OSError as error:
        raise EvaluationError(f"There is no pack {pack} to evaluate: {error.strerror}.") from error


def read_evaluation(folder: Path) -> Evaluation | None:
    """The whole evaluation in a run's folder, None where there is none. Raises EvaluationError where it is damaged."""
    path = folder / FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}.") from error
    lines = data.splitlines(keepends=True)
    if len(lines) < 2 or _parsed(lines[-1]) != {HASH: hashlib.sha256(b"".join(lines[:-1])).hexdigest()}:
        raise EvaluationError(f"{path} is damaged: evaluate the run again.")
    head, asked = _head(lines[0]), _asked_before(lines[1:-1])
    if head is None or len(asked) != head.queries:
        raise EvaluationError(f"{path} is of another version of MeG Studio: evaluate the run again.")
    return Evaluation(head, asked)


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}.") from error


def _asked_before(lines: Sequence[bytes]) -> tuple[Asked, ...]:
    """The rows up to the first line that is none: one that was cut off ends what can be gone on from."""
    found = []
    for line in lines:
        row = asked_of(_parsed(line)) if line.endswith(b"\n") else None
        if row is None:
            break
        found.append(row)
    return tuple(found)


def _head(line: bytes) -> Head | None:
    content = _parsed(line)
    if content.pop("format", None) != FORMAT or content.pop("version", None) != VERSION:
        return None
    return Head(**content) if content.keys() == {part.name for part in fields(Head)} else None


_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("edit", "kind", "relation", "query", "wanted", "given", "nearest_edit"), (str,)),
    **dict.fromkeys(("share", "familiarity", "entropy"), (int, float)),
    **dict.fromkeys(("original", "opened"), (str, type(None))),
    "routed": (bool,),
}


def asked_of(content: Mapping[str, Any]) -> Asked | None:
    """The row whose `asdict` is `content`, None where it is none."""
    if content.keys() != _TYPES.keys() or content["kind"] not in KINDS:
        return None
    if not all(isinstance(content[name], kinds) for name, kinds in _TYPES.items()):
        return None
    return Asked(**content)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        value = parse(line.decode())
    except (UnicodeDecodeError, JsonFault):
        return {}
    return value if isinstance(value, dict) else {}


def _row(asked: Asked) -> bytes:
    return _line(asdict(asked))


def _line(content: Mapping[str, Any]) -> bytes:
    # What a model wrote may hold half of a surrogate pair, which is no text.
    return dump(content).encode(errors="replace") + b"\n"


def _not_written(path: Path, error: OSError) -> EvaluationError:
    return EvaluationError(f"The evaluation cannot be written to {path}: {error.strerror}.")
