"""What commands work on: the edits of a file, with an account of them, and the edited model of a pack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands.console import give_account, say
from engine.edits import EditError, EditSet
from engine.formats.registry import read_edits
from engine.formats.source import FormatError
from engine.pack_archive import opened_pack
from engine.packs import Manifest, read_manifest, read_pack, restored

if TYPE_CHECKING:
    from engine.editor import EditedModel


def read_edit_set(path: Path) -> EditSet:
    """The edits of a file; rejected rows are named on standard error and the rest is used."""
    from assets import catalogue

    imported = read_edits(path, relations=catalogue.relations())
    give_account(imported.rejections, imported.notes)
    if imported.rejections:
        say(imported.summary())
    if not imported.edit_set.edits:
        raise FormatError(f"{imported.summary()} There is no edit to work with.")
    return imported.edit_set


@dataclass(frozen=True, slots=True)
class Attached:
    """The edited model of a pack, with what the pack says of itself."""

    edited: EditedModel
    manifest: Manifest
    edits: EditSet


def attach_pack(folder: Path, model: str | None, device: str, dtype: str, threshold: float | None) -> Attached:
    """The edited model of a pack (a folder, or a zip of one), its threshold moved where one is given.

    Raises EditError where a threshold is given and the editor has no gate.
    """
    from engine.language_model import load

    with opened_pack(folder) as place:
        language_model = load(model or read_manifest(place).model.name, device=device, dtype=dtype)
        stored = read_pack(place)
        edited = restored(stored, language_model.device).attach(language_model)
    if threshold is not None:
        if not edited.gated:
            raise EditError(
                f"The editor “{stored.manifest.editor}” has no gate: every question meets the edits, and there is no "
                "threshold to move. Leave --threshold out."
            )
        edited.threshold = threshold
    return Attached(edited, stored.manifest, stored.edits)
