"""`python -m tests.engine.quick_meg`: `meg` with a training that is over in seconds and can be stopped at one place.

QUICK_MEG_STOP holds what happens when (“kill collection 8”, “interrupt generator training 20”): once the checkpoint of
that stage and step is written, the process is killed, or gets Ctrl+C.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from engine import checkpoints
from engine.cli import main
from engine.meg import settings
from engine.meg.collection import CollectionSettings
from engine.meg.encoder import TuningSettings
from engine.meg.familiarity import FamiliaritySettings
from engine.meg.generator import GeneratorSettings
from engine.meg.settings import MegSettings

QuickSettings = partial(
    MegSettings,
    tuning=TuningSettings(steps=4, facts=4, learning_rate=3e-3),
    collection=CollectionSettings(group=8),
    familiarity=FamiliaritySettings(steps=20, batch=64, blocks=1, heads=8),
    generator=GeneratorSettings(width=64, layers=1, batch=32, steps=60, check_every=20, answered=2.0),  # every step
)


def stop_at(place: str) -> None:
    """Stop this process as QUICK_MEG_STOP says."""
    deed, _, rest = place.partition(" ")
    stage, _, step = rest.rpartition(" ")
    save = checkpoints.Checkpoints.save

    def saved(self: Any, at: str, number: int, *content: Any) -> Path:
        folder = save(self, at, number, *content)
        if (at, number) == (stage, int(step)):
            psutil.Process().kill() if deed == "kill" else signal.raise_signal(signal.SIGINT)
        return folder

    checkpoints.Checkpoints.save = saved  # type: ignore[method-assign]


if __name__ == "__main__":
    settings.PRESETS["balanced"] = (settings.PRESETS["balanced"][0], QuickSettings)
    if "QUICK_MEG_STOP" in os.environ:
        stop_at(os.environ["QUICK_MEG_STOP"])
    main()
