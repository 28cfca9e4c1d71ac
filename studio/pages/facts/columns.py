"""The columns of the facts table: what each shows of an edit and how it is sorted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from studio.store.listing import EditRow, EditSort, EditState
from studio.store.trained import Since
from studio.widgets.figures import share
from studio.widgets.since_words import SINCE_WORDS
from studio.words import deferred, tr


class Column(IntEnum):
    """The columns, from the left."""

    ENABLED = 0
    SUBJECT = 1
    RELATION = 2
    NEW_OBJECT = 3
    ORIGINAL_ANSWER = 4
    FAMILIARITY = 5
    STATE = 6


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's title, what it means, what a click on it sorts by, and its share of the width."""

    title: str
    meaning: str
    sort: EditSort
    width: int


HEADINGS = {
    Column.ENABLED: Heading(
        deferred("On"), deferred("Whether the edit takes part in training and answering."), EditSort.STATE, 6
    ),
    Column.SUBJECT: Heading(
        deferred("Subject"), deferred("What the fact is about; for a free prompt, the prompt."), EditSort.SUBJECT, 18
    ),
    Column.RELATION: Heading(deferred("Relation"), deferred("What is asked of the subject."), EditSort.RELATION, 15),
    Column.NEW_OBJECT: Heading(
        deferred("New object"), deferred("What the model shall answer from now on."), EditSort.NEW_OBJECT, 15
    ),
    Column.ORIGINAL_ANSWER: Heading(
        deferred("Original answer"), deferred("What the model answers without the edit."), EditSort.ORIGINAL_ANSWER, 16
    ),
    Column.FAMILIARITY: Heading(
        deferred("Familiarity"),
        deferred("How sure the gate of the pack in use is that the prompt is about an edit."),
        EditSort.FAMILIARITY,
        13,
    ),
    Column.STATE: Heading(deferred("State"), deferred("Ready, or what speaks against it."), EditSort.STATE, 19),
}

STATE_WORDS = {
    EditState.READY: deferred("ready"),
    EditState.KNOWN: deferred("known already"),
    EditState.DUPLICATE: deferred("duplicate"),
    EditState.CONTRADICTION: deferred("contradiction"),
    EditState.DISABLED: deferred("off"),
}

STATE_MEANINGS = {
    EditState.READY: deferred("This edit takes part in the next training."),
    EditState.KNOWN: deferred("The original model answers the new object already."),
    EditState.DUPLICATE: deferred("Another edit asks the same and wants the same object."),
    EditState.CONTRADICTION: deferred("Another edit asks the same and wants another object: switch one of them off."),
    EditState.DISABLED: deferred("This edit is switched off."),
}

SINCE_MEANINGS = {
    Since.ADDED: deferred("The pack in use was trained without this edit: train again to have it answered."),
    Since.CHANGED: deferred(
        "This edit was changed since the pack in use was trained: train again to have it answered so."
    ),
    Since.OFF: deferred(
        "This edit was switched off since the pack in use was trained: the pack leaves it out at once."
    ),
    Since.ON: deferred("The pack in use was trained while this edit was off: train again to have it answered."),
}

STILL_ANSWERED = deferred(
    "This edit was switched off since the pack in use was trained. The pack cannot take back one edit: this applies at "
    "the next training."
)
"""What `Since.OFF` means of a pack that holds its edits together."""

FREE_PROMPT = deferred("free prompt")


def cell_text(row: EditRow, column: Column) -> str:
    """What `column` shows of `row`."""
    match column:
        case Column.SUBJECT:
            return row.subject or row.prompt
        case Column.RELATION:
            return row.relation_name or row.relation or tr(FREE_PROMPT)
        case Column.NEW_OBJECT:
            return row.new_object
        case Column.ORIGINAL_ANSWER:
            return row.original_answer
        case Column.FAMILIARITY:
            return share(row.familiarity) if row.familiarity is not None else ""
        case Column.STATE:
            return " · ".join((tr(STATE_WORDS[row.state]), *([tr(SINCE_WORDS[row.since])] if row.since else ())))
        case _:
            return ""


def state_meaning(row: EditRow, *, undoes_one: bool) -> str:
    """What the state column's words mean for `row`, given whether the pack in use can leave out one edit."""
    since = STILL_ANSWERED if row.since is Since.OFF and not undoes_one else SINCE_MEANINGS.get(row.since, "")
    return "\n".join(tr(text) for text in (STATE_MEANINGS[row.state], since) if text)
