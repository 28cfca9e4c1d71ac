"""How much of the machine is in use: memory of this process and of a graphics card, and how busy the card is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import torch

EVERY = 1.0
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes in use and in all; `gpu_of` is 0 without a graphics card, `busy` None where the card does not tell."""

    ram: int
    ram_of: int
    gpu: int = 0
    gpu_of: int = 0
    busy: float | None = None  # share of the last moments in which the card computed, 0 to 1


def look(device: torch.device) -> Usage:
    """What is in use now, as far as `device` has a memory of its own."""
    ram, ram_of = psutil.Process().memory_info().rss, psutil.virtual_memory().total
    if device.type != "cuda":
        return Usage(ram, ram_of)
    import torch

    free, whole = torch.cuda.mem_get_info(device)
    return Usage(ram, ram_of, whole - free, whole, _busy(device))


@contextmanager
def watched(device: torch.device, tell: Callable[[Usage], object]) -> Iterator[None]:
    """While this lasts, `tell` is called from a thread of its own, at once and every second."""
    over = threading.Event()

    def watch() -> None:
        tell(look(device))
        while not over.wait(EVERY):
            tell(look(device))

    watcher = threading.Thread(target=watch, name="usage", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _busy(device: torch.device) -> float | None:
    import torch

    try:
        return torch.cuda.utilization(device) / 100
    except (ModuleNotFoundError, RuntimeError):  # no library of the card's maker, or a card that does not tell
        return None
