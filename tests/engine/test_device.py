from __future__ import annotations

import sys
from types import SimpleNamespace

import psutil
import pytest
import torch

from engine.device import (
    DeviceError,
    available_devices,
    choose_device,
    choose_dtype,
    free_memory,
    hand_back,
    mixed_precision,
    multiplies_bfloat16,
)


@pytest.fixture
def machine(monkeypatch):
    """A function that makes this machine one with so many CUDA cards, with or without Apple's GPU."""

    def made(cards=0, apple=False, bf16=True):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: apple)

    return made


@pytest.mark.parametrize(
    ("cards", "apple", "devices"),
    [(0, False, ["cpu"]), (2, False, ["cuda:0", "cuda:1", "cpu"]), (0, True, ["mps", "cpu"])],
)
def test_the_best_device_comes_first_and_is_taken(machine, cards, apple, devices):
    machine(cards, apple)
    assert available_devices() == devices
    assert choose_device() == torch.device(devices[0])
    assert [str(choose_device(name)) for name in devices] == devices


def test_cuda_alone_means_the_first_card(machine):
    machine(2)
    assert choose_device("cuda") == torch.device("cuda:0")


def test_the_cpu_can_be_forced(machine):
    machine(1)
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("wanted", ["cuda", "cuda:1", "mps", "tpu", "", "CPU"])
def test_a_device_that_is_not_here_is_refused_with_those_that_are(machine, wanted):
    machine()
    with pytest.raises(DeviceError, match=rf"no device “{wanted}” here: choose one of cpu, or “auto”"):
        choose_device(wanted)
    machine(1)
    with pytest.raises(DeviceError, match="choose one of cuda:0, cpu"):
        choose_device("cuda:3")


def test_number_formats_follow_the_device(machine):
    machine(1)
    assert choose_dtype(torch.device("cpu")) is torch.float32
    assert choose_dtype(torch.device("mps")) is torch.float32
    assert choose_dtype(torch.device("cuda:0")) is torch.bfloat16
    machine(1, bf16=False)
    assert choose_dtype(torch.device("cuda:0")) is torch.float32


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_a_number_format_can_be_forced(name):
    assert choose_dtype(torch.device("cpu"), name) is getattr(torch, name)


@pytest.mark.parametrize("name", ["int8", "Float32", ""])
def test_an_unknown_number_format_is_refused(name):
    with pytest.raises(DeviceError, match="choose one of float32, bfloat16, float16"):
        choose_dtype(torch.device("cpu"), name)


def test_free_memory_is_that_of_the_device(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=123))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (456, 789))
    assert free_memory(torch.device("cpu")) == 123
    assert free_memory(torch.device("cuda:0")) == 456


@pytest.mark.parametrize("able", [True, False])
def test_what_is_trained_is_multiplied_in_bfloat16_where_the_processor_can(monkeypatch, able):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    assert multiplies_bfloat16() is able
    weight = torch.randn(8, 8, requires_grad=True)
    with mixed_precision(torch.device("cpu")):
        product = torch.randn(4, 8) @ weight
        loss = torch.nn.functional.mse_loss(product, torch.zeros(4, 8))
    assert product.dtype is (torch.bfloat16 if able else torch.float32)
    assert loss.dtype is torch.float32
    loss.backward()
    assert weight.grad.dtype is torch.float32
    assert (torch.randn(4, 8) @ weight).dtype is torch.float32  # outside nothing has changed


def test_weights_of_float16_and_other_devices_are_left_in_their_format(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    with mixed_precision(torch.device("cpu"), torch.float16):
        assert (torch.randn(4, 8) @ torch.randn(8, 8)).dtype is torch.float32
    with mixed_precision(torch.device("mps")):
        assert (torch.randn(4, 8) @ torch.randn(8, 8)).dtype is torch.float32


def test_attention_has_the_same_slopes_in_mixed_precision(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 4, 12, 16, requires_grad=True) for _ in range(3))

    def slopes():
        found = torch.nn.functional.scaled_dot_product_attention(query, key, value).square().mean()
        return torch.autograd.grad(found, (query, key, value))

    exact = slopes()
    with mixed_precision(torch.device("cpu")):
        rounded = slopes()
    for wanted, found in zip(exact, rounded, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0.1, atol=0.02 * float(wanted.abs().max()))


def test_what_was_freed_in_pieces_goes_back_to_the_system() -> None:
    process = psutil.Process()
    pieces = [torch.ones(20_000) for _ in range(2_000)]  # 160 MB
    left = pieces[::100]  # between what is freed, so that the allocator alone would keep it
    del pieces
    held = process.memory_info().rss
    hand_back(torch.device("cpu"))
    after = process.memory_info().rss
    assert len(left) == 20
    assert after < held - 50_000_000 or not sys.platform.startswith("linux")
