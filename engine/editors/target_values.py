"""What a layer has to write where an edit's subject ends, so that the model goes on with the edit's new object.

One vector δ is sought for each edit: added there to the layer's output, it makes the new object likely after the prompt
in all of its contexts, while “{subject} is a” goes on as it did (ROME, arXiv 2202.05262, equation 4; MEMIT, arXiv
2210.07229, equation 16). All edits of a group are optimised at once, each with its own δ; the hidden states before the
edited layer's end are computed once; edits whose value is found leave the group.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.device import free_memory
from engine.editors.ffn_states import read_ffn_states
from engine.editors.settings.locating import ValueSettings
from engine.editors.subject_tokens import Mention, last_token
from engine.edits import Edit, EditError
from engine.language_model import Batch, LanguageModel, target_loss, targets_right
from engine.runs import Cancel

TOKENS_AT_ONCE = 8_192

Report = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class Lesson:
    """An edit as it is learnt: every text that asks for it, its own prompt first, and the guard of its subject."""

    edit: Edit
    asks: tuple[Mention, ...]

    @property
    def guard(self) -> Mention:
        """The beginning of a sentence that says what the subject is."""
        subject = self.edit.subject.strip()
        return Mention(f"{subject} is a", None if self.asks[0].end is None else len(subject))


@dataclass(frozen=True, slots=True)
class Values:
    """What was found for a list of lessons, in its order."""

    targets: Tensor  # [lessons, d_model], float32: what shall be written where the subject ends
    losses: Tensor  # [lessons], float32: of the new object, mean over the asks
    answered: Tensor  # [lessons], bool: the prompt is answered token by token


@dataclass(frozen=True, slots=True)
class _Rows:
    """Every ask of every lesson as a row, ask by ask, and then the guards; lesson i of n is row i, n + i, 2n + i, …"""

    batch: Batch  # labels on the asks alone
    hidden: Tensor  # [rows, length, d_model]: what leaves the edited layer, or what enters it
    reach: Tensor  # [rows, length]: how much of a lesson's change each position gets
    keep: int  # positions from the end whose logits are read

    @property
    def labels(self) -> Tensor:
        """[rows, length]: the tokens of each ask's new object, -100 elsewhere."""
        if self.batch.labels is None:
            raise ValueError("lessons have targets")
        return self.batch.labels

    def of(self, lessons: Tensor, count: int) -> _Rows:
        """The rows of some lessons of `count`."""
        turns = torch.arange(0, len(self.reach), count, device=lessons.device)
        index = (turns[:, None] + lessons).flatten()
        return _Rows(self.batch.rows(index), self.hidden[index], self.reach[index], self.keep)


class ValueSearch:
    """Lessons whose values at one layer are sought together."""

    def __init__(
        self,
        model: LanguageModel,
        layer: int,
        lessons: Sequence[Lesson],
        *,
        stream: bool,
        adds: bool,
        directions: Tensor | None = None,
    ) -> None:
        """With `stream` the value is the stream after the layer, as in MEMIT; else what its FFN block writes.

        `adds` says whether what the block writes is added to the stream as it is: then the layer need not run again.
        `directions` [lessons, d_ff] are the keys' directions under which each change will be written: it is sought as
        it will reach every position, by what their keys have in common with it. Without them it is sought as if it
        reached the end of the subject alone, which is what the papers do.
        """
        self.model, self.layer, self.size = model, layer, len(lessons)
        self.edits = [lesson.edit for lesson in lessons]
        asks = max(len(lesson.asks) for lesson in lessons)
        texts = [
            (lesson.asks[turn % len(lesson.asks)], lesson.edit.new_object) for turn in range(asks) for lesson in lessons
        ]
        rows = [model.token_ids(ask.text) for ask, _ in texts]
        targets = [model.target_ids(ask.text, target) for ask, target in texts]
        labels = [[-100] * len(row) + target for row, target in zip(rows, targets, strict=True)]
        rows = [row + target for row, target in zip(rows, targets, strict=True)]
        guards = [lesson.guard for lesson in lessons]
        rows += [model.token_ids(guard.text) for guard in guards]
        labels += [[-100] * len(row) for row in rows[len(texts) :]]
        batch = model.batch_of(rows, labels)
        length = batch.input_ids.shape[1]
        ends = [last_token(model, mention) for mention in [ask for ask, _ in texts] + guards]
        places = [length - len(row) + end for row, end in zip(rows, ends, strict=True)]
        self._added = adds
        passage, states = model.passage(batch, layer), read_ffn_states(model, batch, [layer])
        columns = torch.tensor(places, device=model.device)
        if directions is None:
            reach = torch.zeros(batch.input_ids.shape, device=model.device)
            reach[torch.arange(len(rows), device=model.device), columns] = 1.0
        else:
            each = directions.float().repeat(len(rows) // self.size, 1)
            reach = torch.einsum("rtk,rk->rt", states.keys[layer].float(), each) * batch.attention_mask
        hidden = passage.after if adds else passage.before
        self._rows = _Rows(batch, hidden, reach, 1 + max(len(target) for target in targets))
        own = torch.arange(self.size, device=model.device)
        base = passage.after if stream else states.values[layer]
        self.base = base[own, columns[: self.size]].float()
        """What is written there now, after each prompt: [lessons, d_model]."""

    def optimise(self, settings: ValueSettings, cancel: Cancel, report: Report) -> Values:
        """Each lesson's value. `report` is told, after every step, how many are found and the mean loss.

        Raises EditError, naming the edit, where the loss is no number any more.
        """
        size, device = self.base.norm(dim=1), self.model.device
        rate = settings.learning_rate * size / self.model.d_model**0.5
        active = torch.arange(self.size, device=device)
        found, losses = torch.zeros_like(self.base), torch.zeros(self.size, device=device)
        answered = torch.zeros(self.size, dtype=torch.bool, device=device)
        descent = _Descent(found)
        usual: Tensor | None = None  # how the guards went on at first, [active, vocabulary], log-probabilities
        for step in range(settings.steps):
            cancel.check()
            rows = self._rows.of(active, self.size)
            logits, asks = self._logits(rows, descent.weights), len(rows.reach) - len(active)
            asked = target_loss(logits[:asks], rows.labels[:asks]).view(-1, len(active)).mean(0)
            guard = logits[asks:, -1].float().log_softmax(-1)
            usual = guard.detach() if usual is None else usual
            strayed = F.kl_div(usual, guard, log_target=True, reduction="none").sum(1)
            length = settings.weight_decay * descent.weights.norm(dim=1) / size[active] ** 2
            loss = asked + settings.guard * strayed + length
            self._check(loss, active)
            losses[active] = asked.detach()
            answered[active] = targets_right(logits[: len(active)], rows.labels[: len(active)])
            still = loss.detach() >= settings.learnt
            report(self.size - int(still.sum()), float(losses.mean()))
            if step + 1 == settings.steps or not bool(still.any()):
                break
            (slope,) = torch.autograd.grad(loss.sum(), descent.weights)
            if not bool(still.all()):
                active, slope, usual = active[still], slope[still], usual[still]
                descent.keep(still)
            descent.step(slope, rate[active], settings.clamp * size[active])
            found[active] = descent.weights.detach()
        return Values(self.base + found, losses, answered)

    def _logits(self, rows: _Rows, changes: Tensor) -> Tensor:
        """The logits of the last positions with each lesson's change [lessons, d_model] at all that it reaches."""
        each = changes.repeat(len(rows.reach) // len(changes), 1)
        change = (rows.reach[:, :, None] * each[:, None]).to(rows.hidden.dtype)
        if self._added:
            return self.model.logits_after(rows.batch, rows.hidden + change, self.layer + 1, rows.keep)

        def add(_: nn.Module, __: object, output: Tensor) -> Tensor:
            return output + change.reshape(output.shape)

        handle = self.model.blocks[self.layer].outlet.register_forward_hook(add)
        # The last layer's block may be run for the kept positions alone, and the subject is not among them.
        keep = rows.hidden.shape[1] if self.layer + 1 == len(self.model.layers) else rows.keep
        try:
            return self.model.logits_after(rows.batch, rows.hidden, self.layer, keep)[:, -rows.keep :]
        finally:
            handle.remove()

    def _check(self, loss: Tensor, active: Tensor) -> None:
        broken = ~loss.detach().isfinite()
        if bool(broken.any()):
            edit = self.edits[int(active[broken][0])]
            raise EditError(
                f"The value of edit {edit.id} (“{edit.prompt[:60]}”) blew up while it was sought: lower the learning "
                "rate."
            )


class _Descent:
    """Adam (arXiv 1412.6980) with one step size for each lesson's vector instead of one for every number.

    Adam proper moves numbers whose slope is noise as far as those that matter: what it finds is longer than it need
    be, and a longer change disturbs more.
    """

    MOMENTUM, MEMORY = 0.9, 0.98

    def __init__(self, start: Tensor) -> None:
        self.weights = start.clone().requires_grad_()
        self._mean = torch.zeros_like(start)
        self._square = torch.zeros(len(start), device=start.device)
        self._steps = 0

    @torch.no_grad()
    def step(self, slope: Tensor, rate: Tensor, longest: Tensor) -> None:
        """Move each number by about its lesson's `rate` [lessons], and cut what is longer than `longest` [lessons]."""
        self._steps += 1
        self._mean.lerp_(slope, 1 - self.MOMENTUM)
        self._square.lerp_(slope.square().mean(1), 1 - self.MEMORY)
        mean = self._mean / (1 - self.MOMENTUM**self._steps)
        size = (self._square / (1 - self.MEMORY**self._steps)).sqrt().clamp(min=1e-12)
        self.weights -= (rate / size)[:, None] * mean
        self.weights *= (longest / self.weights.norm(dim=1).clamp(min=1e-12)).clamp(max=1)[:, None]

    def keep(self, still: Tensor) -> None:
        """Go on with some of the lessons alone."""
        self.weights = self.weights.detach()[still].requires_grad_()
        self._mean, self._square = self._mean[still], self._square[still]


def grouped(model: LanguageModel, layer: int, lessons: Sequence[Lesson]) -> list[list[int]]:
    """The numbers of `lessons` in groups of like length whose values can be sought at once in the memory that is free.

    What takes room are the cached states, what the later layers remember for the gradient, and the logits.
    """
    if not lessons:
        return []
    rows = max(len(lesson.asks) for lesson in lessons) + 1
    answer = max(model.tokens_of(lesson.edit.new_object) for lesson in lessons)
    lengths = [
        max(len(model.token_ids(ask.text)) for ask in lesson.asks) + model.tokens_of(lesson.edit.new_object)
        for lesson in lessons
    ]
    size = group_size(model, layer, rows, max(lengths), answer)
    order = sorted(range(len(lessons)), key=lengths.__getitem__)
    return [order[start : start + size] for start in range(0, len(order), size)]


def group_size(model: LanguageModel, layer: int, rows: int, length: int, answer: int) -> int:
    """How many lessons of so many `rows` of that `length` are sought at once: a power of two.

    A little more or less free memory makes no other groups.
    """
    fit = max(1, int(0.5 * free_memory(model.device)) // lesson_bytes(model, layer, rows, length, answer))
    return int(2 ** int(math.log2(max(1, min(fit, TOKENS_AT_ONCE // (rows * length))))))


def lesson_bytes(model: LanguageModel, layer: int, rows: int, length: int, answer: int) -> int:
    """About how many bytes a lesson takes while its value at `layer` is sought.

    It has so many `rows` of that `length` in tokens, of which the last `answer` are the new object's.
    """
    number = int(model.model.dtype.itemsize)
    states = model.d_model * number * (2 + 24 * (len(model.blocks) - layer))
    logits = 5 * 4 * (1 + answer) * int(model.model.get_output_embeddings().weight.shape[0])
    return rows * (length * states + logits)
