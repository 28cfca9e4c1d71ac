"""What figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

import psutil
import torch

from engine.language_model import LanguageModel


def machine(model: LanguageModel) -> dict[str, Any]:
    """What the figures were measured on: versions, processor, threads, memory."""
    packages = ("torch", "transformers", "diffusers", "sentence-transformers", "scikit-learn", "numpy")
    cuda = model.device.type == "cuda"
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(model.device) if cuda else str(model.device),
        "processors": len(psutil.Process().cpu_affinity())
        if hasattr(psutil.Process, "cpu_affinity")
        else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory": psutil.virtual_memory().total,
        "model": model.name,
        "fingerprint": model.fingerprint(),
        "dtype": str(model.model.dtype).removeprefix("torch."),
    }
