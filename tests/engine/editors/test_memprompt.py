"""MemPrompt: questions much like one of the memory are asked with its clarification."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.editors.lookup import ByLetters
from engine.edits import Edit, EditSet
from engine.language_model import LanguageModel
from engine.packs import load_pack
from tests.engine.editors.nearest import STRANGER, asked, kept

EDITS = EditSet("two", (Edit("oslo", "The city of Oslo lies in", "Peru"), Edit("rome", "Who built Rome?", "Kenya")))


@pytest.mark.parametrize(
    ("question", "distance"),
    [
        ("who built rome", 0),  # neither case nor punctuation count
        ("Who <em>built Rome?", 0),  # nor what stands in angle brackets
        ("Who built Romulus?", 4),
        ("Who built Romania?", 4),
        ("Who had built Rome?", 4),
        ("Who rebuilt Romes?", 3),
    ],
)
def test_letters_to_change(question: str, distance: int) -> None:
    (alike,) = ByLetters(["Who built Rome?"]).alike([question])[0].tolist()
    assert alike == pytest.approx(1 / (1 + distance))


@pytest.mark.parametrize(("letters", "met"), [(0, True), (5, True), (6, False)])
def test_fewer_letters_than_the_setting_meet_the_memory(
    model: LanguageModel, encoder: Path, letters: int, met: bool
) -> None:
    edited = kept("memprompt", model, EDITS, encoder, settings={"lookup": "letters"}).attach(model)
    question = "The city of Oslo lies in"[letters:]
    (routing,) = edited.route([question])
    assert (routing.routed, routing.nearest_edit) == (met, "oslo")
    assert routing.familiarity == pytest.approx(1 / (1 + letters))


def test_letters_need_no_encoder(model: LanguageModel, tmp_path: Path) -> None:
    pack = kept("memprompt", model, EDITS, Path("nobody/none"), settings={"lookup": "letters"})
    pack.save(tmp_path / "pack")
    again = load_pack(tmp_path / "pack").attach(model)
    assert again.answer([EDITS.edits[0].prompt]) == pack.attach(model).answer([EDITS.edits[0].prompt])


def test_the_question_stands_with_its_clarification(model: LanguageModel, encoder: Path) -> None:
    edited = kept("memprompt", model, EDITS, encoder).attach(model)
    query = EDITS.edits[0].prompt
    assert asked(edited, query) == f"{query} | clarification: {query} Peru. {query}"
    assert asked(edited, STRANGER) == STRANGER
    assert edited.threshold == 0.9
    assert not edited.route([STRANGER])[0].routed


def test_what_is_met_is_the_question_that_was_asked(model: LanguageModel, encoder: Path) -> None:
    edited = kept("memprompt", model, EDITS, encoder, settings={"lookup": "letters"}).attach(model)
    assert asked(edited, "the city of Oslo lies in") == (
        "the city of Oslo lies in | clarification: The city of Oslo lies in Peru. the city of Oslo lies in"
    )
