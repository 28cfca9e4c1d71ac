"""A training that is killed goes on with the curves of one that was not. Real, on the embedded model, but small."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.formats import jsonl
from engine.metrics import read_points
from studio.model_jobs import EDITS, METRICS
from tests.engine.quick import sample_edits
from tests.engine.tiny_encoder import save_tiny_encoder
from tests.studio.train_order import train_here


def course(folder: Path) -> list[tuple[str, int, float | None]]:
    return [
        (progress.stage, progress.step, progress.loss)
        for _, progress in read_points(folder / METRICS)
        if progress.loss is not None and progress.stage != "Measure"
    ]


def run_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    jsonl.write(sample_edits(4), folder / EDITS)
    return folder


def test_killed_at_a_random_step_it_goes_on_with_the_curves_of_one_that_was_not(tmp_path: Path) -> None:
    encoder = save_tiny_encoder(tmp_path)
    whole, killed = run_folder(tmp_path, "whole"), run_folder(tmp_path, "killed")
    train_here(whole, encoder)
    wanted = course(whole)
    assert {"Encoder", "Collection", "Gate", "Generator"} == {stage for stage, _, _ in wanted}

    at = random.Random(7).randrange(len(wanted) // 2, len(wanted) - 10)
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.studio.train_order", str(killed), str(encoder)],
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    try:
        while len(course(killed)) < at and child.poll() is None:
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(30)
    assert child.returncode == -signal.SIGKILL
    before = course(killed)
    assert before[:20] == wanted[:20]

    trained, board = train_here(killed, encoder)
    assert trained.figures["edits"] == 4
    assert course(killed) == wanted
    seconds = [moment for moment, _ in read_points(killed / METRICS)]
    assert seconds == sorted(seconds)
    drawn = [(step.stage, step.step, step.loss) for _, step in board.history() if step.loss is not None]
    assert [point for point in wanted if point not in drawn] == []
