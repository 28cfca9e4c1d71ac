"""ROME: one edit is one rank-one change of one FFN block's outlet (arXiv 2202.05262, section 3.1).

The outlet W is taken for a memory of associations W k = v. The new one is written by the change that disturbs the
keys which the model usually meets least: W' = W + Λ uᵀ with u = C⁻¹ k and Λ = (v* - W k) / (uᵀ k), so that W' k = v*.
The keys are consistent unless said otherwise: u and Λ take the same k, the mean over all contexts (r-ROME, arXiv
2403.07175). Edits are written one after the other, each found on the model as edited so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from engine.device import exact
from engine.editors.contexts import SHALLOW, Place, own_contexts, place_of
from engine.editors.key_statistics import factor_of
from engine.editors.locating import (
    VALUES,
    LocatingEditor,
    corpus_figures,
    lessons_of,
    statistics,
    stream_takes_all,
    switched_off,
)
from engine.editors.settings.rome import RomeSettings
from engine.editors.subject_states import read_subject_states
from engine.editors.target_values import ValueSearch
from engine.editors.weights import Learnt, WeightFit, WeightPack, check_growth
from engine.language_model import LanguageModel
from engine.runs import Cancel
from engine.weight_exchange import Matrix

ASSOCIATIONS = "associations"
KEYS, DIRECTIONS, TARGETS, WRITES = "keys", "directions", "targets", "writes"
KEEP_EVERY = 16  # edits between two checkpoints


class RomePack(WeightPack):
    """Associations in the order in which they were written: for each its key, its direction u, its target and Λ.

    An edit is taken back exactly: the targets of the others are written anew in their order, in closed form, which
    takes as long as attaching. Subtracting its Λ uᵀ would leave in the model what later edits were written to
    counter it. Their targets stay those that were found in its presence.
    """

    def changes(self) -> Mapping[str, Tensor]:
        """Σ Λ uᵀ over the edits."""
        found = self.tensors[ASSOCIATIONS]
        change = (exact(found[WRITES]).T @ exact(found[DIRECTIONS])).float()
        return {self.state["weight"]: change.T.contiguous() if self.state["transposed"] else change}

    def without(
        self,
        edit_ids: frozenset[str],
        model: LanguageModel,
        cancel: Cancel | None = None,  # noqa: ARG002  it takes no forward pass
    ) -> RomePack:
        """The same associations but these, written anew from the targets that were found."""
        order = [id for id in self.state["edits"] if id not in edit_ids]
        place = {id: row for row, id in enumerate(self.state["edits"])}
        rows = torch.tensor([place[id] for id in order], dtype=torch.long)
        found = {name: tensor[rows.to(tensor.device)] for name, tensor in self.tensors[ASSOCIATIONS].items()}
        weight = Matrix.outlet(model, self.state["layer"])
        found[WRITES] = writes(weight.turned(weight.weight.data), found[KEYS], found[DIRECTIONS], found[TARGETS])
        learnt = Learnt({ASSOCIATIONS: found}, {**self.state, "edits": order}, self.figures)
        return self.with_edits(switched_off(self.edit_set, edit_ids), learnt)


class RomeEditor(LocatingEditor):
    """ROME and r-ROME, behind the Editor protocol."""

    name = "rome"
    groups = False
    pack = RomePack

    def __init__(self, settings: RomeSettings | None = None) -> None:
        self.settings: RomeSettings = settings or RomeSettings()

    def layers(self, model: LanguageModel, settings: RomeSettings, edits: int) -> range:  # noqa: ARG002  as others do
        """The one layer."""
        layer = usual_layer(model, place_of(model, settings.values)) if settings.layer is None else settings.layer
        return range(layer, layer + 1)

    def learn(self, work: WeightFit) -> Learnt:
        """Write one edit after the other."""
        settings: RomeSettings = work.settings
        model, layer = work.model, self.layers_of(work)[0]
        with work.exchange.originals():
            moments, corpus = statistics(work, [layer])
            contexts = own_contexts(model, settings.values, work.seed)
            matrix = Matrix.outlet(model, layer)
            original = matrix.turned(matrix.weight.data)
        factor = factor_of(exact(moments[layer].matrix), layer)
        found = _nothing(model, layer) if work.known is None else dict(work.known.tensors[ASSOCIATIONS])
        order = [] if work.known is None else list(work.known.state["edits"])
        before, first, answered = len(order), 0, 0
        done = work.kept(VALUES)
        if done is not None:
            found = {name: tensor.to(model.device) for name, tensor in done.tensors.items()}
            first, answered = int(done.meta["edits"]), int(done.meta["answered"])
        adds, bias = stream_takes_all(model, layer), getattr(model.blocks[layer].outlet, "bias", None)
        of = before + len(work.edits)
        for number, edit in enumerate(work.edits[first:], first + 1):
            self._put(work, matrix, found)
            (lesson,) = lessons_of(model, [edit], work.edit_set, contexts, settings.values)
            states = read_subject_states(model, [lesson], [layer], work.cancel)
            mean = states.keys[layer]
            key = mean if settings.keys == "consistent" else states.own_keys[layer]
            direction = torch.cholesky_solve(exact(mean).T, factor).T
            direction = (direction / (direction * exact(key)).sum()).float().to(model.device)  # u·k = 1
            felt = direction if settings.values.reach == "as written" else None
            search = ValueSearch(model, layer, [lesson], stream=False, adds=adds, directions=felt)
            value = search.optimise(settings.values, work.cancel, lambda *_: None)
            target = value.targets if bias is None else value.targets - bias.float()
            found = {
                name: torch.cat([found[name], row])
                for name, row in ((KEYS, key), (DIRECTIONS, direction), (TARGETS, target))
            } | {WRITES: found[WRITES]}
            last = writes(original, found[KEYS], found[DIRECTIONS], found[TARGETS], found[WRITES])
            found[WRITES] = last
            answered += int(value.answered[0])
            check_growth(matrix.name, original, last.T @ found[DIRECTIONS], [edit], settings.growth)
            work.progress.report(
                VALUES, before + number, of, loss=float(value.losses[0]), answered=(before + answered) / of
            )
            if number % KEEP_EVERY == 0 or number == len(work.edits):
                work.keep(VALUES, number, found, {"edits": number, "answered": answered})
        state = {
            "layer": layer,
            "weight": matrix.name,
            "transposed": matrix.transposed,
            "edits": [*order, *(edit.id for edit in work.edits)],
            "contexts": list(contexts),
        }
        figures = {"layer": layer, "values found": answered / len(work.edits), **corpus_figures(corpus)}
        return Learnt({ASSOCIATIONS: found}, state, figures)

    def _put(self, work: WeightFit, matrix: Matrix, found: Mapping[str, Tensor]) -> None:
        change = (exact(found[WRITES]).T @ exact(found[DIRECTIONS])).float()
        work.exchange.put({matrix.name: matrix.turned(change)})


def usual_layer(model: LanguageModel, place: Place) -> int:
    """The layer that is written to where none was named.

    After a sixth of a deep model's layers, as the papers take for models from 28 on (5 of 28, 5 of 32). Of a shallow
    one the middle where the question ends, and the first where the subject does, since its later layers read too
    little of what a subject is made to say.
    """
    count = len(model.layers)
    if count > SHALLOW:
        return round(count / 6)
    return count // 2 if place == "question" else 0


def writes(weight: Tensor, keys: Tensor, directions: Tensor, targets: Tensor, known: Tensor | None = None) -> Tensor:
    """Λ of associations written one after the other into `weight` [d_model, d_ff]: [edits, d_model], float32.

    `keys` and `directions` [edits, d_ff], `targets` [edits, d_model] without the outlet's bias; `known` holds the Λ of
    the first edits. Each is solved on the weight with all before it: Λᵢ = (vᵢ - Wᵢ kᵢ) / (uᵢ·kᵢ). Computed in float64.
    """
    before = 0 if known is None else len(known)
    met = exact(directions) @ exact(keys[before:]).T  # [edits, new]: u of each on k of each new one
    missing = exact(targets[before:]) - exact(keys[before:]) @ exact(weight).T
    found = torch.zeros(len(keys), weight.shape[0], dtype=torch.float64, device=met.device)
    if known is not None:
        found[:before] = exact(known)
    for row in range(len(keys) - before):
        own = before + row
        found[own] = (missing[row] - met[:own, row] @ found[:own]) / met[own, row]
        found[own] = found[own].float().double()  # as it is kept, so that the next one is solved on what is there
    return found.float().to(weight.device)


def _nothing(model: LanguageModel, layer: int) -> dict[str, Tensor]:
    d_ff, d_model = model.blocks[layer].d_ff, model.d_model
    sizes: Sequence[tuple[str, int]] = ((KEYS, d_ff), (DIRECTIONS, d_ff), (TARGETS, d_model), (WRITES, d_model))
    return {name: torch.zeros(0, size, device=model.device) for name, size in sizes}
