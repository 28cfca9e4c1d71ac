"""How edits come to a model, and what is left of them: instance, single, batch and sequential editing, measured.

instance     every edit alone on the original model, and taken back before the next
single       one edit after the other, each on top of all before it
batch        so many edits at once on the original model, for each size of the curve
sequential   batches of edits, each on top of all before it; without a size, each batch is as large as all before it

After each batch its own edits are asked: *at edit*. Where the curve has a point, all edits *so far* are asked too, and
what must stay: fixed unrelated questions and the perplexity of plain text. How *so far* falls behind *at edit* is what
is forgotten.

An editor that goes on from its pack learns each batch on top of the last. One that cannot is trained anew on all edits
so far, which every step says (`anew`): it forgets nothing by its order, and pays for it in seconds.

A folder keeps it all, and a run that was stopped or killed goes on there:

regime.jsonl   the head; for each step what its training took, a line for every question, and last what was learnt
pack-0001/     the editor after a batch, where the next is to go on from it
training/      the checkpoints of a batch that is being learnt
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from engine import atomic
from engine.editor import EditedModel, Editor, Pack
from engine.edits import EditError, EditSet, ProbeKind
from engine.evaluation.answers import spread
from engine.evaluation.document import figures_as_json
from engine.evaluation.perplexity import default_texts, drift, halves_of, perplexities, weighed
from engine.evaluation.protocol import Row
from engine.evaluation.record import EvaluationError, asked_of
from engine.evaluation.report import KINDS, Asked, Measured, Planned, Report, ask, plan
from engine.evaluation.unedited import question, unedited_facts
from engine.language_model import LanguageModel, Likelihood
from engine.metrics import MetricsError, read_lines
from engine.packs import load_pack
from engine.runs import Cancel, ProgressBoard
from engine.strict_json import canonical, dump

FORMAT = "meg-regime"
VERSION = 1
FILE = "regime.jsonl"
TRAINING = "training"
AT_EDIT, SO_FAR, UNRELATED_ROWS = "at edit", "so far", "unrelated"
"""Where a question counts."""
_TRAINED = {"learning", "learnt"}  # what lines that are about a training begin with
STAGE = "Evaluation"
"""The stage in which a step is measured, beside those of the editor's own `fit`."""
SIZES = tuple(2**power for power in range(11))
"""1, 2, 4 … 1,024 edits."""
UNRELATED = 64
"""Questions about unedited facts that are asked at every point of the curve."""
TEXTS = 256
"""Plain texts, evenly spread, whose perplexity is measured there: as many however many edits there are."""

Regime = Literal["instance", "single", "batch", "sequential"]
REGIMES: Mapping[Regime, str] = {
    "instance": "Every edit alone on the original model, taken back before the next.",
    "single": "One edit after the other, each on top of all before it.",
    "batch": "So many edits at once on the original model, for each size of the curve.",
    "sequential": "Batches of edits, each on top of all before it.",
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """How edits come, and what is asked then. Raises EditError where it makes no sense."""

    regime: Regime = "sequential"
    batch: int | None = None  # edits a batch of sequential editing; None: as many as all before it (1, 1, 2, 4, …)
    sizes: tuple[int, ...] = SIZES  # the curve's points: all so far are asked once so many are learnt, and at the end
    most: int | None = None  # queries of each kind that are asked of a batch, and of all so far; None: all
    seed: int = 0
    unrelated: tuple[str, ...] | None = None  # questions that must stay; None: UNRELATED of unedited facts
    texts: tuple[str, ...] | None = None  # plain text for the perplexity; None: that of `perplexity.default_texts`

    def __post_init__(self) -> None:
        if self.batch is not None and self.batch < 1:
            raise EditError(f"A batch of {self.batch} edits cannot be learnt: give 1 or more.")
        if self.batch is not None and self.regime != "sequential":
            raise EditError(f"The size of a batch is for sequential editing alone: leave it out for {self.regime}.")
        if not self.sizes or min(self.sizes) < 1:
            raise EditError("The curve needs sizes of 1 or more.")

    def batches(self, edits: int) -> list[range]:
        """The places of the edits that each training is to learn, out of so many."""
        if self.regime in ("instance", "single"):
            return [range(place, place + 1) for place in range(edits)]
        if self.regime == "batch":
            return [range(size) for size in sorted({*(size for size in self.sizes if size < edits), edits})]
        found, end = [], 0
        while end < edits:
            start, end = end, min(edits, end + (self.batch or max(end, 1)))
            found.append(range(start, end))
        return found

    def points(self, edits: int) -> set[int]:
        """The steps, from 0, after which the curve has a point: the first to reach each size, and the last."""
        reached = [learnt.stop for learnt in self.batches(edits)]
        asked = {next(step for step, end in enumerate(reached) if end >= size) for size in self.sizes if size <= edits}
        return asked | {len(reached) - 1}


@dataclass(frozen=True, slots=True)
class Head:
    """What a record is of: two of equal heads train the same and ask the same."""

    editor: str
    regime: Regime
    settings: str  # sha256 of the editor's settings
    model: str  # fingerprint
    edits: str  # sha256 of the enabled edits
    schedule: str  # sha256 of the schedule


@dataclass(frozen=True, slots=True)
class Step:
    """One batch, learnt and measured."""

    number: int  # from 1
    edits: int  # learnt so far; in instance editing, tried so far
    batch: int  # learnt in this step
    anew: bool  # all edits so far were learnt again, for the editor cannot go on from its pack
    seconds: float  # of the training
    at_edit: Report  # of this batch's edits, just learnt
    # The rest is None between the points of the curve.
    so_far: Report | None = None  # of all edits up to here; in instance editing, each as it was at its own edit
    unrelated: Measured | None = None  # the fixed questions: the share that is answered as the original model does
    perplexity: tuple[float | None, float | None] | None = None  # of plain text: original and edited model
    rows: tuple[Asked, ...] = field(default=(), repr=False)  # the unrelated questions
    texts: tuple[Row, ...] = field(default=(), repr=False)  # the pieces of plain text


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the curve."""

    edits: int
    at_edit: Report  # of every batch up to here, each as it was just learnt: the questions of `so_far` alone
    so_far: Report  # of the same edits now
    unrelated: Measured
    perplexity: tuple[float | None, float | None]

    @property
    def forgotten(self) -> float | None:
        """Reliability (AG) at edit less that of now; None where nothing was asked."""
        before, now = self.at_edit.reliability.ag, self.so_far.reliability.ag
        return None if before is None or now is None else before - now

    def as_json(self) -> dict[str, Any]:
        """The figures as JSON has them."""
        return {
            "edits": self.edits,
            "at_edit": figures_as_json(self.at_edit),
            "so_far": figures_as_json(self.so_far),
            "forgotten": self.forgotten,
            "unrelated": asdict(self.unrelated),
            "perplexity": dict(zip(("original", "edited"), self.perplexity, strict=True)),
        }


def run_regime(
    name: str,
    editor: Editor,
    model: LanguageModel,
    edits: EditSet,
    folder: Path,
    schedule: Schedule,
    *,
    settings: Mapping[str, Any],
    grows: bool,
    progress: ProgressBoard,
    cancel: Cancel,
) -> Iterator[Step]:
    """Train and measure by `schedule`; yields each step once its record is on disk, those of before first.

    `name`, `grows` and `settings` (as `dataclasses.asdict` has them) are the editor's own, of
    `engine.editors.registry`. The enabled edits come in their order. A `folder` of an equal head is gone on with, any
    other in its place is begun anew. The model is given back as it was after every step.

    Raises EditError where the edits cannot be used, EvaluationError where the record cannot be written, Cancelled when
    asked to stop: call it again with the same folder to go on.
    """
    chosen = edits.enabled()
    if not chosen:
        raise EditError("There is no edit to train: add one, or switch one on.")
    whole = replace(schedule, unrelated=_unrelated(edits, schedule), texts=_texts(edits, schedule))
    head = Head(
        editor=name,
        regime=schedule.regime,
        settings=_mark(settings),
        model=model.fingerprint(),
        edits=_mark([asdict(edit) for edit in chosen]),
        schedule=_mark(asdict(whole)),
    )
    record = _Record(folder, head)
    yield from record.steps
    yield from _Run(editor, model, edits, whole, record, grows=grows, progress=progress, cancel=cancel).rest()


def read_regime(folder: Path) -> tuple[Step, ...]:
    """The steps that a folder has a record of, also of a run that goes on; none without a record.

    Raises EvaluationError where it cannot be read.
    """
    lines = _lines(folder / FILE)
    head = _head(lines[0]) if lines else None
    return () if head is None else tuple(_steps(lines[1:], head.regime))


def curve(steps: Sequence[Step]) -> list[Point]:
    """The points of the curve: what was right at edit, and what is still right, against the number of edits."""
    points: list[Point] = []
    for number, step in enumerate(steps, 1):
        if step.so_far is None or step.unrelated is None or step.perplexity is None:
            continue
        # A batch on the original model takes no other batch along.
        before = steps[:number] if step.edits > step.batch else [step]
        asked = {(row.edit, row.kind, row.query) for row in step.so_far.asked}
        rows = (row for one in before for row in one.at_edit.asked)
        at_edit = Report.of(row for row in rows if (row.edit, row.kind, row.query) in asked)
        points.append(Point(step.edits, at_edit, step.so_far, step.unrelated, step.perplexity))
    return points


class _Run:
    """The steps of a schedule that its record does not have yet."""

    def __init__(
        self,
        editor: Editor,
        model: LanguageModel,
        edits: EditSet,
        schedule: Schedule,
        record: _Record,
        *,
        grows: bool,
        progress: ProgressBoard,
        cancel: Cancel,
    ) -> None:
        self.editor, self.model, self.edits, self.schedule, self.record = editor, model, edits, schedule, record
        self.progress, self.cancel = progress, cancel
        self.chosen = edits.enabled()
        self.on_top = schedule.regime in ("single", "sequential")
        self.grows = self.on_top and grows
        self.plain_text: tuple[list[tuple[str, str, str]], list[Likelihood]] | None = None
        self.unrelated = [Planned("", ProbeKind.FAR.value, "", text, "") for text in schedule.unrelated or ()]

    def rest(self) -> Iterator[Step]:
        """What is left, step by step; the model is as it was whenever one is yielded."""
        batches = self.schedule.batches(len(self.chosen))
        points = self.schedule.points(len(self.chosen))
        done = len(self.record.steps)
        pack = self._load(done) if self.grows and done else None
        for number, batch in enumerate(batches[done:], done + 1):
            self.cancel.check()
            pack, seconds = self._learn(number, batch, pack)
            edited = pack.attach(self.model)
            try:
                step = self._measure(edited, number, batch, seconds, is_point=number - 1 in points)
            finally:
                edited.detach()
            self.record.tidy(number)
            yield step

    def _learn(self, number: int, batch: range, before: Pack | None) -> tuple[Pack, float]:
        """The pack of one more batch, and the seconds that its training took."""
        known = self.record.learnt.get(number)
        if known is not None and self.grows and self.record.pack(number).is_dir():
            return self._load(number), known
        more: dict[str, Any] = {"start": before} if self.grows and before is not None else {}
        start = 0 if self.on_top else batch.start
        # A training that was killed goes on from its last checkpoint: what it took until then is part of its cost.
        began = self.progress.seconds() - self.record.spent.get(number, 0.0)
        with self.progress.at_marks(lambda: self.record.note_spent(number, self.progress.seconds() - began)):
            pack = self.editor.fit(
                self.model,
                self._some(range(start, batch.stop)),
                progress=self.progress,
                cancel=self.cancel,
                seed=self.schedule.seed,
                run=self.record.folder / TRAINING,
                **more,
            )
        seconds = self.progress.seconds() - began
        if self.grows:
            self.record.note(number, seconds)
            pack.save(self.record.pack(number))
        return pack, seconds

    def _load(self, number: int) -> Pack:
        return load_pack(self.record.pack(number), self.model.device)

    def _plain_text(self, edited: EditedModel) -> tuple[list[tuple[str, str, str]], list[Likelihood]]:
        """The pieces of plain text, and how likely the original model finds them: the same at every point."""
        if self.plain_text is None:
            with edited.original() as model:
                pieces = [("plain text", *half) for half in halves_of(model, self.schedule.texts or ())]
                self.plain_text = pieces, weighed(model, pieces, self.cancel)
        return self.plain_text

    def _some(self, places: range) -> EditSet:
        return EditSet(self.edits.name, self.chosen[places.start : places.stop], self.edits.relations)

    def _asked_of(self, batches: Sequence[range]) -> list[Planned]:
        """Of what `batches` are asked at edit, evenly spread, as many of each kind as are asked of one.

        What is forgotten shows in the same questions alone.
        """
        rows = [one for batch in batches for one in plan(self._some(batch), self.schedule.most)]
        return [one for kind in KINDS for one in spread([row for row in rows if row.kind == kind], self.schedule.most)]

    def _measure(self, edited: EditedModel, number: int, batch: range, seconds: float, *, is_point: bool) -> Step:
        most = self.schedule.most
        asked_in = {AT_EDIT: plan(self._some(batch), most)}
        if is_point:
            together = self.schedule.regime != "instance"
            earlier = self.schedule.batches(len(self.chosen))[: number - 1] if self.on_top else []
            asked_in[SO_FAR] = self._asked_of([*earlier, batch]) if together else []
            asked_in[UNRELATED_ROWS] = self.unrelated
        places: dict[Planned, list[str]] = {}
        for place, planned in asked_in.items():
            for one in dict.fromkeys(planned):
                places.setdefault(one, []).append(place)
        planned = sorted(places, key=lambda one: KINDS.index(one.kind))
        rows = ask(
            edited,
            planned,
            cancel=self.cancel,
            report=lambda done, of: self.progress.report(STAGE, done, of),
        )
        found = [(tuple(places[one]), row) for one, row in zip(planned, rows, strict=True)]
        texts: list[Row] = []
        if is_point:
            pieces, before = self._plain_text(edited)
            texts = drift(edited, pieces, before=before, cancel=self.cancel)
        anew = self.on_top and not self.grows and number > 1
        return self.record.keep(_Learnt(number, batch.stop, len(batch), anew, seconds, is_point), found, texts)


@dataclass(frozen=True, slots=True)
class _Learnt:
    """What the last line of a step says of it."""

    number: int
    edits: int
    batch: int
    anew: bool
    seconds: float
    point: bool


class _Record:
    """What was learnt and asked, on disk; a step counts once its last line is there."""

    def __init__(self, folder: Path, head: Head) -> None:
        """Go on with the record of an equal `head` in `folder`, or begin anew. Raises EvaluationError."""
        self.folder, self._path = folder, folder / FILE
        lines = _lines(self._path)
        if lines and _head(lines[0]) != head:
            self._forget()
            lines = []
        if not lines and folder.is_dir() and any(folder.iterdir()):
            raise EvaluationError(
                f"{folder} holds something else than edits that were measured: choose another folder."
            )
        self.learnt = {int(line["learnt"]): float(line["seconds"]) for line in lines if "learnt" in line}
        # Seconds that went into checkpoints of a training that is not done, by the number of its step.
        self.spent = {int(line["learning"]): float(line["seconds"]) for line in lines if "learning" in line}
        self._head = {"format": FORMAT, "version": VERSION, **asdict(head)}
        self._regime = head.regime
        self.steps = list(_steps(lines[1:], head.regime))
        self._drop_packs(before=len(self.steps))
        kept = [line for line in lines[1:] if _TRAINED & line.keys() or int(line.get("step", 0)) <= len(self.steps)]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Written anew, so that what a killed process left half-written is gone.
            atomic.write_file(self._path, map(_line, [self._head, *kept]))
        except OSError as error:
            raise _not_written(folder, error) from error

    def pack(self, number: int) -> Path:
        """Where the pack of a step lies."""
        return self.folder / f"pack-{number:04d}"

    def note(self, number: int, seconds: float) -> None:
        """Keep what a training took, before its pack is written."""
        self._append([{"learnt": number, "seconds": seconds}])

    def note_spent(self, number: int, seconds: float) -> None:
        """Keep what a training has taken so far, when it writes a checkpoint."""
        self._append([{"learning": number, "seconds": seconds}])

    def keep(self, learnt: _Learnt, found: Sequence[tuple[tuple[str, ...], Asked]], texts: Sequence[Row]) -> Step:
        """Write down a step and give it back as it will be read."""
        lines: list[dict[str, Any]] = [
            {"step": learnt.number, "in": list(places), "asked": asdict(row)} for places, row in found
        ]
        lines += [{"step": learnt.number, "text": asdict(row)} for row in texts]
        lines.append({"step": learnt.number, "done": asdict(learnt), "lines": len(lines)})
        self._append(lines)
        step = _step(learnt, found, texts, self.steps if self._regime == "instance" else None)
        self.steps.append(step)
        return step

    def tidy(self, number: int) -> None:
        """Let go of what only that step needed, now that it is done."""
        self._drop_packs(before=number)
        shutil.rmtree(self.folder / TRAINING, ignore_errors=True)

    def _drop_packs(self, before: int | None = None) -> None:
        """What cannot be deleted now is when the record is next gone on with."""
        for folder in self.folder.glob("pack-*"):
            found = re.match(r"pack-(\d+)", folder.name)
            if found and (before is None or int(found[1]) < before):
                shutil.rmtree(folder, ignore_errors=True)

    def _forget(self) -> None:
        self._drop_packs()
        shutil.rmtree(self.folder / TRAINING, ignore_errors=True)
        self._path.unlink()

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        try:
            with self._path.open("ab") as file:
                file.writelines(map(_line, lines))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _not_written(self.folder, error) from error


def _steps(lines: Sequence[Mapping[str, Any]], regime: Regime) -> list[Step]:
    """The whole steps of a record, in their order, up to the first that is not whole."""
    steps: list[Step] = []
    found: list[tuple[tuple[str, ...], Asked]] = []
    texts: list[Row] = []
    for line in lines:
        if _TRAINED & line.keys():
            continue
        if line.get("step") != len(steps) + 1:
            break
        if "done" not in line:
            asked = asked_of(line["asked"]) if "asked" in line else None
            if asked is not None:
                found.append((tuple(line["in"]), asked))
            elif "text" in line:
                values = {name: (float(one), float(other)) for name, (one, other) in line["text"]["values"].items()}
                texts.append(Row(**{**line["text"], "values": values}))
            continue
        if line["lines"] != len(found) + len(texts):
            break
        steps.append(_step(_Learnt(**line["done"]), found, texts, steps if regime == "instance" else None))
        found, texts = [], []
    return steps


def _step(
    learnt: _Learnt,
    found: Sequence[tuple[tuple[str, ...], Asked]],
    texts: Sequence[Row],
    before: Sequence[Step] | None,
) -> Step:
    """A step by its rows; `before` are the steps whose edits are gone from the model, whose figures stay."""

    def those(place: str) -> list[Asked]:
        return [row for places, row in found if place in places]

    step = Step(
        learnt.number, learnt.edits, learnt.batch, learnt.anew, learnt.seconds, at_edit=Report.of(those(AT_EDIT))
    )
    if not learnt.point:
        return step
    so_far = those(SO_FAR)
    if before is not None:
        so_far = [row for one in (*before, step) for row in one.at_edit.asked]
    unrelated = tuple(those(UNRELATED_ROWS))
    return replace(
        step,
        so_far=Report.of(so_far),
        unrelated=Report.of(unrelated).locality[ProbeKind.FAR.value],
        perplexity=perplexities(texts),
        rows=unrelated,
        texts=tuple(texts),
    )


def _unrelated(edits: EditSet, schedule: Schedule) -> tuple[str, ...]:
    if schedule.unrelated is not None:
        return schedule.unrelated
    return tuple(question(fact) for fact in unedited_facts(edits, UNRELATED, schedule.seed))


def _texts(edits: EditSet, schedule: Schedule) -> tuple[str, ...]:
    if schedule.texts is not None:
        return schedule.texts
    every = [text for texts in default_texts(edits, schedule.seed).values() for text in texts]
    return tuple(spread(every, TEXTS))


def _mark(values: Mapping[str, Any] | Sequence[Any]) -> str:
    return hashlib.sha256(canonical(values)).hexdigest()


def _head(line: Mapping[str, Any]) -> Head | None:
    content = dict(line)
    if content.pop("format", None) != FORMAT or content.pop("version", None) != VERSION:
        return None
    return Head(**content) if content.keys() == {part.name for part in fields(Head)} else None


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return [line for _, line in read_lines(path)]
    except MetricsError as error:
        raise EvaluationError(str(error)) from error


def _line(content: Mapping[str, Any]) -> bytes:
    # What a model wrote may hold half of a surrogate pair, which is no text.
    return dump(content).encode(errors="replace") + b"\n"


def _not_written(folder: Path, error: OSError) -> EvaluationError:
    return EvaluationError(f"What was measured cannot be written to {folder}: {error.strerror}.")
