"""The state of a training as tensors and JSON, and back, exactly: optimisers, schedulers, random number generators.

A state is a tree of dictionaries, lists, tuples, tensors, numpy arrays and plain values, such as `state_dict()`
returns. `flatten` takes the tensors out of it, so that they go into a safetensors file, and leaves a skeleton that JSON
can hold. Nothing is pickled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_TENSOR, _ARRAY, _TUPLE, _PAIRS, _FLOAT = "$tensor", "$array", "$tuple", "$pairs", "$float"


def flatten(tree: Any) -> tuple[dict[str, Tensor], Any]:
    """The tensors of `tree` by the way that leads to them, and the rest as JSON. Raises TypeError for other values."""
    tensors: dict[str, Tensor] = {}
    return tensors, _flat(tree, "state", tensors)


def unflatten(tensors: Mapping[str, Tensor], skeleton: Any) -> Any:
    """The tree that `flatten` was given: same types, same bits; tensors on the CPU."""
    if isinstance(skeleton, list):
        return [unflatten(tensors, item) for item in skeleton]
    if not isinstance(skeleton, dict):
        return skeleton
    if len(skeleton) == 1:
        ((mark, content),) = skeleton.items()
        if mark == _TENSOR:
            return tensors[content]
        if mark == _ARRAY:
            return tensors[content].numpy()
        if mark == _TUPLE:
            return tuple(unflatten(tensors, item) for item in content)
        if mark == _PAIRS:
            return {unflatten(tensors, key): unflatten(tensors, item) for key, item in content}
        if mark == _FLOAT:
            return float(content)
    return {key: unflatten(tensors, item) for key, item in skeleton.items()}


def capture_random(device: torch.device) -> dict[str, Tensor]:
    """The states of torch's random number generators, the processor's and that of `device`, by the kind of device."""
    import torch

    return {kind.type: random_state(kind) for kind in (torch.device("cpu"), device)}


def restore_random(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Put the generators back to where `capture_random` found them.

    A training that goes on on a device of another kind draws other numbers there: that one's generator stays as it is.
    """
    import torch

    for kind in (torch.device("cpu"), device):
        if kind.type in state:
            set_random_state(state[kind.type], kind)


def random_state(device: torch.device) -> Tensor:
    """The state of torch's random number generator of `device`."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else torch.get_rng_state()


def set_random_state(state: Tensor, device: torch.device) -> None:
    """Let torch's random number generator of `device` go on from `state`."""
    import torch

    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state)
    else:
        torch.set_rng_state(state)


def _flat(value: Any, way: str, tensors: dict[str, Tensor]) -> Any:
    import numpy as np
    import torch

    if isinstance(value, (torch.Tensor, np.ndarray)):
        while way in tensors:  # keys with dots in them can lead two ways to one name
            way += "'"
        if isinstance(value, torch.Tensor):
            tensors[way] = value
            return {_TENSOR: way}
        tensors[way] = torch.from_numpy(np.ascontiguousarray(value))
        return {_ARRAY: way}
    if isinstance(value, Mapping):
        plain = all(isinstance(key, str) for key in value)
        if plain and not (len(value) == 1 and next(iter(value)).startswith("$")):
            return {key: _flat(item, f"{way}.{key}", tensors) for key, item in value.items()}
        # Optimisers go by numbers, which JSON would turn into texts.
        pairs = enumerate(value.items())
        return {
            _PAIRS: [
                [_flat(key, f"{way}.{n}k", tensors), _flat(item, f"{way}.{n}", tensors)] for n, (key, item) in pairs
            ]
        }
    if isinstance(value, tuple):
        return {_TUPLE: [_flat(item, f"{way}.{n}", tensors) for n, item in enumerate(value)]}
    if isinstance(value, list):
        return [_flat(item, f"{way}.{n}", tensors) for n, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(value)}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"{way} is a {type(value).__name__}, which a checkpoint cannot hold")
