"""A copy of a whole project: the file as it is at one moment, and the runs beside it."""

from __future__ import annotations

import glob
import json
import os
import shutil
import sqlite3
from pathlib import Path

from engine.atomic import sync_folder
from engine.runs import Cancel, ProgressBoard
from studio.store.backups import FILE, copy_file
from studio.store.errors import ProjectError, ProjectExists, project_error
from studio.store.layout import RUNS, check_empty
from studio.store.migrations import NAME
from studio.words import tr

_STAGE = "Copy the project, in MB"
_BLOCK = 4 * 1024 * 1024


def copy_project(raw: sqlite3.Connection, folder: Path, target: Path, board: ProgressBoard, cancel: Cancel) -> None:
    """Copy the open project in `folder` to `target`; what was cut off leaves nothing behind at `target`.

    The caller is the only one who writes to the project, so file and runs are of one moment.
    """
    if target.resolve().is_relative_to(folder.resolve()):
        raise ProjectError(
            tr("A project cannot be copied into itself: {target}", target=target), tr("Choose a folder outside of it.")
        )
    if target.exists():
        if not target.is_dir():
            raise ProjectExists(
                tr("There is a file of this name already: {target}", target=target), tr("Choose another place.")
            )
        check_empty(target)
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.partial-*"):  # of a copy that was cut off
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        _copy_database(raw, folder, partial / FILE, target.name)
        _copy_runs(folder / RUNS, partial / RUNS, board, cancel)
        if target.exists():
            shutil.rmtree(target)
        os.rename(partial, target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy_database(raw: sqlite3.Connection, folder: Path, file: Path, name: str) -> None:
    try:
        copy_file(raw, file, folder)
        copy = sqlite3.connect(file, isolation_level=None)
        try:
            copy.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", (NAME, json.dumps(name)))
        finally:
            copy.close()
    except sqlite3.Error as error:
        raise project_error(error, file) or error from error


def _copy_runs(runs: Path, target: Path, board: ProgressBoard, cancel: Cancel) -> None:
    files = [path for path in sorted(runs.rglob("*")) if path.is_file()] if runs.is_dir() else []
    total = sum(path.stat().st_size for path in files)
    target.mkdir()
    copied = 0
    for path in files:
        place = target / path.relative_to(runs)
        place.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, place.open("wb") as sink:
            while block := source.read(_BLOCK):
                cancel.check()
                sink.write(block)
                copied += len(block)
                board.report(_STAGE, copied >> 20, total >> 20)
            sink.flush()
            os.fsync(sink.fileno())
