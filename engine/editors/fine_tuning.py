"""Fine-tuning: gradient descent on the output weight of one FFN block, and on nothing else.

FT-M minimises the mean negative log-likelihood of the new object's tokens, each given those before it. FT-L keeps every
weight within ε of where it was, ‖ΔW‖∞ ≤ ε, by clamping after each step (arXiv 2012.00363, section 4; as a baseline in
arXiv 2202.05262). Its first code reads all of the object's tokens off the logits where the prompt ends, an objective
that an object of several tokens cannot meet; here that is the loss “last prompt token”.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.editors.settings.fine_tuning import FineTuningSettings
from engine.editors.weights import CHANGES, Learnt, WeightEditor, WeightFit, check_growth
from engine.edits import Edit
from engine.language_model import Batch, LanguageModel, target_loss, targets_right
from engine.layer_choice import choose_layer
from engine.training_state import flatten, unflatten
from engine.weight_exchange import Matrix, WeightExchange

STAGE = "Fine-tuning"
KEPT_EVERY = 5  # passes between two checkpoints


class FineTuningEditor(WeightEditor):
    """Fine-tuning of one FFN block's output weight, behind the Editor protocol."""

    def __init__(self, settings: FineTuningSettings | None = None) -> None:
        self.settings: FineTuningSettings = settings or FineTuningSettings()

    def memory_with(self, model: LanguageModel, edits: Sequence[Edit], settings: FineTuningSettings) -> int:
        """Four numbers a weight (its change, its slope and Adam's two), and what one step remembers."""
        weight = model.blocks[0].d_ff * model.d_model
        tokens = max(model.tokens_of(edit.new_object) + len(model.token_ids(edit.prompt)) for edit in edits)
        rows = min(len(edits), settings.batch)
        states = tokens * model.d_model * (len(edits) + 16 * rows * len(model.blocks))
        return 4 * (4 * weight + states + 3 * rows * tokens * int(model.model.get_output_embeddings().weight.shape[0]))

    def learn(self, work: WeightFit) -> Learnt:
        """Descend on all edits together, a batch at a time, until they are learnt or the passes are over."""
        settings: FineTuningSettings = work.settings
        model, layer = work.model, choose_layer(work.model, settings.layer)
        matrix = Matrix.outlet(model, layer)
        descent = _Descent(work, layer, matrix)
        matrix.weight.requires_grad_(True)
        try:
            while descent.passes < settings.passes and descent.loss >= settings.learnt:
                descent.go_over()
        finally:
            descent.exchange.give_back()
            matrix.weight.requires_grad_(False)
        return Learnt(
            {CHANGES: {matrix.name: descent.total()}},
            figures={"layer": layer, "passes": descent.passes, "loss": descent.loss},
        )


class _Descent:
    """The change of one weight on its way down, resumed from where it was."""

    def __init__(self, work: WeightFit, layer: int, matrix: Matrix) -> None:
        self.work, self.layer, self.matrix = work, layer, matrix
        self.settings: FineTuningSettings = work.settings
        self.exchange = WeightExchange(work.model.model)
        with work.exchange.originals():
            self.original = matrix.weight.data
        self.change = torch.zeros(matrix.weight.shape, device=work.model.device)  # float32, whatever the model's format
        known = None if work.known is None else work.known.changes()[matrix.name]
        self.before = torch.zeros_like(self.change) if known is None else known.to(self.change)
        self.adam = torch.optim.Adam([self.change], lr=self.settings.learning_rate)
        self.passes, self.loss = 0, math.inf
        self.loss_of = last_prompt_token if self.settings.loss == "last prompt token" else target_loss
        self.batches = _batches(work.model, layer, work.edits, self.settings.batch)
        done = work.kept(STAGE)
        if done is not None:
            self.change.copy_(done.tensors["change"])
            self.adam.load_state_dict(unflatten(done.tensors, done.meta["adam"]))
            self.passes, self.loss = done.step, done.meta["loss"]

    def total(self) -> Tensor:
        """All that is added to the original weight, what was known with it; shaped as the model stores it."""
        return self.before + self.change

    def go_over(self) -> None:
        """One pass over all edits, in an order of its own."""
        work, of = self.work, self.settings.passes * len(self.batches)
        order = random.Random(f"fine-tuning {work.seed} {self.passes}").sample(self.batches, len(self.batches))
        total, right = 0.0, 0
        for step, some in enumerate(order, self.passes * len(self.batches) + 1):
            work.cancel.check()
            losses, answered = self._step(some)
            work.progress.report(STAGE, step, of, loss=float(losses.mean()))
            total, right = total + float(losses.sum()), right + answered
        self.passes, self.loss = self.passes + 1, total / len(work.edits)
        work.progress.report(STAGE, self.passes * len(self.batches), of, answered=right / len(work.edits))
        if self.passes % KEPT_EVERY == 0:
            tensors, skeleton = flatten(self.adam.state_dict())
            work.keep(STAGE, self.passes, {**tensors, "change": self.change}, {"adam": skeleton, "loss": self.loss})

    def _step(self, some: _Some) -> tuple[Tensor, int]:
        """One step down the slope of some edits; their losses before it, and how many were answered."""
        self.exchange.put({self.matrix.name: self.change})
        logits = self.work.model.logits_after(some.batch, some.entered, self.layer, some.keep)
        losses = self.loss_of(logits, some.labels)
        (slope,) = torch.autograd.grad(losses.mean(), self.matrix.weight)
        self.change.grad = slope.float()
        self.adam.step()
        bound = self.settings.most_change
        if bound is not None:  # on the way from the original weight, however many trainings that took
            self.change.copy_(self.total().clamp(-bound, bound) - self.before)
        losses = losses.detach()
        hardest = [some.edits[row] for row in losses.argsort(descending=True).tolist()]
        check_growth(self.matrix.name, self.original, self.total(), hardest, self.settings.growth)
        return losses, int(targets_right(logits.detach(), some.labels).sum())


@dataclass(frozen=True, slots=True)
class _Some:
    """Edits of like length, and the states that enter the trained layer."""

    edits: Sequence[Edit]
    batch: Batch
    entered: Tensor  # [edits, length, d_model]
    labels: Tensor  # [edits, length]
    keep: int  # positions from the end whose logits are read


def _batches(model: LanguageModel, layer: int, edits: Sequence[Edit], size: int) -> list[_Some]:
    """The edits, those of like length together."""
    length = {edit.id: len(model.token_ids(edit.prompt)) + model.tokens_of(edit.new_object) for edit in edits}
    ordered = sorted(edits, key=lambda edit: length[edit.id])
    batches = []
    for start in range(0, len(ordered), size):
        some = ordered[start : start + size]
        batch = model.encode_targets([edit.prompt for edit in some], [edit.new_object for edit in some])
        if batch.labels is None:
            raise ValueError("edits have targets")
        keep = int((batch.labels != -100).sum(1).max()) + 1
        batches.append(_Some(some, batch, model.passage(batch, layer).before, batch.labels, keep))
    return batches


def last_prompt_token(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean negative log-likelihood of a row's labelled tokens, each read off the logits where its prompt ends: [rows].

    `logits` [rows, keep, vocabulary] and `labels` [rows, length] as `target_loss` has them. The full stop is left out.
    """
    wanted = labels[:, -(logits.shape[1] - 1) :]
    first = (wanted != -100).int().argmax(1)
    chances = F.log_softmax(logits[torch.arange(len(logits), device=logits.device), first].float(), dim=-1)
    counted = wanted != -100
    counted[:, -1] = counted.sum(1) == 1
    losses = -chances.gather(1, wanted.clamp(min=0)) * counted
    return losses.sum(1) / counted.sum(1)


class FTLEditor(FineTuningEditor):
    """Fine-tuning within a bound on how far any weight moves."""

    name = "ft-l"


class FTMEditor(FineTuningEditor):
    """Fine-tuning of every token of the new object, without a bound."""

    name = "ft-m"
