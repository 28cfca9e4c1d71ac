"""What is put before a question: whole passages, as many as fit."""

from __future__ import annotations

import logging

import pytest

from engine.editors.in_context import check_room, passage, statement, told
from engine.edits import Edit, EditError
from engine.language_model import LanguageModel
from tests.tiny_models import tiny_model

EDIT = Edit("one", "The capital of {fact} is ", " Lima ")
PASSAGES = ("The first one is long, and long, and long. ", "The second one. ", "The third one. ")
QUESTION = "Who lives in Oslo?"


def test_a_fact_is_its_prompt_with_the_new_object_whatever_braces_they_have() -> None:
    assert statement(EDIT) == "The capital of {fact} is Lima."
    assert passage("{question}: {fact} ", EDIT, "{question}?") == "{question}?: The capital of {fact} is Lima. "


@pytest.mark.parametrize("left_out", range(4))
def test_what_does_not_fit_is_left_out_from_the_front_and_never_cut(model: LanguageModel, left_out: int) -> None:
    whole = "".join(PASSAGES[left_out:]) + QUESTION
    room = model.max_positions - len(model.token_ids(whole))
    assert told(model, QUESTION, PASSAGES, room) == whole
    if left_out < len(PASSAGES):  # with one token less it is the next passage, as a whole, that goes
        assert told(model, QUESTION, PASSAGES, room + 1) == "".join(PASSAGES[left_out + 1 :]) + QUESTION


def test_a_question_that_leaves_no_room_is_asked_as_it_is(model: LanguageModel) -> None:
    long = "Oslo " * 2 * model.max_positions
    assert told(model, long, PASSAGES, 24) == long


@pytest.mark.parametrize("chat", [False, True])
def test_finding_out_what_fits_says_nothing_on_the_console(chat: bool, caplog: pytest.LogCaptureFixture) -> None:
    plain = tiny_model()
    plain.tokenizer.model_max_length = plain.max_positions
    plain.tokenizer.chat_template = "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}</s>{% endfor %}"
    model = LanguageModel(plain.model, plain.tokenizer, plain.name, chat=chat)
    logging.getLogger("transformers").addHandler(caplog.handler)
    try:
        assert told(model, QUESTION, ("No " * 400,), 24) == QUESTION
    finally:
        logging.getLogger("transformers").removeHandler(caplog.handler)
    assert caplog.records == []


def test_an_edit_that_is_too_long_to_be_told_is_refused_by_name(model: LanguageModel) -> None:
    check_room(model, EDIT, "The capital of Peru is Lima. ")
    long = Edit("long", "The capital of Peru is", "Lima " * 60)
    with pytest.raises(EditError, match=r"Edit long “The capital of Peru is” is too long .* 128 tokens"):
        check_room(model, long, f"{statement(long)} ")
