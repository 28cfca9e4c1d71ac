"""GRACE: a codebook at one FFN block; a query near a key gets that key's value for the block's output.

Nothing of the model changes (arXiv 2211.11031). The key is what the block reads at the prompt's last token, the value
what it gives out instead. Each value is learnt for its own edit, and no value and no key hangs on another edit: which
of them are used, and how far they reach, is the codebook's part, and comes after. So an edit can be taken out, in
whatever order, and what is left is what would have been learnt without it.

Always unlike the reference implementation: labels are equal where all their tokens are, not where the mean of their
numbers is; the key that a query is near is sought once, at the end of its prompt, not again at each token that is
decoded; and a value is learnt for its own prompt alone, not further when its key grows. What the rules `fixed` do
better than the `faithful` ones is in `engine.editors.codebook`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from assets import catalogue
from engine.checkpoints import Checkpoints, fingerprint_of
from engine.device import exact
from engine.editor import Explanation, NearEdit, Routing
from engine.editors.codebook import Codebook
from engine.editors.going_on import check_start, mark_of, unchanged_rows
from engine.editors.learnable import check_learnable, check_memory
from engine.editors.output_slot import Outputs, OutputSlot, check_replaceable
from engine.editors.registered import RegisteredEditor
from engine.editors.registry import editor_kind
from engine.editors.settings.grace import GraceSettings, settings_from
from engine.editors.values import Values, learn_values
from engine.edits import Edit, EditError, EditSet
from engine.language_model import LanguageModel
from engine.layer_choice import choose_layer
from engine.meg.collection import Lesson, group_size, lesson_bytes
from engine.meg.edited_model import SlottedModel
from engine.meg.settings import CollectionSettings
from engine.packs import ModelIdentity, StoredPack, check_base_model, write_pack
from engine.runs import Cancel, ProgressBoard, seeded
from engine.stopping import Extent

KNOWN_PROMPTS = 256
"""Prompts that come with the product, one of a subject: how far they lie apart tells how far a key may reach."""
STRAY = 0.01  # of a key's length: twice what its states stray in bfloat16
THRESHOLD = 0.5  # the familiarity of a query that lies just as far off as its key reaches
NEAR = 8  # entries that an explanation names


class GraceEditor(RegisteredEditor):
    """GRACE behind the Editor protocol."""

    name = "grace"

    def __init__(self, settings: GraceSettings | None = None) -> None:
        self.settings = settings or GraceSettings()

    def memory(self, model: LanguageModel, edits: Sequence[Edit]) -> int:
        """A group of values with what the later layers remember of it, and a key and a value for each edit."""
        settings, layer = self.settings, choose_layer(model, self.settings.layer)
        lessons = [Lesson((edit.prompt,), edit.new_object) for edit in edits]
        group = min(len(edits), group_size(model, layer, lessons, CollectionSettings(group=settings.group)))
        return group * lesson_bytes(model, layer, lessons) + 4 * 8 * len(edits) * model.d_model

    def fit(
        self,
        model: LanguageModel,
        edits: EditSet,
        *,
        progress: ProgressBoard,
        cancel: Cancel,
        seed: int = 0,
        run: Path | None = None,
        start: GracePack | None = None,
    ) -> GracePack:
        """Learn a value for each enabled edit; see `engine.editor.Editor.fit`.

        With `start` only edits that are new or have changed are learnt, and come after the others: its settings hold.
        Raises PackError where it was trained on another model.
        """
        settings = self.settings
        if start is not None:
            check_start(start, "grace", model)
            settings = dataclasses.replace(start.settings, layer=start.layer, radius=start.radius)
        asked = model.asked(chat=settings.chat)
        settings = dataclasses.replace(settings, chat=asked.chat)
        layer = choose_layer(asked, settings.layer)
        check_replaceable(asked, layer)
        enabled = edits.enabled()
        check_learnable(asked, enabled)
        check_memory(editor_kind("grace").title, self.memory(asked, enabled), model.device)
        kept = {} if start is None else unchanged_rows(start, enabled)
        new = [edit for edit in enabled if edit.id not in kept]
        progress.report("Radius", 0, 1)
        radius = settings.radius
        if radius is None:
            radius = settings.reach * usual_distance(asked, layer, cancel)
        progress.report("Radius", 1, 1)
        told = dataclasses.asdict(settings) | ({} if start is None else {"start": start.mark()})
        checkpoints = None
        if run is not None:
            mark = fingerprint_of(settings=told, edits=edits, seed=seed, model=model.fingerprint())
            checkpoints = Checkpoints(run / "checkpoints", mark)
        found = _learn(asked, layer, new, settings, seed, progress, cancel, checkpoints)
        keys = keys_of(asked, layer, [edit.prompt for edit in new], cancel).cpu()
        if start is not None:
            rows = list(kept.values())
            found = Values(
                *(torch.cat([getattr(start.learnt, part.name)[rows], getattr(found, part.name)]) for part in _PARTS)
            )
            keys = torch.cat([start.keys[rows], keys])
        return GracePack(
            settings=settings,
            layer=layer,
            radius=radius,
            model_name=model.name,
            fingerprint=model.fingerprint(),
            seed=seed,
            edit_set=edits,
            order=[*kept, *(edit.id for edit in new)],
            keys=keys,
            learnt=found,
            labels=_labels(asked, edits, [*kept, *(edit.id for edit in new)]),
        )


_PARTS = dataclasses.fields(Values)


def _labels(model: LanguageModel, edits: EditSet, order: Sequence[str]) -> list[list[int]]:
    by_id = {edit.id: edit for edit in edits.edits}
    return [model.target_ids(by_id[key].prompt, by_id[key].new_object) for key in order]


@torch.no_grad()
def keys_of(model: LanguageModel, layer: int, queries: Sequence[str], cancel: Cancel | None = None) -> Tensor:
    """What FFN block `layer` reads at the last token of each query: [queries, d_model], float32."""
    keys = torch.empty(len(queries), model.d_model, device=model.device)
    for rows in model.batches(queries):
        if cancel is not None:
            cancel.check()
        keys[rows] = model.passage(model.encode([queries[row] for row in rows]), layer).entered[:, -1].float()
    return keys


def usual_distance(model: LanguageModel, layer: int, cancel: Cancel | None = None) -> float:
    """How far a known prompt's key lies from the nearest of another subject: the median over KNOWN_PROMPTS.

    It follows the scale of the model's states, whatever that is. The prompts come with the product and do not hang on
    the edits.
    """
    prompts = {fact.subject: fact.prompt for fact in catalogue.pseudo_edits()}
    spread = list(prompts.values())
    chosen = [spread[place * len(spread) // KNOWN_PROMPTS] for place in range(KNOWN_PROMPTS)]
    keys = exact(keys_of(model, layer, chosen, cancel))
    apart = torch.cdist(keys, keys, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    return float(apart.amin(1).median())


def _learn(
    model: LanguageModel,
    layer: int,
    edits: Sequence[Edit],
    settings: GraceSettings,
    seed: int,
    progress: ProgressBoard,
    cancel: Cancel,
    checkpoints: Checkpoints | None,
) -> Values:
    """The edits' values, a group of like length at a time."""
    count = len(edits)
    progress.report("Values", 0, count)
    lessons = [Lesson((edit.prompt,), edit.new_object) for edit in edits]
    size = group_size(model, layer, lessons, CollectionSettings(group=settings.group))
    order = sorted(range(count), key=lambda row: len(edits[row].prompt))
    found = Values(torch.zeros(count, model.d_model), torch.zeros(count), torch.zeros(count, dtype=torch.bool))
    first = 0
    done = None if checkpoints is None else checkpoints.newest("values")
    if done is not None:
        # Other groups would find other values, in their last bits.
        first, size = int(done.meta["edits"]), int(done.meta["group"])
        found = Values(**done.tensors)
    for begin in range(first, count, size):
        rows = order[begin : begin + size]

        def report(learnt: int, loss: float, begin: int = begin) -> None:
            share = (int(found.answered.sum()) + learnt) / count
            progress.report("Values", begin + learnt, count, loss=loss, answered=share)

        asked = [(edits[row].prompt, edits[row].new_object) for row in rows]
        start = None if settings.start == "warm" else _cold(model.d_model, [edits[row] for row in rows], seed)
        group = learn_values(model, layer, asked, settings, start, cancel=cancel, report=report)
        for part in _PARTS:
            getattr(found, part.name)[rows] = getattr(group, part.name)
        if checkpoints is not None:
            step = begin + len(rows)
            progress.mark("values", step)
            tensors = {part.name: getattr(found, part.name) for part in _PARTS}
            checkpoints.save("values", step, tensors, {"edits": step, "group": size})
    progress.report("Values", count, count)
    return found


def _cold(d_model: int, edits: Sequence[Edit], seed: int) -> Tensor:
    """A random start for the value of each edit, [edits, d_model]: its own, whatever edits are learnt beside it."""
    drawn = []
    for edit in edits:
        with seeded(seed, f"value {edit.id}"):
            drawn.append(torch.rand(d_model))
    return torch.stack(drawn)


class GracePack:
    """Keys and values of all edits, in the order in which they came, and how far a new key reaches."""

    editor = "grace"

    def __init__(
        self,
        *,
        settings: GraceSettings,
        layer: int,
        radius: float,
        model_name: str,
        fingerprint: str,
        seed: int,
        edit_set: EditSet,
        order: Sequence[str],
        keys: Tensor,
        learnt: Values,
        labels: Sequence[Sequence[int]],
    ) -> None:
        self.settings, self.layer, self.radius, self.seed = settings, layer, radius, seed
        self.model_name, self.fingerprint = model_name, fingerprint
        self.edit_set, self.order = edit_set, list(order)
        self.keys, self.learnt, self.labels = keys, learnt, [list(label) for label in labels]
        deeds = [entry.deed for entry in self.codebook().journal]
        self.figures: dict[str, Any] = {
            "edits": len(self.order),
            "not learnt": [
                {"id": key, "loss": round(float(loss), 4)}
                for key, loss, right in zip(self.order, learnt.losses, learnt.answered, strict=True)
                if not right
            ],
            "threshold": THRESHOLD,
            "layer": layer,
            "radius": radius,
            **{f"{deed} keys": deeds.count(deed) for deed in ("new", "split", "grown")},
        }

    def codebook(self) -> Codebook:
        """The codebook with every edit in it."""
        codebook = Codebook(self.keys, self.labels, self.radius, self.settings.rules)
        codebook.set_live(range(len(self.order)))
        return codebook

    def mark(self) -> str:
        """A sha256 that tells this training from others."""
        return mark_of(self.seed, self.order, self._tensors())

    def _tensors(self) -> dict[str, dict[str, Tensor]]:
        learnt = {part.name: getattr(self.learnt, part.name) for part in _PARTS}
        return {"codebook": {"keys": self.keys, **learnt}}

    def save(self, folder: Path) -> None:
        """Write the pack; see `engine.packs`."""
        write_pack(
            folder,
            editor=self.editor,
            model=ModelIdentity(name=self.model_name, fingerprint=self.fingerprint),
            seed=self.seed,
            settings=dataclasses.asdict(self.settings),
            figures=self.figures,
            state={"layer": self.layer, "radius": self.radius, "order": self.order, "labels": self.labels},
            tensors=self._tensors(),
            edits=self.edit_set,
        )

    @classmethod
    def from_stored(cls, stored: StoredPack, device: torch.device | str = "cpu") -> GracePack:  # noqa: ARG003
        """The pack that `save` wrote; it moves to a model's device when it is attached."""
        state: dict[str, Any] = dict(stored.manifest.state)
        tensors: Mapping[str, Tensor] = stored.tensors["codebook"]
        return cls(
            settings=settings_from(stored.manifest.settings),
            layer=int(state["layer"]),
            radius=float(state["radius"]),
            model_name=stored.manifest.model.name,
            fingerprint=stored.manifest.model.fingerprint,
            seed=stored.manifest.seed,
            edit_set=stored.edits,
            order=state["order"],
            keys=tensors["keys"],
            learnt=Values(**{part.name: tensors[part.name] for part in _PARTS}),
            labels=state["labels"],
        )

    def attach(self, model: LanguageModel) -> GraceEditedModel:
        """`model` with this editor, asked as it was when the values were learnt; raises as `MegPack.attach` does."""
        check_base_model(model, self.model_name, self.fingerprint)
        return GraceEditedModel(model.asked(chat=self.settings.chat), self)


class CodebookRouter:
    """Routes queries to the nearest key within its radius."""

    def __init__(self, model: LanguageModel, pack: GracePack) -> None:
        self._model, self._layer = model, pack.layer
        self._codebook = Codebook(pack.keys.to(model.device), pack.labels, pack.radius, pack.settings.rules)
        self._codebook.set_live(range(len(pack.order)))
        edits = {edit.id: edit for edit in pack.edit_set.edits}
        self._edits = [edits[key] for key in pack.order]
        self.rows = {key: row for row, key in enumerate(pack.order)}
        # States of one text differ in their last bits with the batch that they were computed in.
        stray = min(8 * torch.finfo(model.model.dtype).eps, STRAY)
        self._spare = stray * float(pack.keys.norm(dim=1).mean())
        self._off: set[str] = set()
        self._threshold = THRESHOLD

    @property
    def threshold(self) -> float:
        """The familiarity from which queries are routed; may be moved. Raises EditError outside of 0 to 1."""
        return self._threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        if not 0 <= value <= 1:
            raise EditError(f"The threshold {value} is out of range: give a familiarity from 0 to 1.")
        self._threshold = value

    def examine(self, queries: Sequence[str], *, thorough: bool = False) -> tuple[list[Routing], Tensor]:  # noqa: ARG002
        """The nearest key of each query, and the queries' own keys [queries, d_model]."""
        keys = keys_of(self._model, self._layer, queries)
        if not self._codebook.entries or not queries:
            return [self._unknown(query) for query in queries], keys
        places, distances = self._codebook.nearest(keys)
        routings = [
            self._routing(query, key, place, distance)
            for query, key, place, distance in zip(
                queries, keys, places[:, 0].tolist(), distances[:, 0].tolist(), strict=True
            )
        ]
        return routings, keys

    def explain(self, query: str) -> Explanation:
        """The nearest keys; no evidence is weighed but the distance."""
        (routing,), (key,) = self.examine([query])
        near: tuple[NearEdit, ...] = ()
        if self._codebook.entries:
            places, distances = self._codebook.nearest(key[None], NEAR)
            told = [
                self._routing(query, key, *pair) for pair in zip(places[0].tolist(), distances[0].tolist(), strict=True)
            ]
            near = tuple(NearEdit(each.nearest_edit, each.similarity, each.familiarity) for each in told)
        return Explanation(routing, near, (), verbatim=False, calibrated=THRESHOLD)

    def extent(self, routing: Routing) -> Extent:
        """How far both models answer a query: as the new object of its edit goes."""
        return (
            self._model.extent(self._edits[self.rows[routing.nearest_edit]].new_object) if routing.routed else Extent()
        )

    def disable(self, edit_ids: Iterable[str]) -> None:
        """Take these edits out of the codebook: the radii are what they would be without them."""
        self._switch(self._off | set(edit_ids))

    def enable(self, edit_ids: Iterable[str]) -> None:
        """Have these edits in the codebook again, in their place."""
        self._switch(self._off - set(edit_ids))

    def _switch(self, off: set[str]) -> None:
        self._off = off
        self._codebook.set_live([row for row, edit in enumerate(self._edits) if edit.id not in off])

    def familiarity(self, place: int, distance: float) -> float:
        """ε / (ε + d) for entry number `place` with radius ε at distance d.

        0.5 just at the radius; from a threshold t on, queries within ε·(1 − t)/t are routed.
        """
        radius = self._codebook.radii[place] + self._spare
        return radius / (radius + distance)

    def _routing(self, query: str, key: Tensor, place: int, distance: float) -> Routing:
        row, familiarity = self._codebook.answering(place, key), self.familiarity(place, distance)
        return Routing(
            query=query,
            familiarity=familiarity,
            routed=familiarity >= self._threshold,
            threshold=self._threshold,
            entropy=0.0,
            nearest_edit=self._edits[row].id,
            similarity=float(F.cosine_similarity(exact(key), self._codebook.keys[row], dim=0)),
        )

    def _unknown(self, query: str) -> Routing:
        return Routing(query, 0.0, False, self._threshold, 0.0, "", 0.0)


class GraceEditedModel(SlottedModel[Outputs]):
    """A language model with a codebook at one of its FFN blocks."""

    def __init__(self, model: LanguageModel, pack: GracePack) -> None:
        self._codebook_router = CodebookRouter(model, pack)
        super().__init__(model, self._codebook_router, OutputSlot(model.blocks[pack.layer]))
        self._values, self._places = pack.learnt.values.to(model.device), pack.settings.replace

    def _inserts(self, z: Tensor, routings: Sequence[Routing]) -> Outputs:  # noqa: ARG002  the routing tells it all
        rows = [self._codebook_router.rows[routing.nearest_edit] for routing in routings]
        return Outputs.of(self._values[rows], self._places)

    def _before(self, inserts: Outputs, targets: Tensor) -> Outputs:
        return dataclasses.replace(inserts, behind=targets)
