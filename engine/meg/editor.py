"""MeG behind the Editor protocol."""

from __future__ import annotations

from pathlib import Path

from engine.editors.registered import RegisteredEditor
from engine.edits import EditError, EditSet
from engine.language_model import LanguageModel
from engine.meg.pack import MegPack
from engine.meg.settings import MegSettings
from engine.meg.training import Training
from engine.runs import Cancel, ProgressBoard


class MegEditor(RegisteredEditor):
    """Massive editing by generated neurons (arXiv 2512.14395), behind the Editor protocol."""

    name = "meg"

    def __init__(self, settings: MegSettings | None = None) -> None:
        self.settings = settings or MegSettings()

    def fit(
        self,
        model: LanguageModel,
        edits: EditSet,
        *,
        progress: ProgressBoard,
        cancel: Cancel,
        seed: int = 0,
        run: Path | None = None,
        start: MegPack | None = None,
    ) -> MegPack:
        """Train on the enabled edits; see `engine.editor.Editor.fit`.

        With `start`, a pack of the same model, only the edits that are new or have changed since are learnt: its
        settings hold. Raises PackError where it was trained on another model.
        """
        if not edits.enabled():
            raise EditError("There is no edit to train: add one, or switch one on.")
        return Training(self.settings, model, edits, progress, cancel, seed, run, start).run()
