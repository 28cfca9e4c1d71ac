"""What every benchmark writes down beside its figures: the command and the machine."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def write(file: Path | None, name: str, arguments: Sequence[str], figures: Mapping[str, object]) -> None:
    """Print the figures, and keep them in `file` with the command that gave them."""
    record = {
        "command": " ".join(["python", "-m", "studio.benchmark", name, *arguments]),
        "machine": {
            "system": platform.platform(),
            "python": platform.python_version(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "load when it began": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
            "display": os.environ.get("QT_QPA_PLATFORM", "the desktop's"),
        },
        **figures,
    }
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    sys.stdout.write(text)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
