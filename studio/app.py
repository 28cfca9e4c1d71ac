"""The command `meg-studio`: its options, and whether there is a display to show a window on."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.waiting_threads import spin_briefly
from studio.preflight import missing_libraries


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the window, or do the main job without one; returns the exit code."""
    options = _options(arguments)
    spin_briefly(os.environ)
    without_window = options.screenshots is not None or not has_display()
    if without_window:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    complaint = missing_libraries()
    if complaint:
        sys.stderr.write(f"{complaint}\n")
        return 1
    if without_window:
        from studio.tour import run_tour

        return run_tour(options.screenshots, options.edits)
    from studio.start import run_window

    return run_window(options.project)


def has_display() -> bool:
    """Whether a window could be shown to anyone."""
    platform = os.environ.get("QT_QPA_PLATFORM", "")
    if platform:
        return platform not in ("offscreen", "minimal")
    if not sys.platform.startswith(("linux", "freebsd")):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="meg-studio",
        description="Correct what a local language model believes. Where there is no display the studio does its main "
        "job offscreen: it trains on the sample edits, prints what was answered before and after, and writes pictures "
        "of its pages.",
    )
    parser.add_argument("project", nargs="?", type=Path, help="the folder of a project to open")
    parser.add_argument("--screenshots", type=Path, metavar="DIR", help="write pictures of every page to DIR, then end")
    parser.add_argument("--edits", type=_positive, metavar="N", help="with no window: train on N of the sample edits")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("give a whole number, 1 or more")
    return int(text)
