"""Where the subject of a prompt ends, in characters and in tokens."""

from __future__ import annotations

import unicodedata

import pytest

from engine.editors.subject_tokens import Mention, find_mention, last_token
from engine.edits import Edit, EditError
from engine.language_model import LanguageModel
from tests.chat_templates import CHATML
from tests.tiny_models import tiny_model

PROMPTS = [
    ("Ada Lovelace", "Ada Lovelace was born in"),
    ("Ada Lovelace", "Q: Where was Ada Lovelace's cradle? A:"),
    ("Łódź", "The mayor of Łódź is"),
    ("東京", "The mayor of 東京 is"),
    ("Zoë 👩‍🚀", "The planet of Zoë 👩‍🚀 is"),
    ("C++", "The maker of C++ is"),
    ("Rome", "Romeo lives in Rome, and the river of Rome is"),
]


def edit(subject, prompt):
    return Edit("e1", prompt, "x", subject)


@pytest.mark.parametrize(("subject", "prompt"), PROMPTS)
def test_the_last_token_ends_where_the_subject_ends(model, subject, prompt):
    for asked in (model, tiny_model()):
        mention = find_mention(edit(subject, prompt))
        assert prompt[: mention.end].endswith(subject)
        ids = asked.token_ids(prompt)
        last = last_token(asked, mention)
        read = asked.tokenizer.decode(ids[: last + 1], skip_special_tokens=True)
        assert read.count(subject) == prompt.count(subject)
        before = asked.tokenizer.decode(ids[:last], skip_special_tokens=True)
        assert before.count(subject) < prompt.count(subject)


def test_the_last_mention_counts():
    prompt = "Rome is old, and the river of Rome is"
    assert find_mention(edit("Rome", prompt)).end == prompt.rindex("Rome") + 4


@pytest.mark.parametrize(
    ("subject", "prompt", "found"),
    [
        ("ada lovelace", "Ada Lovelace was born in", "Ada Lovelace"),
        ("Zoë", unicodedata.normalize("NFD", "The home of Zoë is"), unicodedata.normalize("NFD", "Zoë")),
        ("Romanov", "The Romanovs of this world are", "Romanovs"),
        (unicodedata.normalize("NFD", "José Sá"), "José Sá was born in", "José Sá"),
        ("Balkan parties", "Balkan party leaders met in", "Balkan party"),
    ],
)
def test_a_subject_is_found_whatever_its_case_and_ending(subject, prompt, found):
    assert prompt[: find_mention(edit(subject, prompt)).end].endswith(found)


def test_a_context_moves_the_mention():
    mention = Mention("Oslo is in", 4).after("A long story. ")
    assert mention.text[: mention.end] == "A long story. Oslo"


def test_in_a_chat_it_is_found_in_the_turn():
    model = tiny_model()
    model.tokenizer.chat_template = CHATML
    chat = LanguageModel(model.model, model.tokenizer, "tiny", chat=True)
    ids = chat.token_ids("  Oslo lies in")
    last = last_token(chat, Mention("  Oslo lies in", 6))
    assert chat.tokenizer.decode(ids[: last + 1]).endswith("Oslo")


def test_no_subject_and_a_prompt_without_it_are_refused_in_a_sentence():
    with pytest.raises(EditError, match=r"Edit e1 .*has no subject"):
        find_mention(Edit("e1", "Oslo lies in", "x"))
    with pytest.raises(EditError, match="does not contain its subject “Bergen”"):
        find_mention(edit("Bergen", "Oslo lies in"))
