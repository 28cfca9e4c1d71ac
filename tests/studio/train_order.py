"""`python -m tests.studio.train_order FOLDER ENCODER`: one real, small training as the studio orders it."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path

from engine.meg import gate_training
from engine.meg.settings import GeneratorSettings
from engine.runs import Cancel, ProgressBoard
from studio.jobs import Shelf
from studio.model_jobs import ModelSource, Trained, TrainingOrder, train
from tests.engine.quick import quick_settings


def small_order(folder: Path, encoder: Path) -> TrainingOrder:
    """The training of the snapshot in `folder`."""
    settings = quick_settings(
        encoder, generator=GeneratorSettings(width=64, layers=1, batch=32, steps=60, check_every=10, answered=2.0)
    )
    settings = replace(settings, familiarity=replace(settings.familiarity, steps=20))
    return TrainingOrder(ModelSource(device="cpu"), "meg", asdict(settings), 0, folder)


def train_here(folder: Path, encoder: Path) -> tuple[Trained, ProgressBoard]:
    """Train in this process."""
    gate_training.EPISODE, gate_training.READOUT_SUBJECTS = 32, (2, 2)  # the gate is not what is looked at
    board = ProgressBoard()
    return train(Shelf(), small_order(folder, encoder), board, Cancel()), board


if __name__ == "__main__":
    train_here(Path(sys.argv[1]), Path(sys.argv[2]))
