"""`python -m studio.benchmark NAME …`: what the window takes, measured and kept; offscreen without a display."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from studio.app import has_display

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def main(arguments: list[str]) -> int:
    """Run one benchmark with its own options."""
    if not arguments or arguments[0] not in NAMES:
        sys.stderr.write(f"python -m studio.benchmark {{{','.join(NAMES)}}} …\n")
        return 2
    if not has_display():
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    return int(importlib.import_module(f"studio.benchmark.{arguments[0]}").main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
