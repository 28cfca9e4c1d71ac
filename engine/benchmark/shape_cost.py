"""What a training costs on a model of a given shape: every stage of MeG, timed on random weights.

Random weights may learn nothing, so nothing may depend on it: a neuron stays in its group for every step of the
collection, and the generator trains every step that it may take, its checks included. Both are the most that edits take
which are learnt at the first try; there is no second one. Every figure is measured, and none extrapolated.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from engine.benchmark.costs import watched_memory
from engine.benchmark.machine import machine
from engine.benchmark.shapes import Shape, random_model
from engine.edits import EditSet
from engine.meg.editor import MegEditor
from engine.meg.settings import MegSettings
from engine.runs import Cancel, ProgressBoard

BOUGHT = ("Collection", "Generator")  # the stages whose time is mostly the model's size and the number of edits


@dataclass(frozen=True, slots=True)
class StageCost:
    """One stage: its seconds, its steps, and the mean seconds of a step after the first; None where it has no steps."""

    seconds: float
    steps: int
    seconds_a_step: float | None


@dataclass(frozen=True, slots=True)
class ShapeCost:
    """What a training on a random model of `shape` took. Seconds, bytes."""

    shape: Shape
    scale: float
    parameters: int
    layer: int
    device: str
    number: str  # the number format of the frozen model
    edits: int
    making: float  # seconds to make the random model
    stages: Mapping[str, StageCost]
    memory_peak: int
    memory_peak_cuda: int | None  # None without CUDA
    machine: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        """All stages."""
        return sum(cost.seconds for cost in self.stages.values())

    @property
    def bought(self) -> float:
        """Seconds of collection and generator together."""
        return sum(self.stages[stage].seconds for stage in BOUGHT)

    def as_json(self) -> dict[str, Any]:
        """Everything, with the sums."""
        return {
            **dataclasses.asdict(self),
            "seconds": {"all": self.seconds, "collection and generator": self.bought},
            "extrapolated": [],
        }

    def table(self) -> str:
        """Lines of text: what was measured, and every stage."""
        shape = self.shape
        size = "the whole shape" if self.scale == 1 else f"scaled by {self.scale:g}"
        memory = self.memory_peak if self.memory_peak_cuda is None else self.memory_peak_cuda
        lines = [
            f"{shape.name}, {size}: {self.parameters:,} random weights in {self.number} on {self.device}, "
            f"{shape.layers} layers of width {shape.width:,}, layer {self.layer} edited",
            f"{self.edits:,} edits, every step taken once; what random weights answer is not looked at",
            f"{'stage':<28}{'seconds':>10}{'steps':>8}{'s a step':>10}",
        ]
        for stage, cost in self.stages.items():
            step = "–" if cost.seconds_a_step is None else f"{cost.seconds_a_step:.4f}"
            lines.append(f"{stage:<28}{cost.seconds:>10.1f}{cost.steps:>8,}{step:>10}")
        lines.append(f"{'Collection and generator':<28}{self.bought:>10.1f}")
        lines.append(f"{'All stages':<28}{self.seconds:>10.1f}")
        where = "process" if self.memory_peak_cuda is None else "GPU"
        lines.append(f"Peak memory of the {where}: {memory / 2**30:.2f} GiB. All of it measured, nothing extrapolated.")
        return "\n".join(lines)


class Stopwatch(ProgressBoard):
    """A board that notes when each stage and each of its steps is reported, and passes it on to another board."""

    def __init__(self, shown: ProgressBoard) -> None:
        super().__init__()
        self._shown = shown
        self._began: dict[str, float] = {}
        self._steps: dict[str, list[float]] = {}

    def report(
        self,
        stage: str,
        step: int,
        of: int,
        *,
        loss: float | None = None,
        answered: float | None = None,
        answers: Mapping[str, str] | None = None,
    ) -> None:
        """See ProgressBoard; what comes with a loss is a step."""
        self._began.setdefault(stage, time.monotonic())
        if loss is not None:
            self._steps.setdefault(stage, []).append(time.monotonic())
        self._shown.report(stage, step, of, loss=loss, answered=answered, answers=answers)

    def costs(self, began: float) -> dict[str, StageCost]:
        """Each stage until now, the first having begun at the time `began` of the monotonic clock."""
        starts = [began, *list(self._began.values())[1:]]
        ends = [*starts[1:], time.monotonic()]
        costs = {}
        for stage, start, end in zip(self._began, starts, ends, strict=True):
            steps = self._steps.get(stage, [])
            each = (steps[-1] - steps[0]) / (len(steps) - 1) if len(steps) > 1 else None
            costs[stage] = StageCost(end - start, len(steps), each)
        return costs


def every_step(settings: MegSettings) -> MegSettings:
    """`settings` with nothing that ends a stage before its steps are spent."""
    return dataclasses.replace(
        settings,
        collection=dataclasses.replace(settings.collection, learnt=0.0, second_try=0),
        generator=dataclasses.replace(settings.generator, answered=2.0),
    )


def measure_shape(
    shape: Shape,
    edits: EditSet,
    *,
    scale: float,
    device: torch.device,
    number: torch.dtype,
    board: ProgressBoard,
    cancel: Cancel,
    settings: MegSettings | None = None,
) -> ShapeCost:
    """Train on `edits` with a random model of `shape`, which is scaled by `scale` already, and time every stage.

    Raises Cancelled when asked to stop.
    """
    chosen = every_step(settings or MegSettings())
    began = time.monotonic()
    model = random_model(shape, device, number)
    making = time.monotonic() - began
    watch = Stopwatch(board)
    with watched_memory(model.device) as memory:
        began = time.monotonic()
        pack = MegEditor(chosen).fit(model, edits, progress=watch, cancel=cancel)
        stages = watch.costs(began)
    return ShapeCost(
        shape=shape,
        scale=scale,
        parameters=model.size,
        layer=pack.layer,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        number=str(number).removeprefix("torch."),
        edits=len(edits.enabled()),
        making=making,
        stages=stages,
        memory_peak=memory.peak,
        memory_peak_cuda=memory.peak_cuda,
        machine=machine(model),
    )
