"""A trained editor on disk: a folder with `manifest.json`, safetensors files and `edits.jsonl`.

A pack holds what every editor has in common (which model it was trained on, on which edits, with which settings, what
was measured) and the editor's own tensors. Every file is named by its hash in the manifest, and the manifest by its
own: what is read is what was written, or an error says what is damaged. The same content gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from engine import atomic, tensor_files
from engine.edits import EditSet
from engine.formats import jsonl
from engine.formats.source import FormatError, Source
from engine.sealed import MAX_BYTES, SealError, seal, unseal
from engine.tensor_files import TensorFileError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from engine.editor import Pack
    from engine.language_model import LanguageModel

FORMAT = "meg-pack"
VERSION = 4  # before: no word of which edits keep their neurons, and MEMIT's and AlphaEdit's values of one round
MANIFEST = "manifest.json"
EDITS = "edits.jsonl"

EDITORS: dict[str, tuple[str, str]] = {
    "meg": ("engine.meg.pack", "MegPack"),
    "grace": ("engine.editors.grace", "GracePack"),
    "t-patcher": ("engine.editors.t_patcher", "TPatcherPack"),
    "retrieval": ("engine.editors.retrieval", "RetrievalPack"),
    "plain-retrieval": ("engine.editors.plain_retrieval", "PlainRetrievalPack"),
    "ike": ("engine.editors.ike", "IkePack"),
    "memprompt": ("engine.editors.memprompt", "MemPromptPack"),
    "ft-m": ("engine.editors.weights", "WeightPack"),
    "ft-l": ("engine.editors.weights", "WeightPack"),
    "ultraedit": ("engine.editors.weights", "WeightPack"),
    "kn": ("engine.editors.knowledge_neurons", "KnowledgeNeuronPack"),
    "rome": ("engine.editors.rome", "RomePack"),
    "memit": ("engine.editors.memit", "MemitPack"),
    "alphaedit": ("engine.editors.alphaedit", "AlphaEditPack"),
}
"""Where each editor's pack class is found: it has a `from_stored(stored, device)`; imported when it is wanted."""

_STEM = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_HASH = "^[0-9a-f]{64}$"


class PackError(RuntimeError):
    """A pack that cannot be written, read or used on this model; the message is one sentence for the user."""


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ModelIdentity(_Model):
    """The model that an editor was trained on."""

    name: str
    fingerprint: str = Field(pattern=_HASH)  # `LanguageModel.fingerprint()`


class TensorForm(_Model):
    """What a tensor must look like when it is read."""

    dtype: str  # as torch prints it, without "torch."
    shape: list[int]


class PackFile(_Model):
    """One file of a pack; `tensors` only for safetensors files."""

    sha256: str = Field(pattern=_HASH)
    bytes: int = Field(ge=0)
    tensors: dict[str, TensorForm] = {}


class Manifest(_Model):
    """What a pack says of itself; `settings`, `state` (learnt, and no tensors) and `figures` are its editor's own."""

    editor: str
    created_by: str
    model: ModelIdentity
    seed: int
    settings: dict[str, JsonValue]
    state: dict[str, JsonValue]
    figures: dict[str, JsonValue]
    files: dict[str, PackFile]


@dataclass(frozen=True, slots=True)
class StoredPack:
    """A pack as it was read: every file checked. `tensors` goes by file (without its suffix), then by tensor name."""

    folder: Path
    manifest: Manifest
    tensors: Mapping[str, Mapping[str, Tensor]]
    edits: EditSet


def write_pack(
    folder: Path,
    *,
    editor: str,
    model: ModelIdentity,
    seed: int,
    settings: Mapping[str, Any],
    state: Mapping[str, Any],
    figures: Mapping[str, Any],
    tensors: Mapping[str, Mapping[str, Tensor]],
    edits: EditSet,
) -> Manifest:
    """Write a pack to `folder`, whole or not at all, replacing a pack that is there.

    `tensors` goes by file name without suffix (small letters, digits, - and _), then by tensor name; `settings`,
    `state` (what was learnt besides tensors) and `figures` are what JSON can hold, without NaN (ValueError). Raises
    PackError where a tensor holds NaN or infinities, where a file would be too large to be read again, where `folder`
    holds something else than a pack, or where the disk refuses.
    """
    contents = {EDITS: b"".join(jsonl.lines(edits))}
    forms: dict[str, dict[str, TensorForm]] = {}
    for stem, group in tensors.items():
        if not _STEM.fullmatch(stem):
            raise ValueError(f"{stem!r} is no name for a file of a pack")
        broken = tensor_files.find_not_finite(group)
        if broken is not None:
            raise PackError(f"The pack was not written: “{broken}” of {stem} holds numbers that are not finite.")
        contents[_file(stem)] = tensor_files.to_bytes(group)
        forms[_file(stem)] = {name: _form(group[name]) for name in sorted(group)}
    files = {
        name: PackFile(sha256=atomic.sha256(data), bytes=len(data), tensors=forms.get(name, {}))
        for name, data in sorted(contents.items())
    }
    about = {"editor": editor, "created_by": _created_by(), "model": model.model_dump(), "seed": seed}
    about |= {"settings": dict(settings), "state": dict(state), "figures": dict(figures)}
    about["files"] = {name: file.model_dump(exclude_defaults=True) for name, file in files.items()}
    contents[MANIFEST] = seal({"format": FORMAT, "version": VERSION, **about})
    for name, data in contents.items():
        if len(data) > (MAX_BYTES if name == MANIFEST else tensor_files.MAX_BYTES):
            raise PackError(f"The pack was not written: its {name} would be too large: train on fewer edits.")
    check_place(folder)
    try:
        with atomic.new_folder(folder) as temporary:
            for name, data in contents.items():
                (temporary / name).write_bytes(data)
    except OSError as error:
        raise PackError(f"The pack {folder} cannot be written: {error.strerror}.") from error
    return read_manifest(folder)


def read_manifest(folder: Path) -> Manifest:
    """What the pack in `folder` says of itself, without a look at its other files. Raises PackError."""
    try:
        atomic.recover_folder(folder)
        if not folder.is_dir():
            raise PackError(f"There is no pack {folder}: it is no folder.")
        path = folder / MANIFEST
        if not path.is_file():
            raise PackError(f"{folder} is no pack: it has no {MANIFEST}.")
        if path.stat().st_size > MAX_BYTES:
            raise PackError(f"{folder} is no pack: its {MANIFEST} is too large.")
        content = unseal(path.read_bytes())
    except SealError as error:
        raise PackError(f"The {MANIFEST} of {folder} is damaged: {error}.") from None
    except OSError as error:
        raise PackError(f"The pack {folder} cannot be read: {error.strerror}.") from error
    if content.pop("format", None) != FORMAT:
        raise PackError(f"{folder} is no pack: its {MANIFEST} belongs to something else.")
    found = content.pop("version", None)
    if not isinstance(found, int) or found != VERSION:
        what = "has a version that does not exist"
        if isinstance(found, int) and found > VERSION:
            what = "was written by a newer MeG Studio: update to open it"
        elif isinstance(found, int) and found > 0:
            what = "was written by an older MeG Studio, which kept other things in it: train it again"
        raise PackError(f"The pack {folder} {what} (version {found!a}, this one reads {VERSION}).")
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise PackError(f"The {MANIFEST} of {folder} is damaged: “{place}” is not as it should be.") from None
    for name in manifest.files:
        if name != EDITS and not (name.endswith(".safetensors") and _STEM.fullmatch(name.removesuffix(".safetensors"))):
            raise PackError(f"The {MANIFEST} of {folder} names a file that no pack has: {name[:60]!a}.")
    if EDITS not in manifest.files:
        raise PackError(f"The {MANIFEST} of {folder} names no {EDITS}.")
    return manifest


def pack_hash(folder: Path) -> str:
    """A sha256 that names the pack in `folder`: its manifest, which names every file, hashed. Raises PackError."""
    read_manifest(folder)
    return atomic.sha256((folder / MANIFEST).read_bytes())


def read_pack(folder: Path) -> StoredPack:
    """The pack in `folder`, every file's hash, every tensor's form and numbers checked. Raises PackError."""
    manifest = read_manifest(folder)
    tensors: dict[str, Mapping[str, Tensor]] = {}
    for name, file in manifest.files.items():
        if name != EDITS:
            data = _checked(folder, name, file)
            tensors[name.removesuffix(".safetensors")] = _tensors(folder, name, file, data)
    edits = _edits(folder, _checked(folder, EDITS, manifest.files[EDITS]))
    return StoredPack(folder, manifest, tensors, edits)


def load_pack(folder: Path, device: torch.device | str = "cpu") -> Pack:
    """The pack in `folder` as its editor's own kind, on `device`: that of the model it is to be attached to.

    Raises PackError.
    """
    return restored(read_pack(folder), device)


def restored(stored: StoredPack, device: torch.device | str = "cpu") -> Pack:
    """A pack that was read, as its editor's own kind, on `device`. Raises PackError for an editor that is not known."""
    name = stored.manifest.editor
    if name not in EDITORS:
        known = ", ".join(EDITORS)
        raise PackError(f"The pack {stored.folder} was made by the editor {name[:60]!a}; known here: {known}.")
    module, kind = EDITORS[name]
    return cast("Pack", getattr(import_module(module), kind).from_stored(stored, device))


def check_base_model(model: LanguageModel, name: str, fingerprint: str) -> None:
    """Raise PackError unless `model` is the one called `name` that a pack was trained on."""
    if model.fingerprint() != fingerprint:
        raise PackError(
            f"This pack was trained on “{name}”, and “{model.name}” has other weights: "
            "load the model it was trained on."
        )


def _created_by() -> str:
    try:
        return f"MeG Studio {version('meg-studio')}"
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "MeG Studio"


def _file(stem: str) -> str:
    return f"{stem}.safetensors"


def _form(tensor: Tensor) -> TensorForm:
    return TensorForm(dtype=str(tensor.dtype).removeprefix("torch."), shape=list(tensor.shape))


def check_place(folder: Path) -> None:
    """Raise PackError where writing would wipe out something that is no pack."""
    try:
        if folder.is_dir():
            if any(folder.iterdir()) and not (folder / MANIFEST).is_file():
                raise PackError(f"{folder} holds something else than a pack: choose another folder.")
        elif folder.exists():
            raise PackError(f"{folder} is a file: choose another name for the pack.")
    except OSError as error:
        raise PackError(f"{folder} cannot be looked into: {error.strerror}.") from error


def _checked(folder: Path, name: str, file: PackFile) -> bytes:
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise PackError(f"The pack {folder} is damaged: {name} is missing.")
    if file.bytes > tensor_files.MAX_BYTES:
        raise PackError(f"The pack {folder} is damaged: {name} is larger than any of its kind.")
    try:
        # The size first: a file that grew is not even read.
        data = path.read_bytes() if path.stat().st_size == file.bytes else b""
    except OSError as error:
        raise PackError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) != file.bytes or atomic.sha256(data) != file.sha256:
        raise PackError(f"The pack {folder} is damaged: the content of {name} is not what was written.")
    return data


def _tensors(folder: Path, name: str, file: PackFile, data: bytes) -> dict[str, Tensor]:
    try:
        tensors = tensor_files.from_bytes(data)
    except TensorFileError as error:
        raise PackError(f"The pack {folder} is damaged: in {name}, {error}.") from None
    if {key: _form(tensor) for key, tensor in tensors.items()} != file.tensors:
        raise PackError(f"The pack {folder} is damaged: the tensors of {name} are not those that its manifest lists.")
    broken = tensor_files.find_not_finite(tensors)
    if broken is not None:
        raise PackError(f"The pack {folder} is damaged: “{broken}” of {name} holds numbers that are not finite.")
    return tensors


def _edits(folder: Path, data: bytes) -> EditSet:
    try:
        return jsonl.read(Source.decode(EDITS, data), {}).or_nothing()
    except FormatError as error:
        raise PackError(f"The pack {folder} is damaged: {error}") from None
