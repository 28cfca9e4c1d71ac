"""The chat template of a tokenizer: a prompt as the user's turn of a conversation, and the way back from its text.

What surrounds a turn is learnt from the template itself: it is asked to render a conversation of words that occur
nowhere else, and what stands before and after them is what begins and ends a user's turn. Chats are looked at as
the tokenizer decodes them, for some tokenizers put spaces around their special tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

_FIRST, _REPLY, _LAST = "firstquestionmarker", "firstreplymarker", "lastquestionmarker"


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """What begins and what ends a user's turn in the decoded text of a chat."""

    opening: str
    ending: str

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> ChatTemplate | None:
        """The template of `tokenizer`, or None where it has none that a conversation can be rendered with."""
        if not tokenizer.chat_template:
            return None
        try:
            alone = _rendered(tokenizer, [_FIRST], reply=True)
            closed = _rendered(tokenizer, [_FIRST], reply=False)
            longer = _rendered(tokenizer, [_FIRST, _REPLY, _LAST], reply=True)
        except TemplateError:
            return None
        if _FIRST not in alone or _REPLY not in longer or _LAST not in longer:
            return None
        between = longer.partition(_REPLY)[2].partition(_LAST)[0]
        # A first turn has the system's words before it and a later one an answer: what both end in begins a turn.
        before = alone.partition(_FIRST)[0]
        opening = _common_ending(before, between)
        ending = closed.partition(_FIRST)[2].strip() or alone.partition(_FIRST)[2].strip()
        return cls(opening.strip(), ending) if opening.strip() and ending else None

    def question(self, text: str) -> str | None:
        """What the user asked last in the decoded text of a chat; None for a text that is no such chat.

        It is what stands between the last opening of a user's turn and the ending that follows it, so that neither
        the system's words, nor earlier turns, nor a reply that was begun count.
        """
        _, opened, rest = text.rpartition(self.opening)
        question, ended, _ = rest.partition(self.ending)
        return (question.strip() or None) if opened and ended else None


def user_turn(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """The tokens of a chat in which the user says `prompt` and the model's reply is about to begin."""
    ids: list[int] = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}],
        add_generation_prompt=True,
        return_dict=False,
        tokenizer_kwargs={"verbose": False},  # what is too long is said where it is asked
    )
    return ids


def begun_reply(tokenizer: PreTrainedTokenizerBase, prompt: str, reply: str) -> list[int]:
    """The tokens of the same chat with the model's reply as far as `reply`, and nothing after it."""
    ids: list[int] = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}],
        continue_final_message=True,
        return_dict=False,
    )
    return ids


def _common_ending(one: str, other: str) -> str:
    length = 0
    while length < min(len(one), len(other)) and one[-1 - length] == other[-1 - length]:
        length += 1
    return one[len(one) - length :]


def _rendered(tokenizer: PreTrainedTokenizerBase, turns: Sequence[str], *, reply: bool) -> str:
    """A conversation of `turns` as the tokenizer decodes it; with `reply` up to where the model's words begin."""
    said = [{"role": ("user", "assistant")[turn % 2], "content": text} for turn, text in enumerate(turns)]
    ids = tokenizer.apply_chat_template(said, add_generation_prompt=reply, return_dict=False)
    text: str = tokenizer.decode(ids, skip_special_tokens=False)
    return text
