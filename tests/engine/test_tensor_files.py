"""Tensors in files: the same content in the same bytes, and bytes of any kind read or refused."""

from __future__ import annotations

import json
import pickle
import struct
from contextlib import suppress

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine import tensor_files
from engine.tensor_files import TensorFileError, find_not_finite, from_bytes, to_bytes


def file(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool],
)
def test_comes_back_bit_for_bit(dtype: torch.dtype) -> None:
    tensors = {
        "b": torch.arange(6).reshape(2, 3).to(dtype),
        "a": torch.ones((), dtype=dtype),
        "none": torch.empty(0, 3),
    }
    back = from_bytes(to_bytes(tensors))
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor)


def test_order_views_and_gradients_are_no_content() -> None:
    weight = torch.nn.Parameter(torch.arange(12.0).reshape(3, 4))
    one = to_bytes({"a": weight.T, "b": weight, "c": weight})
    other = to_bytes({"c": weight.detach(), "b": weight.detach().clone(), "a": weight.detach().T.contiguous()})
    assert one == other


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1234567",
        pickle.dumps({"weights": [1.0]}),
        struct.pack("<Q", 2**62) + b"{}",
        file(b"no json"),
        file({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"short"),
        file({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"four and more"),
        file({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 4]}}, b"four"),
        file({"a": {"dtype": "X1", "shape": [1], "data_offsets": [0, 4]}}, b"four"),
        file({"a": 1}),
    ],
)
def test_refuses(data: bytes) -> None:
    with pytest.raises(TensorFileError, match="no safetensors file"):
        from_bytes(data)


def test_a_header_with_endless_names_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_files, "MAX_TENSORS", 10)
    with pytest.raises(TensorFileError, match="more than 10 tensors"):
        from_bytes(to_bytes({str(n): torch.zeros(1) for n in range(11)}))


@given(st.binary(max_size=60), st.integers(0, 80))
def test_any_bytes_are_read_or_refused(data: bytes, length: int) -> None:
    with suppress(TensorFileError):
        from_bytes(struct.pack("<Q", length) + data)


def test_finds_what_is_no_number() -> None:
    assert find_not_finite({"a": torch.ones(3), "b": torch.arange(3), "c": torch.tensor([True])}) is None
    assert find_not_finite({"a": torch.ones(3), "b": torch.tensor([0.0, torch.inf])}) == "b"
    assert find_not_finite({"a": torch.tensor([torch.nan], dtype=torch.bfloat16)}) == "a"
