"""What in-context editors that look the nearest edit up share: the edited model, the pack and the editor.

Nothing is trained. An edit that is switched off stays in the lookup, so that questions about it do not go to the next
nearest edit instead: they are asked as they are, and the original model answers.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from engine.editor import Explanation, NearEdit, Routing, ungated
from engine.editors.going_on import check_start
from engine.editors.in_context import InContextEditedModel, Recalled, check_room, passage
from engine.editors.lookup import ByMeaning, Lookup
from engine.editors.registered import RegisteredEditor
from engine.editors.registry import editor_kind
from engine.edits import Edit, EditError, EditSet, fold
from engine.language_model import LanguageModel
from engine.meg.encoder import QueryEncoder, encoder_bytes
from engine.packs import ModelIdentity, StoredPack, check_base_model, write_pack
from engine.runs import Cancel, ProgressBoard

INDEX = "Index"
"""The stage in which the edits are made ready to be looked up."""
_PROMPTS = "prompts"  # the file of a pack with the vectors
NEAR = 8  # edits that an explanation names
WIDTH = 1_024  # numbers of an encoder's vector, where it is not loaded yet: about so many


class NearestEditModel(InContextEditedModel):
    """A language model that is told the edit whose prompt is nearest to the question."""

    def __init__(
        self,
        model: LanguageModel,
        edits: Sequence[Edit],
        lookup: Lookup,
        threshold: float | None,
        form: str,
    ) -> None:
        """`lookup` has the edits' prompts, in their order; with `threshold` None every question meets an edit.

        `form` is what goes before a question, as in NearestEditPack.
        """
        self._model, self._edits, self._lookup, self._form = model, tuple(edits), lookup, form
        self.gated = threshold is not None
        self._threshold = self._calibrated = threshold or 0.0
        self._disabled: set[str] = set()

    def _before(self, edit: Edit, query: str) -> tuple[str, ...]:
        """The passages before `query`, which meets `edit`; the first is left out first."""
        return (passage(self._form, edit, query),)

    def route(self, queries: Sequence[str]) -> list[Routing]:
        """The word on each query; raises QueryError for one that the model cannot be asked.

        Without a gate it is the same for each, also where the nearest edit is switched off.
        """
        return [recalled.routing for recalled in self._recall(queries)]

    def _recall(self, queries: Sequence[str]) -> list[Recalled]:
        for query in queries:
            self._model.token_ids(query)
        alike, rows = (part[:, 0].tolist() for part in self._nearest(queries))
        return [
            self._recalled(query, self._edits[row], similarity)
            for query, similarity, row in zip(queries, alike, rows, strict=True)
        ]

    def _nearest(self, queries: Sequence[str]) -> tuple[Tensor, Tensor]:
        """How like each query the edits are, the likest first, and their rows: [queries, edits] each.

        Of edits as like, as those with the same prompt are, the last is first: it was made last.
        """
        found = self._lookup.alike(queries).flip(1).sort(dim=1, descending=True, stable=True)
        return found.values, len(self._edits) - 1 - found.indices

    def _recalled(self, query: str, edit: Edit, alike: float) -> Recalled:
        enabled = edit.id not in self._disabled
        routing = ungated(query)
        if self.gated:
            familiar = enabled and alike >= self._threshold
            routing = Routing(query, alike, familiar, self._threshold, 0.0, edit.id, alike)
        return Recalled(routing, edit, self._before(edit, query)) if routing.routed and enabled else Recalled(routing)

    def explain(self, query: str) -> Explanation:
        """The word on one query, with the edits that come nearest."""
        (routing,) = self.route([query])
        alike, rows = (part[0, :NEAR].tolist() for part in self._nearest([query]))
        found = [(self._edits[row], similarity) for similarity, row in zip(alike, rows, strict=True)]
        near = tuple(NearEdit(edit.id, alike, alike if self.gated else None) for edit, alike in found)
        return Explanation(routing, near, (), fold(query) == fold(found[0][0].prompt), self._calibrated)

    def disable(self, edit_ids: Iterable[str]) -> None:
        """Queries about these edits get the original model's answer from now on."""
        self._disabled.update(edit_ids)

    def enable(self, edit_ids: Iterable[str]) -> None:
        """These edits are told again."""
        self._disabled.difference_update(edit_ids)

    @property
    def threshold(self) -> float:
        """The familiarity from which a query meets its nearest edit; may be moved where there is a gate.

        Raises EditError outside of 0 to 1, and where there is no gate.
        """
        return self._threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        if not self.gated:
            raise EditError("This editor has no gate: every question meets its nearest edit, and no threshold moves.")
        if not 0 <= value <= 1:
            raise EditError(f"The threshold {value} is out of range: give a familiarity from 0 to 1.")
        self._threshold = value


class NearestEditPack(ABC):
    """Edits, the settings they are told with, and what they are looked up by."""

    editor: ClassVar[str]  # its name in the registry
    form: ClassVar[str]  # what goes before a question, with {fact} and {question}; left out last where there is more

    def __init__(
        self, settings: Any, model_name: str, fingerprint: str, seed: int, edit_set: EditSet, lookup: Lookup
    ) -> None:
        """`lookup` has the prompts of the enabled edits, in their order."""
        self.settings, self.model_name, self.fingerprint = settings, model_name, fingerprint
        self.seed, self.edit_set, self.lookup = seed, edit_set, lookup
        self.figures: dict[str, Any] = {"edits": len(edit_set.enabled())}

    @property
    @abstractmethod
    def threshold(self) -> float | None:
        """How alike a question has to be to its nearest edit; None where every question meets it."""

    @classmethod
    def index(
        cls,
        settings: Any,
        edits: Sequence[Edit],
        device: torch.device | str,
        *,
        known: Lookup | None = None,
        cancel: Cancel | None = None,
    ) -> Lookup:
        """What the prompts of `edits` are looked up by; what is `known` is not read again. Raises EncoderError."""
        before = known if isinstance(known, ByMeaning) else None
        encoder = QueryEncoder.load(settings.encoder, device) if before is None else before.encoder
        encoder.to(torch.device(device))
        return ByMeaning.of(encoder, [edit.prompt for edit in edits], known=before, cancel=cancel)

    @classmethod
    def restored_index(cls, settings: Any, stored: StoredPack, device: torch.device | str) -> Lookup:
        """The lookup of a stored pack."""
        encoder = QueryEncoder.load(settings.encoder, device)
        return ByMeaning.restored(encoder, [edit.prompt for edit in stored.edits.enabled()], stored.tensors[_PROMPTS])

    @classmethod
    def from_stored(cls, stored: StoredPack, device: torch.device | str = "cpu") -> Self:
        """The pack that `save` wrote."""
        manifest = stored.manifest
        settings = editor_kind(cls.editor).restore(manifest.settings)
        lookup = cls.restored_index(settings, stored, device)
        return cls(settings, manifest.model.name, manifest.model.fingerprint, manifest.seed, stored.edits, lookup)

    def save(self, folder: Path) -> None:
        """Write the pack; see `engine.packs`."""
        write_pack(
            folder,
            editor=self.editor,
            model=ModelIdentity(name=self.model_name, fingerprint=self.fingerprint),
            seed=self.seed,
            settings=dataclasses.asdict(self.settings),
            figures=self.figures,
            state=self._state(),
            tensors={name: group for name, group in self._tensors().items() if group},
            edits=self.edit_set,
        )

    def _state(self) -> dict[str, Any]:
        return {}

    def _tensors(self) -> dict[str, dict[str, Tensor]]:
        return {_PROMPTS: self.lookup.tensors()}

    def attach(self, model: LanguageModel) -> NearestEditModel:
        """`model` with this editor, asked as it was when the pack was made; raises as `MegPack.attach` does."""
        check_base_model(model, self.model_name, self.fingerprint)
        self.lookup = self.lookup.to(model.device)
        return NearestEditModel(
            model.asked(chat=self.settings.chat), self.edit_set.enabled(), self.lookup, self.threshold, self.form
        )


class NearestEditEditor(RegisteredEditor, ABC):
    """An editor that trains nothing, behind the Editor protocol."""

    pack: ClassVar[type[NearestEditPack]]

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def memory(self, model: LanguageModel, edits: Sequence[Edit]) -> int:  # noqa: ARG002  the model is only asked
        """The text encoder, where edits are looked up by one, and a vector for each edit."""
        return encoder_bytes(self.settings.encoder) + 4 * len(edits) * WIDTH

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
    ) -> NearestEditPack:
        """Keep the enabled edits; see `engine.editor.Editor.fit`.

        With `start`, a pack of the same model, its settings hold and the encoder does not read again what it has read.
        Raises EditError for an edit that is too long to be told, PackError where `start` is of another model.
        """
        settings, lookup = self._indexed(model, edits, progress, cancel, start)
        return self.pack(settings, model.name, model.fingerprint(), seed, edits, lookup)

    def _indexed(
        self,
        model: LanguageModel,
        edits: EditSet,
        progress: ProgressBoard,
        cancel: Cancel,
        start: NearestEditPack | None,
    ) -> tuple[Any, Lookup]:
        """The settings that hold, and the enabled edits' prompts as they are looked up; raises as `fit` does."""
        enabled = edits.enabled()
        if not enabled:
            raise EditError("There is no edit to train: add one, or switch one on.")
        if start is not None:
            check_start(start, self.pack.editor, model)
        settings = self.settings if start is None else start.settings
        asked = model.asked(chat=settings.chat)
        settings = dataclasses.replace(settings, chat=asked.chat)  # the pack tells how it has to be asked
        for edit in enabled:
            cancel.check()
            check_room(asked, edit, passage(self.pack.form, edit, edit.prompt))
        progress.report(INDEX, 0, len(enabled))
        known = None if start is None else start.lookup
        lookup = self.pack.index(settings, enabled, model.device, known=known, cancel=cancel)
        progress.report(INDEX, len(enabled), len(enabled))
        return settings, lookup
