"""IKE (arXiv 2305.12740): the new fact is put before the question, after demonstrations of how facts are taken up.

Demonstrations copy a new fact, answer it in other words, or keep a neighbour's answer; the nearest to the fact stand
last and are the last to be left out. The reference is told which fact a question is about; here it is the edit whose
prompt is nearest, for whatever question: nothing tells questions about edits from others.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor

from engine.editors.demonstrations import FORM, Demonstrations, PoolFact, make_pool
from engine.editors.lookup import ByMeaning, Lookup
from engine.editors.nearest_edit import NearestEditEditor, NearestEditModel, NearestEditPack
from engine.editors.registry import editor_kind
from engine.editors.settings.ike import IkeSettings
from engine.edits import Edit, EditSet
from engine.language_model import LanguageModel
from engine.packs import StoredPack, check_base_model
from engine.runs import Cancel, ProgressBoard

DEMONSTRATIONS = "Demonstrations"
_POOL = "pool"  # the file of a pack with the vectors of its facts


class IkeEditedModel(NearestEditModel):
    """A language model that is shown demonstrations, and then told the edit that is nearest to the question."""

    def __init__(
        self, model: LanguageModel, edits: tuple[Edit, ...], lookup: Lookup, demonstrations: Demonstrations
    ) -> None:
        super().__init__(model, edits, lookup, None, FORM)
        self._demonstrations = demonstrations

    def _before(self, edit: Edit, query: str) -> tuple[str, ...]:
        return (*self._demonstrations.of(edit, self._disabled), *super()._before(edit, query))


class IkePack(NearestEditPack):
    """Edits, what they are looked up by, and a pool of demonstrations."""

    editor = "ike"
    form = FORM
    threshold = None

    def __init__(
        self,
        settings: IkeSettings,
        model_name: str,
        fingerprint: str,
        seed: int,
        edit_set: EditSet,
        lookup: Lookup,
        demonstrations: Demonstrations,
    ) -> None:
        super().__init__(settings, model_name, fingerprint, seed, edit_set, lookup)
        self.demonstrations = demonstrations
        self.figures["pool"] = len(demonstrations.pool)

    @classmethod
    def from_stored(cls, stored: StoredPack, device: torch.device | str = "cpu") -> Self:
        """The pack that `save` wrote."""
        manifest = stored.manifest
        state: dict[str, Any] = dict(manifest.state)
        settings = editor_kind(cls.editor).restore(manifest.settings)
        lookup = cls.restored_index(settings, stored, device)
        pool = [PoolFact(**fact) for fact in state["pool"]]
        encoder = cast("ByMeaning", lookup).encoder
        facts = ByMeaning.restored(encoder, [fact.fact for fact in pool], stored.tensors[_POOL])
        demonstrations = Demonstrations(pool, facts, settings, manifest.seed)
        model = manifest.model
        return cls(settings, model.name, model.fingerprint, manifest.seed, stored.edits, lookup, demonstrations)

    def _state(self) -> dict[str, Any]:
        return {"pool": [dataclasses.asdict(fact) for fact in self.demonstrations.pool]}

    def _tensors(self) -> dict[str, dict[str, Tensor]]:
        return {**super()._tensors(), _POOL: self.demonstrations.facts.tensors()}

    def attach(self, model: LanguageModel) -> IkeEditedModel:
        """`model` with this editor, asked as it was when the pack was made; raises as `MegPack.attach` does."""
        check_base_model(model, self.model_name, self.fingerprint)
        self.lookup = self.lookup.to(model.device)
        self.demonstrations = self.demonstrations.to(model.device)
        asked = model.asked(chat=self.settings.chat)
        return IkeEditedModel(asked, self.edit_set.enabled(), self.lookup, self.demonstrations)


class IkeEditor(NearestEditEditor):
    """Editing by demonstrations, behind the Editor protocol."""

    name = "ike"
    pack = IkePack

    def __init__(self, settings: IkeSettings | None = None) -> None:
        super().__init__(settings or IkeSettings())

    def fit(
        self,
        model: LanguageModel,
        edits: EditSet,
        *,
        progress: ProgressBoard,
        cancel: Cancel,
        seed: int = 0,
        run: Path | None = None,  # noqa: ARG002  takes seconds: there is nothing to go on from
        start: NearestEditPack | None = None,
    ) -> IkePack:
        """Keep the enabled edits and make a pool of demonstrations; see `engine.editor.Editor.fit`.

        With `start` the pool is made anew all the same: a demonstration of before may be about what is edited now.
        """
        settings, lookup = self._indexed(model, edits, progress, cancel, start)
        pool = make_pool(
            model.asked(chat=settings.chat),
            edits,
            settings,
            seed,
            cancel=cancel,
            report=lambda step, of: progress.report(DEMONSTRATIONS, step, of),
        )
        known = start.demonstrations.facts if isinstance(start, IkePack) else None
        encoder = cast("ByMeaning", lookup).encoder
        facts = ByMeaning.of(encoder, [fact.fact for fact in pool], known=known, cancel=cancel)
        demonstrations = Demonstrations(pool, facts, settings, seed)
        return IkePack(settings, model.name, model.fingerprint(), seed, edits, lookup, demonstrations)
