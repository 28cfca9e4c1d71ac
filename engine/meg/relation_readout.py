"""Which relation does a query ask? Read from the frozen model's own states at several depths.

The text encoder knows a relation by words like those of its phrasings. The language model has understood the query:
a linear map of its states, fitted on the known phrasings over many subjects, also knows wordings that share no word
with them. The more subjects, the better it tells what is asked from whom it is asked of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

STRENGTH = 0.1  # inverse of the ridge: states have more numbers than there are examples of a relation


@dataclass(frozen=True, slots=True)
class RelationReadout:
    """A linear map from states to the log-odds of relations."""

    relations: tuple[str, ...]
    weight: Tensor  # [relations, width]
    bias: Tensor  # [relations]

    @classmethod
    def learn(cls, states: Tensor, asked: Sequence[str]) -> RelationReadout:
        """Fit on `states` [queries, width], of which each asks the relation `asked`.

        With fewer than two relations there is nothing to tell apart, and the readout knows none.
        """
        relations = tuple(sorted(set(asked)))
        width = states.shape[1]
        if len(relations) < 2:
            return cls((), torch.zeros(0, width, device=states.device), torch.zeros(0, device=states.device))
        centre, scale = states.mean(0), states.std(0).clamp(min=1e-6)
        regression = LogisticRegression(C=STRENGTH, max_iter=300)
        regression.fit(((states - centre) / scale).cpu().numpy(), [relations.index(key) for key in asked])
        weight = torch.as_tensor(regression.coef_, dtype=torch.float32, device=states.device)
        bias = torch.as_tensor(regression.intercept_, dtype=torch.float32, device=states.device)
        if len(relations) == 2:  # one row tells the second from the first
            weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
        weight = weight / scale
        return cls(relations, weight, bias - weight @ centre)

    def to(self, device: torch.device) -> RelationReadout:
        """The same on `device`."""
        return RelationReadout(self.relations, self.weight.to(device), self.bias.to(device))

    def tensors(self) -> dict[str, Tensor]:
        """What `restored` takes beside the relations."""
        return {"readout_weight": self.weight, "readout_bias": self.bias}

    @classmethod
    def restored(cls, relations: Sequence[str], tensors: Mapping[str, Tensor]) -> RelationReadout:
        """The readout of `tensors`."""
        return cls(tuple(relations), tensors["readout_weight"], tensors["readout_bias"])

    def scores(self, states: Tensor) -> Tensor:
        """The log-odds of every relation, up to a constant a row: [queries, relations]."""
        return states @ self.weight.T + self.bias
