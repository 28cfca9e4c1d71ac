"""UltraEdit: edits in closed form from one forward and one backward pass (arXiv 2505.14679).

At each token of the answers, a layer's output weight W has a key h (what enters it) and a slope g (of the loss, at what
leaves it). Both are normalised by mean and deviation over all turns so far. The wanted change of the output is

    v = -η·‖ĥ‖²·ĝ,    and the weight's is the ridge regression    ΔWᵀ = (HᵀH + λI)⁻¹ HᵀV

over the tokens of one turn, solved in float64. No subject, no statistics of other texts, nothing kept but the running
means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.device import exact
from engine.editors.learnable import check_new
from engine.editors.settings.ultra_edit import UltraEditSettings
from engine.editors.weights import CHANGES, Learnt, WeightEditor, WeightFit, check_growth
from engine.edits import Edit, EditError
from engine.language_model import LanguageModel, kept_positions, target_lengths, target_loss, targets_right
from engine.layer_choice import choose_layer
from engine.weight_exchange import Matrix, WeightExchange

STAGE = "Turns"
SEEN = "normalisation"
"""The file of a pack with the running sums, by parameter name and what is summed."""
TINY = 1e-12


@dataclass(slots=True)
class Running:
    """Mean and deviation of a layer's keys and slopes over every turn, with the scales that the first turn gave."""

    count: Tensor  # []
    mean: Tensor  # [d_ff + d_model]
    spread: Tensor  # [d_ff + d_model]: sum of squared distances from the mean
    rate: Tensor  # []: η, 0 before the first turn
    ridge: Tensor  # []: λ

    @classmethod
    def blank(cls, width: int, device: torch.device) -> Running:
        """Nothing seen yet of so many numbers."""
        zero = torch.zeros((), dtype=torch.float64, device=device)
        none = torch.zeros(width, dtype=torch.float64, device=device)
        return cls(zero, none, none, zero, zero)

    def see(self, rows: Tensor) -> None:
        """Take in `rows` [tokens, d_ff + d_model] (Chan, Golub and LeVeque's update of mean and squared distances)."""
        count = self.count + len(rows)
        away = rows.mean(0) - self.mean
        self.spread = (
            self.spread + (rows - rows.mean(0)).square().sum(0) + away.square() * self.count * len(rows) / count
        )
        self.mean = self.mean + away * len(rows) / count
        self.count = count

    def normalised(self, rows: Tensor) -> Tensor:
        """`rows` less the mean, in deviations; numbers that never varied are 0."""
        return (rows - self.mean) / ((self.spread / self.count).sqrt() + TINY)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """All of it, for the parameter `name`."""
        return {f"{name}:{part}": getattr(self, part) for part in self.__slots__}

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor], name: str, device: torch.device) -> Running:
        """What `tensors` gave for the parameter `name`."""
        return cls(*(tensors[f"{name}:{part}"].to(device) for part in cls.__slots__))


@dataclass(frozen=True, slots=True)
class Seen:
    """What one pass saw of a layer at every token of the answers, in float64."""

    keys: Tensor  # [tokens, d_ff]
    slopes: Tensor  # [tokens, d_model]
    written: Tensor  # [tokens, d_model]: what the block writes


class UltraEditEditor(WeightEditor):
    """UltraEdit behind the Editor protocol."""

    name = "ultraedit"

    def __init__(self, settings: UltraEditSettings | None = None) -> None:
        self.settings: UltraEditSettings = settings or UltraEditSettings()

    def memory_with(self, model: LanguageModel, edits: Sequence[Edit], settings: UltraEditSettings) -> int:
        """Each layer's change, what one turn sees of it, and the system that is solved, all in float64."""
        layers, turn = len(chosen_layers(model, settings)), min(len(edits), settings.turn)
        d_ff, width = model.blocks[0].d_ff, model.blocks[0].d_ff + model.d_model
        tokens = turn * max(model.tokens_of(edit.new_object) for edit in edits)
        length = max(len(model.token_ids(edit.prompt)) for edit in edits)
        vocabulary = int(model.model.get_output_embeddings().weight.shape[0])
        passed = 4 * (3 * tokens * vocabulary + 16 * turn * length * model.d_model * len(model.blocks))
        return passed + 8 * (layers * (d_ff * model.d_model + 2 * tokens * width) + 2 * min(tokens, d_ff) ** 2)

    def check(self, work: WeightFit) -> None:
        """Raise EditError, besides, where an edit wants what is answered already."""
        super().check(work)
        for edit in work.edits:
            check_new(edit, edit.original_answer)

    def learn(self, work: WeightFit) -> Learnt:
        """Turn by turn: what is asked in one turn is asked of the weights that the turns before it left."""
        settings: UltraEditSettings = work.settings
        model = work.model
        matrices = {layer: Matrix.outlet(model, layer) for layer in chosen_layers(model, settings)}
        with work.exchange.originals():
            originals = {layer: matrix.weight.data for layer, matrix in matrices.items()}
        before = {} if work.known is None else work.known.changes()

        def total(layer: int, matrix: Matrix) -> Tensor:
            """All that is added to the original weight, what was known with it; shaped as the model stores it."""
            change = matrix.turned(changes[layer]).float()
            return change + before[matrix.name].to(change.device) if before else change

        changes = {
            layer: exact(torch.zeros_like(matrix.turned(originals[layer]))) for layer, matrix in matrices.items()
        }
        device = changes[min(changes)].device
        running = {layer: Running.blank(sum(change.shape), device) for layer, change in changes.items()}
        if work.known is not None:
            known = work.known.tensors[SEEN]
            running = {layer: Running.restored(known, matrix.name, device) for layer, matrix in matrices.items()}
        exchange = WeightExchange(model.model)
        try:
            for start in range(0, len(work.edits), settings.turn):
                work.cancel.check()
                edits = work.edits[start : start + settings.turn]
                seen, loss, answered = observe(model, list(matrices), edits)
                for layer, matrix in matrices.items():
                    changes[layer] += solve_turn(seen[layer], running[layer], settings)
                    check_growth(matrix.name, originals[layer], total(layer, matrix), edits, settings.growth)
                exchange.put({matrix.name: matrix.turned(changes[layer]).float() for layer, matrix in matrices.items()})
                work.progress.report(STAGE, start + len(edits), len(work.edits), loss=loss, answered=answered)
        finally:
            exchange.give_back()
        found = {matrix.name: total(layer, matrix) for layer, matrix in matrices.items()}
        sums = {
            key: sum for layer, matrix in matrices.items() for key, sum in running[layer].tensors(matrix.name).items()
        }
        return Learnt({CHANGES: found, SEEN: sums}, figures={"layers changed": list(matrices)})


def chosen_layers(model: LanguageModel, settings: UltraEditSettings) -> range:
    """The blocks whose output weights are changed. Raises EditError for one that is not there."""
    count = len(model.blocks)
    last = choose_layer(model, max(0, count - 2) if settings.last_layer is None else settings.last_layer)
    first = choose_layer(model, min(last, count // 3) if settings.first_layer is None else settings.first_layer)
    if first > last:
        raise EditError(f"The first layer, {first}, comes after the last, {last}: choose a later last layer.")
    return range(first, last + 1)


def solve_turn(seen: Seen, running: Running, settings: UltraEditSettings) -> Tensor:
    """What one turn adds to a layer's output weight: [d_model, d_ff], float64. `running` takes the turn in."""
    both = torch.cat([seen.keys, seen.slopes], dim=1)
    running.see(both)
    keys, slopes = running.normalised(both).split([seen.keys.shape[1], seen.slopes.shape[1]], dim=1)
    wanted = -keys.square().sum(1, keepdim=True) * slopes
    if not running.rate:
        # The scales of the first turn hold: scaled anew to weights that have changed, every turn would outdo the last.
        one = torch.ones_like(running.rate)
        usual = settings.strength * seen.written.norm(dim=1).mean() / wanted.norm(dim=1).mean().clamp(min=TINY)
        running.rate = usual if settings.learning_rate is None else settings.learning_rate * one
        running.ridge = one if settings.ridge is None else settings.ridge * seen.keys.square().sum(1).mean()
    return ridge_regression(seen.keys, running.rate * wanted, running.ridge).T


def ridge_regression(keys: Tensor, values: Tensor, ridge: Tensor) -> Tensor:
    """(KᵀK + λI)⁻¹KᵀV for K [rows, inputs] and V [rows, outputs]: [inputs, outputs].

    Of few rows by the equal Kᵀ(KKᵀ + λI)⁻¹V, whose system is as large as there are rows.
    """
    rows, inputs = keys.shape
    if rows < inputs:
        return torch.as_tensor(keys.T @ torch.linalg.solve(keys @ keys.T + ridge * torch.eye(rows).to(keys), values))
    return torch.as_tensor(torch.linalg.solve(keys.T @ keys + ridge * torch.eye(inputs).to(keys), keys.T @ values))


def observe(model: LanguageModel, layers: Sequence[int], edits: Sequence[Edit]) -> tuple[dict[int, Seen], float, float]:
    """What the blocks see and write where the tokens of the answers are said; mean loss, and the share answered."""
    batch = model.encode_targets([edit.prompt for edit in edits], [edit.new_object for edit in edits])
    if batch.labels is None:
        raise ValueError("edits have targets")
    entered: dict[int, Tensor] = {}
    left: dict[int, Tensor] = {}

    def note(layer: int, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def after(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            entered[layer], left[layer] = args[0].detach(), output.requires_grad_()
            return left[layer]

        return module.register_forward_hook(after)

    handles = [note(layer, model.blocks[layer].outlet) for layer in layers]
    keep = kept_positions(batch)
    try:
        logits = model.logits(batch, keep)
    finally:
        for handle in handles:
            handle.remove()
    tokens = target_lengths(batch)
    loss = (target_loss(logits, batch.labels) * tokens).sum()
    slopes = torch.autograd.grad(loss, [left[layer] for layer in layers])
    said = torch.zeros_like(batch.labels, dtype=torch.bool)
    said[:, :-1] = batch.labels[:, 1:] != -100

    def where_said(states: Tensor, layer: int) -> Tensor:
        if states.numel() != said.numel() * states.shape[-1]:
            raise EditError(
                f"The FFN block of layer {layer} reads tokens of its own choice, as an expert of a mixture does: "
                "UltraEdit cannot tell whose they are; choose other layers."
            )
        return exact(states.reshape(*said.shape, -1)[said])  # a block may have rows and positions in one

    seen = {
        layer: Seen(*(where_said(states, layer) for states in (entered[layer], slope, left[layer].detach())))
        for layer, slope in zip(layers, slopes, strict=True)
    }
    right = targets_right(logits, batch.labels)
    return seen, float(loss.detach() / tokens.sum()), float(right.float().mean())
