"""What the model worker is asked to do. Every function here runs in that worker's thread and touches no widget.

torch and what needs it are imported inside the functions: the window is on the screen long before they are.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar, cast

from engine import usage
from engine.checkpoints import is_kept
from engine.decoding import GREEDY, Decoding
from engine.editors import registry
from engine.edits import Edit, EditError, EditSet
from engine.evaluation.answers import is_answer
from engine.formats.registry import read_edits
from engine.metrics import CurveLog
from engine.runs import Cancel, Cancelled, ProgressBoard
from studio.engine_loading import collector_at_rest, load_engine
from studio.jobs import Shelf
from studio.run_log import logged
from studio.words import deferred, tr

if TYPE_CHECKING:
    from engine.editor import Answer, EditedModel, Editor, Explanation, Pack
    from engine.editors.registry import EditorKind
    from engine.language_model import LanguageModel, TokenChance
    from engine.model_check import ModelCheck
    from engine.model_files import ModelChoice

_logger = logging.getLogger(__name__)

AT_ONCE = 64
"""Queries between two looks at the Cancel flag."""
SAMPLE = 500
"""Queries that a figure is measured on after a training, at most."""

EMBEDDED = "embedded"
"""The name of the model, and of the text encoder, that come with the studio."""
LOADING = deferred("Load the model")
MEASURING = deferred("Measure")
SOLVING = deferred("Take the edits that are off out of the weights")
ASKING = deferred("Ask")
ASKING_MODEL = deferred("Ask the model")
EDITS = "edits.jsonl"
"""The snapshot of the edits, in a run's folder and in a pack."""
METRICS = "metrics.jsonl"
"""The curves, in a run's folder."""
PACK = "pack"
"""The folder of the pack, in a run's folder."""

CHECKPOINTS = "checkpoints"
"""The folder of the checkpoints, in a run's folder."""
UNANSWERED = "not answered"
"""The figure that lists the edits which the edited model does not answer."""
SECONDS = "training seconds"
"""The figure that tells how long the editor trained, over all its parts where it was stopped and gone on with."""
UNLEARNT = "not learnt"
"""The figure that lists the edits for which no neuron was found."""

_MODEL = "language model"
_EDITED = "edited model"
Key = TypeVar("Key", int, str)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Which language model to load, and where to."""

    name: str = EMBEDDED  # that one, a folder, or a name in the Hugging Face cache
    device: str = "auto"
    trusts: str = ""  # the name of the model whose own code may be run; another model's never is

    @property
    def remote_code(self) -> bool:
        """Whether code that comes with the model may be run."""
        return bool(self.trusts) and self.trusts == self.name


@dataclass(frozen=True, slots=True)
class Engagement:
    """What answers a question: a language model and, where one is in use, a pack."""

    source: ModelSource
    pack: Path | None = None
    live: frozenset[str] = frozenset()  # ids of the project's enabled edits; any other edit of the pack is gated out
    threshold: float | None = None  # where it was moved by hand; None: as calibrated


@dataclass(frozen=True, slots=True)
class Machine:
    """What can be chosen: the models at hand and the devices of this machine."""

    models: tuple[ModelChoice, ...]
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """Everything that one training depends on; the same order gives the same pack."""

    source: ModelSource
    editor: str
    settings: Mapping[str, Any]  # the editor's own, as plain values
    seed: int
    folder: Path  # of the run
    start: Path | None = None  # a pack to go on from
    watched: tuple[str, ...] = ()  # questions that are asked again and again while training goes on

    @property
    def pack(self) -> Path:
        """Where the pack goes."""
        return self.folder / PACK


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to."""

    figures: dict[str, object]
    familiarity: dict[str, float]  # by edit id


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered to one question; `answer` is None while no pack is in use."""

    query: str
    original: str
    original_seconds: float | None
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Provenance:
    """What answered: the model's weights and the pack, each by its hash, and the pack's own threshold."""

    fingerprint: str
    pack: str
    calibrated: float | None


@dataclass(frozen=True, slots=True)
class Chances:
    """The likeliest next tokens of both models; `edited` is empty while no pack is in use."""

    original: tuple[TokenChance, ...]
    edited: tuple[TokenChance, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some of many questions, answered."""

    source: Provenance
    replies: list[Reply]


class _Attached:
    """An edited model, and which edits of its pack are switched off in it, where its editor can do that."""

    def __init__(
        self, edited: EditedModel, kind: EditorKind, keys: Collection[str], source: ModelSource, folder: Path
    ) -> None:
        self.edited = edited
        self.source = source
        self.folder = folder
        self._undoes_one = kind.undoes_one
        self._calibrated = edited.threshold
        self._keys = frozenset(keys)
        self._off: frozenset[str] = frozenset()

    def keep_live(self, live: frozenset[str], board: ProgressBoard, cancel: Cancel) -> None:
        """Leave out every edit of the pack that is not `live`; all stay where the editor cannot take back one."""
        from engine.editor import Solved

        off = self._keys - live
        if not self._undoes_one or off == self._off:
            return
        if isinstance(self.edited, Solved):
            board.report(SOLVING, 0, 0)
            self.edited.switch_off(off, cancel)
        else:
            self.edited.enable(self._off - off)
            self.edited.disable(off - self._off)
        self._off = off

    def move_threshold(self, threshold: float | None) -> None:
        """Route from `threshold` on, None: from the calibrated one; without a gate there is nothing to move."""
        if not self.edited.gated:
            return
        wanted = self._calibrated if threshold is None else threshold
        if wanted != self.edited.threshold:
            self.edited.threshold = wanted


# --- loading -------------------------------------------------------------------------------------------------------


def load_model(source: ModelSource) -> LanguageModel:
    """The language model that `source` names."""
    load_engine()
    from transformers.utils import logging as told_on_the_terminal

    from engine.language_model import load

    told_on_the_terminal.disable_progress_bar()  # progress is shown in the window
    with collector_at_rest():
        return load(source.name, device=source.device, trust_remote_code=source.remote_code)


def make_editor(order: TrainingOrder) -> Editor:
    """The editor with the settings of `order`."""
    load_engine()
    return registry.make_editor(order.editor, registry.editor_kind(order.editor).restore(order.settings))


def open_pack(folder: Path, model: LanguageModel) -> Pack:
    """The pack in `folder`, on the device that `model` lies on."""
    load_engine()
    from engine.packs import load_pack

    with collector_at_rest():
        return load_pack(folder, model.device)


def pack_figures(folder: Path) -> Mapping[str, object]:
    """What was measured when the pack in `folder` was made."""
    from engine.packs import read_manifest

    return read_manifest(folder).figures


def look_around(folders: Sequence[Path] = ()) -> Machine:
    """What there is to choose from; `folders` are searched for models."""
    load_engine()
    from engine.device import available_devices
    from engine.model_files import available

    return Machine(tuple(available(folders)), tuple(available_devices()))


def find_models(folder: Path, cancel: Cancel) -> list[ModelChoice]:
    """The language models in a folder, however deep."""
    load_engine()
    from engine.model_files import models_below

    return models_below(folder, cancel=cancel)


def look_at_model(source: ModelSource, edits: int, neurons: int, runs: Path) -> ModelCheck:
    """Whether so many edits can be trained on a model, before any of its weights is loaded."""
    load_engine()
    from engine.model_check import check_model

    with collector_at_rest():
        return check_model(
            source.name,
            device=source.device,
            trust_remote_code=source.remote_code,
            edits=edits,
            neurons=neurons,
            runs=runs,
        )


def language_model(shelf: Shelf, source: ModelSource) -> LanguageModel:
    """The language model, loaded where it is not on the shelf yet."""
    attached = _attached(shelf)
    if attached is not None and attached.source != source:
        release(shelf)
    return shelf.get(_MODEL, source, lambda: load_model(source))


def edited_model(
    shelf: Shelf, engagement: Engagement, board: ProgressBoard | None = None, cancel: Cancel | None = None
) -> EditedModel | None:
    """The language model with the pack in use, edits switched off as the project has them; None without a pack.

    Where that takes long, it is told on `board` and can be stopped by `cancel`: raises Cancelled.
    """
    model = language_model(shelf, engagement.source)
    folder = engagement.pack
    if folder is None:
        release(shelf)
        return None

    before = _attached(shelf)
    if before is not None and before.folder != folder:
        release(shelf)

    def attach() -> _Attached:
        edited = open_pack(folder, model).attach(model)
        return _Attached(edited, pack_kind(folder), pack_keys(folder), engagement.source, folder)

    attached = shelf.get(_EDITED, (engagement.source, folder), attach, on=_MODEL)
    attached.keep_live(engagement.live, board or ProgressBoard(), cancel or Cancel())
    attached.move_threshold(engagement.threshold)
    return attached.edited


def release(shelf: Shelf) -> None:
    """Detach the editor, so that the language model is the original one."""
    attached = _attached(shelf)
    if attached is not None:
        attached.edited.detach()
        shelf.drop(_EDITED)


def _attached(shelf: Shelf) -> _Attached | None:
    found = shelf.find(_EDITED)
    return found if isinstance(found, _Attached) else None


def pack_keys(pack: Path) -> list[str]:
    """The ids of the edits that a pack was trained on."""
    return [edit.id for edit in read_edits(pack / EDITS, "jsonl").edit_set.enabled()]


def pack_kind(pack: Path) -> EditorKind:
    """The editor that made a pack."""
    from engine.packs import read_manifest

    return registry.editor_kind(read_manifest(pack).editor)


# --- asking --------------------------------------------------------------------------------------------------------


def original_answers(
    shelf: Shelf,
    source: ModelSource,
    prompts: Sequence[str],
    board: ProgressBoard,
    cancel: Cancel,
    answers: list[str],
) -> list[str]:
    """What the original model answers, as far as it got: shorter than `prompts` where it was asked to stop.

    They are put into `answers` as they come, so that those before a failure are not lost with it.
    """
    board.report(LOADING, 0, 0)
    model = language_model(shelf, source)
    release(shelf)
    try:
        for start in range(0, len(prompts), AT_ONCE):
            board.report(ASKING_MODEL, start, len(prompts))
            answers.extend(model.answer(prompts[start : start + AT_ONCE], cancel=cancel))
    except Cancelled:
        if not answers:
            raise
    return answers


def reply(
    shelf: Shelf,
    engagement: Engagement,
    questions: Sequence[str],
    cancel: Cancel,
    decoding: Decoding = GREEDY,
    board: ProgressBoard | None = None,
) -> list[Reply]:
    """Both models' answers to each question, under the same settings."""
    edited = edited_model(shelf, engagement, board, cancel)
    if board is not None:
        board.report(ASKING, 0, 0)
    if edited is None:
        model = language_model(shelf, engagement.source)
        began = time.perf_counter()
        texts = model.answer(questions, decoding=decoding, cancel=cancel)
        each = (time.perf_counter() - began) / max(len(questions), 1)
        return [Reply(query, text, each, None) for query, text in zip(questions, texts, strict=True)]
    answers = edited.answer(questions, cancel=cancel, decoding=decoding)
    return [Reply(answer.query, answer.original, answer.original_seconds, answer) for answer in answers]


def replies(
    shelf: Shelf,
    engagement: Engagement,
    questions: Sequence[str],
    decoding: Decoding,
    board: ProgressBoard,
    cancel: Cancel,
    answered: SimpleQueue[Batch],
) -> None:
    """Both models' answers to many questions, handed to `answered` a few at a time. Needs a pack."""
    board.report(LOADING, 0, 0)
    if engagement.pack is None:
        raise ValueError("without a pack there is nothing to compare")
    source = provenance(engagement.pack)
    edited_model(shelf, engagement, board, cancel)
    for start in range(0, len(questions), AT_ONCE):
        cancel.check()
        board.report(ASKING, start, len(questions))
        some = reply(shelf, engagement, questions[start : start + AT_ONCE], cancel, decoding)
        answered.put(Batch(source, some))


def explain(shelf: Shelf, engagement: Engagement, query: str) -> Explanation | None:
    """The gate's word on one query, with what it hangs on; None without a pack, or without a gate."""
    edited = edited_model(shelf, engagement)
    return edited.explain(query) if edited is not None and edited.gated else None


def provenance(pack: Path) -> Provenance:
    """What the pack in the folder `pack` was trained on, and what it is called by. Raises PackError."""
    from engine.packs import pack_hash, read_manifest

    manifest = read_manifest(pack)
    threshold = manifest.figures.get("threshold")
    calibrated = float(threshold) if isinstance(threshold, int | float) else None
    return Provenance(manifest.model.fingerprint, pack_hash(pack), calibrated)


def next_tokens(shelf: Shelf, engagement: Engagement, query: str, k: int = 6) -> Chances:
    """The likeliest next tokens of both models."""
    edited = edited_model(shelf, engagement)
    if edited is None:
        return Chances(language_model(shelf, engagement.source).next_tokens(query, k), ())
    both = edited.next_tokens(query, k)
    return Chances(both.original, both.edited)


def familiarities(
    shelf: Shelf, engagement: Engagement, prompts: Mapping[int, str], board: ProgressBoard, cancel: Cancel
) -> dict[int, float | None]:
    """How familiar each prompt is to the pack in use; None for all without a pack, or without a gate."""
    board.report(LOADING, 0, 0)
    edited = edited_model(shelf, engagement, board, cancel)
    if edited is None or not edited.gated:
        return dict.fromkeys(prompts)
    found: dict[int, float | None] = {}
    for key, value in _routed(edited, prompts, cancel):
        found[key] = value
        board.report(MEASURING, len(found), len(prompts))
    return found


# --- training ------------------------------------------------------------------------------------------------------


@logged
def train(shelf: Shelf, order: TrainingOrder, board: ProgressBoard, cancel: Cancel) -> Trained:
    """Train on the run's snapshot, keep the pack in the run's folder, attach it and measure it.

    A run that was stopped goes on from its checkpoints, and its curves with it. Raises Cancelled, and what the editor
    raises.
    """
    trained_before = order.pack.is_dir()  # killed between its last step and the note that it was finished
    log = CurveLog(order.folder / METRICS, None if trained_before else partial(is_kept, order.folder / CHECKPOINTS))
    try:
        board.record(log)
        return _train(shelf, order, board, cancel)
    finally:
        log.close()


def _train(shelf: Shelf, order: TrainingOrder, board: ProgressBoard, cancel: Cancel) -> Trained:
    board.report(LOADING, 0, 0)
    edits = read_edits(order.folder / EDITS, "jsonl").or_nothing()
    model = language_model(shelf, order.source)
    release(shelf)
    if order.watched:
        # The first answers on the board are the original ones: what the window compares the later ones with.
        originally = dict(zip(order.watched, model.answer(order.watched, cancel=cancel), strict=True))
        board.report(LOADING, 1, 1, answers=originally)
    cancel.check()
    learnt = None  # seconds, where it is known
    if order.pack.is_dir():
        pack = open_pack(order.pack, model)
    else:
        with usage.watched(model.device, board.note_usage):
            pack = _fitted(order, model, edits, board, cancel)
        began = [moment for stage, moment in board.stages().items() if stage != LOADING]
        learnt = board.seconds() - min(began) if began else None
        pack.save(order.pack)
    shutil.rmtree(order.folder / CHECKPOINTS, ignore_errors=True)  # several times as large as the pack
    kind, keys = registry.editor_kind(order.editor), [edit.id for edit in edits.enabled()]

    def attach() -> _Attached:
        return _Attached(pack.attach(model), kind, keys, order.source, order.pack)

    attached = shelf.get(_EDITED, (order.source, order.pack), attach, on=_MODEL)
    if order.watched:
        # Some editors have nothing to ask before they are done; of the others these are the last answers.
        now = {reply.query: reply.edited for reply in attached.edited.answer(order.watched, originals=False)}
        board.report(MEASURING, 0, 0, answers=now)
    figures = told_figures(pack_figures(order.pack), edits.enabled())
    if learnt is not None:
        figures[SECONDS] = round(learnt, 3)
    try:
        return _measured(attached.edited, edits, figures, board, cancel)
    except Cancelled:
        # The pack is on the disk: a stop that comes now costs figures, not the training.
        return Trained(figures, {})


def _fitted(order: TrainingOrder, model: LanguageModel, edits: EditSet, board: ProgressBoard, cancel: Cancel) -> Pack:
    """Train, from another run's pack where the order says so; a run that goes on has its curves from their start."""
    editor = make_editor(order)
    board.note_stated(stated_memory(editor, model, edits))
    if order.start is None:
        return editor.fit(model, edits, progress=board, cancel=cancel, seed=order.seed, run=order.folder)
    kind = registry.editor_kind(order.editor)
    if not kind.grows:
        raise EditError(
            tr("The editor “{editor}” cannot go on from a pack: train it from the start.", editor=kind.title)
        )
    growing = cast("Any", editor)  # an editor that grows takes a pack of its own kind
    pack: Pack = growing.fit(
        model,
        edits,
        progress=board,
        cancel=cancel,
        seed=order.seed,
        run=order.folder,
        start=open_pack(order.start, model),
    )
    return pack


def stated_memory(editor: Editor, model: LanguageModel, edits: EditSet) -> int | None:
    """The bytes beside the model that `editor` says it takes at most; None of edits that cannot be learnt."""
    from engine.editors.learnable import memory_stated

    return memory_stated(editor, model, edits.enabled())


def told_figures(figures: Mapping[str, object], edits: Sequence[Edit]) -> dict[str, object]:
    """What the editor itself says of its pack, in the words of a run's figures.

    Every edit was asked when the pack was made, so its reliability is known; UNANSWERED and UNLEARNT are edit ids.
    """
    told: dict[str, object] = {"edits": len(edits)}
    answered, threshold = figures.get("answered"), figures.get("threshold")
    if isinstance(answered, int | float):
        told |= {"reliability": float(answered), "reliability queries": len(edits)}
    if isinstance(threshold, int | float):
        told["threshold"] = float(threshold)
    told |= {name: figures[name] for name in ("layer", "layers") if name in figures}
    known = {edit.id for edit in edits}
    for name in (UNANSWERED, UNLEARNT):
        listed = figures.get(name)
        parts = listed if isinstance(listed, list) else []
        named = [part.get("id") if isinstance(part, dict) else part for part in parts]
        told[name] = [key for key in named if isinstance(key, str) and key in known]
    return told


def _measured(
    edited: EditedModel, edit_set: EditSet, figures: dict[str, object], board: ProgressBoard, cancel: Cancel
) -> Trained:
    """Generality and locality by what the model writes, on at most SAMPLE queries each; familiarity, behind a gate."""
    from engine.evaluation.askable import askable

    with edited.original() as original:
        edit_set = askable(original, edit_set, _logger.warning)
    edits = edit_set.enabled()
    paraphrases = _sample([(text, edit) for edit in edits for text in edit.paraphrases])
    probes = _sample([(probe.prompt, edit) for edit in edits for probe in edit.probes])
    groups = {"generality": paraphrases, "locality": probes}
    if "reliability" not in figures:  # an editor that does not ask its edits itself
        groups["reliability"] = _sample([(edit.prompt, edit) for edit in edits])
    unanswered: list[str] = []
    whole, done = sum(len(group) for group in groups.values()) + (len(edits) if edited.gated else 0), 0
    board.report(MEASURING, 0, whole)
    for name, group in groups.items():
        right = 0
        for start in range(0, len(group), AT_ONCE):
            some = group[start : start + AT_ONCE]
            compared = name == "locality"
            answers = edited.answer([query for query, _ in some], cancel=cancel, originals=compared)
            for answer, (_, edit) in zip(answers, some, strict=True):
                as_wanted = is_answer(answer.edited, answer.original if compared else edit.new_object)
                right += as_wanted
                if name == "reliability" and not as_wanted:
                    unanswered.append(edit.id)
            done += len(some)
            board.report(MEASURING, done, whole)
        if group:
            figures |= {name: right / len(group), f"{name} queries": len(group)}
    if unanswered:
        figures[UNANSWERED] = unanswered
    familiarity: dict[str, float] = {}
    if not edited.gated:
        return Trained(figures, familiarity)
    for key, value in _routed(edited, {edit.id: edit.prompt for edit in edits}, cancel):
        familiarity[key] = value
        board.report(MEASURING, done + len(familiarity), whole)
    return Trained(figures, familiarity)


def _routed(edited: EditedModel, prompts: Mapping[Key, str], cancel: Cancel) -> Iterator[tuple[Key, float]]:
    keys = list(prompts)
    for start in range(0, len(keys), AT_ONCE):
        cancel.check()
        some = keys[start : start + AT_ONCE]
        for key, routing in zip(some, edited.route([prompts[key] for key in some]), strict=True):
            yield key, routing.familiarity


def _sample(group: list[tuple[str, Edit]]) -> list[tuple[str, Edit]]:
    """At most SAMPLE of `group`, evenly spread."""
    step = max(1, -(-len(group) // SAMPLE))
    return group[::step]
