"""What an exception is called in front of the user: one sentence, what to do, and whether it is our fault.

Two kinds are told apart. What the user can put right (a full disk, a locked project, a bad file, too little
memory) gets a sentence and an action. Everything else is a bug: the sentence says so, and the details hold what a
report needs.
"""

from __future__ import annotations

from dataclasses import dataclass


class UserFixable(Exception):
    """A failure that the user can put right: `sentence` says what and where, `action` what to do about it."""

    def __init__(self, sentence: str, action: str = "") -> None:
        super().__init__(f"{sentence} {action}".strip())
        self.sentence = sentence
        self.action = action


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What is shown of a failure. Plain strings only, so that keeping it keeps no tensor and no session alive."""

    sentence: str
    action: str
    details: str  # the traceback, with the home folder and tokens left out: for “Copy diagnostics”
    is_bug: bool


def describe(error: BaseException) -> UserMessage:
    """What to tell the user of `error`; never raises."""
    raise NotImplementedError
