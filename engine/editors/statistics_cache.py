"""What is found once of a model and kept on this computer: its keys' statistics, and text in its own words.

Whatever is damaged or gone can be found again, so that reading never fails.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_cache_path
from torch import Tensor

from engine import atomic, tensor_files
from engine.tensor_files import TensorFileError

HOME = "MEG_STUDIO_HOME"
"""The environment variable that puts everything that is kept under one folder."""

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where statistics are kept: this user's cache folder, or below MEG_STUDIO_HOME."""
    home = os.environ.get(HOME)
    base = Path(home).expanduser().resolve() / "cache" if home else user_cache_path("meg-studio", appauthor=False)
    return base / "key-statistics"


def read_kept(file: Path, shapes: Mapping[str, tuple[int, ...] | None]) -> dict[str, Tensor] | None:
    """The tensors of `file`, those of `shapes` among them (None: of any shape); None where it is not, or damaged."""
    try:
        tensors = tensor_files.from_bytes(file.read_bytes())
    except FileNotFoundError:
        return None
    except TensorFileError as error:
        _log.warning("The statistics %s are found anew: %s.", file, error)
        return None
    wrong = [name for name, shape in shapes.items() if name not in tensors or shape not in (None, tensors[name].shape)]
    if wrong or tensor_files.find_not_finite(tensors):
        _log.warning("The statistics %s are found anew: they are damaged.", file)
        return None
    return tensors


def write_kept(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Keep `tensors` in `file`, in a folder that is made where it is missing."""
    atomic.make_folder(file.parent)
    atomic.write_file(file, [tensor_files.to_bytes(tensors)])
