"""What the tests of editors that look the nearest edit up share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.editors.registry import EDITORS, make_editor
from engine.edits import EditSet
from engine.language_model import LanguageModel
from engine.packs import load_pack
from engine.runs import Cancel, ProgressBoard

STRANGER = "Once upon a time there was"


def kept(
    name: str,
    model: LanguageModel,
    edits: EditSet,
    encoder: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    start: Any = None,
    cancel: Cancel | None = None,
    board: ProgressBoard | None = None,
) -> Any:
    """A pack of the editor `name`."""
    usual = dataclasses.replace(EDITORS[name].presets["balanced"][1](), encoder=str(encoder), **(settings or {}))
    editor: Any = make_editor(name, usual)
    return editor.fit(
        model,
        edits,
        progress=board or ProgressBoard(),
        cancel=cancel or Cancel(),
        **({"start": start} if start else {}),
    )


def files(pack: Any, folder: Path) -> dict[str, bytes]:
    """The files of a pack once it is saved."""
    pack.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def reread(pack: Any, folder: Path) -> Any:
    """The pack as it comes back from the disk."""
    pack.save(folder)
    return load_pack(folder)


def asked(edited: Any, query: str) -> str:
    """What the edited model's own model is asked in the place of `query`."""
    text: str = edited._told(query, edited._recall([query])[0])
    return text
