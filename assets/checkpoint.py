"""A training's state as one safetensors file, replaced in one step: it is either the old one or the new one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

MODEL, OPTIMIZER, RNG = "model/", "optimizer/", "rng"


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be continued from; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a training has come."""

    step: int
    seconds: float
    tokens: int
    fingerprint: str  # of everything that the coming steps depend on


def save_checkpoint(
    path: Path, model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer], position: Position
) -> None:
    """Write weights, the optimisers' state, torch's random state and `position` to `path`."""
    tensors = {MODEL + name: value.detach().cpu().contiguous() for name, value in model.named_parameters()}
    for name, _, state in _states(model, optimizers):
        for key, value in state.items():
            tensors[f"{OPTIMIZER}{name}/{key}"] = value.detach().cpu().contiguous()
    tensors[RNG] = torch.get_rng_state()
    draft = path.with_name(path.name + ".part")
    save_file(tensors, draft, metadata={"position": json.dumps(asdict(position))})
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    draft.replace(path)


def load_checkpoint(
    path: Path, model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer], fingerprint: str
) -> Position:
    """Put the state of `path` into `model` and `optimizers`; CheckpointError where it belongs to another training."""
    try:
        with safe_open(path, framework="pt") as stored:
            position = Position(**json.loads(stored.metadata()["position"]))
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): delete it to start again.") from error
    if position.fingerprint != fingerprint:
        raise CheckpointError(f"{path} is from a training with other facts or settings: choose another folder.")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[MODEL + name])
    for name, parameter, state in _states(model, optimizers):
        prefix = f"{OPTIMIZER}{name}/"
        for key, value in tensors.items():
            if key.startswith(prefix):
                # A step count stays where the optimiser made it; moments go where the weights are.
                state[key.removeprefix(prefix)] = value if key.endswith("/step") else value.to(parameter.device)
    torch.set_rng_state(tensors[RNG])
    return position


def _states(
    model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer]
) -> Iterator[tuple[str, torch.nn.Parameter, dict[str, torch.Tensor]]]:
    """Each parameter that an optimiser moves: its name, itself, its state, made where there is none yet."""
    owners = {
        id(parameter): optimizer
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    for name, parameter in model.named_parameters():
        yield name, parameter, owners[id(parameter)].state[parameter]
