"""Tensors in safetensors files, checked harder than the format does: it notices neither flipped bits nor NaN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MAX_BYTES = 8 * 2**30
MAX_TENSORS = 100_000
MAX_HEADER = 16 * 2**20


class TensorFileError(ValueError):
    """Bytes that are no tensors that can be trusted; the message is a clause that says why."""


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """The file's content: the same tensors give the same bytes, in whatever order and on whatever device they are."""
    import torch
    from safetensors.torch import save

    # Copies, since tensors that share memory (a view, a tied weight) are refused; sorted, since order is no content.
    own = {
        name: tensors[name].detach().to("cpu", copy=True, memory_format=torch.contiguous_format).contiguous()
        for name in sorted(tensors)
    }
    return bytes(save(own))


def from_bytes(data: bytes) -> dict[str, Tensor]:
    """The tensors of a file's content. Raises TensorFileError."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    # The format itself allows headers that take minutes to read.
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MAX_HEADER, len(data) - 8):
        raise TensorFileError("it is no safetensors file")
    if data.count(b'"data_offsets"', 8, 8 + length) > MAX_TENSORS:
        raise TensorFileError(f"it has more than {MAX_TENSORS:,} tensors")
    try:
        return dict(load(data))
    except (SafetensorError, KeyError) as error:  # KeyError: a number type that torch does not know
        raise TensorFileError(f"it is no safetensors file ({error})") from None


def find_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of a tensor with NaN or an infinity in it; None where all numbers are numbers."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            return name
    return None
