"""Two pieces of work at once: one on a thread of its own, the other on the rest of the processor's.

One short question is little work: its products are too small to share well, and most of the time goes by between
them. Two such pieces of work one after the other, each on all threads, take longer than side by side. (Half of four
threads each takes longer, too: two teams are more trouble to gather than one.)
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
    """Do `work` on one thread while the block runs on the others; it is done, or has raised, when the block ends.

    A thread that uses torch for the first time meanwhile has as few for good: whoever asks from several threads lets
    each of them use torch before.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(threads - 1)
    try:
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as other:
            yield other.submit(work)
    finally:
        torch.set_num_threads(threads)
