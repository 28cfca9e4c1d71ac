"""Edits, text and settings with which the editors that write at a subject are over in a moment on a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.editors.registry import EDITORS, make_editor
from engine.editors.weights import WeightPack
from engine.edits import Edit, EditSet
from engine.language_model import LanguageModel
from engine.runs import Cancel, ProgressBoard
from engine.setting_fields import with_values

SUBJECTS = ("Oslo", "Bern", "Zoë", "Lima", "Rome")
EDITS = EditSet(
    "five", tuple(Edit(f"e{row}", f"The river of {name} is", f"x{row}", name) for row, name in enumerate(SUBJECTS))
)


def some(count: int) -> EditSet:
    """The first so many of the edits."""
    return EditSet("some", EDITS.edits[:count])


def text(folder: Path) -> str:
    """The name of a file with a little text."""
    file = folder / "text.txt"
    file.write_text("\n".join(f"Sentence {row * 7919} tells of {SUBJECTS[row % 5]} once more." for row in range(60)))
    return str(file)


def quick_settings(name: str, corpus: str, **values: Any) -> Any:
    """Settings of the editor `name` that take little; `values` go by their paths, “__” for the point."""
    quick = {
        "statistics.corpus": corpus,
        "statistics.tokens": 1_500,
        "values.steps": 4,
        "values.contexts": 2,
        "values.context_tokens": 3,
        "growth": 1_000.0,
    }
    if name != "rome":
        quick |= {"layer": 2, "layers": 2}
    changed = {path.replace("__", "."): value for path, value in values.items()}
    return with_values(EDITORS[name].presets["balanced"][1](), quick | changed)


def fit(
    name: str,
    model: LanguageModel,
    settings: Any,
    edits: EditSet = EDITS,
    *,
    cancel: Cancel | None = None,
    board: ProgressBoard | None = None,
    run: Path | None = None,
    start: WeightPack | None = None,
    seed: int = 0,
) -> Any:
    """One training."""
    more: dict[str, Any] = {} if start is None else {"start": start}
    return make_editor(name, settings).fit(
        model, edits, progress=board or ProgressBoard(), cancel=cancel or Cancel(), run=run, seed=seed, **more
    )
