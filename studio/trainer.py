"""One training from the press of a button to a pack in use: the run in the project, the job in the model worker.

The order of things makes a crash harmless: the run and the snapshot of its edits are on the disk before training
begins, checkpoints while it goes on, the pack before the run is called finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from engine import atomic
from engine.editors.registry import DEFAULT, EDITORS, editor_kind
from engine.formats import jsonl
from engine.formats.registry import read_edits
from engine.runs import Cancel, ProgressBoard
from engine.setting_fields import SettingError
from studio import model_jobs
from studio.errors import UserFixable, UserMessage
from studio.jobs import Job
from studio.messages import Deed, Kind
from studio.model_jobs import EDITS, PACK, UNANSWERED, UNLEARNT, ModelSource, Trained, TrainingOrder
from studio.store import listing
from studio.store import runs as keeping
from studio.store.changes import Changes
from studio.store.edits import set_familiarity
from studio.store.project import Project
from studio.store.queue import reorder, waiting
from studio.store.runs import RunRow, RunState
from studio.store.trained import note_trained
from studio.store.watched import watched
from studio.training_phase import Event, Phase, TrainingPhase
from studio.widgets.figures import count, figure, share
from studio.widgets.run_words import called
from studio.words import deferred, tr
from studio.workspace import Workspace

ADVICE = deferred("word the prompt otherwise, train again with another seed or layer, or switch the edit off.")
"""What to do about an edit that a training did not get right."""
SETTINGS = "settings"
"""Where a run keeps all of its editor's settings; what is beside it is what people look for first."""
BALANCED = "balanced"
"""The preset that is taken where none was chosen."""
FIRST = ("layer", "encoder")
"""The settings that stand beside all of them in a run, where its editor has them."""
RESUMABLE = (RunState.INTERRUPTED, RunState.CANCELLED, RunState.FAILED)


@dataclass(frozen=True, slots=True)
class TrainingChoices:
    """What the user chose on the Training page."""

    source: ModelSource
    editor: str = DEFAULT
    preset: str = BALANCED
    settings: Any = field(default_factory=EDITORS[DEFAULT].presets[BALANCED][1])  # the editor's own
    seed: int = 0
    start: RunRow | None = None  # a finished run whose pack is gone on from


@dataclass(frozen=True, slots=True)
class Begun(Changes):
    """A run that is written down as running, for the trainer and for all who show runs."""

    run: RunRow = field(kw_only=True)


class Trainer(QObject):
    """Trains one editor at a time, and one waiting run after the other; lives as long as the window."""

    started = Signal(object, object)  # RunRow, ProgressBoard
    stopping = Signal()
    paused = Signal(bool)  # whether the training is held now
    ended = Signal(object)  # RunRow as the project has it now

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._job: Job | None = None
        self._run: RunRow | None = None
        self._board: ProgressBoard | None = None
        self._cancel = Cancel()
        self._state = TrainingPhase()

    @property
    def phase(self) -> Phase:
        """Where the training stands."""
        return self._state.phase

    @property
    def busy(self) -> bool:
        """Whether a training is under way, its last note to the project included."""
        return self._state.busy

    @property
    def standing_still(self) -> bool:
        """Whether a training that is paused has come to rest; until then it ends its step."""
        return self.phase is Phase.PAUSED and self._cancel.waiting

    def start(self, choices: TrainingChoices) -> None:
        """Begin a new run on the edits that are switched on."""
        self._begin(partial(_prepare, choices=choices, state=RunState.RUNNING))

    def enqueue(self, choices: TrainingChoices) -> None:
        """Write a new run down, on the edits as they are now; it is trained when those before it are done."""
        self._workspace.database.run(
            lambda project: _enqueue(project, choices),
            on_success=lambda _: self._workspace.say(
                Kind.INFO, tr("The run waits for its turn. It is trained on the edits as they are now.")
            ),
            on_error=self._workspace.report,
            on_cancelled=self._say_left,
            owner=self,
            name="Write down a run",
        )

    def start_queue(self) -> None:
        """Begin with the run that waits first, if any does."""
        if not self.busy:
            self._cancel = Cancel()  # a stop was meant for what was trained then
            self._begin_next()

    def _begin_next(self) -> None:
        if self._workspace.project is not None:
            self._workspace.database.run(
                waiting, on_success=self._next_known, on_cancelled=self._say_left, owner=self, name="Read the queue"
            )

    def resume(self, run: RunRow) -> None:
        """Go on with a run that was stopped, from its checkpoints, or begin with one that waits."""
        waits = run.state is RunState.WAITING
        self._begin(partial(_take_up, run=run), partial(self._not_taken_up, run) if waits else self._not_begun)

    def _next_known(self, rows: list[RunRow]) -> None:
        if rows and not self._cancel.requested:
            self.resume(rows[0])

    def _begin(
        self, prepare: Callable[[Project], RunRow], refused: Callable[[UserMessage], None] | None = None
    ) -> None:
        if self._workspace.project is None or not self._state.take(Event.START):
            return
        self._cancel, self._board = Cancel(), ProgressBoard()
        self._workspace.set_training(True)
        self._workspace.database.run(
            lambda project: _begun(prepare(project)),
            on_success=self._train,
            on_error=refused or self._not_begun,
            on_cancelled=self._left,
            owner=self,
            name="Prepare the run",
        )

    def _not_taken_up(self, run: RunRow, message: UserMessage) -> None:
        """A waiting run that cannot begin has failed: it must not keep those behind it from their turn."""

        def noted() -> None:
            self._not_begun(message)
            self._begin_next()

        self._workspace.database.run(
            lambda project: _note(project, run.id, RunState.FAILED, None, message.sentence),
            on_success=lambda _: noted(),
            on_error=self._not_begun,
            owner=self,
            name="Note the run",
        )

    def _not_begun(self, message: UserMessage) -> None:
        self._workspace.report(message)
        self._take_back()

    def _left(self) -> None:
        """Another project was opened before the run was written down."""
        self._say_left()
        self._take_back()

    def _say_left(self) -> None:
        self._workspace.say(Kind.WARNING, tr("Another project was opened: nothing was trained."))

    def _take_back(self) -> None:
        self._state.take(Event.REFUSED)
        self._workspace.set_training(False)
        self.ended.emit(None)

    def _train(self, begun: Begun) -> None:
        self._state.take(Event.BEGUN)
        board, cancel = self._board or ProgressBoard(), self._cancel
        run = self._run = begun.run
        order = _order(run)
        self._job = self._workspace.models.run(
            lambda shelf: model_jobs.train(shelf, order, board, cancel),
            on_success=self._trained,
            on_error=self._failed,
            on_cancelled=self._cancelled,
            cancel=cancel,
            owner=self,
            name=tr("Train"),
        )
        self.started.emit(run, board)
        if cancel.requested:
            self._job.stop()

    def pause(self) -> None:
        """Let the training stand still after its step; its model stays loaded."""
        if self._state.take(Event.PAUSE):
            self._cancel.hold()
            if self._board is not None:
                self._board.hold()
            self.paused.emit(True)

    def go_on(self) -> None:
        """Let a paused training go on where it stands."""
        if self._state.take(Event.GO_ON):
            if self._board is not None:
                self._board.go_on()
            self._cancel.go_on()
            self.paused.emit(False)

    def cancel(self) -> None:
        """Ask the training to stop; what was finished is kept in its checkpoints. Waiting runs go on waiting.

        So they do where the training has ended by itself meanwhile.
        """
        self._cancel.set()
        if self._state.take(Event.CANCEL):
            if self._job is not None:
                self._job.stop()
            self.stopping.emit()

    def _trained(self, trained: Trained) -> None:
        self._note(RunState.FINISHED, trained.figures, "", trained.familiarity)
        workspace = self._workspace
        answered = figure(trained.figures, "reliability")
        told = tr(": {answered} of the edits are answered", answered=share(answered)) if answered is not None else ""
        deeds = [Deed(tr("Compare answers"), partial(workspace.page_asked.emit, "compare"))]
        failing = failing_edits(trained.figures)
        if failing:
            deeds.insert(0, Deed(tr("Show them"), partial(workspace.edits_asked.emit, failing)))
        wrong = count(len(failing), "edit")
        workspace.say(
            Kind.WARNING if failing else Kind.GOOD,
            tr("Training finished{told}. The pack is in use on the Compare page.", told=told)
            + (tr(" {edits} went wrong: {advice}", edits=wrong, advice=tr(ADVICE)) if failing else ""),
            deeds=deeds,
        )

    def _failed(self, message: UserMessage) -> None:
        self._note(RunState.FAILED, None, message.sentence, {})
        self._workspace.report(message)

    def _cancelled(self) -> None:
        self._note(RunState.CANCELLED, None, "", {})
        self._workspace.say(Kind.INFO, tr("Training stopped. What was finished is kept: Resume goes on from there."))

    def _note(
        self, state: RunState, figures: Mapping[str, object] | None, message: str, familiarity: Mapping[str, float]
    ) -> None:
        run = self._run
        if run is None or not self._state.take(Event.ENDED):
            return
        self._job = None
        self._workspace.database.run(
            lambda project: _note(project, run.id, state, figures, message),
            on_success=partial(self._noted, run.id),
            on_error=self._not_noted,
            owner=self,
            name="Note the run",
        )
        if familiarity:
            self._workspace.database.run(
                lambda project: _keep_familiarity(project, familiarity), owner=self, name="Note the familiarity"
            )

    def _noted(self, run_id: int, _changes: Changes) -> None:
        self._workspace.database.run(
            lambda project: keeping.get_run(project, run_id),
            on_success=self._end,
            on_error=self._not_noted,
            owner=self,
            name="Read the run",
        )

    def _not_noted(self, message: UserMessage) -> None:
        run, self._run = self._run, None
        self._state.take(Event.NOTED)
        self._workspace.set_training(False)
        self._workspace.report(message)
        self.ended.emit(run)

    def _end(self, run: RunRow | None) -> None:
        self._run = None
        self._state.take(Event.NOTED)
        if run is not None and run.state is RunState.FINISHED:
            self._workspace.use_run(run)
        self._workspace.set_training(False)
        self.ended.emit(run)
        if run is not None and run.state in (RunState.FINISHED, RunState.FAILED):
            self._begin_next()  # after a stop, even one that came too late, the others wait until they are asked for


def failing_edits(figures: Mapping[str, object]) -> tuple[str, ...]:
    """The ids of the edits that a run of these figures did not get right."""
    listed = (figures.get(name) for name in (UNANSWERED, UNLEARNT))
    return tuple(dict.fromkeys(str(key) for keys in listed if isinstance(keys, list) for key in keys))


def _prepare(project: Project, choices: TrainingChoices, state: RunState) -> RunRow:
    """Note a new run and write its snapshot."""
    edits = listing.edit_set(project)
    enabled = len(edits.enabled())
    if not enabled:
        raise UserFixable(tr("There is no edit to train."), tr("Add one on the Facts page, or switch one on."))
    data = b"".join(jsonl.lines(edits))
    questions, settings, start = watched(project), choices.settings, choices.start
    if hasattr(settings, "watched"):  # an editor that asks them itself while it learns
        settings = replace(settings, watched=questions)
    run = keeping.add_run(
        project,
        editor=choices.editor,
        model=choices.source.name,
        seed=choices.seed,
        snapshot=hashlib.sha256(data).hexdigest(),
        edits=enabled,
        settings={
            "preset": choices.preset,
            **{name: getattr(settings, name) for name in FIRST if hasattr(settings, name)},
            "device": choices.source.device,
            "watched": list(questions),
            **({"remote code": True} if choices.source.remote_code else {}),
            **({keeping.GOES_ON_FROM: start.folder.name} if start is not None else {}),
            SETTINGS: asdict(settings),
        },
    )
    atomic.write_file(run.folder / EDITS, [data])
    note_trained(project, run.id, edits)
    if state is not RunState.RUNNING:
        keeping.update_run(project, run.id, state=state)
    return run


def _enqueue(project: Project, choices: TrainingChoices) -> Changes:
    """Note a new run that waits, behind the others."""
    before = waiting(project)
    run = _prepare(project, choices, RunState.WAITING)
    reorder(project, [*(row.id for row in before), run.id])
    return Changes(runs=(run.id,))


def _begun(run: RunRow) -> Begun:
    return Begun(runs=(run.id,), run=run)


def _take_up(project: Project, run: RunRow) -> RunRow:
    """Note that a run goes on, or begins."""
    if not (run.folder / EDITS).is_file():
        raise UserFixable(
            tr("The run “{run}” cannot be trained: its folder is gone.", run=called(run)), tr("Start a new training.")
        )
    start = _order(run).start
    if start is not None and not start.is_dir() and not (run.folder / PACK).is_dir():
        raise UserFixable(
            tr("The run “{run}” cannot be trained: the pack that it goes on from is gone.", run=called(run)),
            tr("Start a new training."),
        )
    created = datetime.now(UTC) if run.state is RunState.WAITING else run.created
    keeping.update_run(project, run.id, state=RunState.RUNNING, message="", created=created)
    return replace(run, state=RunState.RUNNING, message="", created=created)


def _order(run: RunRow) -> TrainingOrder:
    """The run as an order to the model worker: what was chosen then, not what is chosen now."""
    told = run.settings
    settings, start, device = told.get(SETTINGS), told.get(keeping.GOES_ON_FROM), str(told.get("device", "auto"))
    return TrainingOrder(
        source=ModelSource(run.model, device, trusts=run.model if told.get("remote code") is True else ""),
        editor=run.editor,
        settings=dict(settings) if isinstance(settings, Mapping) else _older(run),
        watched=_texts(told.get("watched")),
        seed=run.seed,
        folder=Path(run.folder),
        start=Path(run.folder).parent / start / PACK if isinstance(start, str) else None,
    )


def stages_of(run: RunRow) -> tuple[str, ...]:
    """The stages that a run goes through, by what it was begun with; none where its editor is not known."""
    if run.kind is None:
        return ()
    try:
        return run.kind.stages_of(run.kind.restore(_order(run).settings))
    except (SettingError, TypeError, KeyError):  # settings of another version
        return run.kind.stages


def _older(run: RunRow) -> dict[str, object]:
    """The settings of a run that was written down before all of them were."""
    usual = editor_kind(run.editor).presets[BALANCED][1]()
    given = {name: run.settings[name] for name in FIRST if hasattr(usual, name) and name in run.settings}
    if hasattr(usual, "watched"):
        given["watched"] = _texts(run.settings.get("watched"))
    return asdict(replace(usual, **given))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


@dataclass(frozen=True, slots=True)
class Growth:
    """What going on from a run's pack means for the edits as they are now."""

    known: int  # edits that the pack holds just as they are now
    fresh: int  # edits that are new or have changed


def growth(project: Project, run: RunRow) -> Growth:
    """Compare the edits that are switched on with the snapshot of `run`."""
    before = {edit.id: edit for edit in read_edits(run.folder / EDITS, "jsonl").edit_set.enabled()}
    now = listing.edit_set(project).enabled()
    known = sum(before.get(edit.id) == edit for edit in now)
    return Growth(known, len(now) - known)


def _note(
    project: Project, run_id: int, state: RunState, figures: Mapping[str, object] | None, message: str
) -> Changes:
    if figures is None:
        return keeping.update_run(project, run_id, state=state, message=message)
    return keeping.update_run(project, run_id, state=state, message=message, figures=figures)


def _keep_familiarity(project: Project, familiarity: Mapping[str, float]) -> Changes:
    ids = listing.ids_of_keys(project, list(familiarity))
    return set_familiarity(project, {ids[key]: value for key, value in familiarity.items() if key in ids})
