"""Which processor a model runs on, and in which number format: visible, and open to the user's choice."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
"""Of the C library, where it has it."""


class DeviceError(RuntimeError):
    """A device that was asked for is not here; the message is one sentence for the user."""


def available_devices() -> list[str]:
    """The devices of this machine, best first: CUDA cards, Apple's GPU, then the CPU."""
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def choose_device(wanted: str = "auto") -> torch.device:
    """The device named `wanted` ("auto", "cpu", "cuda", "cuda:1", "mps").

    Raises DeviceError where this machine has no such device.
    """
    devices = available_devices()
    if wanted == "auto":
        return torch.device(devices[0])
    if wanted == "cuda" and devices[0].startswith("cuda"):
        return torch.device(devices[0])
    if wanted not in devices:
        raise DeviceError(f"There is no device “{wanted}” here: choose one of {', '.join(devices)}, or “auto”.")
    return torch.device(wanted)


def choose_dtype(device: torch.device, wanted: str = "auto") -> torch.dtype:
    """The number format of the frozen model: bfloat16 on a GPU that has it, float32 elsewhere, unless told.

    Raises DeviceError for a format that models are not run in.
    """
    formats = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if wanted == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    if wanted not in formats:
        raise DeviceError(f"“{wanted}” is no number format of ours: choose one of {', '.join(formats)}, or “auto”.")
    return formats[wanted]


def exact(tensor: Tensor) -> Tensor:
    """`tensor` in float64, for what is solved and compared; on the CPU where its device has no such numbers (Apple's).

    What comes of it goes back with `.to(device)`.
    """
    return tensor.to("cpu" if tensor.device.type == "mps" else tensor.device).double()


def free_memory(device: torch.device) -> int:
    """Bytes that a new job may take on `device`."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch holds of earlier work and does not use is free for the next.
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(psutil.virtual_memory().available)


def hand_back(device: torch.device) -> None:
    """Hand memory that is not used any more back to the system.

    Allocators keep it for later: what one stage of a training freed would come on top of what the next one takes.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif _TRIM is not None:
        _TRIM(0)


def multiplies_bfloat16() -> bool:
    """Whether this machine's processor has instructions for products of bfloat16 numbers; without, they are slow."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))


@contextmanager
def mixed_precision(device: torch.device, dtype: torch.dtype = torch.float32) -> Iterator[None]:
    """Products in bfloat16 and sums in float32, for what is trained on `device`, where that is twice as fast.

    What is trained through weights of float16 stays in their format.
    """
    if dtype is torch.float16:
        yield
    elif device.type == "cuda" and torch.cuda.is_bf16_supported():
        with torch.autocast("cuda", torch.bfloat16):
            yield
    elif device.type == "cpu" and multiplies_bfloat16():
        # The fused attention of a processor takes longer over the slopes of bfloat16 numbers than over all the rest.
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            yield
    else:
        yield
