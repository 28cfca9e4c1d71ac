"""Adam over rows that are learnt side by side and leave one by one.

Each row is a problem of its own: what it learns is what it would learn alone, whoever else is in the group.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MOMENTUM, MEMORY, SMALLEST = 0.9, 0.999, 1e-8


class RowAdam:
    """Adam (arXiv 1412.6980, algorithm 1) for tensors [rows, ...] that have their first dimension in common."""

    def __init__(self, start: Sequence[Tensor], rate: float) -> None:
        self.tensors = [tensor.detach().clone().requires_grad_() for tensor in start]
        self._rate, self._steps = rate, 0
        self._means = [torch.zeros_like(tensor) for tensor in start]
        self._squares = [torch.zeros_like(tensor) for tensor in start]

    @torch.no_grad()
    def step(self, loss: Tensor, *, clip: float | None = None) -> None:
        """One step down the slope of `loss` [rows], each row's gradient no longer than `clip`.

        A row's loss must not hang on other rows.
        """
        with torch.enable_grad():
            slopes = torch.autograd.grad(loss.sum(), self.tensors)
        if clip is not None:
            length = torch.stack([slope.flatten(1).norm(dim=1) for slope in slopes]).norm(dim=0)
            shrunk = (clip / length.clamp(min=SMALLEST)).clamp(max=1)
            slopes = tuple(slope * shrunk.view(-1, *[1] * (slope.ndim - 1)) for slope in slopes)
        self._steps += 1
        for tensor, slope, mean, square in zip(self.tensors, slopes, self._means, self._squares, strict=True):
            mean.lerp_(slope, 1 - MOMENTUM)
            square.lerp_(slope.square(), 1 - MEMORY)
            size = (square / (1 - MEMORY**self._steps)).sqrt() + SMALLEST
            tensor -= self._rate * mean / (1 - MOMENTUM**self._steps) / size

    def keep(self, still: Tensor) -> None:
        """Go on with the rows that `still` [rows] names alone."""
        self.tensors = [tensor.detach()[still].requires_grad_() for tensor in self.tensors]
        self._means = [mean[still] for mean in self._means]
        self._squares = [square[still] for square in self._squares]
