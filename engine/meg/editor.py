"""MeG behind the Editor protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from engine.editors.registered import RegisteredEditor
from engine.edits import Edit, EditError, EditSet
from engine.language_model import LanguageModel
from engine.layer_choice import choose_layer
from engine.meg.collection import Lesson, group_size, lesson_bytes
from engine.meg.curriculum import SENTENCE
from engine.meg.gate_training import gate_memory, tuning_memory
from engine.meg.generator import new_transformer
from engine.meg.pack import MegPack
from engine.meg.settings import MegSettings
from engine.meg.training import Training
from engine.runs import Cancel, ProgressBoard

ASKED = 8  # questions that a neuron is sought with, its guards among them: about so many
WIDTH = 1_024  # numbers of a question's vector, where the encoder is not loaded yet: about so many


class MegEditor(RegisteredEditor):
    """Massive editing by generated neurons (arXiv 2512.14395), behind the Editor protocol."""

    name = "meg"
    settings: MegSettings

    def __init__(self, settings: MegSettings | None = None) -> None:
        self.settings = settings or MegSettings()

    def memory(self, model: LanguageModel, edits: Sequence[Edit]) -> int:
        """The larger of what tuning the encoder and learning a group of neurons take, and what is there all along.

        That is the encoder, every edit's neurons and what the gate knows of it, and the generator four times: itself,
        its slopes, and their means and squares.
        """
        settings = self.settings
        layer = choose_layer(model, settings.layer if isinstance(settings.layer, int) else None)
        # Of an edit without a relation no phrasing is known, and its prompt is also asked after a sentence.
        asked = [edit.prompt if edit.relation else "x " * (SENTENCE // 2) + edit.prompt for edit in edits]
        lessons = [Lesson((ask,) * ASKED, edit.new_object) for ask, edit in zip(asked, edits, strict=True)]
        group = min(len(edits), group_size(model, layer, lessons, settings.collection))
        one = 2 * model.d_model + 1
        neurons = len(edits) * settings.collection.neurons * one
        # Any edit may turn out to need as many as it may have: sought in a group, and kept beside the first ones.
        most = settings.collection.most * one if settings.collection.second_try else 0
        learning = max(tuning_memory(settings, edits), group * (lesson_bytes(model, layer, lessons) + 4 * 6 * most))
        made = 0
        if settings.generator.kind != "stored":
            with torch.device("meta"):
                network = new_transformer(WIDTH, settings.generator.components, settings.generator)
            made = sum(parameter.numel() for parameter in network.parameters())
        return learning + gate_memory(settings, edits) + 4 * 4 * (neurons + made) + 4 * 2 * len(edits) * most

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
