"""Two pieces of work at once, each on half of the processor's threads.

One short question is little work: its products are too small to share well, and most of the time goes by between
them. Two such pieces of work one after the other on all threads take longer than side by side on half of them each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Result = TypeVar("Result")


def pays(device: torch.device) -> bool:
    """Whether there is a second thread to work on."""
    return device.type == "cpu" and torch.get_num_threads() > 1


@contextmanager
def beside(work: Callable[[], Result]) -> Iterator[Future[Result]]:
    """Do `work` on a thread of its own while the block runs; it is done, or has raised, when the block ends."""
    threads = torch.get_num_threads()
    torch.set_num_threads(threads - threads // 2)
    try:
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(threads // 2,)) as other:
            yield other.submit(work)
    finally:
        torch.set_num_threads(threads)
