"""Weights are exchanged as the model stores them, and given back as the very tensors they were."""

from __future__ import annotations

import pytest
import torch

from engine.weight_exchange import Matrix, WeightExchange, exchanged, growth
from tests.tiny_models import CONFIGS, D_FF, D_MODEL, tiny_model


@pytest.mark.parametrize("name", CONFIGS)
def test_an_output_weight_is_found_changed_and_given_back(name: str) -> None:
    model = tiny_model(name)
    matrix = Matrix.outlet(model, 1)
    assert matrix.turned(matrix.weight.data).shape == (D_MODEL, D_FF)
    assert matrix.transposed == (name == "gpt2")
    before = {key: tensor.clone() for key, tensor in model.model.state_dict().items()}
    original = matrix.weight.data
    key = torch.randn(3, D_FF)
    change = torch.randn(D_MODEL, D_FF)
    written = model.blocks[1].outlet(key)
    with exchanged(model.model, {matrix.name: matrix.turned(change)}) as exchange:
        torch.testing.assert_close(model.blocks[1].outlet(key), written + key @ change.T)
        with exchange.originals():
            assert torch.equal(model.blocks[1].outlet(key), written)
        assert not torch.equal(model.blocks[1].outlet(key), written)
    assert matrix.weight.data_ptr() == original.data_ptr()
    after = model.model.state_dict()
    assert all(torch.equal(after[key], tensor) for key, tensor in before.items())


def test_a_weight_whose_change_is_nothing_keeps_its_bits() -> None:
    model = tiny_model()
    matrix = Matrix.outlet(model, 0)
    matrix.weight.data[0, 0] = -0.0
    change = torch.zeros_like(matrix.weight.data)
    change[1] = 1
    with exchanged(model.model, {matrix.name: change}):
        assert str(float(matrix.weight.data[0, 0])) == "-0.0"


def test_another_change_takes_the_place_of_the_first() -> None:
    model = tiny_model()
    one, other = Matrix.outlet(model, 0), Matrix.outlet(model, 1)
    before = one.weight.data.clone()
    exchange = WeightExchange(model.model)
    exchange.put({one.name: torch.ones_like(before)})
    exchange.put({one.name: 2 * torch.ones_like(before), other.name: torch.ones_like(before)})
    torch.testing.assert_close(one.weight.data, before + 2)
    exchange.put({other.name: torch.ones_like(before)})
    assert torch.equal(one.weight.data, before)
    exchange.give_back()
    exchange.give_back()


def test_changes_go_into_a_model_of_fewer_bits() -> None:
    model = tiny_model()
    model.model.to(torch.bfloat16)
    matrix = Matrix.outlet(model, 0)
    before = matrix.weight.data
    with exchanged(model.model, {matrix.name: torch.full(before.shape, 0.5, dtype=torch.float64)}):
        assert matrix.weight.dtype == torch.bfloat16
        assert torch.equal(matrix.weight.data, (before.double() + 0.5).to(torch.bfloat16))
    assert matrix.weight.data is before or matrix.weight.data_ptr() == before.data_ptr()


def test_growth_is_a_share_of_the_weight_and_hides_no_nan() -> None:
    weight = torch.eye(4)
    assert growth(weight, 3 * weight) == pytest.approx(3)
    assert growth(weight, torch.full((4, 4), torch.nan)) != growth(weight, torch.full((4, 4), torch.nan))
