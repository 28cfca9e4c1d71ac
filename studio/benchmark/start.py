"""From the start of the process to the first picture of the window: seconds on the clock and of the processor."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio.benchmark import _record
from studio.settings import HOME


def main(arguments: Sequence[str]) -> int:
    """Start the studio several times, the first time with no project at all."""
    parser = argparse.ArgumentParser(prog="python -m studio.benchmark start", description=__doc__)
    parser.add_argument("--times", type=int, default=5, metavar="N", help="how often, after the first start (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures in FILE")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="meg-studio-start-") as home:
        first = measure(Path(home))
        others = [measure(Path(home)) for _ in range(options.times)]
    _record.write(
        options.json,
        "start",
        arguments,
        {
            "the very first start, which makes the sample project": first,
            "starts with that project": others,
            "median": {
                "first paint, seconds": statistics.median(start["wall"] for start in others),
                "first paint, processor seconds": statistics.median(start["cpu"] for start in others),
                "edits shown, seconds": statistics.median(start["edits shown"]["wall"] for start in others),
            },
        },
    )
    return 0


def measure(home: Path) -> dict[str, Any]:
    """One start of the studio with its files under `home`."""
    environment = {**os.environ, HOME: str(home)}
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-m", "studio.benchmark._first_paint", repr(began)],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
