"""Knowledge–weight collection: finding, for each edit, the neuron with which the frozen model answers it.

All edits of a group are optimised at once, each with its own neuron; the hidden states up to and around the edited
block are computed once. Beside answering, a neuron learns to leave *guards* alone (queries about other subjects or
other relations, whose answers must stay), so that a false routing does little harm. Edits that are learnt leave the
group. An edit that one neuron cannot hold (a new object of many tokens that the model would never guess) gets several.
(arXiv 2512.14395, section 3.3, there one edit at a time from a random start.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from engine.device import free_memory, mixed_precision
from engine.language_model import LEAST_LOG, Batch, LanguageModel, Passage, kept_positions, target_loss, targets_right
from engine.meg.settings import CollectionSettings
from engine.neuron import Neurons, NeuronSlot, attached
from engine.runs import Cancel

ENLARGED = 4  # times as many neurons, where fewer do not hold an edit
LARGER, LARGER_ROWS, LARGER_SIZES = "larger", "larger rows", "larger sizes"  # names of tensors


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one edit's neuron has to learn: the queries it answers, and the guards it leaves alone."""

    asks: tuple[str, ...]
    target: str
    guards: tuple[tuple[str, str], ...] = ()  # (query, the original model's answer)


@dataclass(frozen=True, slots=True)
class Collected:
    """The neurons of a list of lessons, in its order, on the CPU."""

    neurons: Tensor  # [lessons, numbers], float32: each lesson's neurons as `Neurons.flat` has them
    losses: Tensor  # [lessons], of the first ask
    answered: Tensor  # [lessons], bool: every ask is answered token by token
    larger: dict[int, Tensor] = field(default_factory=dict)  # by lesson, for some: more neurons, which hold it better

    @classmethod
    def blank(cls, lessons: int, numbers: int) -> Collected:
        """Room for the neurons of so many lessons, of so many numbers each, none of them found."""
        return cls(torch.zeros(lessons, numbers), torch.zeros(lessons), torch.zeros(lessons, dtype=torch.bool))

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor]) -> Collected:
        """What `tensors` gave."""
        larger = {}
        if LARGER in tensors:
            apart = tensors[LARGER].split(tensors[LARGER_SIZES].tolist())
            larger = dict(zip(tensors[LARGER_ROWS].tolist(), apart, strict=True))
        return cls(tensors["neurons"], tensors["losses"], tensors["answered"], larger)

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name."""
        told = {"neurons": self.neurons, "losses": self.losses, "answered": self.answered}
        if self.larger:
            told[LARGER_ROWS] = torch.tensor(list(self.larger))
            told[LARGER_SIZES] = torch.tensor([len(one) for one in self.larger.values()])
            told[LARGER] = torch.cat(list(self.larger.values()))
        return told

    def rows(self, rows: Sequence[int]) -> Collected:
        """Those of the lessons that `rows` names, in its order."""
        index = list(rows)
        larger = {place: self.larger[row] for place, row in enumerate(index) if row in self.larger}
        return Collected(self.neurons[index], self.losses[index], self.answered[index], larger)

    def own(self, row: int) -> Tensor:
        """The neurons that hold lesson `row` best, flat."""
        return self.larger.get(row, self.neurons[row])

    def put(self, rows: Sequence[int], other: Collected) -> None:
        """Take `other`, found for `rows` of these."""
        index = list(rows)
        self.neurons[index], self.losses[index], self.answered[index] = other.neurons, other.losses, other.answered
        for place, row in enumerate(index):
            self.larger.pop(row, None)
            if place in other.larger:
                self.larger[row] = other.larger[place]

    def improve(self, rows: Sequence[int], other: Collected) -> None:
        """Take the neurons of `other`, found for `rows` of these, where they are better; they may be more."""
        better = other.answered | (other.losses < self.losses[list(rows)])
        index = torch.tensor(list(rows))[better]
        self.losses[index] = other.losses[better]
        self.answered[index] = other.answered[better]
        if other.neurons.shape[1] == self.neurons.shape[1]:
            self.neurons[index] = other.neurons[better]
        else:
            self.larger.update(zip(index.tolist(), other.neurons[better].clone(), strict=True))


def collect(
    model: LanguageModel,
    layer: int,
    lessons: Sequence[Lesson],
    settings: CollectionSettings,
    *,
    cancel: Cancel,
    report: Callable[[int, float], None],
) -> Collected:
    """Optimise one neuron for each lesson at FFN block `layer`, all at once.

    `report` is told, after every step, how many lessons are learnt and the mean loss. Lessons that fail are tried
    once more with `second_try` times the steps and less care for their guards; those that fail again, with more
    neurons, up to the `most` that are allowed.
    Raises Cancelled when asked to stop.
    A random start draws from torch's global generator.
    """
    with attached(model.blocks[layer]) as slot:
        found = LessonGroup(model, layer, lessons, slot).optimise(settings, cancel, report)
        for patient in _further_tries(settings):
            failed = [row for row in range(len(lessons)) if not found.answered[row]]
            if not failed:
                break
            again = LessonGroup(model, layer, [lessons[row] for row in failed], slot)
            found.improve(failed, again.optimise(patient, cancel, lambda *_: None))
    return found


def _further_tries(settings: CollectionSettings) -> Iterator[CollectionSettings]:
    """How lessons that failed are tried again, from the least costly try on."""
    if not settings.second_try:
        return
    guard_weight, steps, neurons = settings.guard_weight / 4, settings.steps * settings.second_try, settings.neurons
    yield replace(settings, steps=steps, guard_weight=guard_weight)
    while (neurons := ENLARGED * neurons) <= settings.most:
        yield replace(settings, steps=steps, guard_weight=guard_weight, neurons=neurons)
        steps *= settings.second_try


def group_size(model: LanguageModel, layer: int, lessons: Sequence[Lesson], settings: CollectionSettings) -> int:
    """How many of `lessons` fit into the memory that is free, a power of two."""
    each = lesson_bytes(model, layer, lessons)
    fit = int(0.5 * free_memory(model.device)) // each if each else settings.group
    return int(2 ** int(math.log2(max(8, min(settings.group, fit)))))


def lesson_bytes(model: LanguageModel, layer: int, lessons: Sequence[Lesson]) -> int:
    """About how many bytes one of `lessons` takes while it is learnt; 0 where there is none.

    What takes room are the cached states, what the later layers remember for the gradient, their attention where it is
    written out (as in mixed precision on a processor), and the logits.
    """
    pairs = [(ask, lesson.target) for lesson in lessons for ask in lesson.asks]
    pairs += [pair for lesson in lessons for pair in lesson.guards]
    if not pairs:
        return 0
    kept = max(1 + model.tokens_of(max((answer for _, answer in pairs), key=len)), 4)
    tokens = kept + len(model.token_ids(max((query for query, _ in pairs), key=len)))
    queries = max(len(lesson.asks) + len(lesson.guards) for lesson in lessons)
    number = int(model.model.dtype.itemsize)
    later = len(model.blocks) - layer
    # Two losses are there at once: of an ask and of a guard.
    states = tokens * model.d_model * number * (3 * queries + 2 * 28 * later)
    heads = int(getattr(model.model.config.get_text_config(), "num_attention_heads", 1))
    attention = 2 * 3 * 4 * heads * tokens**2 * later
    logits = 2 * 6 * 4 * kept * int(model.model.get_output_embeddings().weight.shape[0])
    return states + attention + logits


@dataclass(frozen=True, slots=True)
class _Asked:
    """One query of every lesson with its target, and the frozen model's hidden states around the edited block."""

    batch: Batch
    passage: Passage
    keep: int  # positions from the end whose logits are read

    def rows(self, index: Tensor) -> _Asked:
        """The lessons that `index` names."""
        return _Asked(self.batch.rows(index), self.passage.rows(index), self.keep)

    @property
    def labels(self) -> Tensor:
        if self.batch.labels is None:
            raise ValueError("lessons have targets")
        return self.batch.labels


class LessonGroup:
    """Lessons held together, the frozen part of their queries in memory."""

    def __init__(self, model: LanguageModel, layer: int, lessons: Sequence[Lesson], slot: NeuronSlot) -> None:
        self.model, self.layer, self.slot = model, layer, slot
        self.size = len(lessons)
        # Every lesson has as many asks and guards as the richest one: the others repeat theirs. One that has no guard
        # gets its own ask, which is not counted.
        asks, guards = max(len(lesson.asks) for lesson in lessons), max(len(lesson.guards) for lesson in lessons)
        self.guarded = torch.tensor([float(bool(lesson.guards)) for lesson in lessons], device=model.device)
        self.asks = [
            self._asked([(lesson.asks[turn % len(lesson.asks)], lesson.target) for lesson in lessons])
            for turn in range(asks)
        ]
        own = [lesson.guards or ((lesson.asks[0], lesson.target),) for lesson in lessons]
        self.guards = [self._asked([pairs[turn % len(pairs)] for pairs in own]) for turn in range(guards)]
        first = self.asks[0]
        some = first.batch.rows(torch.arange(min(2, self.size), device=model.device))
        # What a block reads in an order of its own cannot be added in the order of the stream.
        same_order = first.passage.entered.shape == first.passage.after.shape
        self._adds = same_order and model.adds_to_the_stream(some, layer)

    def _asked(self, pairs: Sequence[tuple[str, str]]) -> _Asked:
        batch = self.model.encode_targets([query for query, _ in pairs], [answer for _, answer in pairs])
        asked = _Asked(batch, self.model.passage(batch, self.layer), 0)
        return replace(asked, keep=kept_positions(batch))

    def optimise(self, settings: CollectionSettings, cancel: Cancel, report: Callable[[int, float], None]) -> Collected:
        """Each lesson's neurons."""
        d_model, begin = self.model.d_model, Neurons.random if settings.start == "random" else Neurons.always_on
        start = begin(self.size, d_model, self.model.device, settings.neurons).flat()
        result = start.clone()
        active = torch.arange(self.size, device=self.model.device)
        descent = _Descent(start, [d_model, 1, d_model] * settings.neurons)
        recent = torch.full((len(self.asks), self.size), torch.inf, device=self.model.device)
        strayed = torch.zeros(max(len(self.guards), 1), self.size, device=self.model.device)
        with torch.no_grad():
            before = [self._losses(guard, start, active) for guard in self.guards]
        for step in range(settings.steps):
            cancel.check()
            ask = step % len(self.asks)
            asked = self._losses(self.asks[ask], descent.weights, active)
            recent[ask, active] = asked.detach()
            loss = asked
            if self.guards:
                guard = step % len(self.guards)
                guarded = self._losses(self.guards[guard], descent.weights, active)
                strayed[guard, active] = self.guarded[active] * (guarded.detach() - before[guard][active])
                loss = loss + settings.guard_weight * self.guarded[active] * guarded
            (slope,) = torch.autograd.grad(loss.sum(), descent.weights)
            descent.step(slope, settings.learning_rate * (1 - step / settings.steps))
            result[active] = descent.weights.detach()
            learnt = (recent.amax(0) < settings.learnt) & (strayed.amax(0) < 5 * settings.learnt)
            report(int((recent.amax(0) < 0.5).sum()), float(asked.detach().mean()))
            still = ~learnt[active]
            if not bool(still.any()):
                break
            if int(still.sum()) <= 0.8 * len(active):
                active = active[still]
                descent.keep(still)
        # One that flew off goes back to its start: it is not learnt, and must not cost the others.
        broken = ~result.isfinite().all(1)
        result[broken] = start[broken]
        losses, right = self._score(result)
        losses = losses.nan_to_num(nan=-LEAST_LOG, posinf=-LEAST_LOG)
        return Collected(result.cpu(), losses.cpu(), right.cpu())

    def _losses(self, asked: _Asked, weights: Tensor, rows: Tensor) -> Tensor:
        """The loss of each of `rows` under its own neuron, [rows]."""
        some = asked.rows(rows) if len(rows) < self.size else asked
        with mixed_precision(self.model.device, self.model.model.dtype):
            return target_loss(self._logits(some, weights), some.labels)

    def _logits(self, asked: _Asked, weights: Tensor) -> Tensor:
        """The logits of the last positions of each row under its own flat neuron: [rows, keep, vocabulary]."""
        neurons = Neurons.from_flat(weights, self.model.d_model)
        if self._adds:
            added = self.slot.contribution(neurons, asked.passage.entered)
            hidden = asked.passage.after + added.to(asked.passage.after.dtype)
            return self.model.logits_after(asked.batch, hidden, self.layer + 1, asked.keep)
        self.slot.put(neurons)
        try:
            return self.model.logits_after(asked.batch, asked.passage.before, self.layer, asked.keep)
        finally:
            self.slot.put(None)

    def _score(self, neurons: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of the first ask and whether every ask is answered token by token, [lessons] each."""
        scores = [self.score(turn, neurons) for turn in range(len(self.asks))]
        return scores[0][0], torch.stack([right for _, right in scores]).all(0)

    @torch.no_grad()
    def score(self, ask: int, neurons: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of ask number `ask` under flat `neurons` [lessons, numbers], and whether all its tokens are right."""
        asked = self.asks[ask]
        logits = self._logits(asked, neurons)
        return target_loss(logits, asked.labels), targets_right(logits, asked.labels)


class _Descent:
    """Adam with one step size for each of a neuron's k, b and v, instead of one for every number.

    Adam proper moves numbers whose slope is noise as far as those that matter: the neurons it finds point in more
    directions than the edits need, and are harder to describe by a few components.
    """

    MOMENTUM, MEMORY = 0.9, 0.98

    def __init__(self, start: Tensor, parts: list[int]) -> None:
        self.weights = start.clone().requires_grad_()
        self._parts = parts
        self._mean = torch.zeros_like(start)
        self._square = torch.zeros(len(start), len(parts), device=start.device)
        self._steps = 0

    @torch.no_grad()
    def step(self, slope: Tensor, rate: float) -> None:
        """Move every neuron by about `rate` a number, against `slope` [neurons, numbers]."""
        self._steps += 1
        parts = slope.split(self._parts, dim=1)
        square = torch.stack([part.square().mean(1) for part in parts], dim=1)
        self._mean.lerp_(slope, 1 - self.MOMENTUM)
        self._square.lerp_(square, 1 - self.MEMORY)
        size = (self._square / (1 - self.MEMORY**self._steps)).sqrt().clamp(min=1e-12)
        each = torch.repeat_interleave(size, torch.tensor(self._parts, device=size.device), dim=1)
        self.weights -= rate * self._mean / (1 - self.MOMENTUM**self._steps) / each

    def keep(self, still: Tensor) -> None:
        """Go on with some of the neurons alone."""
        self.weights = self.weights.detach()[still].requires_grad_()
        self._mean, self._square = self._mean[still], self._square[still]
