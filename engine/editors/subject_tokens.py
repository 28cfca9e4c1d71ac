"""Where in a prompt's tokens its subject ends: the place at which ROME, MEMIT and AlphaEdit read and write."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from engine.edits import Edit, EditError
from engine.language_model import LanguageModel
from engine.meg.subjects import SubjectIndex


@dataclass(frozen=True, slots=True)
class Mention:
    """A prompt with a subject in it."""

    text: str
    end: int | None  # the character after the subject; None: what is edited is read where the text ends

    def after(self, context: str) -> Mention:
        """The same prompt after a sentence of something else."""
        return Mention(f"{context}{self.text}", None if self.end is None else len(context) + self.end)


def find_mention(edit: Edit, text: str | None = None) -> Mention:
    """Where `text` (the edit's prompt, where none is given) names the edit's subject, for the last time.

    Word for word where it does so; else whatever the case, the accents' encoding or the ending. Raises EditError for
    an edit without a subject, and where the text does not name it.
    """
    prompt = edit.prompt if text is None else text
    if not edit.subject.strip():
        raise EditError(
            f"Edit {edit.id} (“{edit.prompt[:60]}”) has no subject, and this method edits at the subject: give it one."
        )
    subject = edit.subject.strip()
    places = [match.end() for match in re.finditer(rf"(?<!\w){re.escape(subject)}(?!\w)", prompt)]
    if not places:
        named = SubjectIndex([replace(edit, aliases=())]).named(prompt)
        last = prompt.rfind(subject)
        places = [end for _, end in named.values()] or [last + len(subject)] * (last >= 0)
        if not places:
            raise EditError(
                f"The prompt of edit {edit.id} (“{prompt[:60]}”) does not contain its subject “{subject}”: "
                "write the subject into the prompt as it stands in the edit."
            )
    return Mention(prompt, places[-1])


def last_token(model: LanguageModel, mention: Mention) -> int:
    """The index in `model.token_ids(mention.text)` of the last token that belongs to the subject.

    Found by the characters that each token stands for, so that neither the script nor the spaces around the subject
    matter; of a letter made of several tokens it is the last. Raises EditError for a tokenizer that does not tell.
    """
    tokenizer = model.tokenizer
    if mention.end is None:
        return len(model.token_ids(mention.text)) - 1
    if not tokenizer.is_fast:
        raise EditError(
            f"The tokenizer of “{model.name}” does not tell which characters its tokens stand for, and this method "
            "edits at the subject: choose another editor or another model."
        )
    lead = len(mention.text) - len(mention.text.lstrip()) if model.chat else 0
    end = mention.end - lead
    if model.chat:
        said = mention.text.strip()
        turn = tokenizer.apply_chat_template(
            [{"role": "user", "content": said}], add_generation_prompt=True, tokenize=False
        )
        end += turn.rfind(said)
        spans = tokenizer(turn, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    else:
        spans = tokenizer(mention.text.rstrip(), return_offsets_mapping=True)["offset_mapping"]
    return max(index for index, (start, stop) in enumerate(spans) if start < min(end, stop))
