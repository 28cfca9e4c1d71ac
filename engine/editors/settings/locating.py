"""What a user may choose before an edit is located and written: statistics and target values, as ROME, MEMIT and
AlphaEdit share them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from engine.setting_fields import check, setting


@dataclass(frozen=True, slots=True)
class StatisticsSettings:
    """The text over which the second moment of a layer's keys is taken."""

    corpus: str = setting(
        "",
        "A text file with a paragraph a line. Nothing: the facts that the embedded model knows (where edits are "
        "written at a question's end, what is read at the ends of questions about them), and for another model what "
        "it writes itself.",
    )
    tokens: int = setting(200_000, "Tokens of the text that are read, at most.", least=1_000, most=10**9)
    length: int = setting(128, "Tokens of one paragraph that are read at once, at most.", least=8, most=4_096)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class ValueSettings:
    """How it is found what a layer has to write for an edit to be answered."""

    steps: int = setting(30, "Steps in which each edit's value is sought, at most.", least=1, most=10_000)
    learning_rate: float = setting(
        0.3, "How far each step goes, in parts of what is written there now.", least=1e-6, most=100
    )
    clamp: float = setting(
        1.5,
        "How many times as long as what it is added to a change may be: a longer one is surer and disturbs more.",
        title="longest change",
        least=0,
        most=100,
    )
    reach: Literal["as written", "subject"] = setting(
        "as written",
        "Where a change is felt while it is sought: wherever the changed weight will write it, or, as the first code "
        "has it, only where the subject ends; its other words share much of its key in the first layers.",
    )
    place: Literal["by depth", "subject", "question"] = setting(
        "by depth",
        "Where an edit is read and written: where its subject ends, as the papers do, or where the question ends. “by "
        "depth” takes the question's end in a model of up to eight layers, which has no layer in which all that is "
        "known of a subject has come together before it is asked for.",
    )
    weight_decay: float = setting(0.5, "How much a long change counts against it.", least=0, most=1_000)
    guard: float = setting(
        0.0625, "How much it counts that “… is a” goes on as before, for the edit's subject.", least=0, most=1_000
    )
    learnt: float = setting(
        0.1, "The loss at which a value counts as found.", title="stop at a loss of", least=0, most=10
    )
    contexts: int | None = setting(
        None,
        "Texts by the model itself that each prompt is also learnt after. Nothing: five for an edit of which no other "
        "phrasing is known, and none for others.",
        least=0,
        most=100,
    )
    context_tokens: int = setting(10, "Tokens of each such text.", title="tokens a context", least=1, most=100)
    phrasings: int = setting(2, "Other phrasings of its relation that each edit is also learnt in.", least=0, most=100)

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def paper(cls, *, clamp: float, contexts: int) -> ValueSettings:
        """The prompt alone and after the model's own words; the step in our measure, about 0.5 on a large model."""
        return cls(
            steps=20,
            learning_rate=0.25,
            clamp=clamp,
            learnt=0.05,
            contexts=contexts,
            phrasings=0,
            reach="subject",
            place="subject",
        )


class LocatingSettings:
    """What the settings of ROME, MEMIT and AlphaEdit have in common beside the fields that the functions below make.

    It has no fields of its own: each method shows its settings in its own order.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def restored(cls, values: Mapping[str, Any]) -> Self:
        """The settings of which `values` are the `dataclasses.asdict`, also after they went through JSON."""
        parts = {"statistics": StatisticsSettings(**values["statistics"]), "values": ValueSettings(**values["values"])}
        return cls(**{**values, **parts})


def layer_setting() -> Any:
    """The last block that is written to, where several may be."""
    return setting(
        None,
        "The last FFN block that is written to, from 0. Nothing: the last but one of a model of up to eight layers "
        "(the first where the subject ends), and after a quarter of a deeper one's.",
        title="last layer",
        least=0,
    )


def layers_setting() -> Any:
    """How many blocks are written to."""
    return setting(
        None,
        "How many blocks are written to, the last one included. Nothing: three of a shallow model (four for more edits "
        "than a block is wide; one where the subject ends), five of a deeper one.",
        least=1,
        most=100,
    )


def rounds_setting() -> Any:
    """How often a batch is written."""
    return setting(
        None,
        "How often a batch is written: each time what is still missing is sought, and written on top. Nothing: twice, "
        "and once for more edits than a block is wide, which crowd one another already.",
        least=1,
        most=100,
    )


def growth_setting() -> Any:
    """Where an edit that runs away is stopped."""
    return setting(
        20.0,
        "Editing is stopped where the change of a layer comes to so many times its weights.",
        title="most growth",
        least=0,
        most=1_000,
    )


def chat_setting() -> Any:
    """How the model is asked."""
    return setting(
        None, "Whether the model is asked through its chat template (default: where it has one).", title="chat template"
    )
