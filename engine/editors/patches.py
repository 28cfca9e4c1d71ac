"""Patches: neurons beside the last FFN block that fire for one mistake and stay silent elsewhere.

A patch adds act(q·k + b)·v to the block's output, in a gated block act(q·k + b)·(q·u)·v, where q is what the block
reads (arXiv 2301.09785, section 3). No layer comes after it, so that what it does at one position changes the next
token there and nothing else: the states that enter the block are the frozen model's own, whatever patches there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.editors.row_adam import RowAdam
from engine.editors.settings.t_patcher import TPatcherSettings
from engine.ffn_blocks import FFNBlock
from engine.language_model import Batch, LanguageModel, kept_positions, target_lengths
from engine.runs import Cancel

LOOK_EVERY = 25  # steps between two looks at which patches are learnt
SILENCE = 0.1  # the memory loss that is as good as none: at the margin it is 2
PLATEAU = 0.9  # of the memory loss at the last look: what has not fallen below it falls no more
CERTAIN = 0.1  # the loss from which an edit is surely answered, whatever little other patches add
SILENT = 0.005  # what an activation may still let through at the margin: that of GELU is 0.004 at the reference's -3
FIRING = 5  # neurons of a patch, the weakest, whose firing counts


@dataclass(frozen=True, slots=True)
class Patches:
    """Neurons: k, v [.., neurons, d_model], b [.., neurons], and in a gated block u as k; before them may come rows."""

    k: Tensor
    b: Tensor
    u: Tensor | None
    v: Tensor

    @classmethod
    def none(cls, d_model: int, *, gated: bool) -> Patches:
        """No neuron at all."""
        empty = torch.zeros(0, d_model)
        return cls(empty, torch.zeros(0), empty if gated else None, empty)

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name."""
        return {name: part for name in ("k", "b", "u", "v") if (part := getattr(self, name)) is not None}

    def columns(self) -> list[Tensor]:
        """All of it as tensors [neurons, numbers]."""
        return [part[:, None] if part.ndim == 1 else part for part in self.tensors().values()]

    def of(self, index: Tensor) -> Patches:
        """The neurons that `index` names, by number or by yes and no."""
        return Patches(self.k[index], self.b[index], None if self.u is None else self.u[index], self.v[index])

    def with_others(self, other: Patches) -> Patches:
        """Both, these first."""
        u = None if self.u is None or other.u is None else torch.cat([self.u, other.u])
        return Patches(torch.cat([self.k, other.k]), torch.cat([self.b, other.b]), u, torch.cat([self.v, other.v]))

    def to(self, device: torch.device) -> Patches:
        """The same on `device`."""
        return Patches(
            self.k.to(device), self.b.to(device), None if self.u is None else self.u.to(device), self.v.to(device)
        )

    def drive(self, states: Tensor) -> Tensor:
        """What enters the activation, [.., states, neurons], for `states` [.., states, d_model]."""
        return states @ self.k.mT + self.b[..., None, :]

    def adds(self, states: Tensor, activation: nn.Module) -> Tensor:
        """What the neurons add to the block's output for `states` [rows, length, d_model]; in their own precision."""
        known = states.to(self.k.dtype)
        fired = activation(self.drive(known))
        if self.u is not None:
            fired = fired * (known @ self.u.mT)
        return torch.as_tensor(fired @ self.v)


class PatchSlot:
    """The place beside one FFN block where patches are put."""

    def __init__(self, block: FFNBlock) -> None:
        self._adds: Callable[[Tensor], Tensor] | None = None
        self._states: Tensor | None = None
        self._handles = (
            block.inlet.register_forward_pre_hook(self._see),
            block.outlet.register_forward_hook(self._add),
        )

    def put(self, adds: Callable[[Tensor], Tensor] | None) -> None:
        """From now on add what `adds` makes of what the block reads, both [rows, length, d_model]."""
        self._adds = adds

    def remove(self) -> None:
        """Take the slot out of the block for good."""
        for handle in self._handles:
            handle.remove()
        self._adds = self._states = None

    def _see(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        if self._adds is not None:
            self._states = args[0]

    def _add(self, _: nn.Module, __: object, output: Tensor) -> Tensor | None:
        states, self._states = self._states, None
        if self._adds is None or states is None:
            return None
        return output + self._adds(states).to(output.dtype)


@contextmanager
def patchable(block: FFNBlock) -> Iterator[PatchSlot]:
    """A slot beside `block` for the time of the with-statement."""
    slot = PatchSlot(block)
    try:
        yield slot
    finally:
        slot.remove()


def silent_margin(activation: nn.Module) -> float:
    """How far below 0 `activation` lets next to nothing through: 3 at least, as in the reference, whose is GELU's."""
    depths = torch.arange(3, 30, 0.1)
    loud = activation(-depths).abs() > SILENT
    return round(float(depths[int(loud.sum())]), 1)  # an activation that has died away does not come back


@dataclass(frozen=True, slots=True)
class Memory:
    """What the block reads where a patch must stay silent: `states` [states, d_model].

    `owners` [states]: the number of the edit that is asked there, below 0 where none is.
    """

    states: Tensor
    owners: Tensor

    def of(self, chosen: Tensor) -> Memory:
        """The states that are `chosen` [states]."""
        return Memory(self.states[chosen.to(self.states.device)], self.owners[chosen])

    def with_others(self, other: Memory) -> Memory:
        """Both."""
        return Memory(torch.cat([self.states, other.states]), torch.cat([self.owners, other.owners]))


@torch.no_grad()
def read_states(
    model: LanguageModel, asked: Sequence[tuple[str, str]], owners: Sequence[int], cancel: Cancel
) -> Memory:
    """What the last FFN block reads wherever a token of the answer comes next, for (query, answer) pairs."""
    layer = len(model.blocks) - 1
    found: dict[int, Tensor] = {}
    for rows in model.batches([query for query, _ in asked]):
        cancel.check()
        batch = model.encode_targets([asked[row][0] for row in rows], [asked[row][1] for row in rows])
        entered = model.passage(batch, layer).entered.float()
        for row, states, many in zip(rows, entered, target_lengths(batch).tolist(), strict=True):
            found[row] = states[-many - 1 : -1]
    states = [found[row] for row in range(len(asked))]
    told = [torch.full((len(some),), owner) for some, owner in zip(states, owners, strict=True)]
    if not states:
        return Memory(torch.zeros(0, model.d_model, device=model.device), torch.zeros(0, dtype=torch.long))
    return Memory(torch.cat(states), torch.cat(told))


@dataclass(frozen=True, slots=True)
class Learnt:
    """The patches of a group of edits: neurons by their edits, on the CPU."""

    patches: Patches
    edits: Tensor  # [neurons]: numbers within the group
    wrong: Tensor  # [edits]: tokens that were wrong before


class PatchGroup:
    """Edits whose patches are learnt side by side, on top of those that are there.

    Everything below the patches is computed once. Where what the block writes arrives as it is in what the layer
    returns, a step is the head alone; elsewhere the last layer runs again.
    """

    def __init__(
        self,
        model: LanguageModel,
        asked: Sequence[tuple[str, str]],
        known: Patches,
        settings: TPatcherSettings,
        slot: PatchSlot,
    ) -> None:
        """`slot` is in the last block of `model`, and empty."""
        self._model, self._settings, self._layer, self._slot = model, settings, len(model.blocks) - 1, slot
        self._block = model.blocks[-1]
        batch = model.encode_targets([prompt for prompt, _ in asked], [target for _, target in asked])
        passage = model.passage(batch, self._layer)
        self._keep = kept_positions(batch)
        # One state before each token of the longest target, and the last, after which nothing is asked.
        self._states = passage.entered[:, -self._keep :].float()  # [edits, keep, d_model]
        self._wanted = torch.as_tensor(batch.labels)[:, -(self._keep - 1) :]
        self._batch, self._adds = batch, model.adds_to_the_stream(batch, self._layer)
        self._hidden = passage.after[:, -self._keep :] if self._adds else passage.before
        with torch.no_grad():
            self._base = known.adds(self._states, self._block.activation)

    def read(self, patches: Patches | None, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of each of `rows` under its own patches, and which tokens are right: [rows], [rows, tokens]."""
        made = self._base[rows]
        if patches is not None:
            made = made + patches.adds(self._states[rows], self._block.activation)
        wanted = self._wanted[rows]
        asked = wanted != -100
        logits = self._logits(made, rows, asked)
        losses = torch.zeros(wanted.shape, device=wanted.device)
        losses = losses.masked_scatter(asked, F.cross_entropy(logits, wanted[asked], reduction="none"))
        right = torch.ones_like(asked).masked_scatter(asked, logits.argmax(-1) == wanted[asked])
        return losses.sum(1) / asked.sum(1), right

    def _logits(self, made: Tensor, rows: Tensor, asked: Tensor) -> Tensor:
        """The logits where `rows` are `asked` [rows, tokens] when `made` [rows, keep, d_model] is added to the block.

        [asked, vocabulary], float32.
        """
        hidden = self._hidden[rows]
        if self._adds:
            # No layer is left that looks at other positions: what is asked becomes rows of one position each.
            states = (hidden + made.to(hidden.dtype))[:, :-1][asked][:, None]
            alone = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
            return self._model.logits_after(Batch(alone, alone), states, self._layer + 1, 1)[:, 0].float()
        self._slot.put(lambda states: F.pad(made, (0, 0, states.shape[1] - made.shape[1], 0)))
        try:
            logits = self._model.logits_after(self._batch.rows(rows), hidden, self._layer, self._keep)
        finally:
            self._slot.put(None)
        return logits[:, :-1][asked].float()

    def learnt(
        self,
        memory: Memory,
        owners: Tensor,
        margin: float,
        cancel: Cancel,
        report: Callable[[int, float], None],
    ) -> Learnt:
        """The patches of all edits; `owners` [edits] are their numbers in `memory`, whose own states do not count.

        An edit without a wrong token gets none; one with more than `neurons` of them gets so many, for the first.
        """
        settings, device = self._settings, self._states.device
        everyone = torch.arange(len(self._states), device=device)
        with torch.no_grad():
            wrong = ~self.read(None, everyone)[1]
        each = int(wrong.sum(1).clamp(max=settings.neurons).max())
        mistaken = everyone[wrong.any(1)]
        if not each:
            empty = Patches.none(self._model.d_model, gated=self._block.gated)
            return Learnt(empty, torch.zeros(0, dtype=torch.long), wrong.sum(1).cpu())
        # The places of each edit's wrong tokens, the first ones first; an edit that has fewer than others repeats some,
        # and these neurons are not `used`.
        places = torch.argsort((~wrong).int(), dim=1, stable=True)[:, :each]
        used = wrong.gather(1, places)
        places = torch.where(used, places, places[:, :1])
        own = self._states.gather(1, places[..., None].expand(-1, -1, self._states.shape[2]))[mistaken]
        start = own / own.square().sum(-1, keepdim=True).clamp(min=1e-12)  # each drives its neuron by just 1
        parts = [start, torch.zeros(start.shape[:2], device=device), torch.zeros_like(start)]
        parts += [start] if self._block.gated else []
        descent = RowAdam(parts, settings.learning_rate)
        result = [part.clone() for part in parts]
        active = torch.arange(len(mistaken), device=device)
        before = torch.full((len(mistaken),), torch.inf, device=device)
        mine = (memory.owners[None] == owners[mistaken.cpu(), None]).to(device)
        done = len(everyone) - len(mistaken)
        for step in range(1, settings.steps + 1):
            cancel.check()
            rows = mistaken[active]
            patches = self._patches(descent.tensors, used[rows])
            loss, right = self.read(patches, rows)
            silence = _silence(patches, own[active], used[rows], memory, mine[active], margin, settings.hardest)
            fires = _firing(patches, own[active], used[rows])
            whole = loss + settings.activation_weight * fires + settings.memory_weight * silence
            if step >= settings.least_steps and step % LOOK_EVERY == 0:
                quiet = silence.detach()
                rests = (quiet < SILENCE) | (quiet >= PLATEAU * before[active])
                over = right.all(1) & (loss.detach() < CERTAIN) & rests
                before[active] = quiet
                for part, now in zip(result, descent.tensors, strict=True):
                    part[active] = now.detach()
                active_now = active[~over]
                report(done + len(mistaken) - len(active_now), float(loss.detach().mean()))
                if not len(active_now):
                    break
                if bool(over.any()):
                    # What was computed for those that leave is computed again for the others in the next step.
                    active = active_now
                    descent.keep(~over)
                    continue
            elif step % LOOK_EVERY == 0:
                report(done, float(loss.detach().mean()))
            descent.step(whole, clip=settings.clip)
        for part, now in zip(result, descent.tensors, strict=True):
            part[active] = now.detach()
        chosen = used[mistaken]
        final = self._patches(result, chosen)
        flat = final.of(chosen).to(torch.device("cpu"))
        edits = mistaken[:, None].expand(-1, each)[chosen].cpu()
        return Learnt(flat, edits, wrong.sum(1).cpu())

    def _patches(self, parts: Sequence[Tensor], used: Tensor) -> Patches:
        k, b, v = parts[:3]
        amplified = self._settings.amplification * v * used[..., None]
        return Patches(k, b, parts[3] if self._block.gated else None, amplified)


def _firing(patches: Patches, own: Tensor, used: Tensor) -> Tensor:
    """l_a: how little each patch fires for its own tokens' states `own` [rows, neurons, d_model]; [rows]."""
    drive = _own_drive(patches, own)
    weakest = (-drive).masked_fill(~used, -torch.inf).topk(min(FIRING, used.shape[1]), dim=1).values
    return weakest.exp().sum(1) / used.sum(1).clamp(max=FIRING)


def _silence(
    patches: Patches, own: Tensor, used: Tensor, memory: Memory, mine: Tensor, margin: float, most: int
) -> Tensor:
    """l_m1 + l_m2: how far each patch is from silence in `memory`, by itself and beside its own tokens; [rows].

    exp(a + margin) and exp(a − a_own + margin), the mean over the `most` that are hardest; `mine` [rows, states] are
    no concern.
    """
    row, _ = used.nonzero(as_tuple=True)
    neurons, fires = patches.of(used), _own_drive(patches, own)[used]
    drive = (neurons.k @ memory.states.mT + neurons.b[:, None]).masked_fill(mine[row], -torch.inf)
    # A neuron's own firing moves all of its states alike: the same ones are hardest either way.
    hardest = drive.topk(min(most, drive.shape[1]), dim=1, sorted=False).values  # [neurons of all rows, hardest]
    total = torch.zeros(len(used), device=drive.device)
    for depth in (hardest, hardest - fires[:, None]):
        if used.shape[1] > 1:
            apart = depth.new_full((*used.shape, depth.shape[1]), -torch.inf)
            depth = apart.index_put((used,), depth).flatten(1)
            depth = depth.topk(min(most, depth.shape[1]), dim=1, sorted=False).values
        total = total + (depth + margin).exp().sum(1)
    return total / (drive.shape[1] * used.sum(1)).clamp(max=most)


def _own_drive(patches: Patches, own: Tensor) -> Tensor:
    """What enters each neuron at its own token's state `own` [rows, neurons, d_model]: [rows, neurons]."""
    return (own * patches.k).sum(-1) + patches.b
