"""What a training and its answers cost: seconds, memory, room on disk, milliseconds a query."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Protocol, TypeVar, runtime_checkable

import psutil
import torch

from engine.editor import EditedModel, Pack
from engine.edits import EditSet, ProbeKind
from engine.runs import ProgressBoard

INTERVAL = 0.05  # seconds between two looks at the memory
QUERIES = 50  # edited queries whose milliseconds are measured
Result = TypeVar("Result")


class Memory:
    """The memory of this process while a block runs: see `watched_memory`."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.baseline = self.peak = self._resident()  # bytes
        self.peak_cuda: int | None = None  # bytes; None where the device is no CUDA card

    def _resident(self) -> int:
        return int(self._process.memory_info().rss)

    def look(self) -> None:
        """Take what the process holds now into account."""
        self.peak = max(self.peak, self._resident())


@contextmanager
def watched_memory(device: torch.device) -> Iterator[Memory]:
    """The peak of this process's resident memory while the block runs; of a CUDA `device` also of what torch has there.

    What earlier work left in the process counts too, and is in the `baseline`.
    """
    memory, done = Memory(), threading.Event()
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)

    def watch() -> None:
        while not done.wait(INTERVAL):
            memory.look()

    watcher = threading.Thread(target=watch, daemon=True, name="memory watch")
    watcher.start()
    try:
        yield memory
    finally:
        done.set()
        watcher.join()
        memory.look()
        if cuda:
            memory.peak_cuda = int(torch.cuda.max_memory_allocated(device))


def stage_seconds(board: ProgressBoard, end: float, *, lead: bool = True) -> dict[str, float]:
    """Seconds of each stage that `board` was told of; the last ends `end` seconds after the board was made.

    A stage lasts from its first report to the first report of the next. With `lead` what went before the first report
    belongs to the first stage.
    """
    starts = board.stages()
    if not starts:
        return {}
    stages = list(starts)
    if lead:
        starts[stages[0]] = 0.0
    ends = [*list(starts.values())[1:], end]
    return {stage: finish - starts[stage] for stage, finish in zip(stages, ends, strict=True)}


def pack_bytes(pack: Pack, folder: Path) -> int:
    """Room that the pack takes on disk, once it is saved to `folder`."""
    pack.save(folder)
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@runtime_checkable
class Generating(Protocol):
    """An edited model whose neurons can be generated without decoding an answer."""

    def generate_neurons(self, queries: Sequence[str]) -> object:
        """The neurons of `queries`."""


@dataclass(frozen=True, slots=True)
class QueryCost:
    """Milliseconds of one query at batch 1, the median over several; None where an editor has no generator."""

    gate: float | None  # its part of the answer to a query about an edit; None where an editor has no gate
    gate_and_generator: float | None
    answer: float  # everything, gate and generator included
    share: float | None  # of gate and generator in the whole answer
    queries: int
    gate_elsewhere: float | None = None  # of a query that names no edit's subject: the model is seldom read for it


def queries_about_edits(edited: EditedModel, edit_set: EditSet) -> list[str]:
    """Different queries about edits that are routed, if any are: one to warm up, and those that are measured."""
    edits = edit_set.enabled()
    asked = [query for edit in edits for query in edit.paraphrases[:1]] + [edit.prompt for edit in edits]
    queries = list(dict.fromkeys(asked))[: 4 * QUERIES]
    routed = [routing.query for routing in edited.route(queries) if routing.routed]
    return (routed if len(routed) > 1 else queries)[: QUERIES + 1]


def far_queries(edit_set: EditSet) -> list[str]:
    """Different queries that have nothing to do with any edit."""
    probes = [probe for edit in edit_set.enabled() for probe in edit.probes if probe.kind is ProbeKind.FAR]
    return list(dict.fromkeys(probe.prompt for probe in probes))[:QUERIES]


def query_cost(edited: EditedModel, queries: Sequence[str], elsewhere: Sequence[str] = ()) -> QueryCost:
    """Ask `queries`, which have to differ, one by one; those `elsewhere` have nothing to do with any edit."""
    gates, generators, answers = [], [], []
    edited.answer(queries[:1], originals=False)  # what is prepared once is no query's cost
    for query in queries[1:]:
        gate, whole = _asked(edited, query)
        answers.append(whole)
        if gate is not None:
            gates.append(gate)
            if isinstance(edited, Generating):  # the edited model keeps what the gate said of the last query
                generators.append(_milliseconds(partial(edited.generate_neurons, [query]))[1])
    unconcerned = [gate for gate, _ in (_asked(edited, query) for query in elsewhere) if gate is not None]
    both = [gate + generator for gate, generator in zip(gates, generators, strict=False)]
    return QueryCost(
        gate=median(gates) if gates else None,
        gate_and_generator=median(both) if both else None,
        answer=median(answers),
        share=median(part / whole for part, whole in zip(both, answers, strict=True)) if both else None,
        queries=len(answers),
        gate_elsewhere=median(unconcerned) if unconcerned else None,
    )


def _asked(edited: EditedModel, query: str) -> tuple[float | None, float]:
    """Milliseconds of the gate, if there is one, and of the whole answer."""
    (answer,), whole = _milliseconds(partial(edited.answer, [query], originals=False))
    return None if answer.gate_seconds is None else 1_000 * answer.gate_seconds, whole


def _milliseconds(work: Callable[[], Result]) -> tuple[Result, float]:
    """What `work` gives, and how long it took."""
    began = time.perf_counter()
    found = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return found, 1_000 * (time.perf_counter() - began)
