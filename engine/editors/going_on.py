"""Going on from a pack: which one may be gone on from, and what tells it from every other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from torch import Tensor

from engine import tensor_files
from engine.editors.registry import editor_kind
from engine.edits import Edit, EditSet
from engine.language_model import LanguageModel
from engine.packs import PackError, check_base_model


class Start(Protocol):
    """A pack that a training goes on from."""

    model_name: str
    fingerprint: str

    @property
    def editor(self) -> str:
        """The name of what made it, in the registry."""


def check_start(start: Start, editor: str, model: LanguageModel) -> None:
    """Raise PackError where `start` is of another editor than `editor`, or was trained on another model."""
    if start.editor != editor:
        title, other = editor_kind(editor).title, editor_kind(start.editor).title
        raise PackError(f"{title} cannot go on from a pack of {other}.")
    check_base_model(model, start.model_name, start.fingerprint)


class Ordered(Protocol):
    """A pack that has a row for each of its edits, in the order in which they were learnt."""

    edit_set: EditSet
    order: list[str]


def unchanged_rows(start: Ordered, edits: Sequence[Edit]) -> dict[str, int]:
    """The row in `start` of each of `edits` that was learnt there just as it is now, by its id, in that order."""
    learnt = {edit.id: (edit.prompt, edit.new_object) for edit in start.edit_set.enabled()}
    wanted = {edit.id: (edit.prompt, edit.new_object) for edit in edits}
    return {key: row for row, key in enumerate(start.order) if key in wanted and wanted[key] == learnt[key]}


def mark_of(seed: int, edit_ids: Iterable[str], tensors: Mapping[str, Mapping[str, Tensor]]) -> str:
    """A sha256 that tells one training from others: its seed, its edits, and what was found, by file and name."""
    digest = hashlib.sha256(f"{seed} {list(edit_ids)}".encode())
    for stem in sorted(tensors):
        digest.update(tensor_files.to_bytes(tensors[stem]))
    return digest.hexdigest()
