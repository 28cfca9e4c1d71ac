"""Seconds, memory, room and milliseconds."""

from __future__ import annotations

import mmap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.benchmark.costs import pack_bytes, query_cost, stage_seconds, watched_memory
from engine.editor import Answer, ungated
from engine.meg.pack import MegPack
from engine.runs import ProgressBoard


def test_a_stage_lasts_until_the_next_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("engine.runs.time.monotonic", lambda: now[0])
    board = ProgressBoard()
    for moment, stage, step in ((103.0, "One", 0), (105.0, "One", 1), (109.0, "Two", 0), (110.0, "Two", 1)):
        now[0] = moment
        board.report(stage, step, 1)
    assert stage_seconds(board, 16.0) == {"One": 9.0, "Two": 7.0}
    assert stage_seconds(board, 16.0, lead=False) == {"One": 6.0, "Two": 7.0}
    assert stage_seconds(ProgressBoard(), 5.0) == {}


def test_the_peak_of_the_memory_is_seen() -> None:
    # Fresh pages of the system: an allocator may hand out what earlier tests have given back.
    with watched_memory(torch.device("cpu")) as memory, mmap.mmap(-1, 50_000_000) as taken:
        taken.write(b"x" * 50_000_000)
        time.sleep(0.15)
    assert memory.peak - memory.baseline > 35_000_000


def test_a_pack_takes_the_room_of_its_files(pack: MegPack, tmp_path: Path) -> None:
    assert pack_bytes(pack, tmp_path / "pack") == sum(file.stat().st_size for file in (tmp_path / "pack").iterdir())


class Clock:
    """Seconds that pass only where it is told so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("engine.benchmark.costs.time.perf_counter", clock)
    return clock


class Slow:
    """Takes a while for each part, and knows the last query."""

    gated = True

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.last: str | None = None

    def look(self, query: str) -> float:
        seconds = 0.0 if self.last == query else 0.001 if query == "far" else 0.002
        self.clock.now += seconds
        self.last = query
        return seconds

    def answer(self, queries: Sequence[str], **_: Any) -> list[Answer]:
        (query,) = queries
        seconds = self.look(query) if self.gated else None
        self.clock.now += 0.012
        return [Answer(query, "", "new", ungated(query), gate_seconds=seconds)]


class SlowGenerating(Slow):
    def generate_neurons(self, queries: Sequence[str]) -> object:
        self.look(queries[0])
        self.clock.now += 0.004
        return None


class SlowUngated(Slow):
    gated = False


def test_the_parts_of_an_answer_are_told_apart(clock: Clock) -> None:
    cost = query_cost(SlowGenerating(clock), [f"query {number}" for number in range(8)], ["far"])  # type: ignore[arg-type]
    assert cost.gate_elsewhere == pytest.approx(1)
    assert cost.queries == 7
    assert (cost.gate, cost.gate_and_generator, cost.answer) == pytest.approx((2, 6, 14))
    assert cost.share == pytest.approx(6 / 14)


def test_an_editor_without_a_generator(clock: Clock) -> None:
    cost = query_cost(Slow(clock), ["one", "two"])  # type: ignore[arg-type]
    assert (cost.gate_and_generator, cost.share, cost.queries) == (None, None, 1)
    assert cost.gate == pytest.approx(2)
    assert cost.gate_elsewhere is None


def test_an_editor_without_a_gate(clock: Clock) -> None:
    cost = query_cost(SlowUngated(clock), ["one", "two"], ["far"])  # type: ignore[arg-type]
    assert (cost.gate, cost.gate_and_generator, cost.gate_elsewhere) == (None, None, None)
    assert cost.answer == pytest.approx(12)
