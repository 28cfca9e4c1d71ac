"""A long day with the window: hundreds of operations on the real one, and what is left of them in memory.

The models are the real ones too, where they are asked; nothing is trained.
"""

from __future__ import annotations

import argparse
import collections
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from studio.benchmark import _record
from studio.settings import HOME

PARTS = 10


def main(arguments: Sequence[str]) -> int:
    """Do the operations and tell how memory and objects stood along the way."""
    parser = argparse.ArgumentParser(prog="python -m studio.benchmark soak", description=__doc__)
    parser.add_argument("--operations", type=int, default=500, metavar="N", help="how many (500)")
    parser.add_argument("--edits", type=int, default=1000, metavar="N", help="edits to begin with (1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the choice of operations (0)")
    parser.add_argument("--ask", action="store_true", help="ask the embedded model now and then too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures in FILE")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="meg-studio-soak-") as home:
        os.environ[HOME] = home
        figures = _soak(Path(home), options.operations, options.edits, options.seed, ask=options.ask)
    _record.write(options.json, "soak", arguments, figures)
    return 0


def _soak(home: Path, operations: int, edits: int, seed: int, *, ask: bool) -> dict[str, object]:
    from studio.benchmark._operations import Soak, told
    from studio.start import make_application, make_window

    app = make_application()
    window = make_window(app)
    window.projects.create(home / "Day")
    window.show()
    soak = Soak(window, home, seed, ask=ask)
    soak.settle()
    soak.grow(edits)
    soak.every_kind()
    began = time.monotonic()
    course = [{"operations": 0, **told(soak.census())}]
    done: collections.Counter[str] = collections.Counter()
    for number in range(1, operations + 1):
        done[soak.step()] += 1
        if number % max(1, operations // PARTS) == 0:
            course.append({"operations": number, **told(soak.census())})
    took = time.monotonic() - began
    window.close()
    return {"operations": dict(done), "seconds": round(took, 1), "course": course}
