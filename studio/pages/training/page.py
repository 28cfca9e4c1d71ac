"""The Training page: choose, train, watch answers flip."""

from __future__ import annotations

import time

from PySide6.QtCore import QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from engine.runs import Progress, ProgressBoard
from studio import model_jobs
from studio.errors import UserMessage
from studio.messages import Kind
from studio.model_jobs import LOADING, Machine
from studio.pages.training.curves import Curves
from studio.pages.training.figures_card import FiguresCard
from studio.pages.training.settings_form import SettingsForm
from studio.pages.training.stages import StageList
from studio.pages.training.watched import Watched
from studio.store import runs as running
from studio.store import watched as watching
from studio.store.changes import Changes
from studio.store.runs import RunRow, RunState
from studio.suggestions import watched_suggestions
from studio.theme import SPACE
from studio.trainer import RESUMABLE, Trainer
from studio.widgets.buttons import button
from studio.widgets.figures import count, moment, seconds
from studio.widgets.job_strip import POLL
from studio.widgets.labels import Label, hint, page_title
from studio.workspace import Workspace

STAGES = (LOADING, "Encoder", "Collection", "Gate", "Generator", "Check", "Measure")
"""What is shown until the model worker has told the editor's own stages."""


class TrainingPage(QWidget):
    """Settings at the left; stages, curves and watched questions at the right."""

    def __init__(self, workspace: Workspace, trainer: Trainer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._trainer = trainer
        self._board: ProgressBoard | None = None
        self._started = 0.0
        self._looked_around = False
        self._stages: tuple[str, ...] = STAGES
        self._resumable: RunRow | None = None
        self.settings = SettingsForm()
        self.figures = FiguresCard()
        self.stages = StageList()
        self.curves = Curves()
        self.watched = Watched()
        self.train = button("Train", "train", primary=True)
        self.cancel = button("Cancel", "stop")
        self.resume = button("Resume", "resume")
        self._subtitle = Label(muted=True)
        self._resume_told = hint("")
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self._poll)
        self.setFocusProxy(self.train)
        self._connect()
        self.stages.set_stages(self._stages)
        self._project_changed()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(page_title("Training"))
        head.addSpacing(SPACE)
        head.addWidget(self._subtitle, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACE)
        buttons.addWidget(self.train, 2)
        buttons.addWidget(self.cancel, 1)
        left = QVBoxLayout()
        left.setSpacing(2 * SPACE)
        left.addWidget(self.settings)
        left.addLayout(buttons)
        left.addWidget(self.resume)
        left.addWidget(self._resume_told)
        left.addWidget(self.figures)
        left.addStretch(1)
        holder = QWidget()
        holder.setLayout(left)
        left.setContentsMargins(0, 0, 0, 0)
        holder.setFixedWidth(40 * SPACE)
        right = QVBoxLayout()
        right.setSpacing(2 * SPACE)
        right.addWidget(self.stages)
        right.addWidget(self.curves, 5)
        right.addWidget(self.watched, 4)
        sides = QHBoxLayout()
        sides.setSpacing(2 * SPACE)
        sides.addWidget(holder)
        sides.addLayout(right, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addLayout(head)
        box.addLayout(sides, 1)

    def _connect(self) -> None:
        workspace, trainer = self._workspace, self._trainer
        workspace.project_changed.connect(self._project_changed)
        workspace.changed.connect(self._take_changes)
        workspace.counts_changed.connect(self._tell)
        workspace.engagement_changed.connect(lambda: self.settings.show_source(workspace.source))
        trainer.started.connect(self._begin)
        trainer.stopping.connect(self._stopping)
        trainer.ended.connect(self._end)
        self.settings.source_changed.connect(workspace.use_model)
        self.train.clicked.connect(self._train)
        self.cancel.clicked.connect(trainer.cancel)
        self.resume.clicked.connect(self._resume)
        self.watched.questions_changed.connect(self._keep_watched)
        self.watched.suggest_asked.connect(self._suggest)
        self.figures.failing_asked.connect(workspace.edits_asked)
        self.curves.saved.connect(lambda name: workspace.say(Kind.GOOD, f"The curves are in {name}."))

    # --- the project -------------------------------------------------------------------------------------------

    def _project_changed(self) -> None:
        self.setEnabled(self._workspace.project is not None)
        self._resumable = None
        self.figures.show_run(None)
        self.curves.clear()
        self.stages.set_stages(self._stages)
        self.stages.state.setText("")
        self.watched.set_questions(())
        self.watched.forget_answers()
        if self._workspace.project is not None:
            self._read_watched()
            self._read_runs()
        self._tell()

    def _take_changes(self, changes: Changes) -> None:
        if changes.watched:
            self._read_watched()
        if changes.runs:
            self._read_runs()

    def _read_watched(self) -> None:
        self._workspace.database.run(
            watching.watched, on_success=self.watched.set_questions, owner=self, name="Read the watched questions"
        )

    def _read_runs(self) -> None:
        self._workspace.database.run(running.runs, on_success=self._runs_read, owner=self, name="Read the runs")

    def _runs_read(self, runs: list[RunRow]) -> None:
        newest = runs[0] if runs else None
        self._resumable = newest if newest is not None and newest.state in RESUMABLE else None
        if not self._trainer.busy:
            self.figures.show_run(newest)
        self._tell()

    def _keep_watched(self, questions: tuple[str, ...]) -> None:
        self._workspace.database.run(
            lambda project: watching.set_watched(project, questions), owner=self, name="Keep the watched questions"
        )

    def _suggest(self) -> None:
        self._workspace.database.run(
            watched_suggestions, on_success=self._suggested, owner=self, name="Suggest questions"
        )

    def _suggested(self, questions: tuple[str, ...]) -> None:
        if not questions:
            self._workspace.say(Kind.INFO, "There is no edit to watch: add one on the Facts page first.")
            return
        self._keep_watched(questions)

    # --- choosing ----------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """The first look at the page is when models and devices are listed: torch is not needed before."""
        super().showEvent(event)
        if not self._looked_around:
            self._looked_around = True
            self._workspace.models.run(
                lambda _shelf: model_jobs.look_around(),
                on_success=self._machine_known,
                on_error=self._machine_unknown,
                owner=self,
                name="List models and devices",
            )

    def _machine_known(self, machine: Machine) -> None:
        self.settings.set_machine(machine)
        self.settings.show_source(self._workspace.source)
        self._stages = machine.stages
        if not self._trainer.busy and self._board is None:
            self.stages.set_stages(self._stages)

    def _machine_unknown(self, message: UserMessage) -> None:
        self._looked_around = False
        self._workspace.report(message)

    def _tell(self) -> None:
        """Say what can be done now."""
        counts, busy = self._workspace.counts, self._trainer.busy
        is_open = self._workspace.project is not None
        if counts.enabled:
            told = f"{count(counts.enabled, 'edit')} switched on"
            if counts.conflicts:
                told += f" · {counts.conflicts:,} in conflict: see the Facts page"
        else:
            told = "No edit is switched on: add facts first"
        self._subtitle.setText(told)
        self.train.setEnabled(is_open and not busy and counts.enabled > 0)
        self.cancel.setEnabled(busy)
        resumable = self._resumable
        self.resume.setVisible(resumable is not None and not busy)
        self._resume_told.setVisible(resumable is not None and not busy)
        if resumable is not None:
            self._resume_told.setText(
                f"The run of {moment(resumable.created)} on {count(resumable.edits, 'edit')} was "
                f"{resumable.state.value}; its checkpoints are kept."
            )

    # --- training ----------------------------------------------------------------------------------------------

    def _train(self) -> None:
        obstacle = self.settings.obstacle()
        if obstacle:
            self._workspace.say(Kind.WARNING, obstacle)
            return
        self._lock()
        self._trainer.start(self.settings.choices())
        self._tell()

    def _resume(self) -> None:
        if self._resumable is not None:
            self._lock()
            self._trainer.resume(self._resumable)
            self._tell()

    def _lock(self) -> None:
        if self.train.hasFocus() or self.resume.hasFocus():
            self.cancel.setEnabled(True)
            self.cancel.setFocus()
        self.settings.set_locked(True)
        self.watched.set_locked(True)

    def _begin(self, _run: RunRow, board: ProgressBoard) -> None:
        self._board = board
        self._started = time.monotonic()
        self._lock()
        self.stages.set_stages(self._stages)
        self.curves.clear()
        self.watched.forget_answers()
        self.figures.show_run(None)
        self.stages.state.setText("training…")
        self._tell()
        self._timer.start()

    def _stopping(self) -> None:
        self.stages.state.setText("stopping…")
        self.cancel.setEnabled(False)

    def _poll(self) -> None:
        self._draw(running=True)

    def _draw(self, *, running: bool) -> None:
        board = self._board
        if board is None:
            return
        history = board.history()
        elapsed = time.monotonic() - self._started
        self.stages.show_history(history, elapsed, running)
        self.curves.show_history(history, final=not running)
        now = board.latest().answers
        if now:
            self.watched.show_answers(_first_answers(history), now)

    def _end(self, run: RunRow | None) -> None:
        self._timer.stop()
        self._draw(running=False)
        self._board = None
        self.settings.set_locked(False)
        self.watched.set_locked(False)
        self.figures.show_run(run)
        had_focus = self.cancel.hasFocus()
        elapsed = seconds(time.monotonic() - self._started)
        words = {RunState.FINISHED: "finished", RunState.CANCELLED: "stopped", RunState.FAILED: "failed"}
        self.stages.state.setText(f"{words.get(run.state, 'ended') if run else 'ended'} after {elapsed}")
        self._tell()
        if had_focus:
            self.train.setFocus()


def _first_answers(history: list[tuple[float, Progress]]) -> dict[str, str]:
    """What the watched questions were answered before the first stage of the editor: the original answers."""
    for _, progress in history:
        if progress.answers:
            return dict(progress.answers)
    return {}
