"""The state of a training as tensors and JSON, and back, exactly: optimisers, schedulers, random number generators.

A state is a tree of dictionaries, lists, tuples, tensors, numpy arrays and plain values, such as `state_dict()`
returns. `flatten` takes the tensors out of it, so that they go into a safetensors file, and leaves a skeleton that JSON
can hold. Nothing is pickled.
"""

from __future__ import annotations

import math
import random
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


def capture_random(generators: Mapping[str, torch.Generator] | None = None) -> dict[str, Any]:
    """The states of all random number generators as a tree: Python's, numpy's, torch's, the `generators` by name."""
    import numpy as np
    import torch

    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "generators": {name: generator.get_state() for name, generator in (generators or {}).items()},
    }


def restore_random(state: Mapping[str, Any], generators: Mapping[str, torch.Generator] | None = None) -> None:
    """Put every generator back to where `capture_random` found it.

    Raises ValueError where `generators` or the number of GPUs are others than then: a resumed training would differ.
    """
    import numpy as np
    import torch

    generators = generators or {}
    if set(generators) != set(state["generators"]):
        raise ValueError(f"the state has the generators {sorted(state['generators'])}, not {sorted(generators)}")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if len(state["cuda"]) != gpus:
        raise ValueError(f"the state was taken with {len(state['cuda'])} GPUs, and there are {gpus}")
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if gpus:
        torch.cuda.set_rng_state_all(state["cuda"])
    for name, generator in generators.items():
        generator.set_state(state["generators"][name])


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
