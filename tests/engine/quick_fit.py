"""`python -m tests.engine.quick_fit EDITS ENCODER RUN PACK`: one quick training, also as one of several processes."""

from __future__ import annotations

import sys
from pathlib import Path

from engine import processes
from engine.language_model import load
from engine.meg import gate_training
from tests.engine.quick import fit, quick_settings, sample_edits

EPISODE = 32
"""Facts that stand in for edits while the gate is calibrated: few, since the gate is not what is looked at."""


@processes.joined()
def main(edits: str, encoder: str, run: str, pack: str) -> None:
    """Train on so many sample edits; the main process writes the run's checkpoints and the pack."""
    gate_training.EPISODE = EPISODE
    model = load("embedded", device="cpu")
    is_main = processes.is_main()
    trained = fit(model, sample_edits(int(edits)), quick_settings(Path(encoder)), run=Path(run) if is_main else None)
    if is_main:
        trained.save(Path(pack))


if __name__ == "__main__":
    main(*sys.argv[1:])
