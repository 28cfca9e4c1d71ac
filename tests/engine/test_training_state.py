"""Optimisers and random numbers go on exactly where they were."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from engine import tensor_files
from engine.training_state import capture_random, flatten, restore_random, unflatten


def through_disk(tree: Any) -> Any:
    tensors, skeleton = flatten(tree)
    return unflatten(tensor_files.from_bytes(tensor_files.to_bytes(tensors)), json.loads(json.dumps(skeleton)))


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


@pytest.mark.parametrize(
    "tree",
    [
        None,
        {"a": [1, 2.5, "x", True, None], "b": (1, (2, torch.ones(2)))},
        {0: {"step": torch.tensor(3.0)}, 1: {}},
        {"$tensor": "a trap", "x": 1},
        {"$tensor": "a trap"},
        {"inf": float("inf"), "minus": float("-inf"), "nan": float("nan"), "zero": -0.0},
        {"array": np.arange(5, dtype=np.uint32), "float": np.array([[0.1]])},
        {"a.b": torch.ones(1), "a": {"b": torch.zeros(1)}},
        {(1, 2): "tuple key"},
        2**127,
        [],
    ],
)
def test_comes_back_with_its_types(tree: Any) -> None:
    assert same(through_disk(tree), tree)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", np.float32(1)])
def test_refuses_what_it_cannot_hold(value: Any) -> None:
    with pytest.raises(TypeError, match="a checkpoint cannot hold"):
        flatten({"x": [value]})


CPU = torch.device("cpu")


def run(steps: int, resume_at: int | None) -> tuple[list[float], float]:
    """The losses of a small training and what is drawn after it; once in between all state goes to disk."""
    torch.manual_seed(3)

    def parts() -> tuple[torch.nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
        groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[2].parameters()}]
        optimizer = torch.optim.AdamW(groups, lr=0.01, amsgrad=True)
        return model, optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)

    model, optimizer, scheduler = parts()
    losses = []
    for step in range(steps):
        if step == resume_at:
            state = through_disk(
                {
                    "model": dict(model.state_dict()),
                    "optimizer": optimizer.state_dict(),
                    "scheduler": scheduler.state_dict(),
                    "random": capture_random(CPU),
                }
            )
            torch.rand(7)
            model, optimizer, scheduler = parts()
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            scheduler.load_state_dict(state["scheduler"])
            restore_random(state["random"], CPU)
        loss = (model(torch.randn(5, 4)) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses, torch.rand(()).item()


@pytest.mark.parametrize("at", [1, 6])
def test_a_resumed_training_is_the_same_bit_for_bit(at: int) -> None:
    assert run(9, at) == run(9, None)


def test_what_was_drawn_on_a_device_of_another_kind_is_left_alone() -> None:
    state = {**capture_random(CPU), "cuda": torch.zeros(16, dtype=torch.uint8)}
    drawn = torch.rand(3)
    restore_random(state, CPU)
    assert torch.equal(torch.rand(3), drawn)
    restore_random({"cuda": state["cuda"]}, CPU)  # goes on where it is
