from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.chat import ChatTemplate
from engine.language_model import LanguageModel
from engine.model_files import ModelError
from tests.chat_templates import TEMPLATES
from tests.tiny_models import tiny_model, tiny_tokenizer

ASKED = "Oslo lies in the country of"
USER, REPLY = {"role": "user", "content": ASKED}, {"role": "assistant", "content": "Yes. It is."}
EARLIER = {"role": "user", "content": "Is it cold?"}


def with_template(text):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = text
    return tokenizer


def said(tokenizer, *turns, **how):
    ids = tokenizer.apply_chat_template(list(turns), return_dict=False, **({"add_generation_prompt": True} | how))
    return tokenizer.decode(ids, skip_special_tokens=False)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_question_is_the_users_last_turn(name):
    tokenizer = with_template(TEMPLATES[name])
    template = ChatTemplate.of(tokenizer)
    assert template.question(said(tokenizer, USER)) == ASKED
    assert template.question(said(tokenizer, EARLIER, REPLY, USER)) == ASKED
    begun = said(tokenizer, EARLIER, REPLY, USER, REPLY, add_generation_prompt=False, continue_final_message=True)
    assert template.question(begun) == ASKED
    assert template.question(ASKED) is None
    assert template.question(template.opening + ASKED) is None


def test_the_words_of_the_system_are_not_asked():
    tokenizer = with_template(TEMPLATES["chatml"])
    system = {"role": "system", "content": "Bern lies in the country of"}
    assert ChatTemplate.of(tokenizer).question(said(tokenizer, system, USER)) == ASKED


@given(st.sampled_from(sorted(TEMPLATES)), st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_whatever_the_user_writes_comes_back(name, text):
    tokenizer = with_template(TEMPLATES[name])
    template = ChatTemplate.of(tokenizer)
    told = said(tokenizer, {"role": "user", "content": text})
    assert template.question(told) == (text.strip() or None)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{% for turn in messages %}{{ turn['content'] }}{% endfor %}",  # nothing tells a turn from the next
        "{{ raise_exception('not today') }}",
        "{% for turn in messages %}{% endif %}",
        "Hello!",
    ],
)
def test_a_template_that_no_turn_can_be_told_by_is_none(text):
    assert ChatTemplate.of(with_template(text)) is None


class TestAsking:
    def model(self, name="headers", chat=None):
        tiny = tiny_model()
        return LanguageModel(tiny.model, with_template(TEMPLATES.get(name)), "tiny", chat)

    @pytest.mark.parametrize("name", TEMPLATES)
    def test_a_prompt_is_the_users_turn_and_a_target_the_reply(self, name):
        model = self.model(name)
        decode = model.tokenizer.decode
        assert decode(model.token_ids(f" {ASKED} ")) == said(model.tokenizer, USER)
        assert decode(model.target_ids(ASKED, " Norway ")).strip() == "Norway."
        whole = said(
            model.tokenizer,
            USER,
            {"role": "assistant", "content": "Norway."},
            add_generation_prompt=False,
            continue_final_message=True,
        )
        assert decode(model.token_ids(ASKED) + model.target_ids(ASKED, "Norway")) == whole

    def test_a_model_with_a_template_is_asked_through_it_unless_told(self):
        assert self.model().chat
        assert not self.model("none").chat
        plain = self.model(chat=False)
        assert plain.token_ids(ASKED) == tiny_model().token_ids(ASKED)
        assert plain.asked(chat=None) is plain.asked(chat=False) is plain
        through = plain.asked(chat=True)
        assert through.chat
        assert through.model is plain.model
        assert through.token_ids(ASKED) == self.model().token_ids(ASKED)
        assert through.fingerprint() == plain.fingerprint()

    def test_without_a_template_there_is_no_chat(self):
        with pytest.raises(ModelError, match="“tiny” has no chat template to ask through: ask it plainly"):
            self.model("none", chat=True)
