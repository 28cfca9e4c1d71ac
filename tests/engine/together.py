"""`python -m tests.engine.together FOLDER`: one of several processes writes what it comes to."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import save_file
from torch import Tensor

from engine import processes
from engine.meg.generator import Generator, GeneratorSettings, train_generator
from engine.processes import Message
from engine.runs import Cancel, seeded

EDITS, WIDTH, NUMBERS = 6, 16, 21
SETTINGS = GeneratorSettings(width=32, layers=1, heads=2, batch=7, token=8, steps=40, check_every=20, answered=2.0)


def generated(state: Mapping[str, Any] | None, states: list[Mapping[str, Any]]) -> Tensor:
    """The neurons that a generator makes after a training of 40 steps; its state half way goes to `states`."""
    draw = torch.Generator().manual_seed(0)
    z = torch.nn.functional.normalize(torch.randn(EDITS, WIDTH, generator=draw), dim=1)
    neurons = torch.randn(EDITS, NUMBERS, generator=draw)

    def check(_: Generator) -> Any:
        return processes.told(lambda: Message(meta=[0.5, 0.5])).meta

    # In bfloat16 a batch that is shared out is rounded otherwise than a whole one.
    in_float32 = patch("engine.device.multiplies_bfloat16", lambda: False)
    # They agree, whatever each would have drawn.
    with in_float32, seeded(processes.rank() if state is None else 99, "generator"):
        trained = train_generator(
            z,
            z,
            torch.arange(EDITS),
            neurons,
            SETTINGS,
            steps=SETTINGS.steps,
            check=check,
            cancel=Cancel(),
            report=lambda *_: None,
            state=state,
            keep=lambda _, kept: states.append(deepcopy(dict(kept))),
        )
    return trained.generate(z, z)


@processes.joined()
def main(folder: str) -> None:
    """Go through all that processes do together."""
    rank = processes.rank()
    found: dict[str, Tensor] = {"place": torch.tensor([rank, processes.count(), int(processes.is_main())])}
    found["share"] = torch.tensor(processes.share(range(5)))
    told = processes.told(lambda: Message({"rank": torch.tensor([rank + 0.5])}, {"rank": rank}))
    found["told"] = torch.tensor([float(told.tensors["rank"]), told.meta["rank"]])
    every = processes.gathered(Message({"rows": torch.arange(rank * 3)}, ["é"] * rank))
    found["gathered"] = torch.tensor([[len(part.tensors["rows"]), len(part.meta)] for part in every])
    agreed = torch.full((2, 3), float(rank))
    processes.agree(agreed)
    found["agreed"] = agreed
    sums = [torch.full((2, 2), rank + 1.0), torch.arange(3.0)]
    processes.add_up(sums)
    found["sums"] = torch.cat([each.flatten() for each in sums])
    found["least"] = torch.tensor(processes.least(7 - rank))
    torch.manual_seed(rank)
    processes.agree_on_random(torch.device("cpu"))
    found["drawn"] = torch.rand(3)
    states: list[Mapping[str, Any]] = []
    found["generated"] = generated(None, states)
    found["resumed"] = generated(states[0] if processes.is_main() else {**states[0], "random": None}, [])
    save_file(found, Path(folder) / f"{rank}.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
