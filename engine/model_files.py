"""The files of a model: where they lie, and whether they are those of a causal language model and all there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import scan_cache_dir, snapshot_download
from huggingface_hub.errors import CacheNotFound, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from transformers import AutoConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from assets import catalogue

EMBEDDED = "embedded"


class ModelError(RuntimeError):
    """A model that cannot be used; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model that could be loaded."""

    name: str
    label: str
    path: Path
    complete: bool


def available() -> list[ModelChoice]:
    """The embedded model and every model of the Hugging Face cache, complete or not."""
    choices = [ModelChoice(EMBEDDED, "Embedded model", catalogue.MODEL, complete=True)]
    try:
        cache = scan_cache_dir()
    except CacheNotFound:
        return choices
    for repo in sorted(cache.repos, key=lambda repo: repo.repo_id):
        if repo.repo_type != "model":
            continue
        for revision in repo.revisions:
            names = {file.file_name for file in revision.files}
            if "config.json" not in names or not _is_causal(revision.snapshot_path):
                continue
            complete = _is_complete(revision.snapshot_path)
            label = repo.repo_id if complete else f"{repo.repo_id} (incomplete)"
            choices.append(ModelChoice(repo.repo_id, label, revision.snapshot_path, complete))
            break
    return choices


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
    if not _is_causal(folder) and not trust_remote_code:
        raise ModelError(f"“{name}” is no causal language model that transformers knows: choose another model.")
    _check_weights(folder, name)


def _is_causal(folder: Path) -> bool:
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError):
        return False
    return config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


def _is_complete(folder: Path) -> bool:
    try:
        _check_weights(folder, folder.name)
    except ModelError:
        return False
    return True


def _check_weights(folder: Path, name: str) -> None:
    """Raise ModelError unless every safetensors file that the model's index names is there."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        wanted = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    else:
        wanted = {"model.safetensors"}
    missing = sorted(file for file in wanted if not (folder / file).is_file())
    if missing:
        raise ModelError(
            f"“{name}” lacks {missing[0]}{' and more' if len(missing) > 1 else ''}: "
            "complete its download, or convert its weights to safetensors."
        )
