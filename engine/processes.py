"""Several processes that train one editor: whose part of the work is whose, and how they come to the same numbers.

`accelerate launch` and `torchrun` start one program several times, on one machine or on many, and tell each process its
rank. All of them go through the same steps in the same order; the *main* process, of rank 0, alone reads and writes
files. In a process that was started alone nothing here changes anything.

What is told goes as safetensors and JSON: nothing is pickled.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from engine.training_state import random_state, set_random_state

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_META = "$meta"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Message:
    """What one process tells the others: tensors, which arrive on the CPU, and what JSON can hold."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    meta: Any = None


@contextmanager
def joined() -> Iterator[None]:
    """Be one of the processes that were launched together for the time of the with-statement.

    Where that ends in an exception the launcher ends the others: whoever waits for this process would wait for ever.
    """
    if any(name not in os.environ for name in _LAUNCHED) or int(os.environ["WORLD_SIZE"]) < 2:
        yield
        return
    import torch
    from torch import distributed

    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    yield
    distributed.destroy_process_group()


def count() -> int:
    """How many processes train together."""
    return _distributed().get_world_size() if _together() else 1


def rank() -> int:
    """This process's number, from 0."""
    return _distributed().get_rank() if _together() else 0


def is_main() -> bool:
    """Whether this is the process that reads and writes files and speaks to the user."""
    return rank() == 0


def take_device(wanted: str) -> str:
    """The device for this process: of a machine's CUDA cards each process takes its own.

    Raises DeviceError where one card is named for several processes.
    """
    import torch

    from engine.device import DeviceError

    if not _together() or not torch.cuda.is_available() or wanted in ("cpu", "mps"):
        return wanted
    if wanted not in ("auto", "cuda"):
        if int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1:
            raise DeviceError(f"Each process takes a card of its own, and “{wanted}” is one for all: leave it out.")
        return wanted
    own = int(os.environ["LOCAL_RANK"])
    if own < torch.cuda.device_count():
        torch.cuda.set_device(own)
    return f"cuda:{own}"


def share(items: Sequence[T]) -> Sequence[T]:
    """This process's share of `items`: every item is in exactly one share."""
    return items[own_rows()]


def own_rows() -> slice:
    """Which rows of a batch are this process's."""
    return slice(rank(), None, count())


def told(compute: Callable[[], Message]) -> Message:
    """What `compute` gives in the main process, in every process; in the others it is not called."""
    if not _together():
        return compute()
    return _read(_exchanged(_written(compute()) if is_main() else b"")[0])


def gathered(message: Message) -> list[Message]:
    """The messages of all processes, in the order of their ranks."""
    if not _together():
        return [message]
    return [_read(data) for data in _exchanged(_written(message))]


def agree(*tensors: Tensor) -> None:
    """Give `tensors` the main process's numbers, in place."""
    if _together():
        for tensor in tensors:
            _distributed().broadcast(tensor.detach(), 0)


def add_up(tensors: Sequence[Tensor]) -> None:
    """Add up each of `tensors` over all processes, in place."""
    if not _together():
        return
    import torch

    whole = torch.cat([tensor.flatten() for tensor in tensors])
    _distributed().all_reduce(whole)
    for tensor, part in zip(tensors, whole.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def least(number: int) -> int:
    """The least of all processes' numbers."""
    return min(int(message.meta) for message in gathered(Message(meta=number)))


def agree_on_random(device: torch.device) -> None:
    """Let torch's global generator of `device` draw what the main process's draws."""
    if not _together():
        return
    state = random_state(device)
    agree(state)
    set_random_state(state, device)


def _distributed() -> Any:
    # torch is slow to load, and a process that has not loaded it has not joined others.
    return sys.modules.get("torch.distributed")


def _together() -> bool:
    distributed = _distributed()
    return distributed is not None and distributed.is_available() and distributed.is_initialized()


def _written(message: Message) -> bytes:
    import torch

    from engine import tensor_files

    meta = torch.frombuffer(bytearray(json.dumps(message.meta).encode()), dtype=torch.uint8)
    return tensor_files.to_bytes({**message.tensors, _META: meta})


def _read(data: bytes) -> Message:
    from engine import tensor_files

    tensors = tensor_files.from_bytes(data)
    return Message(tensors, json.loads(tensors.pop(_META).numpy().tobytes()))


def _exchanged(data: bytes) -> list[bytes]:
    """The data of all processes, in the order of their ranks."""
    import torch

    lengths = [torch.zeros(1, dtype=torch.long) for _ in range(count())]
    _distributed().all_gather(lengths, torch.tensor([len(data)]))
    result = []
    for sender, length in enumerate(lengths):
        buffer = torch.empty(int(length), dtype=torch.uint8)
        if len(buffer):
            if sender == rank():
                buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            _distributed().broadcast(buffer, sender)
        result.append(buffer.numpy().tobytes())
    return result
