"""Copies that are asked sooner."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine import prepacking
from engine.prepacking import PackedLinear, swift

CPU = torch.device("cpu")


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Sequential(nn.Linear(96, 32, bias=False)))


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that multiplies bfloat16 numbers: any does, some slowly."""
    monkeypatch.setattr(prepacking, "multiplies_bfloat16", lambda: True)


@pytest.mark.parametrize("shape", [(1, 64), (2, 12, 64), (300, 64)])
@pytest.mark.usefixtures("able")
def test_it_says_the_same_as_closely_as_half_the_bits_allow(network, shape):
    x = torch.randn(shape)
    copy = swift(network, CPU)
    told = copy(x.bfloat16())
    assert told.dtype is torch.bfloat16
    torch.testing.assert_close(told.float(), network(x), atol=0.02, rtol=0.02)


@pytest.mark.usefixtures("able")
def test_every_linear_layer_is_packed_and_the_original_stays_as_it_is(network):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    copy = swift(network, CPU)
    assert sum(isinstance(module, PackedLinear) for module in copy.modules()) == 2
    assert not any(isinstance(module, PackedLinear) for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.usefixtures("able")
def test_where_torch_cannot_pack_the_copy_is_plain(network, monkeypatch):
    monkeypatch.setattr(prepacking, "_OPERATIONS", ("an operation of the future",))
    copy = swift(network, CPU)
    assert not any(isinstance(module, PackedLinear) for module in copy.modules())
    assert copy(torch.randn(1, 64).bfloat16()).dtype is torch.bfloat16


def test_other_devices_and_processors_take_the_module_itself(network, monkeypatch):
    assert swift(network, torch.device("meta")) is network
    monkeypatch.setattr(prepacking, "multiplies_bfloat16", lambda: False)
    assert swift(network, CPU) is network
