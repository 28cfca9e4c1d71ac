"""T-Patcher: for each edit a few neurons beside the last FFN block, one for each token that is wrong.

They are taught to fire for their edit and to stay silent for questions about no edit and for the other edits (arXiv
2301.09785). Nothing of the model changes, and every query meets every patch: whether it fires is all the gate there is.

What differs from the reference implementation: patches of a group are learnt side by side, each on top of the groups
before it; the memory is made of questions like the edits' that are about no edit, and not of a training set; and the
margin below which a patch counts as silent follows the model's activation, since SiLU is still -0.14 at -3, where GELU
is nearly 0. `paper` gives the reference's order and margin. Its amplification of a patch's
output is a constant here.

An edit is undone by leaving its neurons out; those that were learnt after it were learnt beside it, and stay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.checkpoints import Checkpoints, fingerprint_of
from engine.editors.going_on import check_start, mark_of, unchanged_rows
from engine.editors.learnable import check_learnable, check_memory
from engine.editors.patches import Learnt, Memory, Patches, PatchGroup, PatchSlot, patchable, read_states, silent_margin
from engine.editors.registered import RegisteredEditor
from engine.editors.registry import editor_kind
from engine.editors.settings.t_patcher import TPatcherSettings, settings_from
from engine.editors.ungated import UngatedModel
from engine.edits import Edit, EditError, EditSet, fold
from engine.language_model import BATCH_TOKENS, LanguageModel
from engine.meg.curriculum import Curriculum
from engine.packs import ModelIdentity, StoredPack, check_base_model, write_pack
from engine.runs import Cancel, ProgressBoard

NO_EDIT = -1
"""The owner of what is asked about no edit."""
ANSWERED_AT_ONCE = 256


class TPatcherEditor(RegisteredEditor):
    """T-Patcher behind the Editor protocol."""

    name = "t-patcher"
    settings: TPatcherSettings

    def __init__(self, settings: TPatcherSettings | None = None) -> None:
        self.settings = settings or TPatcherSettings()

    def memory(self, model: LanguageModel, edits: Sequence[Edit]) -> int:
        """What patches stay silent for, and of a group its drive at all of it and the logits of its tokens.

        Before that the questions are answered, with what a batch of them remembers.
        """
        settings, group = self.settings, min(len(edits), self.settings.group)
        tokens = max(model.tokens_of(edit.new_object) for edit in edits)
        states = (settings.memory + len(edits)) * (tokens + 1)
        neurons = group * min(settings.neurons, tokens)
        vocabulary = int(model.model.get_output_embeddings().weight.shape[0])
        passed = 4 * 8 * group * tokens * vocabulary
        answering = 2 * BATCH_TOKENS * len(model.blocks) * model.d_model * int(model.model.dtype.itemsize)
        learning = 4 * (2 * states * model.d_model + 6 * neurons * states + 20 * neurons * model.d_model) + passed
        return answering + learning

    def fit(
        self,
        model: LanguageModel,
        edits: EditSet,
        *,
        progress: ProgressBoard,
        cancel: Cancel,
        seed: int = 0,
        run: Path | None = None,
        start: TPatcherPack | None = None,
    ) -> TPatcherPack:
        """Learn patches for the enabled edits; see `engine.editor.Editor.fit`.

        With `start` only edits that are new or have changed are learnt, on top of the others' patches: its settings
        hold. Raises PackError where it was trained on another model.
        """
        settings = self.settings
        if start is not None:
            check_start(start, "t-patcher", model)
            settings = start.settings
        asked = model.asked(chat=settings.chat)
        settings = dataclasses.replace(settings, chat=asked.chat)
        check_learnable(asked, edits.enabled())
        check_memory(editor_kind("t-patcher").title, self.memory(asked, edits.enabled()), model.device)
        told = dataclasses.asdict(settings) | ({} if start is None else {"start": start.mark()})
        checkpoints = None
        if run is not None:
            mark = fingerprint_of(settings=told, edits=edits, seed=seed, model=model.fingerprint())
            checkpoints = Checkpoints(run / "checkpoints", mark)
        return _Training(settings, asked, edits, progress, cancel, seed, checkpoints, start).run()


class _Training:
    """One training, from edits to patches."""

    def __init__(
        self,
        settings: TPatcherSettings,
        model: LanguageModel,
        edit_set: EditSet,
        progress: ProgressBoard,
        cancel: Cancel,
        seed: int,
        checkpoints: Checkpoints | None,
        start: TPatcherPack | None,
    ) -> None:
        self.settings, self.model, self.edit_set = settings, model, edit_set
        self.progress, self.cancel, self.seed, self.checkpoints = progress, cancel, seed, checkpoints
        by_id = {edit.id: edit for edit in edit_set.enabled()}
        kept = {} if start is None else unchanged_rows(start, edit_set.enabled())
        self.kept = len(kept)
        self.edits = [*(by_id[key] for key in kept), *(edit for edit in edit_set.enabled() if edit.id not in kept)]
        gated = model.blocks[-1].gated
        self.patches, self.owners = Patches.none(model.d_model, gated=gated), torch.zeros(0, dtype=torch.long)
        if start is not None:
            rows = {row: number for number, row in enumerate(kept.values())}
            held = torch.tensor([row in rows for row in start.owners.tolist()], dtype=torch.bool)
            self.patches = start.patches.of(held)
            self.owners = torch.tensor([rows[row] for row in start.owners[held].tolist()], dtype=torch.long)
        # Edits that ask the very same cannot stay silent for one another.
        first: dict[str, int] = {}
        self.named = torch.tensor([first.setdefault(fold(edit.prompt), row) for row, edit in enumerate(self.edits)])
        self.wrong = torch.zeros(len(self.edits), dtype=torch.long)

    def run(self) -> TPatcherPack:
        """Every group in order, resumed from its checkpoint where there is one."""
        memory, count, settings = self._strangers(), len(self.edits), self.settings
        pairs = [(edit.prompt, edit.new_object) for edit in self.edits]
        every = read_states(self.model, pairs, self.named.tolist(), self.cancel)
        margin = settings.margin
        if margin is None:
            margin = silent_margin(self.model.blocks[-1].activation)
        self.progress.report("Patches", 0, count)
        first = self.kept
        done = None if self.checkpoints is None else self.checkpoints.newest("patches")
        if done is not None:
            first, tensors = int(done.meta["edits"]), dict(done.tensors)
            self.owners, self.wrong = tensors.pop("owners"), tensors.pop("wrong")
            self.patches = Patches(tensors["k"], tensors["b"], tensors.get("u"), tensors["v"])
        device = self.model.device
        with patchable(self.model.blocks[-1]) as slot:
            for begin in range(first, count, settings.group):
                rows = torch.arange(begin, min(begin + settings.group, count))
                heard = every if settings.others == "all" else every.of(every.owners < begin + len(rows))
                group = PatchGroup(
                    self.model, pairs[begin : begin + len(rows)], self.patches.to(device), settings, slot
                )

                def report(learnt: int, loss: float, begin: int = begin) -> None:
                    self.progress.report("Patches", begin + learnt, count, loss=loss, answered=(begin + learnt) / count)

                found = group.learnt(memory.with_others(heard), self.named[rows], margin, self.cancel, report)
                self._check_finite(found, begin)
                self.patches = self.patches.with_others(found.patches)
                self.owners = torch.cat([self.owners, begin + found.edits])
                self.wrong[rows] = found.wrong
                if self.checkpoints is not None:
                    step = begin + len(rows)
                    self.progress.mark("patches", step)
                    tensors = {**self.patches.tensors(), "owners": self.owners, "wrong": self.wrong}
                    self.checkpoints.save("patches", step, tensors, {"edits": step})
            unanswered = self._unanswered(pairs, slot)
        self.progress.report("Patches", count, count, answered=1 - len(unanswered) / count)
        return TPatcherPack(
            settings=settings,
            model_name=self.model.name,
            fingerprint=self.model.fingerprint(),
            seed=self.seed,
            edit_set=self.edit_set,
            order=[edit.id for edit in self.edits],
            patches=self.patches,
            owners=self.owners,
            figures={
                "edits": count,
                "not learnt": unanswered,
                "neurons": len(self.owners),
                "answered before": int((self.wrong[self.kept :] == 0).sum()),
                "more wrong tokens than neurons": [
                    edit.id
                    for edit, wrong in zip(self.edits, self.wrong.tolist(), strict=True)
                    if wrong > settings.neurons
                ],
                "margin": margin,
            },
        )

    def _check_finite(self, found: Learnt, begin: int) -> None:
        """Raise EditError where the patches of an edit of the group that begins at `begin` ran away."""
        finite = torch.stack([part.isfinite().all(1) for part in found.patches.columns()]).all(0)
        if not bool(finite.all()):
            edit = self.edits[begin + int(found.edits[~finite][0])]
            raise EditError(
                f"The patch of edit {edit.id}, “{edit.prompt[:60]}”, grew beyond all numbers: "
                "lower the learning rate or the memory weight."
            )

    def _unanswered(self, pairs: Sequence[tuple[str, str]], slot: PatchSlot) -> list[str]:
        """The ids of the edits that are not answered token by token with every patch in its place."""
        slot.put(_adding(self.patches.to(self.model.device), self.model))
        try:
            found = self.model.likelihoods([prompt for prompt, _ in pairs], [target for _, target in pairs])
        finally:
            slot.put(None)
        return [edit.id for edit, likelihood in zip(self.edits, found, strict=True) if likelihood.share < 1]

    def _strangers(self) -> Memory:
        """Questions like the edits' that are about none of them, none that an evaluation asks; with their answers."""
        curriculum, count = Curriculum(self.edit_set, self.seed), self.settings.memory
        phrasings = curriculum.phrasings.trained
        # One of a kind for each edit: more keep more of the subject's other answers, and cost paraphrases.
        asked = dict.fromkeys(one.query for one in curriculum.strangers(self.edits, phrasings))
        if len(asked) < count:
            far = (curriculum.far(phrasings) for _ in range(count - len(asked)))
            asked |= dict.fromkeys(query for query in far if query is not None)
        every = list(asked)
        queries = [every[place * len(every) // count] for place in range(count)] if len(every) > count else every
        answers: list[str] = []
        for begin in range(0, len(queries), ANSWERED_AT_ONCE):
            self.progress.report("Memory", begin, len(queries))
            answers += self.model.answer(queries[begin : begin + ANSWERED_AT_ONCE], cancel=self.cancel)
        self.progress.report("Memory", len(queries), len(queries))
        said = [pair for pair in zip(queries, answers, strict=True) if pair[1]]
        return read_states(self.model, said, [NO_EDIT] * len(said), self.cancel)


def _adding(patches: Patches, model: LanguageModel) -> Callable[[Tensor], Tensor]:
    """What the last block of `model` gets beside it."""
    return lambda states: patches.adds(states, model.blocks[-1].activation)


class TPatcherPack:
    """The patches of all edits; `owners` [neurons] are the places in `order`, the ids of the edits as they came."""

    editor = "t-patcher"

    def __init__(
        self,
        *,
        settings: TPatcherSettings,
        model_name: str,
        fingerprint: str,
        seed: int,
        edit_set: EditSet,
        order: Sequence[str],
        patches: Patches,
        owners: Tensor,
        figures: dict[str, Any],
    ) -> None:
        self.settings, self.model_name, self.fingerprint, self.seed = settings, model_name, fingerprint, seed
        self.edit_set, self.order, self.patches, self.owners = edit_set, list(order), patches, owners
        self.figures = figures

    def mark(self) -> str:
        """A sha256 that tells this training from others."""
        return mark_of(self.seed, self.order, self._tensors())

    def _tensors(self) -> dict[str, dict[str, Tensor]]:
        return {"patches": {**self.patches.tensors(), "owners": self.owners}}

    def save(self, folder: Path) -> None:
        """Write the pack; see `engine.packs`."""
        write_pack(
            folder,
            editor=self.editor,
            model=ModelIdentity(name=self.model_name, fingerprint=self.fingerprint),
            seed=self.seed,
            settings=dataclasses.asdict(self.settings),
            figures=self.figures,
            state={"order": self.order},
            tensors=self._tensors(),
            edits=self.edit_set,
        )

    @classmethod
    def from_stored(cls, stored: StoredPack, device: torch.device | str = "cpu") -> TPatcherPack:  # noqa: ARG003
        """The pack that `save` wrote; its patches move to a model's device when it is attached."""
        manifest, tensors = stored.manifest, stored.tensors["patches"]
        state: dict[str, Any] = dict(manifest.state)
        return cls(
            settings=settings_from(manifest.settings),
            model_name=manifest.model.name,
            fingerprint=manifest.model.fingerprint,
            seed=manifest.seed,
            edit_set=stored.edits,
            order=state["order"],
            patches=Patches(tensors["k"], tensors["b"], tensors.get("u"), tensors["v"]),
            owners=tensors["owners"],
            figures=dict(manifest.figures),
        )

    def attach(self, model: LanguageModel) -> TPatcherEditedModel:
        """`model` with this editor, asked as it was when patches were learnt; raises as `MegPack.attach` does."""
        check_base_model(model, self.model_name, self.fingerprint)
        return TPatcherEditedModel(model.asked(chat=self.settings.chat), self)


class TPatcherEditedModel(UngatedModel):
    """A language model with patches beside its last block."""

    def __init__(self, model: LanguageModel, pack: TPatcherPack) -> None:
        """`model` is asked as the pack was trained."""
        super().__init__(model, editor_kind("t-patcher").title, pack.edit_set)
        self._pack = pack
        self._patches = pack.patches.to(model.device)
        self._off: set[str] = set()
        self._slot = PatchSlot(model.blocks[-1])
        self._put()

    @contextmanager
    def original(self) -> Iterator[LanguageModel]:
        """The original model, asked as this one is, for as long as the context lasts."""
        self._slot.put(None)
        try:
            yield self._model
        finally:
            self._put()

    def disable(self, edit_ids: Iterable[str]) -> None:
        """Leave the neurons of these edits out."""
        self._off |= set(edit_ids)
        self._put()

    def enable(self, edit_ids: Iterable[str]) -> None:
        """Have the neurons of these edits again."""
        self._off -= set(edit_ids)
        self._put()

    def detach(self) -> None:
        """Give the original model back, bit for bit."""
        self._slot.remove()

    def _put(self) -> None:
        on = torch.tensor([key not in self._off for key in self._pack.order], dtype=torch.bool)
        live = on[self._pack.owners].to(self._model.device)
        self._slot.put(_adding(self._patches.of(live), self._model) if bool(live.any()) else None)
