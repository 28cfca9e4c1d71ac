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

from engine.editors.contexts import own_contexts
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
        targets = targets[rows.to(targets.device)]
        lessons = lessons_of(
            model,
            [edits[id] for ids in kept for id in ids],
            self.edit_set,
            self.state["contexts"],
            self.settings.values,
        )
        solver = self.solver(self.settings, moments)
        writing = Writing(model, layers, solver, WeightExchange(model.model), self.settings)
        first = 0
        try:
            for ids in kept:
                if ids:
                    last = first + len(ids)
                    writing.write(lessons[first:last], targets[first:last], cancel or Cancel())
                    first = last
        finally:
            writing.exchange.give_back()
        learnt = writing.learnt(targets, {**self.state, "batches": [ids for ids in kept if ids]}, self.figures)
        pack = self.with_edits(switched_off(self.edit_set, edit_ids), learnt)
        if not isinstance(pack, SpreadPack):
            raise TypeError("a pack makes packs of its own kind")
        return pack


class SpreadSolver(Solver, Protocol):
    """A solver as it is made."""

    def __init__(self, settings: Any, moments: Mapping[int, SecondMoment]) -> None:
        """From the editor's settings and the second moments of its layers. Raises EditError where they do not serve."""

    def figures(self) -> dict[str, Any]:
        """What the pack tells of it."""


class SpreadEditor(LocatingEditor):
    """What MEMIT and AlphaEdit do alike when they learn."""

    pack: ClassVar[type[SpreadPack]]

    def layers(self, model: LanguageModel, settings: Any) -> range:
        """The layers that were named, or the usual ones."""
        usual = usual_layers(model)
        last = usual[-1] if settings.layer is None else settings.layer
        count = len(usual) if settings.layers is None else settings.layers
        return range(last + 1 - count, last + 1)

    @abstractmethod
    def batched(self, edits: Sequence[Edit], settings: Any) -> list[Sequence[Edit]]:
        """The edits in the batches in which they are written."""

    def check(self, work: WeightFit) -> None:
        """Also raise EditError for several layers of a model that does not add up what they write."""
        super().check(work)
        layers = self.layers(work.model, work.settings)
        if len(layers) > 1 and not stream_takes_all(work.model, layers[-1]):
            raise EditError(
                f"“{work.model.name}” norms what an FFN block writes before it is added up, so that layers cannot "
                "share an edit: choose one layer."
            )

    def learn(self, work: WeightFit) -> Learnt:
        """Batch by batch: find each edit's z on the model as edited so far, then write them into the layers."""
        settings, model, known = work.settings, work.model, work.known
        layers = self.layers(model, settings)
        with work.exchange.originals():
            moments, corpus = statistics(work, layers)
            contexts = own_contexts(model, settings.values, work.seed)
        solver = self.pack.solver(settings, moments)
        writing = Writing(model, layers, solver, work.exchange, settings)
        batches, before, targets = [], 0, torch.zeros(0, model.d_model, device=model.device)
        if isinstance(known, SpreadPack):
            targets, batches = known.tensors[TARGETS][TARGET], [list(ids) for ids in known.batches()]
            writing.go_on(known)
            before = len(targets)
        search = _Search(work, layers[-1], solver, adds=writing.adds, before=before)
        for edits in self.batched(work.edits, settings):
            lessons = lessons_of(model, edits, work.edit_set, contexts, settings.values)
            found = search.found(lessons)
            work.progress.report(SOLVING, 0, 0)
            writing.write(lessons, found, work.cancel)
            targets = torch.cat([targets, found])
            batches.append([edit.id for edit in edits])
        state = {
            "layers": [layers.start, layers.stop],
            "corpus": corpus.hash,
            "contexts": list(contexts),
            "batches": batches,
        }
        figures = {
            "layers": list(layers),
            "values found": search.answered / len(work.edits),
            **corpus_figures(corpus),
            **solver.figures(),
        }
        return writing.learnt(targets, state, figures)


class _Search:
    """The z of the edits of one fit, kept in its checkpoints group by group."""

    def __init__(self, work: WeightFit, layer: int, solver: Solver, *, adds: bool, before: int) -> None:
        self._work, self._layer, self._solver, self._adds, self._before = work, layer, solver, adds, before
        self._done = 0  # edits of this fit
        self.answered = 0
        self._kept: dict[str, Tensor] = {}
        kept = work.kept(VALUES)
        if kept is not None:
            self._kept = dict(zip(kept.meta["edits"], kept.tensors[TARGET], strict=True))
            self._right = set(kept.meta["answered"])
        else:
            self._right = set()

    def found(self, lessons: Sequence[Lesson]) -> Tensor:
        """The z of `lessons`, [lessons, d_model], on the model as it is."""
        work, settings = self._work, self._work.settings.values
        left = [lesson for lesson in lessons if lesson.edit.id not in self._kept]
        directions = self._directions(lessons) if left and settings.reach == "as written" else {}
        of = self._before + len(work.edits)
        for group in grouped(work.model, self._layer, left):
            some = [left[number] for number in group]
            felt = torch.stack([directions[lesson.edit.id] for lesson in some]) if directions else None
            search = ValueSearch(work.model, self._layer, some, stream=self._adds, adds=self._adds, directions=felt)

            def report(found: int, loss: float) -> None:
                done = self._before + len(self._kept) + found
                work.progress.report(VALUES, done, of, loss=loss, answered=len(self._right) / of)

            values = search.optimise(settings, work.cancel, report)
            self._keep(some, values)
        self.answered += sum(lesson.edit.id in self._right for lesson in lessons)
        return torch.stack([self._kept[lesson.edit.id] for lesson in lessons]).to(work.model.device)

    def _directions(self, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        """For each edit the direction [d_ff] of keys under which the last layer will write its change, by id.

        A layer's change is linear in what is to be written: with one number an edit, it is those directions.
        """
        keys = read_subject_states(self._work.model, lessons, [self._layer], self._work.cancel).keys[self._layer]
        each = torch.eye(len(lessons), dtype=torch.float64, device=keys.device)
        found = self._solver.change(self._layer, keys.double(), each)
        return dict(zip([lesson.edit.id for lesson in lessons], found.float(), strict=True))

    def _keep(self, lessons: Sequence[Lesson], values: Values) -> None:
        for lesson, target, right in zip(lessons, values.targets, values.answered.tolist(), strict=True):
            self._kept[lesson.edit.id] = target
            if right:
                self._right.add(lesson.edit.id)
        meta = {"edits": list(self._kept), "answered": sorted(self._right)}
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
            self._note(layer, known.tensors[MET][str(layer)].double())

    def write(self, lessons: Sequence[Lesson], targets: Tensor, cancel: Cancel) -> None:
        """Write one batch: `targets` [edits, d_model] are their z. Raises EditError where a change runs away."""
        edits = [lesson.edit for lesson in lessons]
        for layer in self._layers:
            left = self._layers.stop - layer
            states = read_subject_states(self._model, lessons, range(layer, self._layers.stop), cancel)
            missing = targets - (states.stream if self.adds else states.value)
            change = self._solver.change(layer, states.keys[layer].double(), missing.double() / left)
            matrix = self._matrices[layer]
            total = self._changes[layer] + matrix.turned(change).float()
            check_growth(matrix.name, self._originals[layer], total, edits, self._growth)
            self._changes[layer] = total
            self.exchange.put(self._named())
        states = read_subject_states(self._model, lessons, self._layers, cancel)
        for layer in self._layers:
            self._note(layer, states.keys[layer].double())

    def learnt(self, targets: Tensor, state: Mapping[str, Any], figures: Mapping[str, Any]) -> Learnt:
        """All of it as a pack's content."""
        met = {str(layer): torch.cat(keys) for layer, keys in self._keys.items()}
        return Learnt({CHANGES: self._named(), TARGETS: {TARGET: targets}, MET: met}, state, figures)

    def _note(self, layer: int, keys: Tensor) -> None:
        self._keys[layer].append(keys.float())
        self._solver.learnt(layer, keys)

    def _named(self) -> dict[str, Tensor]:
        return {self._matrices[layer].name: change for layer, change in self._changes.items()}


def usual_layers(model: LanguageModel) -> range:
    """The layers that are written to where none were named.

    Five that end after a quarter of a deep model's, as the papers take for models from 28 on (3 to 8 of 28, 4 to 8 of
    32); the first of a shallow one, whose later layers read too little of what a subject is made to say.
    """
    count = len(model.layers)
    if count <= 8:
        return range(1)
    last = round(count / 4)
    return range(max(0, last - 4), last + 1)


def evenly(edits: Sequence[Edit], size: int) -> list[Sequence[Edit]]:
    """`edits` in batches of `size`, the last one as long as is left."""
    return [edits[start : start + size] for start in range(0, len(edits), size)]
