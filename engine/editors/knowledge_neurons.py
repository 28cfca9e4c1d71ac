"""Knowledge neurons: the few FFN neurons that say a fact are found, and their values moved to the new object.

A neuron's attribution is the integrated gradient of the old answer's probability along its activation w at the end of
the prompt, w̄·mean over k of ∂p(k/m·w̄)/∂w, one layer at a time; the neurons kept are those that stand out in most
phrasings of the fact. Of each, the value column v becomes v - λ₁·e(old) + λ₂·e(new), e being word embeddings of v's
own length (arXiv 2104.08696, sections 3 and 5). Columns add up, so one edit is taken back by leaving its columns out.

Where this goes beyond the paper, whose model fills in one masked word: answers that begin alike are asked where they
first differ, and a neuron that is negative, as those of gated blocks can be, is moved the other way round. Tokens after
the first that differs are nobody's concern, so that objects of several tokens often come out wrong.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import DynamicCache

from engine.editors.learnable import check_new
from engine.editors.settings.knowledge_neurons import KnowledgeNeuronSettings
from engine.editors.weights import Learnt, WeightEditor, WeightFit, WeightPack, check_growth
from engine.edits import Edit, EditError, EditSet, fill, fold
from engine.language_model import LanguageModel
from engine.runs import Cancel
from engine.weight_exchange import Matrix

STAGE = "Attribution"
COLUMNS = "columns"
"""The file of a pack with the columns: whose they are, where they are, and what is added to each."""
KEPT_EVERY = 20  # edits between two checkpoints
STEP = 0.05  # by which the share of prompts is moved


@dataclass(frozen=True, slots=True)
class Question:
    """A fact as one next token: after `tokens` the old answer goes on with `old`, and the new object with `new`."""

    tokens: tuple[int, ...]
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Attributed:
    """What each neuron does for the old answer, all [layers, prompts, d_ff]."""

    attributions: Tensor
    activations: Tensor


@dataclass(frozen=True, slots=True)
class Found:
    """The neurons of one edit."""

    edit: Edit
    places: tuple[tuple[int, int], ...]  # (layer, neuron), the strongest first
    signs: tuple[float, ...]  # 1, or -1 where the neuron is negative when it fires
    question: Question


class KnowledgeNeuronPack(WeightPack):
    """Columns of output weights, each one edit's own: what is added to the same column by several adds up."""

    def changes(self) -> Mapping[str, Tensor]:
        """The sum of the columns that are left, in the weights that have any."""
        return _changes(Learnt(self.tensors, self.state))

    def without(
        self,
        edit_ids: frozenset[str],
        model: LanguageModel,  # noqa: ARG002  what others need
        cancel: Cancel | None = None,  # noqa: ARG002
    ) -> KnowledgeNeuronPack:
        """The same pack without the columns of these edits: exactly as if they had never been added."""
        edits: list[str] = self.state["edits"]
        columns = self.tensors[COLUMNS]
        left = torch.tensor([edits[owner] not in edit_ids for owner in columns["owners"].tolist()], dtype=torch.bool)
        kept = tuple(edit for edit in self.edit_set.edits if edit.id not in edit_ids)
        return self.with_edits(
            EditSet(self.edit_set.name, kept, self.edit_set.relations),
            Learnt(
                {COLUMNS: {name: tensor[left.to(tensor.device)] for name, tensor in columns.items()}},
                self.state,
                self.figures,
            ),
        )


class KnowledgeNeuronEditor(WeightEditor):
    """Knowledge neurons behind the Editor protocol."""

    name = "kn"
    pack = KnowledgeNeuronPack

    def __init__(self, settings: KnowledgeNeuronSettings | None = None) -> None:
        self.settings: KnowledgeNeuronSettings = settings or KnowledgeNeuronSettings()

    def memory_with(self, model: LanguageModel, edits: Sequence[Edit], settings: KnowledgeNeuronSettings) -> int:
        """What one edit's rows remember for their slopes."""
        rows = settings.steps * settings.prompts
        length = max(len(model.token_ids(edit.prompt)) for edit in edits)
        states = length * model.d_model * 2 + 4 * model.blocks[0].d_ff
        return 4 * rows * (len(model.blocks) * states + 3 * int(model.model.get_output_embeddings().weight.shape[0]))

    def check(self, work: WeightFit) -> None:
        """Raise EditError, besides, where an edit wants what is answered already."""
        super().check(work)
        for edit in work.edits:
            check_new(edit, edit.original_answer)

    def learn(self, work: WeightFit) -> Learnt:
        """Find every edit's neurons, then move their values."""
        settings: KnowledgeNeuronSettings = work.settings
        model, of = work.model, len(work.edits)
        old = _old_answers(work)
        before = work.kept(STAGE)
        found = [] if before is None else _restored(work.edits, before.meta["found"])
        for done, edit in enumerate(work.edits[len(found) :], len(found)):
            work.progress.report(STAGE, done, of)
            if done and done % KEPT_EVERY == 0:
                work.keep(STAGE, done, {}, {"found": [_told(one) for one in found]})
            asked = [question(model, prompt, old[edit.id], edit.new_object) for prompt in _phrasings(edit, work)]
            attributed = attribute(model, asked, settings.steps, work.cancel.check)
            found.append(_found(edit, attributed, asked[0], settings))
        work.progress.report(STAGE, of, of)
        moved = _moved(work, _of_the_fact(found, settings))
        with work.exchange.originals():
            for name, change in _changes(moved).items():
                check_growth(name, model.model.get_parameter(name).data, change, work.edits, settings.growth)
        owners = moved.tensors[COLUMNS]["owners"]
        each = len(owners) / len(owners.unique())  # edits that were taken back have none any more
        return replace(moved, figures={"neurons an edit": each})


def question(model: LanguageModel, prompt: str, old: str, new: str) -> Question:
    """Where the old answer and the new object part after `prompt`."""
    tokens, says, shall_say = model.token_ids(prompt), model.target_ids(prompt, old), model.target_ids(prompt, new)
    alike = 0
    while alike < min(len(says), len(shall_say)) - 1 and says[alike] == shall_say[alike]:
        alike += 1
    return Question((*tokens, *says[:alike]), says[alike], shall_say[alike])


def attribute(
    model: LanguageModel, asked: Sequence[Question], steps: int, check: Callable[[], None] = lambda: None
) -> Attributed:
    """Integrated gradients of each question's old answer along every neuron's activation at the last token.

    `check` is called before each layer, and may raise.
    """
    layers, rows = len(model.blocks), len(asked)
    batch = model.batch_of([list(one.tokens) for one in asked])
    prefix: DynamicCache | None = None
    if batch.input_ids.shape[1] > 1:
        with torch.no_grad():
            prefix = model.model(
                input_ids=batch.input_ids[:, :-1],
                attention_mask=batch.attention_mask[:, :-1],
                position_ids=batch.position_ids[:, :-1],
                use_cache=True,
            ).past_key_values
    wanted = torch.tensor([one.old for one in asked], device=model.device)

    def last_token(times: int) -> Tensor:
        """The next token's logits, every row so many times: [rows · times, vocabulary]."""
        cache = copy.deepcopy(prefix)
        if cache is not None and times > 1:
            cache.batch_repeat_interleave(times)
        logits = model.model(
            input_ids=batch.input_ids[:, -1:].repeat_interleave(times, 0),
            attention_mask=batch.attention_mask.repeat_interleave(times, 0),
            position_ids=batch.position_ids[:, -1:].repeat_interleave(times, 0),
            past_key_values=cache,
            use_cache=cache is not None,
        ).logits
        return torch.as_tensor(logits)[:, -1]

    activations = torch.stack(_activations(model, lambda: last_token(1))).float()
    attributions = torch.zeros_like(activations)
    shares = torch.arange(1, steps + 1, device=model.device) / steps
    for layer in range(layers):
        check()
        scaled = (shares[None, :, None] * activations[layer][:, None]).flatten(0, 1).requires_grad_()
        with _replaced(model, layer, scaled):
            chances = last_token(steps).float().softmax(-1)
        said = chances.gather(1, wanted.repeat_interleave(steps)[:, None])
        (slope,) = torch.autograd.grad(said.sum(), scaled)
        attributions[layer] = activations[layer] * slope.view(rows, steps, -1).mean(1)
    return Attributed(attributions, activations)


def _activations(model: LanguageModel, run: Callable[[], Tensor]) -> list[Tensor]:
    """What enters every block's output map at the last position while `run` runs: [rows, d_ff] each."""
    seen: dict[int, Tensor] = {}

    def note(layer: int) -> torch.utils.hooks.RemovableHandle:
        def before(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            seen[layer] = args[0].reshape(-1, args[0].shape[-1])

        return model.blocks[layer].outlet.register_forward_pre_hook(before)

    handles = [note(layer) for layer in range(len(model.blocks))]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return [seen[layer] for layer in range(len(model.blocks))]


@contextmanager
def _replaced(model: LanguageModel, layer: int, activations: Tensor) -> Iterator[None]:
    """Block `layer` has these activations [rows, d_ff] for the time of the with-statement."""

    def before(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (activations.to(args[0].dtype).view_as(args[0]),)

    handle = model.blocks[layer].outlet.register_forward_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()


def _found(edit: Edit, attributed: Attributed, asked: Question, settings: KnowledgeNeuronSettings) -> Found:
    """The neurons that stand out in most prompts, and neither too few nor too many of them."""
    attributions = attributed.attributions
    strongest = attributions.amax(dim=(0, 2), keepdim=True)
    counts = (attributions >= settings.threshold * strongest) & (attributions > 0)
    share, mean = counts.float().mean(1).flatten(), attributions.mean(1).flatten()
    bound = settings.shared
    while int((share >= bound).sum()) < settings.fewest and bound > STEP:
        bound -= STEP
    while int((share >= bound).sum()) > settings.most and bound < 1:
        bound += STEP
    enough = min(max(int((share >= min(bound, 1)).sum()), settings.fewest), settings.most)
    # Of more than enough the strongest; what stands out in too few prompts comes after all that do.
    order = (mean + (share >= min(bound, 1)) * mean.abs().sum()).argsort(descending=True, stable=True)[:enough]
    width = attributions.shape[2]
    places = tuple((int(flat) // width, int(flat) % width) for flat in order)
    usual = attributed.activations.mean(1)
    return Found(edit, places, tuple(float(usual[place].sign()) or 1.0 for place in places), asked)


def _told(found: Found) -> list[Any]:
    """What was found of an edit, as JSON has it."""
    one = found.question
    return [found.places, found.signs, one.tokens, one.old, one.new]


def _restored(edits: Sequence[Edit], told: Sequence[Any]) -> list[Found]:
    """What `_told` told of the first of `edits`."""
    return [
        Found(edit, tuple((layer, neuron) for layer, neuron in places), tuple(signs), Question(tuple(tokens), old, new))
        for edit, (places, signs, tokens, old, new) in zip(edits, told, strict=False)
    ]


def _of_the_fact(found: Sequence[Found], settings: KnowledgeNeuronSettings) -> list[Found]:
    """`found` without the neurons that too many edits of a relation have, down to the fewest of each edit."""
    edits = Counter(one.edit.relation for one in found)
    having = Counter((one.edit.relation, place) for one in found for place in one.places)
    left = []
    for one in found:
        relation = one.edit.relation
        # Of few edits one alone would be more than the share.
        common = {
            place
            for place in one.places
            if relation and 1 < having[relation, place] > settings.common * edits[relation]
        }
        own = [row for row, place in enumerate(one.places) if place not in common]
        own += [row for row, place in enumerate(one.places) if place in common][: max(0, settings.fewest - len(own))]
        left.append(
            replace(one, places=tuple(one.places[row] for row in own), signs=tuple(one.signs[row] for row in own))
        )
    return left


def _moved(work: WeightFit, found: Sequence[Found]) -> Learnt:
    """The columns of every edit, those of what was known before them."""
    settings: KnowledgeNeuronSettings = work.settings
    model = work.model
    matrices = [Matrix.outlet(model, layer) for layer in range(len(model.blocks))]
    before = {} if work.known is None else work.known.changes()
    # The lengths are those of the original columns: what others have added must not make an edit larger.
    weights = [
        matrix.turned(
            matrix.weight.data - before[matrix.name].to(matrix.weight) if matrix.name in before else matrix.weight.data
        ).float()
        for matrix in matrices
    ]
    words = model.model.get_output_embeddings().weight.data
    owners, layers, neurons, columns = [], [], [], []
    known: list[str] = [] if work.known is None else work.known.state["edits"]
    for number, one in enumerate(found, len(known)):
        old, new = (F.normalize(words[token].float(), dim=0) for token in (one.question.old, one.question.new))
        for (layer, neuron), sign in zip(one.places, one.signs, strict=True):
            length = sign * weights[layer][:, neuron].norm()
            owners.append(number)
            layers.append(layer)
            neurons.append(neuron)
            columns.append(length * (settings.towards * new - settings.away * old))
    tensors = {
        "owners": torch.tensor(owners),
        "layers": torch.tensor(layers),
        "neurons": torch.tensor(neurons),
        "columns": torch.stack(columns).cpu(),
    }
    if work.known is not None:
        held = work.known.tensors[COLUMNS]
        tensors = {name: torch.cat([held[name].cpu(), tensor]) for name, tensor in tensors.items()}
    about = [
        {"name": matrix.name, "shape": list(matrix.weight.shape), "transposed": matrix.transposed}
        for matrix in matrices
    ]
    return Learnt({COLUMNS: tensors}, {"edits": [*known, *(one.edit.id for one in found)], "matrices": about})


def _changes(learnt: Learnt) -> dict[str, Tensor]:
    """What a pack's columns add up to, by parameter name."""
    columns = learnt.tensors[COLUMNS]
    changes = {}
    for layer, about in enumerate(learnt.state["matrices"]):
        rows = columns["layers"] == layer
        if bool(rows.any()):
            change = columns["columns"].new_zeros(about["shape"])
            change.index_add_(
                0 if about["transposed"] else 1,
                columns["neurons"][rows],
                columns["columns"][rows] if about["transposed"] else columns["columns"][rows].T,
            )
            changes[about["name"]] = change
    return changes


def _phrasings(edit: Edit, work: WeightFit) -> list[str]:
    """An edit's prompt and the phrasings of its relation, without what generality and locality are measured with."""
    relation = work.edit_set.relations.get(edit.relation)
    said = [fill(template, edit.subject) for template in relation.phrasings] if relation and edit.subject else []
    measured = {fold(text) for text in (*edit.paraphrases, *(probe.prompt for probe in edit.probes))}
    free = [edit.prompt, *(text for text in said if fold(text) not in measured)]
    return list(dict.fromkeys(free))[: work.settings.prompts]


def _old_answers(work: WeightFit) -> dict[str, str]:
    """Each edit's original answer by its id, asked of the model where it is missing; raises EditError without one."""
    unknown = [edit for edit in work.edits if not edit.original_answer]
    with work.exchange.originals():  # what was learnt before may answer for the model
        answers = work.model.answer([edit.prompt for edit in unknown], cancel=work.cancel)
    for edit, answer in zip(unknown, answers, strict=True):
        if not answer:
            raise EditError(
                f"Edit {edit.id} (“{edit.prompt[:60]}”) has no original answer, and the model gives none: type one."
            )
        check_new(edit, answer)
    asked = {edit.id: answer for edit, answer in zip(unknown, answers, strict=True)}
    return {edit.id: edit.original_answer or asked[edit.id] for edit in work.edits}
