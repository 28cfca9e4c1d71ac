"""The two worker threads: one owns the project's file, the other owns the models.

The window never waits. It hands a function to a worker and gets the result, or a sentence about what went wrong, back
as a call in its own thread:

    database.run(lambda project: rows(project, ids), on_success=self.show_rows)
    models.run(lambda shelf: shelf.get("language model", source, load), on_success=..., on_error=..., cancel=cancel)

Jobs of one worker run one after the other, in the order they were given. Whatever a function raises ends its job and
nothing else. The state of a job changes in the window's thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from PySide6.QtCore import QObject, Signal

from engine.runs import Cancel
from studio.errors import UserMessage

if TYPE_CHECKING:
    from engine.edits import Relation
    from studio.store.errors import Backup
    from studio.store.project import Project, ProjectInfo

R = TypeVar("R")
T = TypeVar("T")


class JobState(StrEnum):
    """Where a job stands, as the window sees it."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"  # a stop was asked for; the job has not ended yet
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in (JobState.FINISHED, JobState.FAILED, JobState.CANCELLED)


class Job:
    """One function on its way through a worker. Use it from the window's thread."""

    @property
    def name(self) -> str:
        """What the job does, for the status bar."""
        raise NotImplementedError

    @property
    def state(self) -> JobState:
        """Where the job stands."""
        raise NotImplementedError

    @property
    def error(self) -> UserMessage | None:
        """What went wrong, once the state is FAILED."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ask the job to stop: a waiting one is cancelled at once, a running one when it next looks at its Cancel."""
        raise NotImplementedError


class Worker(QObject, Generic[R]):
    """One thread, its queue of jobs, and the thing `R` that only this thread touches."""

    job_changed = Signal(object)  # the Job whose state changed
    busy_changed = Signal(bool)  # whether any job is waiting or running
    failed = Signal(object)  # UserMessage of a job that was given no on_error

    def run(
        self,
        fn: Callable[[R], T],
        *,
        on_success: Callable[[T], object] | None = None,
        on_error: Callable[[UserMessage], object] | None = None,
        on_cancelled: Callable[[], object] | None = None,
        cancel: Cancel | None = None,
        owner: QObject | None = None,
        name: str = "",
    ) -> Job:
        """Queue `fn`; exactly one of the three callbacks is called, later, in the window's thread.

        A callback is dropped when `owner`, or a QObject that the callback belongs to or has closed over, is deleted by
        then. Raise `engine.runs.Cancelled` in `fn` to end as cancelled.
        """
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """Whether any job is waiting or running."""
        raise NotImplementedError

    @property
    def current(self) -> Job | None:
        """The job that is running or stopping."""
        raise NotImplementedError

    def stop_all(self) -> None:
        """Ask every job to stop."""
        raise NotImplementedError

    def shutdown(self, timeout: float = 5.0) -> bool:
        """End the thread: no new jobs; True when it ended within `timeout` seconds. Callbacks are dropped."""
        raise NotImplementedError


class DatabaseWorker(Worker["Project"]):
    """Owns the open project. Jobs get it; on shutdown every job that was queued is still done, so nothing is lost."""

    changed = Signal(object)  # Changes: after every job whose result is one and is not empty

    def open_project(
        self,
        folder: Path,
        *,
        catalogue: Callable[[], Mapping[str, Relation]] | None = None,
        on_success: Callable[[ProjectInfo], object] | None = None,
        on_error: Callable[[UserMessage], object] | None = None,
        on_damaged: Callable[[UserMessage, tuple[Backup, ...]], object] | None = None,
    ) -> Job:
        """Close the open project, if any, and open the one in `folder`; `catalogue` is read in the worker's thread."""
        raise NotImplementedError

    def create_project(
        self,
        folder: Path,
        name: str,
        *,
        catalogue: Callable[[], Mapping[str, Relation]] | None = None,
        on_success: Callable[[ProjectInfo], object] | None = None,
        on_error: Callable[[UserMessage], object] | None = None,
    ) -> Job:
        """Close the open project, if any, and create one in `folder`."""
        raise NotImplementedError

    def close_project(
        self,
        *,
        on_success: Callable[[None], object] | None = None,
        on_error: Callable[[UserMessage], object] | None = None,
    ) -> Job:
        """Close the open project, backed up."""
        raise NotImplementedError


class Shelf:
    """What the model worker keeps between jobs: at most one thing of each kind."""

    def get(self, kind: str, key: Hashable, load: Callable[[], T], *, on: str | None = None) -> T:
        """The thing of `kind` kept under `key`; another one is dropped before `load` makes this one.

        Things that were made `on` a kind (an edited model on a language model) are dropped with it.
        """
        raise NotImplementedError

    def find(self, kind: str) -> object | None:
        """The thing of `kind`, or None."""
        raise NotImplementedError

    def drop(self, kind: str) -> None:
        """Let go of the thing of `kind` and of what was made on it, and give its memory back."""
        raise NotImplementedError


class ModelWorker(Worker[Shelf]):
    """Owns the models. On shutdown every job is asked to stop."""
