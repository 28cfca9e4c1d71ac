"""The familiarity network: many label heads on z whose entropy is low near what was memorised.

Residual blocks and, where the paper has one ten-class head (arXiv 2512.14395, section 3.2), many: each gives
every edit its own random label, so that together they are a fingerprint of the edit, and their mean entropy is a
steady score. Queries that are about no edit are taught to leave the heads undecided.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.device import mixed_precision
from engine.meg.descent import muon_descents
from engine.meg.settings import FamiliaritySettings
from engine.runs import Cancel


class _Block(nn.Module):
    def __init__(self, width: int, widening: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inward = nn.Linear(width, width * widening)
        self.outward = nn.Linear(width * widening, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.gelu(self.inward(self.norm(x)))
        return cast("Tensor", x + self.dropout(self.outward(inner)))


class FamiliarityNetwork(nn.Module):
    """z [queries, width] → logits of every head [queries, heads, classes]."""

    def __init__(self, width: int, settings: FamiliaritySettings) -> None:
        super().__init__()
        self.settings = settings
        self.blocks = nn.Sequential(
            *(_Block(width, settings.widening, settings.dropout) for _ in range(settings.blocks))
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, settings.heads * settings.classes)
        self.register_buffer("centre", torch.zeros(width))

    centre: Tensor

    def forward(self, z: Tensor) -> Tensor:
        """Logits [queries, heads, classes] of unit vectors z [queries, width]."""
        hidden = self.blocks((z.to(self.centre.dtype) - self.centre) * self.settings.scale)
        logits: Tensor = self.head(self.norm(hidden))
        return logits.view(*logits.shape[:-1], self.settings.heads, self.settings.classes)

    @torch.no_grad()
    def entropy(self, z: Tensor) -> Tensor:
        """Mean entropy of the heads as a share of its maximum, [queries], 0 to 1."""
        log_chances = self(z).float().log_softmax(-1)
        entropies = -(log_chances.exp() * log_chances).sum(-1).mean(-1)
        result: Tensor = entropies / math.log(self.settings.classes)
        return result


def random_labels(names: Sequence[str], settings: FamiliaritySettings) -> Tensor:
    """Every head's label of the edits called `names`, [edits, heads]; they stay whatever else is edited."""
    drawn = [random.Random(f"labels {name}").choices(range(settings.classes), k=settings.heads) for name in names]
    return torch.tensor(drawn)


def train_familiarity(
    familiar: Tensor,
    labels: Tensor,
    strangers: Tensor,
    settings: FamiliaritySettings,
    *,
    steps: int,
    cancel: Cancel,
    report: Callable[[int, float], None] | None = None,
    network: FamiliarityNetwork | None = None,
) -> FamiliarityNetwork:
    """Memorise random labels of edits, with a new network or one that has memorised others already.

    `familiar` [queries, width] are unit vectors of queries about edits, `labels` [queries, heads] the classes that
    each head shall give them; `strangers` [others, width] are about no edit. Draws from torch's global generator.
    """
    width = familiar.shape[1]
    if network is None:
        network = FamiliarityNetwork(width, settings).to(familiar.device)
        network.centre.copy_(familiar.mean(0))
    network.requires_grad_(True)
    descents = muon_descents(network, network.blocks.parameters(), settings.learning_rate, steps)
    length = settings.noise / math.sqrt(width)
    network.train()
    for step in range(steps):
        cancel.check()
        rows = torch.randint(len(familiar), (settings.batch,), device=familiar.device)
        z = _jittered(familiar[rows], length)
        with mixed_precision(z.device):
            logits = network(z)
            loss = F.cross_entropy(logits.flatten(0, 1), labels[rows].flatten())
            if settings.strangers and len(strangers):
                others = strangers[torch.randint(len(strangers), (settings.batch // 3,), device=familiar.device)]
                undecided = network(_jittered(others, length)).log_softmax(-1)
                loss = loss - settings.strangers * undecided.mean()
        network.zero_grad()
        loss.backward()
        for descent in descents:
            descent.step()
        if report is not None:
            report(step + 1, float(loss.detach()))
    return network.eval().requires_grad_(False)


def _jittered(z: Tensor, length: float) -> Tensor:
    return F.normalize(z + length * torch.randn_like(z), dim=-1) if length else z
