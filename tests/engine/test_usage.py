"""What of the machine is in use: read on this machine, and as a graphics card would tell it."""

from __future__ import annotations

import threading

import pytest
import torch

from engine import usage
from engine.usage import Usage, look, watched

GIB = 2**30


def test_without_a_card_there_is_memory_alone() -> None:
    found = look(torch.device("cpu"))
    assert 0 < found.ram < found.ram_of
    assert (found.gpu, found.gpu_of, found.busy) == (0, 0, None)


@pytest.mark.parametrize(
    ("told", "busy"),
    [(lambda _: 37, 0.37), (ModuleNotFoundError("pynvml"), None), (RuntimeError("not supported"), None)],
)
def test_a_card_tells_its_memory_and_how_busy_it_is_where_it_can(
    monkeypatch: pytest.MonkeyPatch, told: object, busy: float | None
) -> None:
    def utilization(device: torch.device) -> int:
        if isinstance(told, Exception):
            raise told
        return told(device)  # type: ignore[operator,no-any-return]

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (5 * GIB, 24 * GIB))
    monkeypatch.setattr(torch.cuda, "utilization", utilization)
    found = look(torch.device("cuda"))
    assert (found.gpu, found.gpu_of, found.busy) == (19 * GIB, 24 * GIB, busy)


def test_it_is_told_at_once_and_again_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "EVERY", 0.01)
    seen: list[Usage] = []
    several = threading.Event()

    def tell(one: Usage) -> None:
        seen.append(one)
        if len(seen) >= 3:
            several.set()

    with watched(torch.device("cpu"), tell):
        assert several.wait(30)
    number = len(seen)
    assert all(one.ram > 0 for one in seen)
    assert not [thread for thread in threading.enumerate() if thread.name == "usage"]
    assert len(seen) == number
