"""What editors that change weights have in common: attaching, asking, taking back, going on, giving the model back."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import pipeline

from engine.decoding import Decoding
from engine.editor import EditedModel, Editor, Pack, ungated
from engine.editors.fine_tuning import FTMEditor
from engine.editors.registry import EDITORS
from engine.editors.settings.fine_tuning import FineTuningSettings
from engine.editors.settings.ultra_edit import UltraEditSettings
from engine.editors.weights import WeightPack, check_growth
from engine.edits import Edit, EditError, EditSet
from engine.language_model import LanguageModel, QueryError
from engine.packs import PackError, load_pack
from engine.runs import Cancel, Cancelled, ProgressBoard
from engine.weight_exchange import growth
from tests.chat_templates import TEMPLATES
from tests.engine.editors.weight_editing import attached, few, fit, tiny_edits, unchanged
from tests.tiny_models import tiny_model

SETTINGS = FineTuningSettings()


@pytest.fixture(scope="module")
def some(edits: EditSet) -> EditSet:
    return few(edits, 0, 1, 2)


@pytest.fixture(scope="module")
def trained(model: LanguageModel, some: EditSet) -> WeightPack:
    return fit("ft-m", SETTINGS, model, some)


def test_the_protocols_are_kept(trained: WeightPack, model: LanguageModel) -> None:
    editor: Editor = FTMEditor()
    kept: Pack = trained
    assert editor.stages()
    assert editor.requirements() == ("prompt", "new object")
    with attached(trained, model) as edited:
        assert isinstance(edited, EditedModel)
    assert kept is trained


def test_both_models_answer_under_the_same_extents(trained: WeightPack, model: LanguageModel, some: EditSet) -> None:
    queries = [some.edits[0].prompt, "Once upon a time there was"]
    originally = model.answer(queries)
    with attached(trained, model) as edited:
        answers = edited.answer(queries)
        assert [answer.original for answer in answers] == originally
        assert answers[0].edited == some.edits[0].new_object != originally[0]
        assert [answer.edited for answer in answers] == model.answer(queries)
        assert [answer.routing for answer in answers] == [ungated(query) for query in queries]
        assert all(answer.original_seconds is not None for answer in answers)
        short = edited.answer(queries, originals=False)
        assert [answer.edited for answer in short] == [answer.edited for answer in answers]
        assert [(answer.original, answer.original_seconds) for answer in short] == [("", None)] * 2
        drawn = edited.answer(queries, decoding=Decoding(max_new_tokens=2, first_sentence=False))
        assert all(len(model.tokenizer(answer.edited)["input_ids"]) <= 4 for answer in drawn)


def test_a_long_new_object_is_not_cut_off_at_its_stop() -> None:
    model = tiny_model()
    edits = EditSet("long", (Edit("1", "It is", "a. b. and so on to the very end of it"),))
    blank = WeightPack(
        editor="ft-m",
        settings=replace(SETTINGS, chat=False),
        model_name=model.name,
        fingerprint=model.fingerprint(),
        seed=0,
        edit_set=edits,
        tensors={"changes": {}},
        state={},
        figures={},
    )
    with attached(blank, model) as edited:
        assert edited._extents["it is"].wanted == edits.edits[0].new_object
        assert edited._usual.tokens > 37


def test_scores_next_tokens_and_generation_are_the_edited_models(
    trained: WeightPack, model: LanguageModel, some: EditSet
) -> None:
    edit = some.edits[1]
    before = model.next_tokens(edit.prompt, 3)
    with attached(trained, model) as edited:
        assert edited.teacher_forced([edit.prompt], [edit.new_object]) == [1.0]
        tokens = edited.next_tokens(edit.prompt, 3)
        assert tokens.original == before
        assert tokens.edited == model.next_tokens(edit.prompt, 3)
        generator = pipeline("text-generation", model=edited, tokenizer=model.tokenizer)
        (said,) = generator(edit.prompt, max_new_tokens=8, do_sample=False)
        assert said["generated_text"].startswith(f"{edit.prompt} {edit.new_object}")


def test_there_is_no_gate_to_move_or_to_explain(trained: WeightPack, model: LanguageModel, some: EditSet) -> None:
    with attached(trained, model) as edited:
        assert not edited.gated
        assert edited.threshold == 0
        edited.threshold = 0.0
        with pytest.raises(EditError, match="FT-M has no gate"):
            edited.threshold = 0.5
        explained = edited.explain(some.edits[0].prompt)
        assert explained.routing == ungated(some.edits[0].prompt)
        assert not explained.near
        assert not explained.reasons
        with pytest.raises(QueryError, match="empty"):
            edited.route([" "])


def test_all_edits_can_be_taken_back_and_one_only_where_the_method_can(
    trained: WeightPack, model: LanguageModel, some: EditSet
) -> None:
    prompts = [edit.prompt for edit in some.edits]
    originally = model.answer(prompts)
    with attached(trained, model) as edited:
        answers = model.answer(prompts)
        edited.disable([])
        edited.disable(["an edit of nobody's"])
        with pytest.raises(
            EditError, match=f"FT-M cannot take one edit back, such as {some.edits[1].id} .*train again"
        ):
            edited.disable([some.edits[1].id])
        assert model.answer(prompts) == answers
        edited.disable([edit.id for edit in some.edits])
        assert model.answer(prompts) == originally
        with pytest.raises(EditError, match="cannot take one edit back"):
            edited.enable([some.edits[0].id])
        assert model.answer(prompts) == originally
        edited.enable([edit.id for edit in some.edits])
        assert model.answer(prompts) == answers
    edited.enable([])
    edited.disable([edit.id for edit in some.edits])
    edited.enable([edit.id for edit in some.edits])
    assert model.answer(prompts) == originally  # detached for good


def test_what_is_saved_is_what_is_loaded(
    trained: WeightPack, model: LanguageModel, some: EditSet, tmp_path: Path
) -> None:
    trained.save(tmp_path / "pack")
    loaded = load_pack(tmp_path / "pack")
    assert isinstance(loaded, WeightPack)
    assert loaded.mark() == trained.mark()
    assert loaded.settings == trained.settings
    with attached(loaded, model) as edited:
        again = edited.answer([edit.prompt for edit in some.edits])
    assert [answer.edited for answer in again] == [edit.new_object for edit in some.edits]


def test_the_same_seed_gives_the_same_pack(
    trained: WeightPack, model: LanguageModel, some: EditSet, tmp_path: Path
) -> None:
    trained.save(tmp_path / "one")
    fit("ft-m", SETTINGS, model, some).save(tmp_path / "other")
    one, other = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "other"))
    assert one == other


def test_another_model_and_one_that_is_edited_already_are_refused(trained: WeightPack, model: LanguageModel) -> None:
    with pytest.raises(PackError, match="has other weights"):
        trained.attach(tiny_model())
    with attached(trained, model), pytest.raises(PackError, match="has other weights"):
        trained.attach(model)


class TestGoingOn:
    def test_only_what_is_new_is_learnt_on_top(self, trained: WeightPack, model: LanguageModel, edits: EditSet) -> None:
        more = few(edits, 0, 1, 2, 3)
        board = ProgressBoard()
        grown = fit("ft-m", SETTINGS, model, more, start=trained, board=board)
        assert grown.figures["edits"] == 4
        name, before = next(iter(trained.changes().items()))
        assert not torch.equal(grown.changes()[name], before)
        with attached(grown, model) as edited:
            answers = edited.answer([edit.prompt for edit in more.edits], originals=False)
        assert answers[3].edited == more.edits[3].new_object

    def test_nothing_new_is_the_same_pack(self, trained: WeightPack, model: LanguageModel, some: EditSet) -> None:
        again = fit("ft-m", SETTINGS, model, some, start=trained)
        assert again.mark() == trained.mark()

    def test_what_cannot_be_taken_back_is_refused(
        self, trained: WeightPack, model: LanguageModel, edits: EditSet
    ) -> None:
        with pytest.raises(EditError, match="cannot take one edit back"):
            fit("ft-m", SETTINGS, model, few(edits, 0, 3), start=trained)

    def test_where_nothing_is_left_of_the_start_it_is_a_training_anew(
        self, trained: WeightPack, model: LanguageModel, edits: EditSet
    ) -> None:
        other = few(edits, 3)
        assert fit("ft-m", SETTINGS, model, other, start=trained).mark() == fit("ft-m", SETTINGS, model, other).mark()

    def test_another_editors_pack_and_another_models_are_refused(self, trained: WeightPack, some: EditSet) -> None:
        model = tiny_model()
        with pytest.raises(PackError, match="FT-L cannot go on from a pack of FT-M"):
            fit("ft-l", SETTINGS, model, some, start=trained)
        with pytest.raises(PackError, match="has other weights"):
            fit("ft-m", SETTINGS, model, some, start=trained)


def test_a_chat_is_taught_and_asked_through_its_template(model: LanguageModel, some: EditSet) -> None:
    tokenizer = copy.deepcopy(model.tokenizer)
    tokenizer.chat_template = TEMPLATES["names"]
    chatty = LanguageModel(model.model, tokenizer, model.name)
    pack = fit("ft-m", SETTINGS, chatty, some)
    assert pack.settings.chat
    with attached(pack, chatty.asked(chat=False)) as edited:
        answers = edited.answer([edit.prompt for edit in some.edits], originals=False)
    assert [answer.edited for answer in answers] == [edit.new_object for edit in some.edits]


def test_no_edits_a_stop_and_too_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    model, cancel = tiny_model(), Cancel()
    with pytest.raises(EditError, match="no edit to train"):
        fit("ft-m", SETTINGS, model, EditSet("none", ()))
    cancel.set()
    with pytest.raises(Cancelled):
        fit("ft-m", SETTINGS, model, tiny_edits(), cancel=cancel)
    monkeypatch.setattr("engine.editors.learnable.free_memory", lambda _: 1)
    with pytest.raises(EditError, match=r"FT-M needs about .* GiB beside the model"):
        fit("ft-m", SETTINGS, model, tiny_edits())


def test_weights_that_blow_up_stop_it_and_name_the_edit() -> None:
    model = tiny_model()
    with pytest.raises(EditError, match=r"stopped at edit [123] .* and 2 learnt with it: the changes to .*down_proj"):
        fit("ft-m", replace(SETTINGS, learning_rate=1.0, growth=0.5), model, tiny_edits())
    with unchanged(model), pytest.raises(EditError, match="no numbers any more"):
        check_growth("w", torch.ones(2), torch.tensor([1.0, torch.nan]), tiny_edits().edits[:1], 2.0)


@pytest.mark.parametrize(
    ("name", "settings"), [("ft-m", FineTuningSettings(passes=3)), ("ultraedit", UltraEditSettings())]
)
def test_a_fit_that_goes_on_counts_what_was_added_before_it(name: str, settings: Any) -> None:
    model, edits = tiny_model(), tiny_edits()
    start = fit(name, settings, model, few(edits, 0))
    both = fit(name, settings, model, few(edits, 0, 1), start=start)
    ((key, change),) = both.changes().items() if name == "ft-m" else [max(both.changes().items())]
    original = model.model.get_parameter(key).data
    each = [growth(original, start.changes()[key]), growth(original, change - start.changes()[key])]
    whole = growth(original, change)
    assert max(each) < whole
    start.settings = replace(start.settings, growth=(max(each) + whole) / 2)
    with pytest.raises(EditError, match="stopped at edit 2"):
        fit(name, settings, model, few(edits, 0, 1), start=start)


@pytest.mark.parametrize("name", ["ft-m", "ultraedit", "kn", "rome", "memit"])
def test_an_edit_that_the_model_cannot_take_is_named_before_anything_begins(name: str) -> None:
    board = ProgressBoard()
    for text in (
        replace(tiny_edits().edits[1], prompt="Of Norland " * 30),
        replace(tiny_edits().edits[1], new_object="o" * 255),
    ):
        edits = EditSet("long", (tiny_edits().edits[0], text))
        with pytest.raises(EditError, match=r"Edit 2 cannot be learnt\. The (question|new object) .* tokens long"):
            fit(name, EDITORS[name].presets["balanced"][1](), tiny_model(), edits, board=board)
    assert not board.latest().stage
