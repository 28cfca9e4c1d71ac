"""One training from the press of a button to a pack in use: the run in the project, the job in the model worker.

The order of things makes a crash harmless: the run and the snapshot of its edits are on the disk before training
begins, checkpoints while it goes on, the pack before the run is called finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject, Signal

from engine import atomic
from engine.formats import jsonl
from engine.runs import Cancel, ProgressBoard
from studio import model_jobs
from studio.errors import UserFixable, UserMessage
from studio.jobs import Job
from studio.messages import Deed, Kind
from studio.model_jobs import EDITS, UNANSWERED, UNLEARNT, ModelSource, Trained, TrainingOrder
from studio.store import listing
from studio.store import runs as keeping
from studio.store.changes import Changes
from studio.store.edits import set_familiarity
from studio.store.project import Project
from studio.store.runs import RunRow, RunState
from studio.store.trained import note_trained
from studio.store.watched import watched
from studio.widgets.figures import count, figure, share
from studio.workspace import Workspace

ADVICE = "word the prompt otherwise, train again with another seed or layer, or switch the edit off."
"""What to do about an edit that a training did not get right."""
RESUMABLE = (RunState.INTERRUPTED, RunState.CANCELLED, RunState.FAILED)


@dataclass(frozen=True, slots=True)
class TrainingChoices:
    """What the user chose on the Training page."""

    source: ModelSource
    editor: str = "meg"
    layer: int | Literal["auto"] | None = None  # None: the editor chooses; "auto": by a sweep
    encoder: str = "embedded"
    seed: int = 0


class Trainer(QObject):
    """Trains one editor at a time; lives as long as the window."""

    started = Signal(object, object)  # RunRow, ProgressBoard
    stopping = Signal()
    ended = Signal(object)  # RunRow as the project has it now

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._job: Job | None = None
        self._run: RunRow | None = None
        self._cancel = Cancel()
        self._preparing = False

    @property
    def busy(self) -> bool:
        """Whether a training is under way, its last note to the project included."""
        return self._preparing or self._run is not None

    def start(self, choices: TrainingChoices) -> None:
        """Begin a new run on the edits that are switched on."""
        self._begin(partial(_prepare, choices=choices))

    def resume(self, run: RunRow) -> None:
        """Go on with a run that was stopped, from its checkpoints."""
        self._begin(partial(_take_up, run=run))

    def _begin(self, prepare: Callable[[Project], RunRow]) -> None:
        if self.busy or self._workspace.project is None:
            return
        self._preparing = True
        self._cancel = Cancel()
        self._workspace.set_training(True)
        self._workspace.database.run(
            prepare, on_success=self._train, on_error=self._not_begun, owner=self, name="Prepare the run"
        )

    def _not_begun(self, message: UserMessage) -> None:
        self._preparing = False
        self._workspace.set_training(False)
        self._workspace.report(message)

    def _train(self, run: RunRow) -> None:
        order, board, cancel = _order(run), ProgressBoard(), self._cancel
        self._run, self._preparing = run, False
        self._job = self._workspace.models.run(
            lambda shelf: model_jobs.train(shelf, order, board, cancel),
            on_success=self._trained,
            on_error=self._failed,
            on_cancelled=self._cancelled,
            cancel=cancel,
            owner=self,
            name="Train",
        )
        self.started.emit(run, board)
        if cancel.requested:
            self._job.stop()

    def cancel(self) -> None:
        """Ask the training to stop; what was finished is kept in its checkpoints."""
        if self.busy:
            self._cancel.set()
            if self._job is not None:
                self._job.stop()
            self.stopping.emit()

    def _trained(self, trained: Trained) -> None:
        self._note(RunState.FINISHED, trained.figures, "", trained.familiarity)
        workspace = self._workspace
        answered = figure(trained.figures, "reliability")
        told = f": {share(answered)} of the edits are answered" if answered is not None else ""
        deeds = [Deed("Compare answers", partial(workspace.page_asked.emit, "compare"))]
        failing = failing_edits(trained.figures)
        if failing:
            deeds.insert(0, Deed("Show them", partial(workspace.edits_asked.emit, failing)))
        workspace.say(
            Kind.WARNING if failing else Kind.GOOD,
            f"Training finished{told}. The pack is in use on the Compare page."
            + (f" {count(len(failing), 'edit')} went wrong: {ADVICE}" if failing else ""),
            deeds=deeds,
        )

    def _failed(self, message: UserMessage) -> None:
        self._note(RunState.FAILED, None, message.sentence, {})
        self._workspace.report(message)

    def _cancelled(self) -> None:
        self._note(RunState.CANCELLED, None, "", {})
        self._workspace.say(Kind.INFO, "Training stopped. What was finished is kept: Resume goes on from there.")

    def _note(
        self, state: RunState, figures: Mapping[str, object] | None, message: str, familiarity: Mapping[str, float]
    ) -> None:
        run = self._run
        if run is None:
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
            lambda project: next((run for run in keeping.runs(project) if run.id == run_id), None),
            on_success=self._end,
            on_error=self._not_noted,
            owner=self,
            name="Read the run",
        )

    def _not_noted(self, message: UserMessage) -> None:
        run, self._run = self._run, None
        self._workspace.set_training(False)
        self._workspace.report(message)
        self.ended.emit(run)

    def _end(self, run: RunRow | None) -> None:
        self._run = None
        if run is not None and run.state is RunState.FINISHED:
            self._workspace.use_run(run)
        self._workspace.set_training(False)
        self.ended.emit(run)


def failing_edits(figures: Mapping[str, object]) -> tuple[str, ...]:
    """The ids of the edits that a run of these figures did not get right."""
    listed = (figures.get(name) for name in (UNANSWERED, UNLEARNT))
    return tuple(dict.fromkeys(str(key) for keys in listed if isinstance(keys, list) for key in keys))


def _prepare(project: Project, choices: TrainingChoices) -> RunRow:
    """Note a new run and write its snapshot."""
    edits = listing.edit_set(project)
    enabled = len(edits.enabled())
    if not enabled:
        raise UserFixable("There is no edit to train.", "Add one on the Facts page, or switch one on.")
    data = b"".join(jsonl.lines(edits))
    run = keeping.add_run(
        project,
        editor=choices.editor,
        model=choices.source.name,
        seed=choices.seed,
        snapshot=hashlib.sha256(data).hexdigest(),
        edits=enabled,
        settings={
            "layer": choices.layer,
            "encoder": choices.encoder,
            "device": choices.source.device,
            "watched": list(watched(project)),
        },
    )
    atomic.write_file(run.folder / EDITS, [data])
    note_trained(project, run.id)
    return run


def _take_up(project: Project, run: RunRow) -> RunRow:
    """Note that a run goes on."""
    if not (run.folder / EDITS).is_file():
        raise UserFixable("The run's folder is gone.", "Start a new training.")
    keeping.update_run(project, run.id, state=RunState.RUNNING, message="")
    return run


def _order(run: RunRow) -> TrainingOrder:
    """The run as an order to the model worker: what was chosen then, not what is chosen now."""
    layer, questions = run.settings.get("layer"), run.settings.get("watched")
    return TrainingOrder(
        source=ModelSource(run.model, str(run.settings.get("device", "auto"))),
        layer="auto" if layer == "auto" else layer if isinstance(layer, int) else None,
        encoder=str(run.settings.get("encoder", "embedded")),
        seed=run.seed,
        watched=tuple(str(question) for question in questions) if isinstance(questions, list | tuple) else (),
        folder=Path(run.folder),
    )


def _note(
    project: Project, run_id: int, state: RunState, figures: Mapping[str, object] | None, message: str
) -> Changes:
    if figures is None:
        return keeping.update_run(project, run_id, state=state, message=message)
    return keeping.update_run(project, run_id, state=state, message=message, figures=figures)


def _keep_familiarity(project: Project, familiarity: Mapping[str, float]) -> Changes:
    ids = listing.ids_of_keys(project, list(familiarity))
    return set_familiarity(project, {ids[key]: value for key, value in familiarity.items() if key in ids})
