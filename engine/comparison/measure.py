"""One contender trained, asked everything, timed, and taken back: what becomes its record."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from engine.benchmark.costs import (
    Memory,
    far_queries,
    pack_bytes,
    queries_about_edits,
    query_cost,
    stage_seconds,
    watched_memory,
)
from engine.comparison.contenders import Contender
from engine.comparison.record import Cost, Figures, Outcome, ProtocolFigures, Record, Undo
from engine.editor import EditedModel, Editor, Pack
from engine.editors.learnable import memory_stated
from engine.editors.registry import make_editor
from engine.edits import Edit, EditError, EditSet
from engine.evaluation.answers import spread
from engine.evaluation.protocol import Options, ProtocolError, protocol_kind
from engine.evaluation.report import Asked, Report, evaluate
from engine.faults import first_line, is_for_the_user, memory_that_ran_out
from engine.language_model import LanguageModel
from engine.runs import Cancel, Cancelled, ProgressBoard
from engine.strict_json import dump, parse

EVALUATION, UNDO = "Evaluation", "Undo"
UNDONE = 4  # edits that are taken back, one at a time

Watch = Callable[[Sequence[str]], AbstractContextManager[ProgressBoard]]
"""Makes a board for so many stages and shows it while the block runs."""


class Deadline(Cancel):
    """Passes on what another Cancel says, and is requested by itself once so many seconds have passed."""

    def __init__(self, outer: Cancel, seconds: float | None) -> None:
        super().__init__()
        self._outer = outer
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self._end is not None and time.monotonic() >= self._end

    @property
    def requested(self) -> bool:
        """Whether a stop was asked for, by a person or by the clock."""
        return self._outer.requested or self.passed

    def check(self) -> None:
        """Raise Cancelled once a stop was asked for; wait while the job is held."""
        self._outer.check()
        if self.passed:
            raise Cancelled


@dataclass(frozen=True, slots=True)
class Asking:
    """What a contender is asked once it is trained."""

    most: int | None = None  # queries of each kind, evenly spread; None: all
    protocols: tuple[str, ...] = ()  # names of `engine.evaluation.protocol.PROTOCOLS`


@dataclass(slots=True)
class _Finding:
    """What is known of a contender so far."""

    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    stated: int | None = None
    memory: Memory | None = None
    pack: Pack | None = None
    pack_bytes: int | None = None
    report: Report | None = None
    evaluation: float | None = None
    answer: float | None = None
    gate: float | None = None
    undo: Undo | None = None
    protocols: dict[str, ProtocolFigures] = field(default_factory=dict)
    fault: Exception | None = None  # of the program

    def cost(self) -> Cost:
        memory = self.memory
        return Cost(
            stages=self.stages,
            seconds=self.seconds if self.pack is not None else None,
            memory_stated=self.stated,
            memory_before=memory.baseline if memory else None,
            memory_peak=memory.peak if memory else None,
            memory_peak_cuda=memory.peak_cuda if memory else None,
            pack=self.pack_bytes,
            answer=self.answer,
            gate=self.gate,
            evaluation=self.evaluation,
        )


def measure(
    model: LanguageModel,
    contender: Contender,
    edit_set: EditSet,
    seed: int,
    *,
    weights: str,
    asking: Asking,
    minutes: float | None,
    watch: Watch,
    cancel: Cancel,
) -> tuple[Record, tuple[Asked, ...], Exception | None]:
    """Train `contender` on `edit_set`, ask everything, and take it off `model` again, whose weights hash to `weights`.

    A training takes `minutes` at most. Returns the record, every query that was asked, and the fault of the program
    that ended it, if one did. What the editor refuses, memory that does not suffice and a fault are in the record with
    all that was measured until then; the model is then not to be used any more. Raises Cancelled when asked to stop.
    """
    found = _Finding()
    outcome, sentence = _attempt(
        found,
        model,
        contender,
        edit_set,
        seed,
        weights,
        asking,
        Deadline(cancel, minutes and 60 * minutes),
        watch,
        cancel,
    )
    if outcome == "out of time":
        sentence = f"It was ended after {minutes:g} minutes of training, and had not learnt the edits."
    pack_figures = getattr(found.pack, "figures", {})
    record = Record(
        contender=contender.name,
        title=contender.title,
        editor=contender.kind.name,
        preset=contender.preset,
        gated=contender.kind.gated,
        edits=len(edit_set.enabled()),
        seed=seed,
        outcome=outcome,
        sentence=sentence,
        figures=Figures.of(found.report, gated=contender.kind.gated) if found.report is not None else None,
        cost=found.cost(),
        undo=found.undo or Undo(one=contender.kind.undoes_one),
        protocols=found.protocols,
        settings=as_plain(contender.settings),
        pack_figures=parse(dump(dict(pack_figures))),
    )
    return record, () if found.report is None else found.report.asked, found.fault


def as_plain(settings: Any) -> dict[str, Any]:
    """Settings as JSON holds them."""
    plain: dict[str, Any] = parse(dump(dataclasses.asdict(settings)))
    return plain


def weights_hash(model: LanguageModel) -> str:
    """A sha256 of every bit of every weight and buffer: unlike a fingerprint, which takes a sample."""
    digest = hashlib.sha256()
    for key, weight in model.model.state_dict().items():
        digest.update(f"{key} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().contiguous().reshape(-1).view(torch.uint8).cpu().numpy())
    return digest.hexdigest()


def _attempt(
    found: _Finding,
    model: LanguageModel,
    contender: Contender,
    edit_set: EditSet,
    seed: int,
    weights: str,
    asking: Asking,
    deadline: Deadline,
    watch: Watch,
    cancel: Cancel,
) -> tuple[Outcome, str]:
    """Do it all, noting in `found` what comes out; returns how it ended, and why where that was before the end."""
    try:
        editor = make_editor(contender.kind.name, contender.settings)
        with watch((*editor.stages(), EVALUATION, *asking.protocols, UNDO)) as board:
            _train(found, editor, model, edit_set, seed, board, deadline)
            _ask(found, model, contender, edit_set, weights, asking, seed, board, cancel)
    except Cancelled:
        if cancel.requested or found.pack is not None:
            raise
        return "out of time", ""
    except Exception as error:  # noqa: BLE001  # told in its row, and the others go on
        told = failure(error)
        if told[0] == "failed":
            found.fault = error
        return told
    return "measured", ""


def failure(error: Exception) -> tuple[Outcome, str]:
    """How an error ended it: the editor's own, memory's, or a fault of the program; and what a row says of it."""
    full = memory_that_ran_out(error)
    if full is not None:
        return "out of memory", f"The {full} of this machine does not suffice for it."
    if is_for_the_user(error):
        return "refused", first_line(error)
    return "failed", f"A fault of the program: {type(error).__name__}: {first_line(error)}"


def _train(
    found: _Finding,
    editor: Editor,
    model: LanguageModel,
    edit_set: EditSet,
    seed: int,
    board: ProgressBoard,
    deadline: Deadline,
) -> None:
    gc.collect()  # what an editor before left behind is not counted as this one's
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    found.stated = memory_stated(editor, model, edit_set.enabled())
    began = time.monotonic()
    try:
        with watched_memory(model.device) as found.memory:
            found.pack = editor.fit(model, edit_set, progress=board, cancel=deadline, seed=seed)
    finally:
        found.seconds = time.monotonic() - began
        found.stages = stage_seconds(board, board.seconds())
    with tempfile.TemporaryDirectory(prefix="meg-compare-") as place:
        found.pack_bytes = pack_bytes(found.pack, Path(place) / "pack")


def _ask(
    found: _Finding,
    model: LanguageModel,
    contender: Contender,
    edit_set: EditSet,
    weights: str,
    asking: Asking,
    seed: int,
    board: ProgressBoard,
    cancel: Cancel,
) -> None:
    if found.pack is None:
        raise ValueError("without a pack there is nothing to ask")
    with attached(found.pack, model) as edited:
        began = time.monotonic()
        found.report = evaluate(
            edited,
            edit_set,
            cancel=cancel,
            report=lambda step, of: board.report(EVALUATION, step, of),
            most=asking.most,
        )
        found.evaluation = time.monotonic() - began
        queries = queries_about_edits(edited, edit_set)
        if len(queries) > 1:
            cost = query_cost(edited, queries, far_queries(edit_set))
            found.answer, found.gate = cost.answer, cost.gate
        for name in asking.protocols:
            found.protocols[name] = _measured(name, edited, edit_set, asking, seed, board, cancel)
        board.report(UNDO, 0, 1)
        undo = try_undo(edited, edit_set, one=contender.kind.undoes_one, cancel=cancel)
        board.report(UNDO, 1, 1)
    found.undo = undo.model_copy(update={"exact": weights_hash(model) == weights})


def _measured(
    name: str, edited: EditedModel, edit_set: EditSet, asking: Asking, seed: int, board: ProgressBoard, cancel: Cancel
) -> ProtocolFigures:
    """What one protocol finds; why it cannot be measured on these edits is a note of it."""
    kind = protocol_kind(name)
    try:
        report = kind.measure(
            edited,
            edit_set,
            Options(seed=seed, most=asking.most),
            cancel=cancel,
            report=lambda step, of: board.report(name, step, of),
        )
    except ProtocolError as error:
        return ProtocolFigures(title=kind.title, about=kind.about, notes=[str(error)])
    return ProtocolFigures.of(report)


@contextlib.contextmanager
def attached(pack: Pack, model: LanguageModel) -> Iterator[EditedModel]:
    """The edited model while the block runs; the original one is given back whatever happens in it."""
    edited = pack.attach(model)
    try:
        yield edited
    finally:
        edited.detach()


def try_undo(edited: EditedModel, edit_set: EditSet, *, one: bool, cancel: Cancel) -> Undo:
    """Take UNDONE edits back, one at a time, and switch each on again.

    Where the method says that it cannot (`one` is False) nothing is tried.
    """
    if not one:
        return Undo(one=False)
    tried = gone = original = back = 0
    for edit, before in _changed(edited, edit_set, cancel):
        cancel.check()
        try:
            edited.disable([edit.id])
        except EditError:
            return Undo(one=False, tried=tried)
        (off,) = edited.answer([edit.prompt], cancel=cancel)
        edited.enable([edit.id])
        (on,) = edited.answer([edit.prompt], cancel=cancel, originals=False)
        tried += 1
        gone += off.edited != before
        original += off.edited == off.original
        back += on.edited == before
    return Undo(one=True, tried=tried, gone=gone, original=original, back=back)


def _changed(edited: EditedModel, edit_set: EditSet, cancel: Cancel) -> list[tuple[Edit, str]]:
    """Up to UNDONE edits, evenly spread over some of the set, whose prompts are answered anew, with that answer."""
    some = spread(edit_set.enabled(), 8 * UNDONE)
    answers = edited.answer([edit.prompt for edit in some], cancel=cancel)
    changed = [
        (edit, answer.edited) for edit, answer in zip(some, answers, strict=True) if answer.edited != answer.original
    ]
    return spread(changed, UNDONE)
