"""The Training page: choose, train, watch answers flip."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from engine.metrics import read_points
from engine.runs import Cancel, Progress, ProgressBoard
from studio import icons, model_jobs
from studio.errors import UserMessage
from studio.messages import Kind
from studio.model_jobs import LOADING, MEASURING, METRICS, Machine, ModelSource
from studio.pages.training.curves import Curves
from studio.pages.training.figures_card import FiguresCard
from studio.pages.training.queue_card import QueueCard
from studio.pages.training.settings_form import SettingsForm
from studio.pages.training.stages import StageList
from studio.pages.training.watched import Watched
from studio.store import runs as running
from studio.store import watched as watching
from studio.store.changes import Changes
from studio.store.project import Project
from studio.store.queue import reorder, waiting
from studio.store.runs import RunRow, RunState
from studio.store.settings import get_setting, set_setting
from studio.suggestions import watched_suggestions
from studio.theme import SPACE
from studio.trainer import RESUMABLE, Growth, Trainer, growth, stages_of
from studio.training_phase import Phase
from studio.widgets.buttons import button
from studio.widgets.column import Column
from studio.widgets.figures import count, seconds
from studio.widgets.job_strip import POLL
from studio.widgets.labels import Label, hint, page_title
from studio.widgets.layer_curve import LayerCurve
from studio.widgets.run_words import called, outcome
from studio.words import tr
from studio.workspace import Workspace, pack_folder

if TYPE_CHECKING:
    from engine.model_check import ModelCheck
    from engine.model_files import ModelChoice


CHOICES, FOLDERS = "training", "model folders"
"""The project settings that keep what was chosen, and where models were looked for."""


class TrainingPage(QWidget):
    """Settings at the left; stages, curves and watched questions at the right."""

    def __init__(self, workspace: Workspace, trainer: Trainer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._trainer = trainer
        self._board: ProgressBoard | None = None
        self._looked_around = False
        self._asked: tuple[ModelSource, int, int] | None = None  # what the model was last looked at for
        self._folders: tuple[str, ...] = ()
        self._runs: tuple[RunRow, ...] = ()
        self._waiting: tuple[RunRow, ...] = ()
        self._shown: int | None = None  # the run whose curves are shown while none is trained
        self._resumable: RunRow | None = None
        self.settings = SettingsForm()
        self.figures = FiguresCard()
        self.stages = StageList()
        self.curves = Curves()
        self.watched = Watched()
        self.train = button("Train", "train", primary=True)
        self.pause = button("Pause", "pause", tip=tr("Let the training stand still after its step; nothing is lost."))
        self.cancel = button("Cancel", "stop", tip=tr("Stop; what is finished is kept and can be resumed."))
        self.enqueue = button("Add to the queue", "add", tip=tr("Train this, with the edits as they are now, later."))
        self.queue = QueueCard()
        self.layers = LayerCurve()
        self.resume = button("Resume", "resume")
        self._subtitle = Label(muted=True)
        self._resume_told = hint("")
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self._poll)
        self.setFocusProxy(self.train)
        self._connect()
        self._show_stages()
        self._project_changed()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(page_title("Training"))
        head.addSpacing(SPACE)
        head.addWidget(self._subtitle, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACE)
        for control in (self.train, self.pause, self.cancel):
            buttons.addWidget(control, 1)
        left = QVBoxLayout()
        left.setSpacing(2 * SPACE)
        left.addWidget(self.settings)
        left.addWidget(self.queue)
        left.addWidget(self.figures)
        left.addStretch(1)
        holder = QWidget()
        holder.setLayout(left)
        left.setContentsMargins(0, 0, 0, 0)
        area = Column(holder, 44 * SPACE)
        side = QVBoxLayout()
        side.setSpacing(SPACE)
        side.addWidget(area, 1)
        side.addLayout(buttons)
        side.addWidget(self.enqueue)
        side.addWidget(self.resume)
        side.addWidget(self._resume_told)
        side.setContentsMargins(0, 0, 0, 0)
        sidebar = QWidget()
        sidebar.setLayout(side)
        sidebar.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        right = QVBoxLayout()
        right.setSpacing(2 * SPACE)
        right.addWidget(self.stages)
        right.addWidget(self.curves, 5)
        right.addWidget(self.layers)
        right.addWidget(self.watched, 4)
        sides = QHBoxLayout()
        sides.setSpacing(2 * SPACE)
        sides.addWidget(sidebar)
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
        workspace.counts_changed.connect(self._counted)
        workspace.engagement_changed.connect(self._source_known)
        trainer.started.connect(self._begin)
        trainer.stopping.connect(self._tell)
        trainer.paused.connect(lambda _: self._tell())
        trainer.ended.connect(self._end)
        self.settings.source_changed.connect(workspace.use_model)
        self.train.clicked.connect(self._train)
        self.settings.changed.connect(self._choices_changed)
        self.settings.folder_chosen.connect(self._search)
        self.settings.start_changed.connect(self._start_chosen)
        self.pause.clicked.connect(self._pause_or_go_on)
        self.enqueue.clicked.connect(self._enqueue)
        self.queue.order_changed.connect(self._reorder)
        self.queue.removed.connect(self._remove_waiting)
        self.queue.begin_asked.connect(trainer.start_queue)
        self.cancel.clicked.connect(lambda _checked=False: trainer.cancel())
        self.resume.clicked.connect(self._resume)
        self.watched.questions_changed.connect(self._keep_watched)
        self.watched.suggest_asked.connect(self._suggest)
        self.figures.failing_asked.connect(workspace.edits_asked)
        self.curves.saved.connect(lambda name: workspace.say(Kind.GOOD, tr("The curves are in {name}.", name=name)))

    # --- the project -------------------------------------------------------------------------------------------

    def _project_changed(self) -> None:
        self.setEnabled(self._workspace.project is not None)
        self._resumable = None
        self.figures.show_run(None)
        self._runs, self._waiting, self._shown, self._asked = (), (), None, None
        self.curves.clear()
        self._show_layers(None)
        self.queue.show_runs((), busy=False)
        self.settings.set_starts(())
        self._show_stages()
        self.watched.set_questions(())
        self.watched.forget_answers()
        if self._workspace.project is not None:
            self._workspace.database.run(
                _read_choices, on_success=self._choices_read, owner=self, name="Read what was chosen"
            )
            self._read_watched()
            self._read_runs()
        self._tell()

    def _choices_read(self, found: tuple[Mapping[str, object], tuple[str, ...]]) -> None:
        state, self._folders = found
        self.settings.restore(state)
        self._show_stages()

    def _choices_changed(self) -> None:
        state = self.settings.state()
        if self._workspace.project is not None:
            self._workspace.database.run(
                lambda project: set_setting(project, CHOICES, state), owner=self, name="Keep what was chosen"
            )
        self._show_stages()
        self._look_at_model()

    def _show_stages(self) -> None:
        """The stages that a training with these choices will have; not while one is shown."""
        if self._board is None and self._shown is None:
            own = self.settings.kind.stages_of(self.settings.settings())
            self.stages.set_stages((LOADING, *own, MEASURING))
            self.stages.state.setText("")

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
        self._workspace.database.run(
            lambda project: (running.runs(project), waiting(project)),
            on_success=self._runs_read,
            owner=self,
            name="Read the runs",
        )

    def _runs_read(self, found: tuple[list[RunRow], list[RunRow]]) -> None:
        runs, self._waiting = [run for run in found[0] if run.state is not RunState.WAITING], tuple(found[1])
        self._runs = tuple(runs)
        self.queue.show_runs(self._waiting, busy=self._trainer.busy)
        self._list_starts()
        newest = runs[0] if runs else None
        self._resumable = newest if newest is not None and newest.state in RESUMABLE else None
        if not self._trainer.busy and self._board is None:
            self.figures.show_run(newest)
            self._show_layers(newest)
            if newest is not None and newest.id != self._shown and not self.curves.drawn:
                self._show_course(newest)
        self._tell()

    def _list_starts(self) -> None:
        model = self._workspace.source.name
        self.settings.set_starts(
            [
                run
                for run in self._runs
                if run.state is RunState.FINISHED
                and run.model == model
                and run.kind is not None
                and run.kind.grows
                and pack_folder(run).is_dir()
            ]
        )

    def _show_layers(self, run: RunRow | None) -> None:
        """What a sweep of `run` over the layers found; the room is the others' where there was none."""
        self.layers.show_run(run)
        self.layers.setVisible(self.layers.has_run)

    def _show_course(self, run: RunRow) -> None:
        """Draw the curves that a run has left in its folder."""
        self._shown = run.id
        file = run.folder / METRICS
        self._workspace.database.run(
            lambda _project: _course(file), on_success=partial(self._course_read, run), owner=self, name="Read curves"
        )

    def _course_read(self, run: RunRow, points: list[tuple[float, Progress]]) -> None:
        if self._shown != run.id or self._board is not None or not points:
            return
        self.curves.keep_table_in(partial(read_points, run.folder / METRICS))
        self.curves.show_history(points, final=True)
        self.stages.set_stages(())
        self.stages.show_history(points, points[-1][0], running=False)
        self.stages.state.setText(tr("the run of {run}", run=called(run)))

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
            self._workspace.say(Kind.INFO, tr("There is no edit to watch: add one on the Facts page first."))
            return
        self._keep_watched(questions)

    # --- choosing ----------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """The first look at the page is when models and devices are listed: torch is not needed before."""
        super().showEvent(event)
        if not self._looked_around:
            self._looked_around = True
            folders = [Path(name) for name in self._folders]
            self._workspace.models.run(
                lambda _shelf: model_jobs.look_around(folders),
                on_success=self._machine_known,
                on_error=self._machine_unknown,
                owner=self,
                name=tr("List models and devices"),
            )

    def _machine_known(self, machine: Machine) -> None:
        self.settings.set_machine(machine)
        self._source_known()

    def _machine_unknown(self, message: UserMessage) -> None:
        self._looked_around = False
        self._workspace.report(message)

    def _source_known(self) -> None:
        self.settings.show_source(self._workspace.source)
        self._list_starts()
        self._look_at_model()

    def _counted(self) -> None:
        self._tell()
        self._look_at_model()
        self._tell_growth()

    def _search(self, folder: Path) -> None:
        """Look for models in a folder; the project remembers the folder."""
        self.settings.show_fit(tr("Looking for models in {name}…", name=folder.name), "")
        cancel = Cancel()
        self._workspace.models.run(
            lambda _shelf: model_jobs.find_models(folder, cancel),
            on_success=partial(self._searched, folder),
            cancel=cancel,
            owner=self,
            name=tr("Look for models"),
        )

    def _searched(self, folder: Path, found: list[ModelChoice]) -> None:
        if not found:
            self._asked = None
            self._look_at_model()
            self._workspace.say(
                Kind.WARNING,
                tr(
                    "There is no causal language model in {folder} nor in the folders in it: choose a folder that "
                    "holds a model's config.json and its safetensors files.",
                    folder=folder,
                ),
            )
            return
        self._folders = tuple(dict.fromkeys([*self._folders, str(folder)]))
        folders = list(self._folders)
        self._workspace.database.run(
            lambda project: set_setting(project, FOLDERS, folders), owner=self, name="Keep a folder"
        )
        self.settings.add_models(found)

    def _look_at_model(self) -> None:
        """Ask whether the chosen model can be edited here, before anything of it is loaded."""
        project, source = self._workspace.project, self.settings.source()
        wanted = (source, self._workspace.counts.enabled, self.settings.neurons_an_edit())
        if not self._looked_around or project is None or wanted == self._asked or self._trainer.busy:
            return
        self._asked = wanted
        _, edits, neurons = wanted
        place = project.folder
        self._workspace.models.run(
            lambda _shelf: model_jobs.look_at_model(source, edits, neurons, place),
            on_success=partial(self._looked_at, wanted),
            on_error=lambda message: self.settings.show_fit(message.sentence, message.sentence),
            owner=self,
            name=tr("Look at the model"),
        )

    def _looked_at(self, asked: tuple[ModelSource, int, int], found: ModelCheck) -> None:
        if asked == self._asked:
            self.settings.show_fit(found.sentence, found.obstacle)

    # --- going on from a pack ----------------------------------------------------------------------------------

    def _start_chosen(self, _run: RunRow | None) -> None:
        self._tell_growth()

    def _tell_growth(self) -> None:
        run = self.settings.chosen_start()
        if run is not None:
            self._workspace.database.run(
                lambda project: growth(project, run),
                on_success=self._growth_known,
                on_error=lambda message: self.settings.show_growth(message.sentence),
                owner=self,
                name="Compare the edits",
            )

    def _growth_known(self, found: Growth) -> None:
        if self.settings.chosen_start() is None:
            return
        if found.known:
            learnt = (
                tr("{edits} will be learnt", edits=count(found.fresh, "edit"))
                if found.fresh
                else tr("there is nothing new to learn")
            )
            told = tr(
                "Its pack knows {edits} as they are now; {learnt}. Its own settings hold.",
                edits=count(found.known, "edit"),
                learnt=learnt,
            )
        else:
            told = tr("Its pack knows none of these edits as they are now: going on from it gains little.")
        self.settings.show_growth(told)

    def _tell(self) -> None:
        """Say what can be done now."""
        counts, busy = self._workspace.counts, self._trainer.busy
        is_open = self._workspace.project is not None
        if counts.enabled:
            told = tr("{edits} switched on", edits=count(counts.enabled, "edit"))
            if counts.conflicts:
                told += tr(" · {conflicts} in conflict: see the Facts page", conflicts=f"{counts.conflicts:,}")
        else:
            told = tr("No edit is switched on: add facts first")
        self._subtitle.setText(told)
        trainer, ready = self._trainer, is_open and counts.enabled > 0
        paused = trainer.phase is Phase.PAUSED
        self.train.setEnabled(ready and not busy)
        self.enqueue.setEnabled(ready)
        self.pause.setText(tr("Go on") if paused else tr("Pause"))
        self.pause.setAccessibleName(self.pause.text())
        icons.dress(self.pause, "train" if paused else "pause")
        self.pause.setEnabled(trainer.phase in (Phase.TRAINING, Phase.PAUSED))
        self.cancel.setEnabled(trainer.phase in (Phase.PREPARING, Phase.TRAINING, Phase.PAUSED))
        self.queue.begin.setVisible(not busy)
        self._tell_phase()
        resumable = self._resumable
        self.resume.setVisible(resumable is not None and not busy)
        self._resume_told.setVisible(resumable is not None and not busy)
        if resumable is not None:
            self._resume_told.setText(
                tr(
                    "The run of {run} on {edits} {outcome}; its checkpoints are kept.",
                    run=called(resumable),
                    edits=count(resumable.edits, "edit"),
                    outcome=outcome(resumable),
                )
            )

    def _tell_phase(self) -> None:
        resting = self._trainer.standing_still
        words = {
            Phase.PREPARING: tr("preparing…"),
            Phase.TRAINING: tr("training…"),
            Phase.PAUSED: tr("paused") if resting else tr("pausing…"),
            Phase.STOPPING: tr("stopping…"),
        }
        if self._trainer.phase in words and self.stages.state.text() != words[self._trainer.phase]:
            self.stages.state.setText(words[self._trainer.phase])

    # --- training ----------------------------------------------------------------------------------------------

    def _train(self) -> None:
        if not self._stopped_by_obstacle():
            self._lock()
            self._trainer.start(self.settings.choices())
            self._tell()

    def _enqueue(self) -> None:
        if not self._stopped_by_obstacle():
            self._trainer.enqueue(self.settings.choices())

    def _stopped_by_obstacle(self) -> bool:
        obstacle = self.settings.obstacle()
        if obstacle:
            self._workspace.say(Kind.WARNING, obstacle)
        return bool(obstacle)

    def _pause_or_go_on(self) -> None:
        if self._trainer.phase is Phase.PAUSED:
            self._trainer.go_on()
        else:
            self._trainer.pause()

    def _resume(self) -> None:
        if self._resumable is not None:
            self._lock()
            self._trainer.resume(self._resumable)
            self._tell()

    def _reorder(self, ids: tuple[int, ...]) -> None:
        self._workspace.database.run(lambda project: reorder(project, ids), owner=self, name="Order the queue")

    def _remove_waiting(self, run_id: int) -> None:
        self._workspace.database.run(
            lambda project: running.delete_run(project, run_id), owner=self, name="Remove a waiting run"
        )

    def _lock(self) -> None:
        if self.train.hasFocus() or self.resume.hasFocus():
            self.cancel.setEnabled(True)
            self.cancel.setFocus()
        self.watched.set_locked(True)

    def _begin(self, run: RunRow, board: ProgressBoard) -> None:
        self._board, self._shown = board, run.id
        self._lock()
        self.stages.set_stages((LOADING, *stages_of(run), MEASURING))
        self.curves.clear()
        self.curves.keep_table_in(partial(read_points, run.folder / METRICS))
        self._show_layers(None)
        self.watched.forget_answers()
        self.figures.show_run(None)
        self.queue.show_runs(self._waiting, busy=True)
        self._tell()
        self._timer.start()

    def _poll(self) -> None:
        self._draw(running=True)
        self._tell_phase()

    def _draw(self, *, running: bool) -> None:
        board = self._board
        if board is None:
            return
        history = board.history()
        self.stages.show_history(history, board.seconds(), running)
        self.stages.show_usage(board.usage() if running else None, board.stated())
        self.curves.show_history(history, final=not running)
        now = board.latest().answers
        if now:
            self.watched.show_answers(_first_answers(history), now)

    def _end(self, run: RunRow | None) -> None:
        self._timer.stop()
        self._draw(running=False)
        board, self._board = self._board, None
        self.watched.set_locked(False)
        self.figures.show_run(run)
        self._show_layers(run)
        had_focus = self.cancel.hasFocus()
        if board is not None:
            took = seconds(board.seconds())
            words = {
                RunState.FINISHED: tr("finished after {time}", time=took),
                RunState.CANCELLED: tr("stopped after {time}", time=took),
                RunState.FAILED: tr("failed after {time}", time=took),
            }
            ended = tr("ended after {time}", time=took)
            self.stages.state.setText(words.get(run.state, ended) if run else ended)
        self._tell()
        self._look_at_model()
        if had_focus:
            self.train.setFocus()


def _read_choices(project: Project) -> tuple[Mapping[str, object], tuple[str, ...]]:
    state, folders = get_setting(project, CHOICES, {}), get_setting(project, FOLDERS, [])
    found = [name for name in folders if isinstance(name, str)] if isinstance(folders, list) else []
    return state if isinstance(state, dict) else {}, tuple(found)


def _course(file: Path) -> list[tuple[float, Progress]]:
    """The curves in `file`, thinned as a board thins them."""
    board = ProgressBoard()
    for moment_, progress in read_points(file):
        board.recall(moment_, progress)
    return board.history()


def _first_answers(history: list[tuple[float, Progress]]) -> dict[str, str]:
    """What the watched questions were answered before the first stage of the editor: the original answers."""
    for _, progress in history:
        if progress.answers:
            return dict(progress.answers)
    return {}
