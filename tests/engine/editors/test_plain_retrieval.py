"""Plain retrieval: the nearest edit before every question."""

from __future__ import annotations

from pathlib import Path

from engine.edits import EditSet
from engine.language_model import LanguageModel
from tests.engine.editors.nearest import STRANGER, asked, kept


def test_the_nearest_edit_is_told(model: LanguageModel, edits: EditSet, encoder: Path) -> None:
    edited = kept("plain-retrieval", model, edits, encoder).attach(model)
    edit = edits.edits[0]
    told = f"{edit.prompt} {edit.new_object}. {edit.prompt}"
    assert asked(edited, edit.prompt) == told
    assert edited.answer([edit.prompt])[0].edited == model.answer([told])[0]
    assert edited.teacher_forced([edit.prompt], [edit.new_object]) == model.teacher_forced([told], [edit.new_object])
    tokens = edited.next_tokens(edit.prompt, 3)
    assert (tokens.original, tokens.edited) == (model.next_tokens(edit.prompt, 3), model.next_tokens(told, 3))
    assert asked(edited, STRANGER).endswith(f". {STRANGER}")
    edited.threshold = 1.0
    assert asked(edited, STRANGER) == STRANGER


def test_paraphrases_meet_their_edit_whose_words_are_then_likelier(model: LanguageModel, edits: EditSet) -> None:
    """What it is known for; a model as small as the embedded one seldom goes all the way to the new object."""
    edited = kept("plain-retrieval", model, edits, Path("embedded")).attach(model)
    queries = [edit.paraphrases[0] for edit in edits.edits]
    assert [routing.nearest_edit for routing in edited.route(queries)] == [edit.id for edit in edits.edits]
    likelier = 0
    for edit in edits.edits:
        first = model.tokenizer.decode(model.target_ids(edit.prompt, edit.new_object)[:1])
        tokens = edited.next_tokens(edit.prompt, 8_000)
        chances = [{one.text: one.probability for one in some} for some in (tokens.original, tokens.edited)]
        likelier += chances[1][first] > chances[0][first]
    assert likelier > len(edits.edits) * 3 / 4
