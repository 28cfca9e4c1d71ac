"""What the tests of editors that change weights share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from engine.editors.registry import make_editor
from engine.editors.weights import WeightEditedModel, WeightPack
from engine.edits import Edit, EditSet
from engine.language_model import LanguageModel
from engine.runs import Cancel, ProgressBoard


def fit(
    name: str,
    settings: Any,
    model: LanguageModel,
    edits: EditSet,
    *,
    start: WeightPack | None = None,
    cancel: Cancel | None = None,
    seed: int = 0,
    board: ProgressBoard | None = None,
    run: Path | None = None,
) -> WeightPack:
    """One training; the model's weights are the original ones after it."""
    editor: Any = make_editor(name, settings)
    with unchanged(model):
        pack = editor.fit(
            model, edits, progress=board or ProgressBoard(), cancel=cancel or Cancel(), seed=seed, run=run, start=start
        )
    assert isinstance(pack, WeightPack)
    return pack


class StopAt(ProgressBoard):
    """A board that asks the job to stop once it has come to a step, and notes where the job began."""

    def __init__(self, cancel: Cancel, step: int) -> None:
        super().__init__()
        self._cancel, self._step = cancel, step
        self.first: int | None = None

    def report(self, stage: str, step: int, of: int, **figures: Any) -> None:
        """As any board, and the stop."""
        self.first = step if self.first is None else self.first
        super().report(stage, step, of, **figures)
        if step >= self._step:
            self._cancel.set()


@contextmanager
def unchanged(model: LanguageModel) -> Iterator[None]:
    """The model is the same bit for bit after the with-statement, however that ends."""
    before = {name: tensor.clone() for name, tensor in model.model.state_dict().items()}
    asked = {name: parameter.requires_grad for name, parameter in model.model.named_parameters()}
    try:
        yield
    finally:
        after = model.model.state_dict()
        assert after.keys() == before.keys()
        assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
        assert {name: parameter.requires_grad for name, parameter in model.model.named_parameters()} == asked


@contextmanager
def attached(pack: WeightPack, model: LanguageModel) -> Iterator[WeightEditedModel]:
    """The edited model; the original one is given back bit for bit."""
    with unchanged(model):
        edited = pack.attach(model)
        try:
            yield edited
        finally:
            edited.detach()


def few(edits: EditSet, *numbers: int) -> EditSet:
    """Some of `edits` alone."""
    return EditSet("some", tuple(edits.edits[number] for number in numbers), edits.relations)


def tiny_edits() -> EditSet:
    """Three edits that a tiny model, which reads bytes, can be asked."""
    return EditSet(
        "tiny",
        (
            Edit("1", "The capital of Kelm is", "Riga", "Kelm", original_answer="Oslo"),
            Edit("2", "The capital of Norland is", "Bern", "Norland", original_answer="Lima"),
            Edit("3", "The river of Kelm is the", "Po", "Kelm", original_answer="Don"),
        ),
    )
