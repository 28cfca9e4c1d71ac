"""What the pages share: the two workers, the open project, the model and the pack in use, and a voice.

A page is given the workspace, asks the workers through it, and listens to its signals. No page knows another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ParamSpec

from PySide6.QtCore import QObject, QTimer, Signal

from assets import catalogue
from engine.edits import Relation
from studio.errors import UserMessage
from studio.jobs import DatabaseWorker, ModelWorker
from studio.messages import Deed, Kind, Message
from studio.model_jobs import PACK, Engagement, ModelSource
from studio.store import listing
from studio.store import settings as keeping
from studio.store.changes import Changes
from studio.store.edits import forget_familiarity
from studio.store.listing import EditCounts
from studio.store.project import Project, ProjectInfo
from studio.store.relations import relations
from studio.store.runs import RunRow, RunState, runs, update_run
from studio.store.trained import RUN_IN_USE

P = ParamSpec("P")

_logger = logging.getLogger(__name__)

NO_COUNTS = EditCounts(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the window wants to know of a project after it changed."""

    counts: EditCounts
    live: frozenset[str]
    relations: tuple[Relation, ...]


class Workspace(QObject):
    """One window's work: at most one open project, one model, one pack."""

    project_left = Signal()  # another project is open, or none: what was said and asked of the one before is over
    project_changed = Signal()
    changed = Signal(object)  # Changes of the open project
    counts_changed = Signal()
    relations_changed = Signal()
    engagement_changed = Signal()  # the model or the pack in use
    threshold_changed = Signal()  # the gate's threshold was moved by hand, or is the calibrated one again
    training_changed = Signal(bool)
    said = Signal(object)  # Message
    page_asked = Signal(str)  # another page shall be shown, by its name
    edits_asked = Signal(object)  # tuple of edit ids: the Facts page shall show these edits

    def __init__(self, database: DatabaseWorker, models: ModelWorker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.database = database
        self.models = models
        self.project: ProjectInfo | None = None
        self.counts = NO_COUNTS
        self.relations: tuple[Relation, ...] = ()
        self.source = ModelSource()
        self.run: RunRow | None = None
        self._live: frozenset[str] = frozenset()
        self._training = False
        database.changed.connect(self._take_changes)
        database.failed.connect(self.report)
        models.failed.connect(self.report)

    # --- messages ----------------------------------------------------------------------------------------------

    def say(self, kind: Kind, text: str, *, details: str = "", deeds: Sequence[Deed] = ()) -> None:
        """Tell the user something in the message bar."""
        _logger.info("Said: %s", text)
        self.said.emit(Message(kind, text, details, tuple(deeds)))

    def report(self, message: UserMessage, *deeds: Deed) -> None:
        """Tell the user what went wrong and what to do about it."""
        text = f"{message.sentence} {message.action}".strip()
        if message.is_bug:
            _logger.error("%s\n%s", text, message.details)
            self.said.emit(Message(Kind.BUG, text, message.details, deeds))
        else:
            # Where in the program it was noticed is of no use to someone who can put it right: the log keeps it.
            _logger.warning("%s\n%s", text, message.details)
            self.said.emit(Message(Kind.ERROR, text, deeds=deeds))

    # --- the project -------------------------------------------------------------------------------------------

    def project_opened(self, info: ProjectInfo | None) -> None:
        """Take over the project that the database worker has opened, or that there is none."""
        if self.project is not None:
            self.project_left.emit()
        self.project = info
        self.counts, self._live, self.relations = NO_COUNTS, frozenset(), ()
        self.source, self.run = ModelSource(), None
        self.project_changed.emit()
        self.counts_changed.emit()
        self.engagement_changed.emit()
        if info is not None:
            self.database.run(_read_choices, on_success=self._choices_read, owner=self, name="Read the project")
            self._look()

    def while_open(self, callback: Callable[P, object]) -> Callable[P, None]:
        """`callback`, of no effect once another project is open: for what the models find out about this one."""
        project = self.project

        def call(*values: P.args, **named: P.kwargs) -> None:
            if self.project is project:
                callback(*values, **named)

        return call

    def _choices_read(self, found: tuple[ModelSource, RunRow | None]) -> None:
        source, run = self.source, self.run
        self.source, self.run = found
        if source != self.source or (run and run.id) != (self.run and self.run.id):
            self.engagement_changed.emit()
        elif run is not None and self.run is not None and run.threshold != self.run.threshold:
            self.threshold_changed.emit()

    def _take_changes(self, changes: Changes) -> None:
        # Also after a choice was kept: what was read of the runs a moment before it is not what holds.
        if RUN_IN_USE in changes.settings or (self.run is not None and self.run.id in changes.runs):
            self.database.run(_read_choices, on_success=self._choices_read, owner=self, name="Read the runs")
        self.changed.emit(changes)
        if changes.edits or changes.relations or RUN_IN_USE in changes.settings:
            # After the rows on show, which are asked for in the next turn of the event loop.
            QTimer.singleShot(0, self, self._look)

    def _look(self) -> None:
        if self.project is None:
            return
        self.database.run(_look, on_success=self._looked, owner=self, name="Count the edits")

    def _looked(self, standing: _Standing) -> None:
        self.counts, self._live = standing.counts, standing.live
        if standing.relations != self.relations:
            self.relations = standing.relations
            self.relations_changed.emit()
        self.counts_changed.emit()

    # --- the model and the pack in use -------------------------------------------------------------------------

    @property
    def engagement(self) -> Engagement:
        """What answers a question now."""
        run = self.run
        if run is None:
            return Engagement(self.source)
        return Engagement(self.source_of(run), pack_folder(run), self._live, run.threshold)

    def source_of(self, run: RunRow) -> ModelSource:
        """The model that `run` was trained on, on the device in use; its own code is run where the run did so."""
        trusts = run.model if run.settings.get("remote code") is True else self.source.trusts
        return replace(self.source, name=run.model, trusts=trusts)

    def use_model(self, source: ModelSource) -> None:
        """Choose another model or device; a pack of another model is put aside."""
        if source == self.source:
            return
        self.source = source
        if self.run is not None and self.run.model != source.name:
            self.use_run(None)
        else:
            self._keep_choices()

    def use_run(self, run: RunRow | None) -> None:
        """Answer with the pack of `run`, or with the original model alone."""
        self.run = run
        if run is not None:
            self.source = self.source_of(run)
        if self.project is not None and (run is None or not run.gated):
            self.database.run(forget_familiarity, owner=self, name="Forget the familiarity")
        self._keep_choices()

    @property
    def threshold(self) -> float | None:
        """The familiarity from which the run in use routes, where it was moved by hand."""
        return None if self.run is None else self.run.threshold

    def move_threshold(self, threshold: float | None) -> None:
        """Route from `threshold` on, in [0, 1]; None: from the calibrated one. It is kept with the run in use."""
        run = self.run
        if run is None or threshold == run.threshold:
            return
        self.run = replace(run, threshold=threshold)
        self.database.run(
            lambda project: update_run(project, run.id, threshold=threshold),
            owner=self,
            name="Keep the threshold",
        )
        self.threshold_changed.emit()

    def _keep_choices(self) -> None:
        source, run_id = self.source, self.run.id if self.run else None
        if self.project is not None:
            self.database.run(lambda project: _write_choices(project, source, run_id), owner=self, name="Keep a choice")
        self.engagement_changed.emit()

    # --- training ----------------------------------------------------------------------------------------------

    @property
    def training(self) -> bool:
        """Whether an editor is being trained."""
        return self._training

    def set_training(self, training: bool) -> None:
        """Note that a training began or ended."""
        if training != self._training:
            self._training = training
            self.training_changed.emit(training)


def pack_folder(run: RunRow) -> Path:
    """Where a run keeps its pack."""
    return run.folder / PACK


def catalogue_relations() -> dict[str, Relation]:
    """The built-in relations, for a project that is opened."""
    return catalogue.relations()


def _look(project: Project) -> _Standing:
    known = tuple(row.relation for row in relations(project))
    return _Standing(listing.counts(project), listing.enabled_keys(project), known)


def _read_choices(project: Project) -> tuple[ModelSource, RunRow | None]:
    name = keeping.get_setting(project, "model", "embedded")
    device = keeping.get_setting(project, "device", "auto")
    wanted = keeping.get_setting(project, RUN_IN_USE)
    trusts = keeping.get_setting(project, "trusts", "")
    found = [run for run in runs(project) if run.id == wanted and run.state is RunState.FINISHED]
    return ModelSource(str(name), str(device), str(trusts)), found[0] if found else None


def _write_choices(project: Project, source: ModelSource, run_id: int | None) -> Changes:
    keeping.set_setting(project, "model", source.name)
    keeping.set_setting(project, "device", source.device)
    keeping.set_setting(project, "trusts", source.trusts or None)
    return keeping.set_setting(project, RUN_IN_USE, run_id)
