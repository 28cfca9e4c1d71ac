"""Every recipe trains, is kept on disk and answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.benchmark.recipes import RECIPES, Recipe, choose_recipes, settings_of
from engine.editors.retrieval import RetrievalEditor
from engine.edits import EditError, EditSet
from engine.language_model import LanguageModel
from engine.meg import gate_training
from engine.meg.editor import MegEditor
from engine.meg.settings import MegSettings
from engine.meg.training import Prepared, Training
from engine.packs import load_pack
from engine.runs import Cancel, ProgressBoard
from tests.engine.quick import sample_edits
from tests.engine.quick_meg import QuickSettings

PAPER_MINUTES = 0.02


@pytest.fixture(scope="module", autouse=True)
def small_gate() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate_training, "EPISODE", 24)
        patch.setattr(gate_training, "CALIBRATION_EDITS", 24)
        yield


@pytest.fixture(scope="module")
def few() -> EditSet:
    return sample_edits(6)


@pytest.fixture(scope="module")
def start(encoder: Path) -> MegSettings:
    settings = QuickSettings(encoder=str(encoder))
    return replace(settings, generator=replace(settings.generator, steps=30))


@pytest.fixture(scope="module")
def prepared(model: LanguageModel, few: EditSet, start: MegSettings) -> Prepared:
    return Training(start, model, few, ProgressBoard(), Cancel(), 0, None).prepare()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_goes_from_edits_to_answers(
    recipe: Recipe, model: LanguageModel, few: EditSet, start: MegSettings, prepared: Prepared, tmp_path: Path
) -> None:
    settings = settings_of(recipe, start, PAPER_MINUTES)
    board = ProgressBoard()
    if recipe == "retrieval":
        pack = RetrievalEditor(settings).fit(model, few, progress=board, cancel=Cancel())
    elif recipe == "paper":
        pack = MegEditor(settings).fit(model, few, progress=board, cancel=Cancel())
    else:
        pack = Training(settings, model, few, board, Cancel(), 0, None).run(prepared)
    pack.save(tmp_path / "pack")
    again = load_pack(tmp_path / "pack")
    queries = [edit.prompt for edit in few.edits] + ["Once upon a time there was"]
    told = []
    for each in (pack, again):
        edited = each.attach(model)
        try:
            told.append(edited.answer(queries))
        finally:
            edited.detach()
    # Where a tensor lies in memory decides over the last digit of a product.
    assert [replace(answer.routing, familiarity=0.0) for answer in told[0]] == [
        replace(answer.routing, familiarity=0.0) for answer in told[1]
    ]
    for one, other in zip(*told, strict=True):
        assert (one.original, one.edited) == (other.original, other.edited)
        assert one.routing.familiarity == pytest.approx(other.routing.familiarity, rel=1e-4)
    if recipe == "stored":
        assert [answer.edited for answer in told[0][:-1]] == [edit.new_object for edit in few.edits]
    assert [answer.original for answer in told[0]] == model.answer(queries)
    again.save(tmp_path / "again")
    assert {file.name: file.read_bytes() for file in (tmp_path / "pack").iterdir()} == {
        file.name: file.read_bytes() for file in (tmp_path / "again").iterdir()
    }


def test_shared_stages_give_the_pack_of_a_training_of_its_own(
    model: LanguageModel, few: EditSet, start: MegSettings, prepared: Prepared, tmp_path: Path
) -> None:
    settings = settings_of("mlp", start, PAPER_MINUTES)
    Training(settings, model, few, ProgressBoard(), Cancel(), 0, None).run(prepared).save(tmp_path / "shared")
    MegEditor(settings).fit(model, few, progress=ProgressBoard(), cancel=Cancel()).save(tmp_path / "own")
    for file in (tmp_path / "own").iterdir():
        assert file.read_bytes() == (tmp_path / "shared" / file.name).read_bytes(), file.name


def test_what_the_recipes_train_with(start: MegSettings) -> None:
    assert settings_of("meg", start, 1) == start == settings_of("retrieval", start, 1)
    for recipe in ("mlp", "stored"):
        settings = settings_of(recipe, start, 1)
        assert settings.generator.kind == recipe
        assert replace(settings, generator=start.generator) == start
    paper = settings_of("paper", start, 1.5)
    assert (paper.gate, paper.guards, paper.prompt_alone) == ("entropy", 0, True)
    assert (paper.collection.start, paper.collection.second_try, paper.familiarity.heads) == ("random", 0, 1)
    told = paper.generator
    assert (told.latent, told.token, told.sampling_steps, told.noise, told.anchoring) == (False, 100, 50, 0.0, 0.0)
    assert (told.stopping, told.distance, told.optimiser, told.learning_rate) == ("distance", 0.5, "adamw", 1e-4)
    assert (told.minutes, told.width) == (1.5, start.generator.width)


def test_recipes_are_chosen_by_name() -> None:
    assert choose_recipes("stored, meg,stored") == ("stored", "meg")
    with pytest.raises(EditError, match="no recipe “rome”"):
        choose_recipes("meg,rome")
    with pytest.raises(EditError, match="No recipe is named"):
        choose_recipes(" , ")
