"""One start of the studio, as a person starts it, that tells when its window was first painted, and then ends."""

from __future__ import annotations

import json
import sys
import time
from functools import partial

from PySide6.QtCore import QTimer

from studio import start
from studio.window import MainWindow

HEAVY = ("torch", "transformers", "diffusers", "sentence_transformers", "sklearn", "scipy", "pyqtgraph", "numpy")


def _painted(window: MainWindow, began: float) -> None:
    told = _now(began)
    told["heavy modules"] = [name for name in HEAVY if name in sys.modules]
    _wait_for_edits(window, began, told)


def _now(began: float) -> dict[str, object]:
    return {"wall": round(time.time() - began, 3), "cpu": round(time.process_time(), 3)}


def _wait_for_edits(window: MainWindow, began: float, told: dict[str, object]) -> None:
    if window.workspace.counts.total == 0 or window.database.busy:
        QTimer.singleShot(5, window, partial(_wait_for_edits, window, began, told))
        return
    sys.stdout.write(json.dumps(told | {"edits shown": _now(began)}) + "\n")
    sys.stdout.flush()
    window.close()


def main(began: float) -> int:
    """Start the studio; `began` is when its process was asked for, in seconds since the epoch."""
    go_on = MainWindow.after_first_picture

    def after_first_picture(window: MainWindow) -> None:
        MainWindow.after_first_picture = go_on  # type: ignore[method-assign]
        _painted(window, began)
        go_on(window)

    MainWindow.after_first_picture = after_first_picture  # type: ignore[method-assign, assignment]
    return start.run_window(None)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
