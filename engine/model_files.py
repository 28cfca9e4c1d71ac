"""The files of a model: where they lie, and whether they are those of a causal language model and all there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from huggingface_hub import scan_cache_dir, snapshot_download
from huggingface_hub.errors import CacheNotFound, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from assets import catalogue
from engine.runs import Cancel

EMBEDDED = "embedded"


class ModelError(RuntimeError):
    """A model that cannot be used; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model that could be loaded; `fault` is a sentence where it cannot be as it lies there."""

    name: str
    label: str
    path: Path
    fault: str = ""
    remote_code: bool = False  # whether it comes with code of its own, which has to be trusted before it is loaded

    @property
    def complete(self) -> bool:
        """Whether all of its files are there."""
        return not self.fault


def available(folders: Iterable[Path] = ()) -> list[ModelChoice]:
    """The embedded model, every model of the Hugging Face cache, complete or not, and those below `folders`.

    Where the cache lies is for huggingface_hub to say (HF_HOME, HF_HUB_CACHE); no network is used.
    """
    choices = [ModelChoice(EMBEDDED, "Embedded model", catalogue.MODEL), *_cached()]
    for folder in folders:
        choices += models_below(folder)
    return choices


def models_below(folder: Path, *, cancel: Cancel | None = None) -> list[ModelChoice]:
    """The causal language models in `folder` and the folders in it, however deep; hidden folders are left out."""
    found = []
    for place, inner, files in os.walk(folder):
        if cancel is not None:
            cancel.check()
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        if "config.json" in files:
            path = Path(place)
            kind = _kind(path)
            if kind is not _Kind.OTHER:
                inner.clear()  # what lies deeper belongs to this model
                label = str(path.relative_to(folder)) if path != folder else path.name
                found.append(_choice(str(path), label, path, kind))
    return found


def _cached() -> list[ModelChoice]:
    try:
        cache = scan_cache_dir()
    except CacheNotFound:
        return []
    choices = []
    for repo in sorted(cache.repos, key=lambda repo: repo.repo_id):
        if repo.repo_type != "model" or not repo.revisions:
            continue
        # `find_model` takes what “main” means; another revision goes by its folder.
        newest = max(repo.revisions, key=lambda revision: ("main" in revision.refs, revision.last_modified))
        path, names = newest.snapshot_path, {file.file_name for file in newest.files}
        name = repo.repo_id if "main" in newest.refs else str(path)
        kind = _kind(path)
        begun = any((repo.repo_path / "blobs").glob("*.incomplete"))
        if "config.json" not in names and (begun or any(file.endswith(".safetensors") for file in names)):
            choices.append(ModelChoice(name, f"{repo.repo_id} (incomplete)", path, _lacks_config(repo.repo_id)))
        elif kind is not _Kind.OTHER:
            choices.append(_choice(name, repo.repo_id, path, kind))
    return choices


def _choice(name: str, label: str, path: Path, kind: _Kind) -> ModelChoice:
    fault = _weights_fault(path, label)
    told = f"{label} (incomplete)" if fault else f"{label} (own code)" if kind is _Kind.REMOTE else label
    return ModelChoice(name, told, path, fault, remote_code=kind is _Kind.REMOTE)


def find_model(name: str) -> Path:
    """The folder of the model called `name`; raises ModelError where there is none."""
    if name == EMBEDDED:
        return catalogue.MODEL
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"The folder {folder} has no config.json: choose the folder that holds the model's files.")
        return folder
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError) as error:
        raise ModelError(
            f"“{name}” is neither “embedded”, nor a folder, nor a model in the Hugging Face cache: "
            "give a folder, or download the model first."
        ) from error


def check_files(folder: Path, name: str, *, trust_remote_code: bool) -> None:
    """Raise ModelError unless `folder` holds a causal language model with all of its weights.

    With `trust_remote_code` the model may be one that transformers itself does not know.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(_lacks_config(name))
    kind = _kind(folder)
    if kind is _Kind.REMOTE and not trust_remote_code:
        raise ModelError(
            f"“{name}” comes with program code of its own, which may do anything on this computer: "
            "allow it for this model if you trust who made it, or choose another model."
        )
    if kind is _Kind.OTHER:
        raise ModelError(f"“{name}” is no causal language model that transformers knows: choose another model.")
    fault = _weights_fault(folder, name)
    if fault:
        raise ModelError(fault)


class _Kind(Enum):
    """What a model's configuration says that it is."""

    KNOWN = 1  # a causal language model of transformers' own
    REMOTE = 2  # one that brings its code along
    OTHER = 3


def _kind(folder: Path) -> _Kind:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return _Kind.OTHER
    if not isinstance(config, dict):
        return _Kind.OTHER
    model_type, architectures = str(config.get("model_type")), config.get("architectures") or ()
    if model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        causal = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
        # An encoder that could be run as a decoder, and was not trained as one, reads both ways.
        both_ways = (
            model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
            and bool(architectures)
            and not causal & set(map(str, architectures))
        )
        return _Kind.OTHER if both_ways else _Kind.KNOWN
    own = config.get("auto_map")
    return _Kind.REMOTE if isinstance(own, dict) and "AutoModelForCausalLM" in own else _Kind.OTHER


def _lacks_config(name: str) -> str:
    return (
        f"“{name}” lacks config.json: complete its download; where the model is gated, accept its terms on its page "
        "and log in with your own token first."
    )


def _weights_fault(folder: Path, name: str) -> str:
    """A sentence where a safetensors file that the model's index names is missing, empty where none is."""
    index = folder / "model.safetensors.index.json"
    try:
        weights = json.loads(index.read_text(encoding="utf-8"))["weight_map"] if index.is_file() else None
        wanted = {"model.safetensors"} if weights is None else {str(file) for file in weights.values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"“{name}” has a damaged {index.name}: download the model again."
    missing = sorted(file for file in wanted if not (folder / file).is_file())
    if not missing:
        return ""
    if weights is None and any(folder.glob("*.bin")):
        return f"“{name}” has its weights in .bin files, which may hold programs: convert them to safetensors."
    more = " and more" if len(missing) > 1 else ""
    return f"“{name}” lacks {missing[0]}{more}: complete its download, or convert its weights to safetensors."
