"""The editors that can be chosen: what each is called, what it can be told, and where it is found.

Nothing here needs torch; an editor's module is imported when the editor is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from engine.editors.settings import alphaedit, fine_tuning, knowledge_neurons, memit, rome, ultra_edit
from engine.edits import EditError
from engine.meg import settings as meg

if TYPE_CHECKING:
    from engine.editor import Editor


SWEEP = "Layers"
"""The stage in which a layer is found by a sweep, after the first."""


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that a form shows together."""

    title: str
    part: str = ""  # the field that holds them; empty: the settings' own
    names: tuple[str, ...] = ()  # empty: all that the part describes


@dataclass(frozen=True, slots=True)
class EditorKind:
    """One editor, by what a user has to know to choose it."""

    name: str
    title: str
    about: str
    module: str
    made: str  # the class in `module`; takes the settings
    stages: tuple[str, ...]  # as its `stages()` gives them without a sweep
    groups: tuple[Group, ...]
    presets: Mapping[str, tuple[str, Callable[[], Any]]]  # by name: what it means in a sentence, and its settings
    restore: Callable[[Mapping[str, Any]], Any]  # settings from their `dataclasses.asdict`
    layered: bool = False  # whether a layer is chosen
    grows: bool = False  # whether its `fit` takes a pack to go on from
    gated: bool = True  # whether its edited models tell queries apart
    undoes_one: bool = True  # whether one edit can be switched off without training again

    def stages_of(self, settings: Any) -> tuple[str, ...]:
        """The stages of a training with `settings`."""
        swept = self.layered and settings.layer == "auto"
        return (self.stages[0], SWEEP, *self.stages[1:]) if swept else self.stages


_GATE = (
    Group("Encoder", "tuning"),
    Group("Gate", names=("gate", "false_routing")),
    Group("Familiarity", "familiarity"),
)
EDITORS: Mapping[str, EditorKind] = {
    kind.name: kind
    for kind in (
        EditorKind(
            "meg",
            "MeG",
            "A neuron made for each question; the model's own weights stay as they are.",
            "engine.meg.editor",
            "MegEditor",
            ("Encoder", "Collection", "Gate", "Generator", "Check"),
            (
                _GATE[0],
                Group("What is learnt", names=("guards", "prompt_alone")),
                Group("Collection", "collection"),
                *_GATE[1:],
                Group("Generator", "generator"),
            ),
            meg.PRESETS,
            meg.settings_from,
            layered=True,
            grows=True,
        ),
        EditorKind(
            "retrieval",
            "Retrieval",
            "The fact is put before the question: nothing but the gate is trained.",
            "engine.editors.retrieval",
            "RetrievalEditor",
            ("Encoder", "Gate"),
            _GATE,
            {name: meg.PRESETS[name] for name in ("fast", "balanced")},
            meg.settings_from,
        ),
        EditorKind(
            "ft-m",
            "FT-M",
            "Gradient descent on one layer's output weight until the new objects are said.",
            "engine.editors.fine_tuning",
            "FTMEditor",
            ("Fine-tuning",),
            (Group("Fine-tuning"),),
            fine_tuning.FT_M,
            fine_tuning.settings_from,
            grows=True,
            gated=False,
            undoes_one=False,
        ),
        EditorKind(
            "ft-l",
            "FT-L",
            "As FT-M, and no weight may move further than a small bound.",
            "engine.editors.fine_tuning",
            "FTLEditor",
            ("Fine-tuning",),
            (Group("Fine-tuning"),),
            fine_tuning.FT_L,
            fine_tuning.settings_from,
            grows=True,
            gated=False,
            undoes_one=False,
        ),
        EditorKind(
            "ultraedit",
            "UltraEdit",
            "A hundred edits at once from one look at them, solved in closed form over a few layers.",
            "engine.editors.ultra_edit",
            "UltraEditEditor",
            ("Turns",),
            (Group("UltraEdit"),),
            ultra_edit.PRESETS,
            ultra_edit.settings_from,
            grows=True,
            gated=False,
            undoes_one=False,
        ),
        EditorKind(
            "kn",
            "KN",
            "The few neurons that say a fact are found, and their values moved to the new object.",
            "engine.editors.knowledge_neurons",
            "KnowledgeNeuronEditor",
            ("Attribution",),
            (
                Group("Neurons", names=("prompts", "steps", "threshold", "shared", "fewest", "most", "common")),
                Group("Values", names=("away", "towards", "growth", "chat")),
            ),
            knowledge_neurons.PRESETS,
            knowledge_neurons.settings_from,
            grows=True,
            gated=False,
        ),
        EditorKind(
            "rome",
            "ROME",
            "Each edit is one rank-one change where its subject is read, one after the other.",
            "engine.editors.rome",
            "RomeEditor",
            ("Statistics", "Values"),
            (Group("ROME"), Group("Values", "values"), Group("Statistics", "statistics")),
            rome.PRESETS,
            rome.settings_from,
            grows=True,
            gated=False,
        ),
        EditorKind(
            "memit",
            "MEMIT",
            "All edits at once are spread over a few layers where their subjects are read.",
            "engine.editors.memit",
            "MemitEditor",
            ("Statistics", "Values", "Solving"),
            (Group("MEMIT"), Group("Values", "values"), Group("Statistics", "statistics")),
            memit.PRESETS,
            memit.settings_from,
            grows=True,
            gated=False,
        ),
        EditorKind(
            "alphaedit",
            "AlphaEdit",
            "As MEMIT, a batch at a time, and only where the model usually reads nothing.",
            "engine.editors.alphaedit",
            "AlphaEditEditor",
            ("Statistics", "Values", "Solving"),
            (Group("AlphaEdit"), Group("Values", "values"), Group("Statistics", "statistics")),
            alphaedit.PRESETS,
            alphaedit.settings_from,
            grows=True,
            gated=False,
        ),
    )
}


def editor_kind(name: str) -> EditorKind:
    """The editor called `name`; raises EditError where there is none."""
    if name not in EDITORS:
        raise EditError(f"There is no editor “{name}”: choose among {', '.join(EDITORS)}.")
    return EDITORS[name]


def make_editor(name: str, settings: Any) -> Editor:
    """The editor called `name` with its own `settings`."""
    kind = editor_kind(name)
    return cast("Editor", getattr(import_module(kind.module), kind.made)(settings))
