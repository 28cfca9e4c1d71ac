"""Learning values: for each edit the output of one FFN block with which the frozen model gives the new answer.

The values of a group are learnt at once, each by its own prompt: no value hangs on another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.editors.output_slot import Outputs, OutputSlot, replaceable
from engine.editors.row_adam import RowAdam
from engine.editors.settings.grace import GraceSettings
from engine.language_model import LanguageModel, kept_positions, target_lengths, target_loss, targets_right
from engine.runs import Cancel


@dataclass(frozen=True, slots=True)
class Values:
    """What was learnt for a list of edits, in its order, on the CPU."""

    values: Tensor  # [edits, d_model], float32
    losses: Tensor  # [edits], mean negative log-likelihood of the target
    answered: Tensor  # [edits], bool: the target is answered token by token


def learn_values(
    model: LanguageModel,
    layer: int,
    asked: Sequence[tuple[str, str]],
    settings: GraceSettings,
    start: Tensor | None = None,
    *,
    cancel: Cancel,
    report: Callable[[int, float], None],
) -> Values:
    """For each (prompt, new object) the output of FFN block `layer` that lowers the new object's loss most.

    `start` [asked, d_model] are the values to begin with; None: what the block gives out. `report` is told, after every
    step, how many are learnt and the mean loss. Raises Cancelled when asked to stop.
    """
    with replaceable(model.blocks[layer]) as slot:
        return _Group(model, layer, asked, settings, slot).learnt(start, cancel, report)


class _Group:
    """Prompts with their targets, and the hidden states that enter the block's layer."""

    def __init__(
        self,
        model: LanguageModel,
        layer: int,
        asked: Sequence[tuple[str, str]],
        settings: GraceSettings,
        slot: OutputSlot,
    ) -> None:
        self._model, self._layer, self._settings, self._slot = model, layer, settings, slot
        self._batch = model.encode_targets([prompt for prompt, _ in asked], [target for _, target in asked])
        written: list[Tensor] = []
        handle = model.blocks[layer].outlet.register_forward_hook(lambda _, __, output: written.append(output))
        try:
            self._before = model.passage(self._batch, layer).before
        finally:
            handle.remove()
        self._behind = target_lengths(self._batch)
        self._keep = kept_positions(self._batch)
        rows = torch.arange(len(asked), device=model.device)
        self._warm = written[0][rows, self._batch.input_ids.shape[1] - 1 - self._behind].float()

    def learnt(self, start: Tensor | None, cancel: Cancel, report: Callable[[int, float], None]) -> Values:
        """The values of all prompts."""
        settings, count = self._settings, len(self._warm)
        start = self._warm if start is None else start.to(self._warm)
        found = start.clone()
        active = torch.arange(count, device=start.device)
        descent = RowAdam([start], settings.learning_rate)
        lowest = torch.full((count,), torch.inf, device=start.device)
        for _ in range(settings.steps):
            cancel.check()
            (values,) = descent.tensors
            loss, _right = self._read(values, active)
            now = loss.detach()
            better = now < lowest[active]
            found[active[better]] = values.detach()[better]
            lowest[active[better]] = now[better]
            report(int((lowest < 0.5).sum()), float(now.mean()))
            still = now >= settings.learnt
            if not bool(still.any()):
                break
            descent.step(loss)
            if int(still.sum()) <= 0.8 * len(active):
                active = active[still]
                descent.keep(still)
        with torch.no_grad():
            loss, right = self._read(found, torch.arange(count, device=start.device))
        return Values(found.cpu(), loss.cpu(), right.cpu())

    def _read(self, values: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of each of `rows` under its value, and whether all its tokens are right, [rows] each."""
        batch = self._batch.rows(rows)
        self._slot.put(Outputs(values, self._behind[rows], self._settings.replace))
        try:
            logits = self._model.logits_after(batch, self._before[rows], self._layer, self._keep)
        finally:
            self._slot.put(None)
        labels = torch.as_tensor(batch.labels)
        return target_loss(logits, labels), targets_right(logits, labels)
