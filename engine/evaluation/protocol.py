"""What the field reports beside Reliability, Generality, Locality and Score: each protocol under its own name.

A protocol's figures stand beside one another for the original and the edited model, each with the number of questions
that it is the mean of, and every figure can be traced to its rows. Figures of two protocols are never mixed: they ask
other things, and a mean of them would say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.edits import EditSet
from engine.runs import Cancel

if TYPE_CHECKING:
    from engine.editor import EditedModel

Unit = Literal["share", "difference", "bits", "perplexity"]
"""What a figure counts in: a share in [0, 1], a difference of two probabilities, bits, or a perplexity (1 or more)."""
Told = Callable[[int, int], None]
"""Is told how much of how much is done."""


class ProtocolError(ValueError):
    """A protocol that cannot be measured as it was asked for; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Row:
    """One question of a protocol, with what both models said to it."""

    figure: str  # the figure that it counts in
    query: str
    edit: str = ""  # id of the edit that it is about, empty where it is about none
    wanted: str = ""  # what it shall be answered, empty where nothing is right or wrong
    against: str = ""  # what that is compared with, where two answers are weighed
    original: str = ""  # what the original model wrote, empty where nothing was decoded
    edited: str = ""  # what the edited model wrote
    # By name, what was measured on the original and on the edited model.
    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a protocol; both values are None where nothing could be asked: it was not measured."""

    name: str  # as the field writes it: “ES”
    about: str  # what it is, in a sentence
    original: float | None
    edited: float | None
    asked: int  # questions that it is made of
    unit: Unit = "share"


@dataclass(frozen=True, slots=True)
class ProtocolReport:
    """The figures of one protocol on one edit set."""

    protocol: str  # a name of PROTOCOLS
    title: str
    about: str  # how it was measured: lengths, weights, what counts as right
    figures: tuple[Figure, ...]
    rows: tuple[Row, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()  # what was left out, and why: a sentence each

    def figure(self, name: str) -> Figure:
        """The figure called `name`; KeyError where there is none."""
        return {figure.name: figure for figure in self.figures}[name]

    def as_json(self, *, rows: bool = True) -> dict[str, Any]:
        """Everything as JSON has it; `rows` False: the figures without their questions."""
        told = {"title": self.title, "about": self.about, "figures": [asdict(figure) for figure in self.figures]}
        told["notes"] = list(self.notes)
        return told | {"rows": [asdict(row) for row in self.rows]} if rows else told


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may choose about the protocols; each looks at what concerns it."""

    seed: int = 0
    most: int | None = None  # questions of each figure, evenly spread, at most; None: all
    shared: bool = False  # counterfact: neighbours share their edit's original answer, as those of the data set do
    texts: tuple[Path, ...] = ()  # perplexity: files of plain text; none: far probes and sentences of unedited facts
    tasks: Mapping[str, Path] = field(default_factory=dict)  # ability: a local data file by the task's name
    harness: Mapping[str, Path | None] = field(default_factory=dict)  # ability: lm-eval's tasks; None: on its own data


@dataclass(frozen=True, slots=True)
class ProtocolKind:
    """One protocol, by what a user has to know to choose it; its module has a function `measure`."""

    name: str
    title: str
    about: str

    def measure(
        self,
        edited: EditedModel,
        edit_set: EditSet,
        options: Options | None = None,
        *,
        cancel: Cancel | None = None,
        report: Told | None = None,
    ) -> ProtocolReport:
        """Measure the enabled edits on `edited` and on its original model.

        Raises ProtocolError where something that it needs is missing or unreadable, Cancelled when asked to stop.
        """
        run: Callable[..., ProtocolReport] = import_module(f"engine.evaluation.{self.name}").measure
        return run(edited, edit_set, options or Options(), cancel=cancel, report=report)


PROTOCOLS: Mapping[str, ProtocolKind] = {
    kind.name: kind
    for kind in (
        ProtocolKind(
            "counterfact",
            "CounterFact",
            "Whether the new object is likelier than the original answer: ES, PS, NS and their harmonic mean S.",
        ),
        ProtocolKind(
            "fluency", "Fluency", "Whether what is written stays varied: entropy of its word pairs and triples."
        ),
        ProtocolKind(
            "portability",
            "Portability",
            "What follows from an edit: by an alias, the other way round, one hop on, along a chain of edits.",
        ),
        ProtocolKind("perplexity", "Perplexity", "How surprised both models are by plain text that no edit is about."),
        ProtocolKind("ability", "Ability", "What the model could do before: facts that are not edited, and tasks."),
    )
}


def protocol_kind(name: str) -> ProtocolKind:
    """The protocol called `name`; raises ProtocolError where there is none."""
    if name not in PROTOCOLS:
        raise ProtocolError(f"There is no protocol “{name}”: choose among {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
