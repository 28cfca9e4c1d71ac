"""The editors that can be chosen: what each is called, what it can be told, and where it is found.

Nothing here needs torch; an editor's module is imported when the editor is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from engine.editors.settings import (
    alphaedit,
    fine_tuning,
    grace,
    ike,
    knowledge_neurons,
    memit,
    memprompt,
    plain_retrieval,
    rome,
    t_patcher,
    ultra_edit,
)
from engine.editors.settings.ike import IkeSettings
from engine.editors.settings.memprompt import MemPromptSettings
from engine.editors.settings.plain_retrieval import PlainRetrievalSettings
from engine.edits import EditError
from engine.meg import settings as meg
from engine.setting_fields import Described, describe, value_at

if TYPE_CHECKING:
    from engine.editor import Editor


SWEEP = "Layers"
"""The stage in which a layer is found by a sweep, after the first."""


_OF_ALL = ("layer", "encoder", "chat")
"""Settings that have a place of their own in a form, and are in no group."""


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
    stages: tuple[str, ...]  # of a fit, in order, without a sweep
    groups: tuple[Group, ...]
    presets: Mapping[str, tuple[str, Callable[[], Any]]]  # by name: what it means in a sentence, and its settings
    restore: Callable[[Mapping[str, Any]], Any]  # settings from their `dataclasses.asdict`
    layered: bool = False  # whether a layer is chosen
    grows: bool = False  # whether its `fit` takes a pack to go on from
    gated: bool = True  # whether its edited models tell queries apart
    undoes_one: bool = True  # whether one edit can be switched off without training again
    undo: str = ""  # how that is done, as a sentence
    requires: tuple[str, ...] = ("prompt", "new object")  # of an edit

    def usual(self) -> tuple[str, Callable[[], Any]]:
        """The preset that is taken where none is named."""
        return self.presets.get("balanced") or next(iter(self.presets.values()))

    def described(self, settings: Any) -> dict[str, Described]:
        """Every setting of this editor that `settings` have, by its path (“generator.steps”)."""
        own = {each.name: each for each in describe(type(settings))}
        found = {name: own[name] for name in _OF_ALL if name in own}
        for group in self.groups:
            part = value_at(settings, group.part) if group.part else settings
            for each in describe(type(part)):
                if not group.names or each.name in group.names:
                    found[f"{group.part}.{each.name}" if group.part else each.name] = each
        return found

    def stages_of(self, settings: Any) -> tuple[str, ...]:
        """The stages of a training with `settings`."""
        swept = self.layered and settings.layer == "auto"
        return (self.stages[0], SWEEP, *self.stages[1:]) if swept else self.stages


_GATE = (
    Group("Encoder", "tuning"),
    Group("Gate", names=("gate", "false_routing")),
    Group("Familiarity", "familiarity"),
)


def _stored(preset: Callable[[], meg.MegSettings]) -> Callable[[], meg.MegSettings]:
    return lambda: meg.stored(preset())


_LOCATING = (
    "prompt",
    "new object",
    "subject, named in the prompt",
    "text that shows what the model usually reads: the file named in the settings, or else the facts that the "
    "embedded model knows; another model writes the text itself",
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
            undo="One edit is switched off in the gate: questions about it are the original model's.",
        ),
        EditorKind(
            "stored",
            "Stored neurons",
            "MeG without its generator: each question gets the neuron that was found for its edit.",
            "engine.meg.editor",
            "MegEditor",
            ("Encoder", "Collection", "Gate", "Generator", "Check"),
            (
                _GATE[0],
                Group("What is learnt", names=("guards", "prompt_alone")),
                Group("Collection", "collection"),
                *_GATE[1:],
            ),
            {name: (meg.PRESETS[name][0], _stored(meg.PRESETS[name][1])) for name in ("fast", "balanced")},
            meg.settings_from,
            layered=True,
            grows=True,
            undo="One edit is switched off in the gate: questions about it are the original model's.",
        ),
        EditorKind(
            "grace",
            "GRACE",
            "A codebook beside one block: a question near an edit's own gets the output that was learnt for it.",
            "engine.editors.grace",
            "GraceEditor",
            ("Radius", "Values"),
            (
                Group("Keys", names=("layer", "radius", "reach", "rules")),
                Group("Values", names=("replace", "start", "steps", "learning_rate", "learnt", "group")),
            ),
            grace.PRESETS,
            grace.settings_from,
            grows=True,
            undo="One edit is taken out of the codebook, as if it had never been learnt.",
        ),
        EditorKind(
            "t-patcher",
            "T-Patcher",
            "A few neurons for each mistake in the last block, which fire for it and stay silent elsewhere.",
            "engine.editors.t_patcher",
            "TPatcherEditor",
            ("Memory", "Patches"),
            (
                Group("Patches", names=("neurons", "amplification", "margin")),
                Group(
                    "Learning",
                    names=(
                        "steps",
                        "least_steps",
                        "learning_rate",
                        "clip",
                        "activation_weight",
                        "memory_weight",
                        "hardest",
                        "group",
                    ),
                ),
                Group("Memory", names=("memory",)),
            ),
            t_patcher.PRESETS,
            t_patcher.settings_from,
            grows=True,
            undo="One edit's neurons are switched off; those of later edits were learnt beside them.",
            gated=False,
        ),
        EditorKind(
            "retrieval",
            "Gated retrieval",
            "The fact is put before the question: nothing but the gate is trained.",
            "engine.editors.retrieval",
            "RetrievalEditor",
            ("Encoder", "Gate"),
            _GATE,
            {name: meg.PRESETS[name] for name in ("fast", "balanced")},
            meg.settings_from,
            undo="One edit is switched off in the gate: questions about it are the original model's.",
        ),
        EditorKind(
            "plain-retrieval",
            "Plain retrieval",
            "The nearest edit is put before the question: nothing is trained.",
            "engine.editors.plain_retrieval",
            "PlainRetrievalEditor",
            ("Index",),
            (Group("Retrieval", names=("threshold",)),),
            {
                "balanced": ("Every question meets its nearest edit.", PlainRetrievalSettings),
                "near": (
                    "Questions with a cosine of 0.6 or more meet it: hardly a neighbour of an edit has one.",
                    lambda: PlainRetrievalSettings(threshold=0.6),
                ),
            },
            plain_retrieval.settings_from,
            grows=True,
            undo="One edit is switched off where it is looked up: questions nearest to it are the original model's.",
        ),
        EditorKind(
            "ike",
            "IKE",
            "The nearest edit is put before every question, after demonstrations of how new facts are taken up.",
            "engine.editors.ike",
            "IkeEditor",
            ("Index", "Demonstrations"),
            (Group("Demonstrations", names=("copy", "update", "retain")),),
            {"balanced": ("The authors' 32 demonstrations, or as many as the model takes.", IkeSettings)},
            ike.settings_from,
            grows=True,
            gated=False,
            undo="One edit is switched off where it is looked up, and is no longer demonstrated either.",
        ),
        EditorKind(
            "memprompt",
            "MemPrompt",
            "A question that is much like an edit's own is asked together with what the edit says.",
            "engine.editors.memprompt",
            "MemPromptEditor",
            ("Index",),
            (Group("Memory", names=("lookup", "similarity", "distance")),),
            {
                "balanced": ("By the meaning of the question: a cosine of 0.9.", MemPromptSettings),
                "letters": (
                    "By its letters: fewer than six to change.",
                    lambda: MemPromptSettings(lookup="letters"),
                ),
            },
            memprompt.settings_from,
            grows=True,
            undo="One edit is switched off in the memory: questions nearest to it are the original model's.",
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
            undo="All edits come back out together: one alone needs training again without it.",
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
            undo="All edits come back out together: one alone needs training again without it.",
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
            undo="All edits come back out together: one alone needs training again without it.",
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
            undo="One edit is taken out of the few columns that it moved.",
            requires=("prompt", "new object", "original answer", "phrasings of the relation"),
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
            rome.RomeSettings.restored,
            grows=True,
            gated=False,
            undo="One edit is taken out, and what was written after it is solved again.",
            requires=_LOCATING,
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
            memit.MemitSettings.restored,
            grows=True,
            gated=False,
            undo="One edit is left out and the others are solved again from what was kept of them.",
            requires=_LOCATING,
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
            alphaedit.AlphaEditSettings.restored,
            grows=True,
            gated=False,
            undo="One edit is left out and the batches are solved again from what was kept of them.",
            requires=_LOCATING,
        ),
    )
}
DEFAULT = next(iter(EDITORS))
"""The editor that is taken where none was chosen."""


def editor_kind(name: str) -> EditorKind:
    """The editor called `name`; raises EditError where there is none."""
    if name not in EDITORS:
        raise EditError(f"There is no editor “{name}”: choose among {', '.join(EDITORS)}.")
    return EDITORS[name]


def make_editor(name: str, settings: Any) -> Editor:
    """The editor called `name` with its own `settings`."""
    kind = editor_kind(name)
    return cast("Editor", getattr(import_module(kind.module), kind.made)(settings))
