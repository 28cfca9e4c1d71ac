"""The place in one FFN block where its output is replaced, for some rows of a batch and some of their positions.

The other rows are left exactly as they are, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from engine.edits import EditError
from engine.ffn_blocks import FFNBlock
from engine.language_model import LanguageModel

Places = Literal["last", "all", "prompt"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """For each of n rows what the block gives out, [n, d_model], and how many tokens follow its prompt, [n].

    `places` says where: at the prompt's last token, at all that come before it, or everywhere, also later.
    """

    values: Tensor
    behind: Tensor
    places: Places

    @classmethod
    def of(cls, values: Tensor, places: Places) -> Outputs:
        """Those of prompts that nothing follows yet."""
        return cls(values, torch.zeros(len(values), dtype=torch.long, device=values.device), places)

    def rows(self, index: Tensor) -> Outputs:
        """The rows that `index` names."""
        return Outputs(self.values[index], self.behind[index], self.places)


class OutputSlot:
    """Replaces the output of one FFN block."""

    def __init__(self, block: FFNBlock) -> None:
        self._outputs: Outputs | None = None
        self._rows: Tensor | None = None
        self._of = 0
        self._known = 0  # positions of the first pass
        self._handle = block.outlet.register_forward_hook(self._replace)

    def put(self, outputs: Outputs | None, rows: Tensor | None = None, of: int = 0) -> None:
        """Use `outputs` from now on: its row i for batch row `rows[i]`, or for row i where `rows` is not given.

        `of` is the number of rows of the batch; where decoding holds several beams or samples a row, each of them gets
        its row's output. To be put again before each forward pass that is not the next step of a decoding.
        """
        self._outputs = outputs if outputs is not None and len(outputs.values) else None
        self._rows, self._of, self._known = rows, of, 0

    def remove(self) -> None:
        """Take the slot out of the block for good."""
        self._handle.remove()
        self._outputs = self._rows = None

    def _replace(self, _: nn.Module, __: object, output: Tensor) -> Tensor | None:
        outputs = self._outputs
        if outputs is None:
            return None
        rows = torch.arange(len(outputs.values), device=output.device) if self._rows is None else self._rows
        where = self._where(outputs, output.shape[1])
        values = outputs.values.to(output.dtype)
        times = len(output) // self._of if self._of else 1
        if times > 1:
            rows = (rows[:, None] * times + torch.arange(times, device=rows.device)).flatten()
            where, values = where.repeat_interleave(times, 0), values.repeat_interleave(times, 0)
        changed = output.clone()
        changed[rows] = torch.where(where[:, :, None], values[:, None], output[rows])
        return changed

    def _where(self, outputs: Outputs, length: int) -> Tensor:
        """Which positions of this pass are replaced, [rows, length]."""
        first, known = not self._known, self._known
        self._known = known or length
        everywhere = torch.full((len(outputs.values), length), outputs.places == "all", device=outputs.values.device)
        if outputs.places == "all" or not (first or length > known):  # else: one more token, the others in the cache
            return everywhere
        # Without a cache a pass is as long as all that was decoded; a first one may have the last positions alone.
        last = ((length if first else known) - 1 - outputs.behind)[:, None]
        place = torch.arange(length, device=outputs.values.device)[None]
        return place == last if outputs.places == "last" else place < last


def check_replaceable(model: LanguageModel, layer: int) -> None:
    """Raise EditError where rows and positions cannot be told apart in what FFN block `layer` gives out."""
    passage = model.passage(model.encode(["The"]), layer)
    if passage.entered.shape != passage.after.shape:
        raise EditError(
            f"The FFN block of layer {layer} gets rows and positions in one, or tokens of its own choice as an expert "
            "of a mixture does: whose output is whose cannot be told; choose another layer."
        )


@contextmanager
def replaceable(block: FFNBlock) -> Iterator[OutputSlot]:
    """A slot in `block` for the time of the with-statement."""
    slot = OutputSlot(block)
    try:
        yield slot
    finally:
        slot.remove()
