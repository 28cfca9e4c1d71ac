"""Editors that change the model's own weights: what their fits, their packs and their edited models have in common.

A pack holds what is added to the weights and whatever the method needs to go on or to take an edit back. Attaching
exchanges the weights; every query meets every edit, since there is no gate. A method is a `WeightEditor` that says how
edits are learnt and, where what it learns is more than one matrix of changes a weight, a `WeightPack` that says what
the changes come to, and without some of the edits.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from engine.checkpoints import Checkpoint, Checkpoints, fingerprint_of
from engine.editors.going_on import check_start, mark_of
from engine.editors.learnable import check_learnable, check_memory
from engine.editors.registered import RegisteredEditor
from engine.editors.registry import editor_kind
from engine.editors.ungated import UngatedModel
from engine.edits import Edit, EditError, EditSet
from engine.evaluation.answers import is_answer
from engine.language_model import LanguageModel
from engine.packs import ModelIdentity, StoredPack, check_base_model, write_pack
from engine.runs import Cancel, ProgressBoard
from engine.weight_exchange import WeightExchange, growth

CHANGES = "changes"
"""The file of a pack with what is added to the weights, by parameter name, as the model stores them."""


@dataclasses.dataclass(frozen=True, slots=True)
class WeightFit:
    """One fit: what is to be learnt, and on top of what."""

    model: LanguageModel  # with the weights of `known`, asked as the settings say
    settings: Any  # the editor's own
    edit_set: EditSet
    edits: tuple[Edit, ...]  # those to learn now, one at least: enabled, and not in `known` as they are
    known: Any  # what is gone on from, a pack of the editor's own kind without edits that are no more or have changed
    progress: ProgressBoard
    cancel: Cancel
    seed: int
    checkpoints: Checkpoints | None  # of this very fit
    exchange: WeightExchange  # of the model: what `known` changes is put there while it is learnt

    def kept(self, stage: str) -> Checkpoint | None:
        """The newest checkpoint of `stage`."""
        return None if self.checkpoints is None else self.checkpoints.newest(stage)

    def keep(self, stage: str, step: int, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Write a checkpoint of `stage`, where there is a folder for it."""
        if self.checkpoints is not None:
            self.progress.mark(stage, step)
            self.checkpoints.save(stage, step, tensors, meta)


@dataclasses.dataclass(frozen=True, slots=True)
class Learnt:
    """What a fit found: the content of a pack."""

    tensors: Mapping[str, Mapping[str, Tensor]]  # by file, then by name
    state: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # whatever else JSON can hold
    figures: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class WeightPack:
    """What an editor adds to a model's weights, with the edits that it is for.

    As it stands: one matrix of changes a weight, from which no single edit can be taken out. Methods that keep their
    edits apart override `changes` and `without`.
    """

    def __init__(
        self,
        *,
        editor: str,
        settings: Any,
        model_name: str,
        fingerprint: str,
        seed: int,
        edit_set: EditSet,
        tensors: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, Any],
        figures: Mapping[str, Any],
    ) -> None:
        """`editor` is its name in the registry; `tensors` go by file, then by name."""
        self.editor, self.settings, self.seed = editor, settings, seed
        self.model_name, self.fingerprint, self.edit_set = model_name, fingerprint, edit_set
        self.tensors, self.state, self.figures = tensors, dict(state), dict(figures)

    # --- what a method may say otherwise -----------------------------------------------------------------------

    def changes(self) -> Mapping[str, Tensor]:
        """What is added to each weight, by parameter name and shaped as the model stores it."""
        return self.tensors[CHANGES]

    def without(
        self,
        edit_ids: frozenset[str],
        model: LanguageModel,  # noqa: ARG002  what others need
        cancel: Cancel | None = None,  # noqa: ARG002
    ) -> WeightPack:
        """The same pack without these edits, at least one of its own. Raises EditError where that takes a training.

        `model` has its original weights and is asked as the pack was trained; it has them again afterwards. Where it
        is asked for long, `cancel` is looked at: raises Cancelled.
        """
        named = next(edit for edit in self.edit_set.enabled() if edit.id in edit_ids)
        raise EditError(
            f"{editor_kind(self.editor).title} cannot take one edit back, such as {named.id} (“{named.prompt[:60]}”): "
            "train again without it."
        )

    # --- what all have in common -------------------------------------------------------------------------------

    def with_edits(self, edit_set: EditSet, learnt: Learnt) -> Self:
        """A pack like this one, of other content."""
        return type(self)(
            editor=self.editor,
            settings=self.settings,
            model_name=self.model_name,
            fingerprint=self.fingerprint,
            seed=self.seed,
            edit_set=edit_set,
            tensors=learnt.tensors,
            state=learnt.state,
            figures=learnt.figures,
        )

    def learnt(self) -> frozenset[str]:
        """The ids of the edits that were learnt."""
        return frozenset(edit.id for edit in self.edit_set.enabled())

    def mark(self) -> str:
        """A sha256 that tells this training from others: its edits, its seed, and what was found."""
        return mark_of(self.seed, (edit.id for edit in self.edit_set.edits), self.tensors)

    def save(self, folder: Path) -> None:
        """Write the pack; see `engine.packs`."""
        write_pack(
            folder,
            editor=self.editor,
            model=ModelIdentity(name=self.model_name, fingerprint=self.fingerprint),
            seed=self.seed,
            settings=dataclasses.asdict(self.settings),
            figures=self.figures,
            state=self.state,
            tensors=self.tensors,
            edits=self.edit_set,
        )

    @classmethod
    def from_stored(cls, stored: StoredPack, device: torch.device | str = "cpu") -> WeightPack:
        """The pack that `save` wrote, its tensors on `device`."""
        manifest = stored.manifest
        return cls(
            editor=manifest.editor,
            settings=editor_kind(manifest.editor).restore(manifest.settings),
            model_name=manifest.model.name,
            fingerprint=manifest.model.fingerprint,
            seed=manifest.seed,
            edit_set=stored.edits,
            tensors={
                stem: {name: tensor.to(device) for name, tensor in group.items()}
                for stem, group in stored.tensors.items()
            },
            state=manifest.state,
            figures=manifest.figures,
        )

    def attach(self, model: LanguageModel) -> WeightEditedModel:
        """`model` with its weights changed, asked as it was when the pack was trained.

        Raises PackError where that was another model, or the same with another editor's changes still in it.
        """
        check_base_model(model, self.model_name, self.fingerprint)
        return WeightEditedModel(model.asked(chat=self.settings.chat), self)


class WeightEditor(RegisteredEditor, ABC):
    """What editors that change weights do alike when they learn."""

    pack: ClassVar[type[WeightPack]] = WeightPack

    def fit(
        self,
        model: LanguageModel,
        edits: EditSet,
        *,
        progress: ProgressBoard,
        cancel: Cancel,
        seed: int = 0,
        run: Path | None = None,
        start: WeightPack | None = None,
    ) -> WeightPack:
        """Learn the enabled edits; see `engine.editor.Editor.fit`. The model's weights are the original ones after it.

        With `start`, a pack of the same editor and model, what is new or has changed is learnt on top of its weights
        and with its settings. Raises EditError where `edits` lacks one of its edits and the method cannot take that
        back.
        """
        if not edits.enabled():
            raise EditError("There is no edit to train: add one, or switch one on.")
        fingerprint, settings = model.fingerprint(), self.settings
        if start is not None:
            check_start(start, self.name, model)
            settings = start.settings
        asked = model.asked(chat=settings.chat)
        settings = dataclasses.replace(settings, chat=asked.chat)  # the pack tells how it has to be asked
        known, fresh = (None, edits.enabled()) if start is None else _gone_on_from(start, edits, asked)
        if known is not None and not fresh:
            figures = {**known.figures, "edits": len(edits.enabled())}
            return known.with_edits(edits, Learnt(known.tensors, known.state, figures))
        told = dataclasses.asdict(settings) | ({} if start is None else {"start": start.mark()})
        mark = fingerprint_of(settings=told, edits=edits, seed=seed, model=fingerprint)
        work = WeightFit(
            model=asked,
            settings=settings,
            edit_set=edits,
            edits=fresh,
            known=known,
            progress=progress,
            cancel=cancel,
            seed=seed,
            checkpoints=None if run is None else Checkpoints(run / "checkpoints", mark),
            exchange=WeightExchange(asked.model),
        )
        self.check(work)
        cancel.check()
        try:
            work.exchange.put({} if known is None else known.changes())
            learnt = self.learn(work)
        finally:
            work.exchange.give_back()
        pack = self.pack(
            editor=self.name,
            settings=settings,
            model_name=model.name,
            fingerprint=fingerprint,
            seed=seed,
            edit_set=edits,
            tensors=learnt.tensors,
            state=learnt.state,
            figures={},
        )
        pack.figures = {"edits": len(edits.enabled()), **learnt.figures, "growth": _growth(asked, pack)}
        return pack

    def check(self, work: WeightFit) -> None:
        """Raise EditError, in a sentence, for what cannot be learnt; before anything that takes long.

        As it stands, an edit that the model cannot be asked or taught, and whether the memory suffices. The model has
        its original weights, even where some are `known`.
        """
        check_learnable(work.model, work.edits)
        need = self.memory_with(work.model, work.edits, work.settings)
        check_memory(editor_kind(self.name).title, need, work.model.device)

    def memory(self, model: LanguageModel, edits: Sequence[Edit]) -> int:
        """About how many bytes learning so many edits takes beside the model; see `engine.editor.Editor.memory`."""
        return self.memory_with(model, edits, self.settings)

    @abstractmethod
    def memory_with(self, model: LanguageModel, edits: Sequence[Edit], settings: Any) -> int:
        """About how many bytes learning so many edits with `settings` takes beside the model."""

    @abstractmethod
    def learn(self, work: WeightFit) -> Learnt:
        """Learn `work.edits`. Weights may be put into `work.exchange`, which gives all of them back afterwards.

        The result holds all that the pack shall hold: what was known is part of it.
        """


class WeightEditedModel(UngatedModel):
    """A language model with changed weights."""

    def __init__(self, model: LanguageModel, pack: WeightPack) -> None:
        """`model` is asked as the pack was trained."""
        super().__init__(model, editor_kind(pack.editor).title, pack.edit_set)
        self._pack = pack
        self._off: frozenset[str] = frozenset()
        self._attached = True
        self._exchange = WeightExchange(model.model)
        self._exchange.put(pack.changes())

    @contextmanager
    def original(self) -> Iterator[LanguageModel]:
        """The original model, asked as this one is, for as long as the context lasts."""
        with self._exchange.originals():
            yield self._model

    def disable(self, edit_ids: Iterable[str]) -> None:
        """Give back what these edits changed; ids of edits that were not learnt are passed over.

        All edits can always be given back. Raises EditError, and changes nothing, where only some are to be and the
        method cannot.
        """
        self.switch_off(self._off | (self._pack.learnt() & frozenset(edit_ids)))

    def enable(self, edit_ids: Iterable[str]) -> None:
        """Let these edits change the weights again. Raises EditError as `disable` does."""
        self.switch_off(self._off - frozenset(edit_ids))

    def switch_off(self, edit_ids: frozenset[str], cancel: Cancel | None = None) -> None:
        """Have these edits off and all others on, solved for once.

        Nothing has changed where EditError is raised, as by `disable`, or Cancelled.
        """
        off = self._pack.learnt() & edit_ids
        if off == self._off or not self._attached:
            return
        if off == self._pack.learnt():
            self._exchange.give_back()
        else:
            with self._exchange.originals():
                pack = self._pack.without(off, self._model, cancel) if off else self._pack
            self._exchange.put(pack.changes())
        self._off = off

    def detach(self) -> None:
        """Give the original model back, bit for bit."""
        self._attached = False
        self._exchange.give_back()


def check_growth(name: str, original: Tensor, change: Tensor, edits: Sequence[Edit], most: float) -> None:
    """Raise EditError, naming the edit, where a change is no number or more than `most` times the weight it goes to.

    `name` is the parameter's; `change` is all that was added to its `original` so far, and `edits` are those that were
    being learnt.
    """
    size = growth(original, change)
    if not size <= most:  # NaN too
        what = f"came to {size:,.1f} times the weights themselves" if math.isfinite(size) else "are no numbers any more"
        named = f"edit {edits[0].id} (“{edits[0].prompt[:60]}”)"
        named += f" and {len(edits) - 1:,} learnt with it" if len(edits) > 1 else ""
        raise EditError(
            f"Editing was stopped at {named}: the changes to {name} {what}, and {most:g} times is the most that is "
            "allowed; lower the learning rate, or take fewer edits."
        )


def _gone_on_from(
    start: WeightPack, edits: EditSet, model: LanguageModel
) -> tuple[WeightPack | None, tuple[Edit, ...]]:
    """`start` without what is no more or has changed (None: nothing is left), and the edits that are to be learnt.

    An edit that has changed is learnt on top of what it was where the method cannot take that back.
    """
    before = {edit.id: edit for edit in start.edit_set.enabled()}
    fresh = tuple(edit for edit in edits.enabled() if not _as_it_was(before.get(edit.id), edit))
    gone = frozenset(before) - frozenset(edit.id for edit in edits.enabled())
    changed = frozenset(edit.id for edit in fresh) & frozenset(before)
    if gone | changed == frozenset(before):
        return None, edits.enabled()
    if gone or (changed and editor_kind(start.editor).undoes_one):
        start = start.without(gone | changed, model)
    return start, fresh


def _as_it_was(before: Edit | None, now: Edit) -> bool:
    """Whether what an edit's change depends on is as it was.

    An original answer that was filled in meanwhile is none of it: the model was asked for it then.
    """
    if before is None or _taught(before) != _taught(now):
        return False
    answers = before.original_answer, now.original_answer
    return not all(answers) or is_answer(*answers)


def _taught(edit: Edit) -> tuple[str, ...]:
    """What the change of an edit depends on, whatever was answered before."""
    return edit.prompt, edit.new_object, edit.subject, edit.relation


def _growth(model: LanguageModel, pack: WeightPack) -> float:
    """The largest ‖ΔW‖ / ‖W‖ of a pack's weights."""
    return max(
        (growth(model.model.get_parameter(name).data, change) for name, change in pack.changes().items()), default=0.0
    )
