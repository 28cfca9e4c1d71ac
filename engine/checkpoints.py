"""Checkpoints of a long job: written whole or not at all, verified when read, the newest good one found.

    folder/<stage>/step-000000123-<fingerprint's first digits>/   manifest.json  tensors.safetensors

A checkpoint belongs to one *fingerprint* (settings, data, seed, model): one of another fingerprint is never resumed
from. A damaged one is passed over for the one before it.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from engine import atomic, tensor_files
from engine.edits import EditSet
from engine.formats import jsonl
from engine.sealed import MAX_BYTES, SealError, seal, unseal
from engine.strict_json import canonical
from engine.tensor_files import TensorFileError

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "meg-checkpoint"
VERSION = 1
MANIFEST = "manifest.json"
TENSORS = "tensors.safetensors"
KEPT = 2
"""Checkpoints kept a stage: the newest, and one to fall back on."""

_NAME = re.compile(r"step-(\d{9})-([0-9a-f]{12})")
_log = logging.getLogger(__name__)


class CheckpointError(RuntimeError):
    """A checkpoint that could not be written; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint: its content as it was saved, tensors on the CPU."""

    stage: str
    step: int
    tensors: Mapping[str, Tensor]
    meta: Mapping[str, Any]
    folder: Path


class _Unusable(Exception):
    """Why a checkpoint is passed over, as a clause."""


class Checkpoints:
    """The checkpoints of one job in one folder; one process at a time writes there.

    `ignored` lists, as sentences for the user, what `newest` passed over and why.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """`fingerprint`: a sha256 in hexadecimal of all that the job depends on, see `fingerprint_of`."""
        if not re.fullmatch("[0-9a-f]{64}", fingerprint):
            raise ValueError("the fingerprint must be a sha256 in hexadecimal")
        self._folder = folder
        self._fingerprint = fingerprint
        self.ignored: list[str] = []

    def save(self, stage: str, step: int, tensors: Mapping[str, Tensor], meta: Mapping[str, Any] | None = None) -> Path:
        """Write a checkpoint and give its folder back; older ones of the stage than the last two are deleted.

        `meta` is what JSON can hold, without NaN (ValueError). Checkpoints of the stage with a later step belong to a
        course that was left, and go too. Raises CheckpointError where the disk refuses; the earlier ones then stand.
        """
        if not 0 <= step < 10**9:
            raise ValueError(f"step {step} cannot be numbered")
        data = tensor_files.to_bytes(tensors)
        manifest = seal(
            {
                "format": FORMAT,
                "version": VERSION,
                "stage": stage,
                "step": step,
                "fingerprint": self._fingerprint,
                "tensors": {"sha256": atomic.sha256(data), "bytes": len(data)},
                "meta": dict(meta or {}),
            }
        )
        target = self._stage_folder(stage) / f"step-{step:09d}-{self._fingerprint[:12]}"
        try:
            atomic.clear_temporaries(target.parent)
            with atomic.new_folder(target) as temporary:
                (temporary / TENSORS).write_bytes(data)
                (temporary / MANIFEST).write_bytes(manifest)
        except OSError as error:
            raise CheckpointError(f"The checkpoint {target} cannot be written: {error.strerror}.") from error
        self._prune(stage, step)
        return target

    def newest(self, stage: str) -> Checkpoint | None:
        """The checkpoint of `stage` with the highest step that is whole and of this fingerprint; None without one."""
        self.ignored.clear()
        atomic.clear_temporaries(self._stage_folder(stage))
        for step, folder in sorted(self._found(stage), reverse=True):
            try:
                return self._read(stage, step, folder)
            except _Unusable as error:
                self.ignored.append(f"The checkpoint {folder} is passed over: {error}.")
                _log.warning(self.ignored[-1])
        return None

    def clear(self, stage: str) -> None:
        """Delete all checkpoints of `stage`, of whatever fingerprint."""
        shutil.rmtree(self._stage_folder(stage), ignore_errors=True)

    def _stage_folder(self, stage: str) -> Path:
        name = quote(stage, safe=" ")
        if not name.strip() or name.startswith("."):
            raise ValueError(f"{stage!r} is no name for a stage")
        return self._folder / name

    def _found(self, stage: str) -> Iterator[tuple[int, Path]]:
        folder = self._stage_folder(stage)
        if folder.is_dir():
            for previous in folder.glob("step-*.previous"):
                atomic.recover_folder(previous.with_name(previous.name.removesuffix(".previous")))
            for path in folder.iterdir():
                match = _NAME.fullmatch(path.name)
                if match:
                    yield int(match[1]), path

    def _prune(self, stage: str, step: int) -> None:
        own = [(other, path) for other, path in self._found(stage) if path.name.endswith(self._fingerprint[:12])]
        kept = sorted((pair for pair in own if pair[0] <= step), reverse=True)[:KEPT]
        for pair in own:
            if pair not in kept:
                shutil.rmtree(pair[1], ignore_errors=True)

    def _read(self, stage: str, step: int, folder: Path) -> Checkpoint:
        try:
            if (folder / MANIFEST).stat().st_size > MAX_BYTES:
                raise _Unusable("its manifest is too large")
            manifest = unseal((folder / MANIFEST).read_bytes())
            if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
                raise _Unusable("it was written by another version")
            if manifest["fingerprint"] != self._fingerprint:
                raise _Unusable("the settings, the edits, the model or the seed were others")
            if (manifest["stage"], manifest["step"]) != (stage, step):
                raise _Unusable("it belongs to another stage or step")
            if (folder / TENSORS).stat().st_size != manifest["tensors"]["bytes"]:
                raise _Unusable(f"{TENSORS} is not as long as it was")
            data = (folder / TENSORS).read_bytes()
            if atomic.sha256(data) != manifest["tensors"]["sha256"]:
                raise _Unusable(f"the content of {TENSORS} is not what was written")
            return Checkpoint(stage, step, tensor_files.from_bytes(data), manifest["meta"], folder)
        except FileNotFoundError as error:
            raise _Unusable(f"{Path(error.filename).name} is missing") from None
        except OSError as error:
            raise _Unusable(f"it cannot be read ({error.strerror})") from None
        except SealError as error:
            raise _Unusable(f"in its manifest, {error}") from None
        except TensorFileError as error:
            raise _Unusable(f"in {TENSORS}, {error}") from None
        except KeyError as error:
            raise _Unusable(f"its manifest lacks {error}") from None


def is_kept(folder: Path, stage: str, step: int) -> bool:
    """Whether there is a checkpoint of `stage` at `step` in `folder`, whole or not."""
    return any((folder / quote(stage, safe=" ")).glob(f"step-{step:09d}-*"))


def fingerprint_of(*, settings: Mapping[str, Any], edits: EditSet, seed: int, model: str) -> str:
    """A hash of all that a training depends on; `model` is `LanguageModel.fingerprint()`."""
    parts = {
        "settings": dict(settings),
        "edits": atomic.sha256(b"".join(jsonl.lines(edits))),
        "seed": seed,
        "model": model,
    }
    return atomic.sha256(canonical(parts))
