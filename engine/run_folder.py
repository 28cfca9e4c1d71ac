"""A run on disk: one training of one editor on one snapshot of an edit set, in one folder.

    config.json       editor, model, seed, settings: sealed, never changed
    edits.jsonl       the snapshot of the edit set
    state.json        where the run stands, and why it failed
    log.txt           for the editor's log
    checkpoints/      see `engine.checkpoints`
    pack/             what a finished run leaves, see `engine.packs`

Whoever trains holds the folder's lock; the lock goes with the process, so that a run that says it is running and is not
locked was interrupted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from engine import atomic
from engine.edits import EditSet
from engine.formats import jsonl
from engine.formats.source import FormatError, Source
from engine.sealed import SealError, seal, unseal

FORMAT = "meg-run"
VERSION = 1
CONFIG, EDITS, STATE = "config.json", "edits.jsonl", "state.json"


class RunError(RuntimeError):
    """A run that cannot be created, opened or written; the message is one sentence for the user."""


class RunState(StrEnum):
    """Where a run stands."""

    CREATED = "created"
    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"  # cancelled or killed: it can be resumed
    FAILED = "failed"


class RunConfig(BaseModel):
    """All that a run depends on besides its edits."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: str
    editor: str
    model: str  # as `language_model.load` takes it
    model_fingerprint: str
    seed: int
    settings: dict[str, JsonValue]
    created: float  # seconds since 1970


class RunFolder:
    """One run's folder. `create` and `open` make it; all writing but `create` belongs to who holds `training()`."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self.folder = folder
        self.config = config

    @property
    def checkpoints(self) -> Path:
        """The folder for `Checkpoints`."""
        return self.folder / "checkpoints"

    @property
    def pack(self) -> Path:
        """The folder for `write_pack`."""
        return self.folder / "pack"

    @property
    def log(self) -> Path:
        """The file for a log handler."""
        return self.folder / "log.txt"

    @classmethod
    def create(
        cls,
        parent: Path,
        edits: EditSet,
        *,
        name: str,
        editor: str,
        model: str,
        model_fingerprint: str,
        seed: int,
        settings: Mapping[str, Any],
    ) -> RunFolder:
        """A new run below `parent`, in a folder named after `name`, with a number where that is taken.

        Raises RunError.
        """
        content = {
            "name": name,
            "editor": editor,
            "model": model,
            "model_fingerprint": model_fingerprint,
            "seed": seed,
            "settings": dict(settings),
            "created": round(time.time(), 3),
        }
        try:
            atomic.make_folder(parent.resolve())
            folder = _free(parent.resolve(), name)
            with atomic.new_folder(folder) as temporary:
                (temporary / CONFIG).write_bytes(seal({"format": FORMAT, "version": VERSION, **content}))
                (temporary / EDITS).write_bytes(b"".join(jsonl.lines(edits)))
                (temporary / STATE).write_bytes(seal({"state": RunState.CREATED.value, "message": ""}))
        except OSError as error:
            raise RunError(f"The run cannot be created in {parent}: {error.strerror}.") from error
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> RunFolder:
        """The run in `folder`. Raises RunError."""
        try:
            content = unseal((folder / CONFIG).read_bytes())
        except FileNotFoundError:
            raise RunError(f"{folder} is no run: it has no {CONFIG}.") from None
        except OSError as error:
            raise RunError(f"The run {folder} cannot be read: {error.strerror}.") from error
        except SealError as error:
            raise RunError(f"The {CONFIG} of the run {folder} is damaged: {error}.") from None
        if content.pop("format", None) != FORMAT or content.pop("version", None) != VERSION:
            raise RunError(f"{folder} is no run of this version of MeG Studio.")
        try:
            return cls(folder, RunConfig.model_validate(content))
        except ValidationError as error:
            place = ".".join(map(str, error.errors()[0]["loc"]))
            raise RunError(f"The {CONFIG} of the run {folder} is damaged: “{place}” is not as it should be.") from None

    def edits(self) -> EditSet:
        """The snapshot that the run is trained on. Raises RunError."""
        try:
            return jsonl.read(Source.open(self.folder / EDITS), {}).or_nothing()
        except FormatError as error:
            raise RunError(f"The edits of the run {self.folder} are damaged: {error}") from None

    @contextmanager
    def training(self) -> Iterator[None]:
        """Hold the run while it is trained, and put down how that ended: an exception means failed or interrupted.

        `Cancelled` and what is no `Exception` (a keyboard interrupt) mean interrupted. Raises RunError where another
        process or thread is training it.
        """
        from engine.runs import Cancelled

        lock = FileLock(self.folder / "lock", is_singleton=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(f"The run {self.folder} is being trained already.") from None
        with lock:
            lock.release()  # of the two holds, the one that was taken to see whether it is free
            self._put(RunState.RUNNING)
            try:
                yield
            except Cancelled:
                self._put(RunState.INTERRUPTED)
                raise
            except Exception as error:
                self._put(RunState.FAILED, str(error) or type(error).__name__)
                raise
            except BaseException:
                self._put(RunState.INTERRUPTED)
                raise
            self._put(RunState.FINISHED)

    def state(self) -> tuple[RunState, str]:
        """Where the run stands, and why it failed. A damaged state counts as interrupted."""
        try:
            content = unseal((self.folder / STATE).read_bytes())
            state, message = RunState(content["state"]), str(content["message"])
        except (OSError, ValueError, KeyError):
            return RunState.INTERRUPTED, ""
        if state == RunState.RUNNING and not self._locked():
            return RunState.INTERRUPTED, ""
        return state, message

    def _put(self, state: RunState, message: str = "") -> None:
        try:
            atomic.write_file(self.folder / STATE, [seal({"state": state.value, "message": message})])
        except OSError as error:
            raise RunError(f"The state of the run {self.folder} cannot be written: {error.strerror}.") from error

    def _locked(self) -> bool:
        lock = FileLock(self.folder / "lock", is_singleton=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:  # a folder that cannot be written to is trained by nobody
            return False
        lock.release()
        return False


def _free(parent: Path, name: str) -> Path:
    """A folder below `parent` that is not there yet, named after `name` as far as every system allows it."""
    plain = re.sub(r"[^\w-]+", "-", name).strip("-_")[:60] or "run"
    number, folder = 1, parent / plain
    while folder.exists():
        number += 1
        folder = parent / f"{plain}-{number}"
    return folder
