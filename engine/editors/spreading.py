"""Many edits written at once into several layers: what MEMIT and AlphaEdit have in common.

For each edit the stream z is sought that has to leave the last of the layers where the subject ends. From the first
layer to the last, what is still missing, z - h, is shared out among the layers that are left: the layer's outlet gets
the change that writes its share under the edits' keys, and the next layer is measured with that change in place
(arXiv 2210.07229, sections 4.3 and 4.4). How a layer's change is solved for is the method's own.

Everything but the search for z is closed form: an edit is taken back by giving back the original weights and solving
again without it, with the z that were found.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from engine.device import exact
from engine.editors.contexts import SHALLOW, Place, own_contexts, place_of
from engine.editors.key_statistics import SecondMoment, kept_moments
from engine.editors.locating import (
    VALUES,
    LocatingEditor,
    corpus_figures,
    lessons_of,
    statistics,
    stream_takes_all,
    switched_off,
)
from engine.editors.subject_states import read_subject_states
from engine.editors.target_values import Lesson, Values, ValueSearch, grouped
from engine.editors.weights import CHANGES, Learnt, WeightFit, WeightPack, check_growth
from engine.edits import Edit, EditError
from engine.language_model import LanguageModel
from engine.runs import Cancel
from engine.weight_exchange import Matrix, WeightExchange

SOLVING = "Solving"
LEAST_FELT = 0.1
"""The least share of an edit's change that its own key is taken to get, while its z is sought."""
TARGETS, TARGET, MET = "targets", "target", "met"


class Solver(Protocol):
    """How a layer's change is solved for."""

    def change(self, layer: int, keys: Tensor, shares: Tensor) -> Tensor:
        """What is added to the outlet of `layer` [d_model, d_ff], float64.

        `keys` [edits, d_ff] and `shares` [edits, d_model], what is to be written under them, are float64.
        """

    def learnt(self, layer: int, keys: Tensor) -> None:
        """Take note of edits that are now written, by their keys [edits, d_ff] on the changed model."""


class SpreadPack(WeightPack):
    """The changes of every layer, and the z of every edit, batch by batch as they were written."""

    solver: ClassVar[type[SpreadSolver]]

    def changes(self) -> Mapping[str, Tensor]:
        """Σ Δ over the batches."""
        return self.tensors[CHANGES]

    def batches(self) -> list[tuple[str, ...]]:
        """The ids of the edits, batch by batch, in the order of the rows of `TARGETS`."""
        return [tuple(ids) for ids in self.state["batches"]]

    @property
    def contexts(self) -> tuple[str, ...]:
        """What the edits' prompts were put after while their z were sought."""
        return tuple(self.state["contexts"])

    def without(self, edit_ids: frozenset[str], model: LanguageModel, cancel: Cancel | None = None) -> SpreadPack:
        """The same batches without these edits, solved anew with the z that were found.

        Raises EditError where the statistics of this model are no longer kept on this computer; Cancelled.
        """
        layers = range(*self.state["layers"])
        moments = kept_moments(model, layers, self.state["corpus"])
        if moments is None:
            raise EditError(
                "The statistics that these edits were solved with are no longer kept on this computer, and no edit "
                "can be taken back without them: train again without it."
            )
        edits = {edit.id: edit for edit in self.edit_set.enabled()}
        order = [id for ids in self.batches() for id in ids]
        kept = [[id for id in ids if id not in edit_ids] for ids in self.batches()]
        rows = torch.tensor([row for row, id in enumerate(order) if id not in edit_ids], dtype=torch.long)
        targets = self.tensors[TARGETS][TARGET]
        targets = targets[:, rows.to(targets.device)]
        lessons = lessons_of(
            model,
            [edits[id] for ids in kept for id in ids],
            self.edit_set,
            self.contexts,
            self.settings.values,
        )
        solver = self.solver(self.settings, moments)
        writing = Writing(model, layers, solver, WeightExchange(model.model), self.settings)
        first = 0
        try:
            for ids in kept:
                if ids:
                    last = first + len(ids)
                    for found in targets[:, first:last]:
                        writing.write(lessons[first:last], found, cancel or Cancel())
                    writing.note(lessons[first:last], cancel or Cancel())
                    first = last
        finally:
            writing.exchange.give_back()
        learnt = writing.learnt(targets, {**self.state, "batches": [ids for ids in kept if ids]}, self.figures)
        return self.with_edits(switched_off(self.edit_set, edit_ids), learnt)


class SpreadSolver(Solver, Protocol):
    """A solver as it is made."""

    def __init__(self, settings: Any, moments: Mapping[int, SecondMoment]) -> None:
        """From the editor's settings and the second moments of its layers. Raises EditError where they do not serve."""

    def figures(self) -> dict[str, Any]:
        """What the pack tells of it."""


class SpreadEditor(LocatingEditor):
    """What MEMIT and AlphaEdit do alike when they learn."""

    pack: ClassVar[type[SpreadPack]]

    def layers(self, model: LanguageModel, settings: Any, edits: int) -> range:
        """The layers that were named, or the usual ones."""
        usual = usual_layers(model, place_of(model, settings.values), edits)
        last = usual[-1] if settings.layer is None else settings.layer
        count = min(len(usual), last + 1) if settings.layers is None else settings.layers
        return range(last + 1 - count, last + 1)

    def layers_of(self, work: WeightFit) -> range:
        """Those of what is gone on from, if anything is."""
        return super().layers_of(work) if work.known is None else range(*work.known.state["layers"])

    @abstractmethod
    def batched(self, edits: Sequence[Edit], settings: Any) -> list[Sequence[Edit]]:
        """The edits in the batches in which they are written."""

    def check(self, work: WeightFit) -> None:
        """Also raise EditError for several layers of a model that does not add up what they write."""
        super().check(work)
        layers = self.layers_of(work)
        if len(layers) > 1 and not stream_takes_all(work.model, layers[-1]):
            raise EditError(
                f"“{work.model.name}” norms what an FFN block writes before it is added up, so that layers cannot "
                "share an edit: choose one layer."
            )

    def learn(self, work: WeightFit) -> Learnt:
        """Batch by batch: find each edit's z on the model as edited so far, then write them into the layers."""
        settings, model = work.settings, work.model
        known: SpreadPack | None = work.known
        layers = self.layers_of(work)
        with work.exchange.originals():
            moments, corpus = statistics(work, layers)
            # What was written before is solved again in the contexts that it was found in.
            contexts = own_contexts(model, settings.values, work.seed) if known is None else known.contexts
        solver = self.pack.solver(settings, moments)
        writing = Writing(model, layers, solver, work.exchange, settings)
        batches, before = [], 0
        crowded = len(work.edits) > model.blocks[layers[-1]].d_ff
        rounds = settings.rounds or (1 if crowded else 2)
        targets = torch.zeros(rounds, 0, model.d_model, device=model.device)
        if known is not None:
            targets, batches = known.tensors[TARGETS][TARGET], [list(ids) for ids in known.batches()]
            rounds = len(targets)  # what was written before is solved again with what is new, in as many rounds
            writing.go_on(known)
            before = targets.shape[1]
        search = _Search(work, layers[-1], solver, adds=writing.adds, before=before, rounds=rounds)
        for edits in self.batched(work.edits, settings):
            lessons = lessons_of(model, edits, work.edit_set, contexts, settings.values)
            found = []
            for turn in range(rounds):
                found.append(search.found(lessons, turn))
                work.progress.report(SOLVING, 0, 0)
                writing.write(lessons, found[-1], work.cancel)
            writing.note(lessons, work.cancel)
            targets = torch.cat([targets, torch.stack(found)], dim=1)
            batches.append([edit.id for edit in edits])
        state = {
            "layers": [layers.start, layers.stop],
            "corpus": corpus.hash,
            "contexts": list(contexts),
            "batches": batches,
        }
        figures = {
            "layers": list(layers),
            "values found": len(search.right) / len(work.edits),
            **corpus_figures(corpus),
            **solver.figures(),
        }
        return writing.learnt(targets, state, figures)


class _Search:
    """The z of the edits of one fit, kept in its checkpoints group by group."""

    def __init__(self, work: WeightFit, layer: int, solver: Solver, *, adds: bool, before: int, rounds: int) -> None:
        self._work, self._layer, self._solver, self._adds, self._before = work, layer, solver, adds, before
        self._rounds = rounds
        self._kept: dict[tuple[int, str], Tensor] = {}  # by round and edit
        self.right: set[str] = set()
        """The edits whose last z answers their prompt."""
        kept = work.kept(VALUES)
        if kept is not None:
            ids = [(int(turn), str(id)) for turn, id in kept.meta["found"]]
            self._kept = dict(zip(ids, kept.tensors[TARGET].to(work.model.device), strict=True))
            self.right = set(kept.meta["answered"])

    def found(self, lessons: Sequence[Lesson], turn: int) -> Tensor:
        """The z of `lessons` in round `turn`, [lessons, d_model], on the model as it is."""
        work, settings = self._work, self._work.settings.values
        groups = [[lessons[number] for number in group] for group in grouped(work.model, self._layer, lessons)]
        left = [group for group in groups if any((turn, lesson.edit.id) not in self._kept for lesson in group)]
        directions = self._directions(lessons) if left and settings.reach == "as written" else {}
        of = self._before + len(work.edits)
        for some in left:
            felt = torch.stack([directions[lesson.edit.id] for lesson in some]) if directions else None
            search = ValueSearch(work.model, self._layer, some, stream=self._adds, adds=self._adds, directions=felt)

            def report(found: int, loss: float) -> None:
                done = self._before + (len(self._kept) + found) / self._rounds
                work.progress.report(VALUES, round(done), of, loss=loss, answered=len(self.right) / of)

            self._keep(some, turn, search.optimise(settings, work.cancel, report))
        return torch.stack([self._kept[turn, lesson.edit.id] for lesson in lessons])

    def _directions(self, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        """For each edit the direction [d_ff] of keys under which the last layer will write its change, by id.

        A layer's change is linear in what is to be written: with one number an edit, it is those directions, each as
        long as makes its own key get the whole of it, as the layers do together.
        """
        states = read_subject_states(self._work.model, lessons, [self._layer], self._work.cancel)
        keys = exact(states.keys[self._layer])
        each = torch.eye(len(lessons), dtype=torch.float64, device=keys.device)
        found = self._solver.change(self._layer, keys, each)
        own = (found * keys).sum(1, keepdim=True)
        found = (found / own.clamp(min=LEAST_FELT)).float().to(self._work.model.device)
        return dict(zip([lesson.edit.id for lesson in lessons], found, strict=True))

    def _keep(self, lessons: Sequence[Lesson], turn: int, values: Values) -> None:
        for lesson, target, right in zip(lessons, values.targets, values.answered.tolist(), strict=True):
            self._kept[turn, lesson.edit.id] = target
            (self.right.add if right else self.right.discard)(lesson.edit.id)
        meta = {"found": [list(key) for key in self._kept], "answered": sorted(self.right)}
        self._work.keep(VALUES, len(self._kept), {TARGET: torch.stack(list(self._kept.values()))}, meta)


class Writing:
    """Batches of edits being written into the layers of one model, one after the other."""

    def __init__(
        self, model: LanguageModel, layers: range, solver: SpreadSolver, exchange: WeightExchange, settings: Any
    ) -> None:
        """`exchange` is that of the model's weights, in which all changes so far are put."""
        self.exchange = exchange
        self._model, self._layers, self._solver, self._growth = model, layers, solver, settings.growth
        self.adds = stream_takes_all(model, layers[-1])
        with exchange.originals():
            self._matrices = {layer: Matrix.outlet(model, layer) for layer in layers}
            self._originals = {layer: matrix.weight.data for layer, matrix in self._matrices.items()}
        shapes = {layer: self._originals[layer].shape for layer in layers}
        self._changes = {layer: torch.zeros(shapes[layer], device=model.device) for layer in layers}
        self._keys: dict[int, list[Tensor]] = {layer: [] for layer in layers}

    def go_on(self, known: SpreadPack) -> None:
        """Begin with what `known` has written; it is in the exchange already."""
        for layer, matrix in self._matrices.items():
            self._changes[layer] = known.changes()[matrix.name].float()
            self._note(layer, exact(known.tensors[MET][str(layer)]))

    def write(self, lessons: Sequence[Lesson], targets: Tensor, cancel: Cancel) -> None:
        """Write one batch: `targets` [edits, d_model] are their z. Raises EditError where a change runs away."""
        edits = [lesson.edit for lesson in lessons]
        for layer in self._layers:
            left = self._layers.stop - layer
            states = read_subject_states(self._model, lessons, range(layer, self._layers.stop), cancel)
            missing = targets - (states.stream if self.adds else states.value)
            change = self._solver.change(layer, exact(states.keys[layer]), exact(missing) / left)
            matrix = self._matrices[layer]
            total = self._changes[layer] + matrix.turned(change).float().to(self._model.device)
            check_growth(matrix.name, self._originals[layer], total, edits, self._growth)
            self._changes[layer] = total
            self.exchange.put(self._named())

    def note(self, lessons: Sequence[Lesson], cancel: Cancel) -> None:
        """Take note of edits that are now written, by their keys on the changed model."""
        states = read_subject_states(self._model, lessons, self._layers, cancel)
        for layer in self._layers:
            self._note(layer, exact(states.keys[layer]))

    def learnt(self, targets: Tensor, state: Mapping[str, Any], figures: Mapping[str, Any]) -> Learnt:
        """All of it as a pack's content."""
        met = {str(layer): torch.cat(keys) for layer, keys in self._keys.items()}
        return Learnt({CHANGES: self._named(), TARGETS: {TARGET: targets}, MET: met}, state, figures)

    def _note(self, layer: int, keys: Tensor) -> None:
        self._keys[layer].append(keys.float())
        self._solver.learnt(layer, keys)

    def _named(self) -> dict[str, Tensor]:
        return {self._matrices[layer].name: change for layer, change in self._changes.items()}


def usual_layers(model: LanguageModel, place: Place, edits: int) -> range:
    """The layers that so many edits are written to where none were named.

    Five that end after a quarter of a deep model's, as the papers take for models from 28 on (3 to 8 of 28, 4 to 8 of
    32). Of a shallow one, where the question ends, three that end with the last but one: what the last writes reaches
    no later token of an answer; one more for more edits than one block has keys to tell apart. Where the subject ends
    the first alone: later ones read too little of what a subject is made to say.
    """
    count = len(model.layers)
    if count <= SHALLOW:
        if place == "subject":
            return range(1)
        many = 4 if edits > model.blocks[0].d_ff else 3
        return range(max(0, count - 1 - many), max(1, count - 1))
    last = round(count / 4)
    return range(max(0, last - 4), last + 1)


def evenly(edits: Sequence[Edit], size: int) -> list[Sequence[Edit]]:
    """`edits` in batches of `size`, the last one as long as is left."""
    return [edits[start : start + size] for start in range(0, len(edits), size)]
