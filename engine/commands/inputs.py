"""What commands work on: the edits of a file, with an account of them, and the edited model of a pack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands.console import give_account, say
from engine.edits import EditSet
from engine.formats.registry import read_edits
from engine.formats.source import FormatError
from engine.pack_archive import opened_pack
from engine.packs import load_pack, read_manifest

if TYPE_CHECKING:
    from engine.editor import EditedModel
    from engine.meg.pack import MegPack


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


def attach_pack(
    folder: Path, model: str | None, device: str, dtype: str, threshold: float | None
) -> tuple[EditedModel, MegPack]:
    """The edited model of a pack (a folder, or a zip of one), its threshold moved where one is given, and the pack."""
    from engine.language_model import load

    with opened_pack(folder) as place:
        language_model = load(model or read_manifest(place).model.name, device=device, dtype=dtype)
        pack: Any = load_pack(place, language_model.device)
    edited: EditedModel = pack.attach(language_model)
    if threshold is not None:
        edited.threshold = threshold
    return edited, pack
