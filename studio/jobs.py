"""The worker threads: one owns the project's file, one owns the models, and one owns nothing.

The window never waits. It hands a function to a worker and gets the result, or a sentence about what went wrong, back
as a call in its own thread:

    database.run(lambda project: rows(project, ids), on_success=self.show_rows)
    models.run(lambda shelf: shelf.get("language model", source, load), on_success=..., on_error=..., cancel=cancel)

Jobs of one worker run one after the other, in the order they were given. Whatever a function raises ends its job and
nothing else. The state of a job changes in the window's thread only, so what the window sees is always consistent.
"""

from __future__ import annotations

import functools
import gc
import logging
import queue
import sys
import threading
import traceback
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import BuiltinMethodType, CellType, FunctionType, MethodType
from typing import Generic, TypeVar, cast

from PySide6.QtCore import QObject, Qt, Signal, Slot
from shiboken6 import isValid

from engine.edits import Relation
from engine.runs import Cancel, Cancelled
from studio.errors import UserMessage, describe
from studio.store.changes import Changes
from studio.store.errors import Backup, ProjectDamaged, ProjectElsewhere, ProjectError, ProjectLocked
from studio.store.project import Project, ProjectInfo
from studio.words import tr

R = TypeVar("R")
T = TypeVar("T")

_logger = logging.getLogger(__name__)


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
        return self in _ENDED


_ENDED = frozenset({JobState.FINISHED, JobState.FAILED, JobState.CANCELLED})
_NEXT: Mapping[JobState, frozenset[JobState]] = {
    JobState.WAITING: _ENDED | {JobState.RUNNING, JobState.STOPPING},
    JobState.RUNNING: _ENDED | {JobState.STOPPING},
    # A job that was asked to stop may still finish or fail; that it had begun is old news by then.
    JobState.STOPPING: _ENDED,
    **dict.fromkeys(_ENDED, frozenset[JobState]()),
}


@dataclass(frozen=True, slots=True)
class _News:
    """What the thread has to say of a job: the state it reached, with its value or what went wrong."""

    state: JobState
    value: object = None
    error: UserMessage | None = None


class Job:
    """One function on its way through a worker. Use it from the window's thread."""

    def __init__(
        self,
        name: str,
        call: Callable[[], object],
        cancel: Cancel,
        answer: Callable[[_News], None],
        post: Callable[[Job, _News], None],
        changed: Callable[[Job], object],
    ) -> None:
        """Made by a worker. `answer` is called once, at the end; `post` sends news, `changed` says the state did."""
        self.name = name
        self._call: Callable[[], object] | None = call
        self._cancel = cancel
        self._answer = answer
        self._post = post
        self._changed = changed
        self._claim = threading.Lock()  # taken by whoever ends the waiting: the thread, or `stop`
        self._state = JobState.WAITING
        self._error: UserMessage | None = None

    @property
    def state(self) -> JobState:
        """Where the job stands."""
        return self._state

    @property
    def error(self) -> UserMessage | None:
        """What went wrong, once the state is FAILED."""
        return self._error

    def stop(self) -> None:
        """Ask the job to stop: a waiting one never starts, a running one ends when it next looks at its Cancel."""
        if not self._advance(_News(JobState.STOPPING)):
            return
        self._cancel.set()
        if self._claim.acquire(blocking=False):
            self._call = None
            self._post(self, _News(JobState.CANCELLED))
        self._changed(self)

    def _advance(self, news: _News) -> bool:
        """Take `news` in, unless it is late; says whether it was taken."""
        if news.state not in _NEXT[self._state]:
            return False
        self._state = news.state
        self._error = news.error
        return True

    def _run(self) -> bool:
        """Do the job, in the worker's thread, unless it was stopped while it waited; False where it failed."""
        if not self._claim.acquire(blocking=False):
            return True
        self._post(self, _News(JobState.RUNNING))
        call, self._call = self._call, None
        assert call is not None
        try:
            news = _News(JobState.FINISHED, call())
        except Cancelled:
            news = _News(JobState.CANCELLED)
        except BaseException as error:  # noqa: BLE001  # SystemExit too ends the job, not the thread without a word
            news = _News(JobState.FAILED, error=describe(error))
            _let_go(error)
        # What the job has closed over is let go of before anyone hears that it ended.
        del call
        self._post(self, news)
        return news.error is None


class _Mailbox(QObject):
    """Brings news from the thread to the window.

    It has no parent, and the thread holds on to it: were it the worker itself, which goes with its window, the thread
    could speak through an object that Qt has deleted, which ends the whole program.
    """

    _posted = Signal()

    def __init__(self, take: Callable[[Job, _News], None]) -> None:
        super().__init__()
        self._take = take
        self._news: deque[tuple[Job, _News]] = deque()
        self._posted.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def post(self, job: Job, news: _News) -> None:
        """Send news, from any thread."""
        self._news.append((job, news))
        self._posted.emit()

    def empty(self) -> Iterator[tuple[Job, _News]]:
        """Take out what was not delivered yet."""
        while self._news:
            yield self._news.popleft()

    @Slot()
    def _deliver(self) -> None:
        # One piece of news a turn: an exception in a callback must not swallow those behind it.
        if self._news:
            self._take(*self._news.popleft())


class Worker(QObject, Generic[R]):
    """One thread, its queue of jobs, and the thing `R` that only it touches. Use it from the window's thread."""

    job_changed = Signal(object)  # the Job whose state changed
    busy_changed = Signal(bool)  # whether any job is waiting or running
    failed = Signal(object)  # UserMessage of a job that was given no on_error

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        """`name` is the thread's, for debuggers."""
        super().__init__(parent)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._mailbox = _Mailbox(self._take)
        self._pending: dict[Job, None] = {}  # in order
        self._closed = False
        # A daemon: a thread that hangs in a library must not keep the closed program alive.
        self._thread = threading.Thread(target=self._work, name=f"meg-studio {name}", daemon=True)

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
        then. Raise `engine.runs.Cancelled` in `fn` to end as cancelled. After `shutdown` the job is cancelled at once.
        """

        return self._submit(
            lambda: fn(self._resource()),
            on_success=on_success,
            on_error=on_error,
            on_cancelled=on_cancelled,
            cancel=cancel,
            owner=owner,
            name=name,
        )

    @property
    def busy(self) -> bool:
        """Whether any job is waiting or running."""
        return bool(self._pending)

    @property
    def current(self) -> Job | None:
        """The job whose turn it is."""
        return next(iter(self._pending), None)

    def stop_all(self) -> None:
        """Ask every job to stop."""
        for job in list(self._pending):
            job.stop()

    def shutdown(self, timeout: float = 5.0) -> bool:
        """End the thread: no new jobs, no more callbacks; True when it ended within `timeout` seconds."""
        if self._closed:
            return not self._thread.is_alive()
        self._closed = True
        self._before_shutdown()
        self._jobs.put(None)
        if self._thread.ident is not None:
            self._thread.join(timeout)
        for job, news in self._mailbox.empty():
            job._advance(news)
            if news.error is not None:
                _logger.error("A job failed while the studio closed: %s", news.error.details)
        self._pending.clear()
        return not self._thread.is_alive()

    def _submit(
        self,
        call: Callable[[], T],
        *,
        on_success: Callable[[T], object] | None,
        on_error: Callable[[UserMessage], object] | None,
        on_cancelled: Callable[[], object] | None = None,
        cancel: Cancel | None = None,
        owner: QObject | None = None,
        name: str = "",
    ) -> Job:
        """Queue `call`, which needs no resource; the rest as for `run`."""

        def answer(news: _News) -> None:
            if news.state is JobState.FINISHED and on_success is not None:
                _call_if_alive(owner, on_success, cast("T", news.value))
            elif news.state is JobState.CANCELLED and on_cancelled is not None:
                _call_if_alive(owner, on_cancelled)
            elif news.error is not None and on_error is not None:
                _call_if_alive(owner, on_error, news.error)
            elif news.error is not None:
                self.failed.emit(news.error)

        job = Job(name, call, cancel or Cancel(), answer, self._mailbox.post, self._say_changed)
        if self._closed:
            job._advance(_News(JobState.CANCELLED))
            return job
        was_busy = self.busy
        self._pending[job] = None
        self._jobs.put(job)
        if self._thread.ident is None:
            self._thread.start()
        if not was_busy:
            self.busy_changed.emit(True)
        return job

    @abstractmethod
    def _resource(self) -> R:
        """What jobs are handed; called in the thread."""

    def _after_failure(self) -> None:
        """Give back what a failed job may have left; called in the thread."""

    def _before_shutdown(self) -> None:
        """What becomes of the jobs that are left; called in the window's thread."""

    def _at_end(self) -> None:
        """Let go of the resource; called in the thread after the last job."""

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not job._run():
                self._after_failure()
            del job
        try:
            self._at_end()
        except Exception:
            _logger.exception("The worker could not end cleanly.")

    def _say_changed(self, job: Job) -> None:
        if isValid(self):
            self.job_changed.emit(job)

    def _take(self, job: Job, news: _News) -> None:
        if not isValid(self) or not job._advance(news):
            return
        if not news.state.ended:
            self.job_changed.emit(job)
            return
        self._pending.pop(job, None)
        try:
            job._answer(news)
        finally:
            # A callback may have closed the window that the worker belongs to.
            if isValid(self):
                self._announce(news.value)
                self.job_changed.emit(job)
                if not self.busy:
                    self.busy_changed.emit(False)

    def _announce(self, value: object) -> None:
        """Tell those concerned of a job's value, after its own callback."""


class DatabaseWorker(Worker[Project]):
    """Owns the open project. Jobs get it; on shutdown every job that was queued is still done, so nothing is lost.

    A job means the project that the window knew when it gave the job: where another one was opened before its turn
    came, it is cancelled, for the edits and runs that it names by number are those of the project before.
    """

    changed = Signal(object)  # Changes: after every job whose result is one and is not empty

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("database", parent)
        self._project: Project | None = None  # the thread's
        self._opened = 0  # how many were opened so far; the thread's
        self._told = 0  # the one of them that the window has heard of; 0 while it knows of none

    @property
    def holds_project(self) -> bool:
        """Whether a project is open, as far as the window has heard."""
        return self._told > 0

    def run(
        self,
        fn: Callable[[Project], T],
        *,
        on_success: Callable[[T], object] | None = None,
        on_error: Callable[[UserMessage], object] | None = None,
        on_cancelled: Callable[[], object] | None = None,
        cancel: Cancel | None = None,
        owner: QObject | None = None,
        name: str = "",
    ) -> Job:
        """As `Worker.run`; cancelled where the window's project is not the open one any more."""
        meant = self._told

        def of_this_project(project: Project) -> T:
            if meant and meant != self._opened:
                raise Cancelled
            return fn(project)

        return super().run(
            of_this_project,
            on_success=on_success,
            on_error=on_error,
            on_cancelled=on_cancelled,
            cancel=cancel,
            owner=owner,
            name=name,
        )

    def open_project(
        self,
        folder: Path,
        *,
        catalogue: Callable[[], Mapping[str, Relation]] | None = None,
        on_success: Callable[[ProjectInfo], object] | None = None,
        on_error: Callable[[UserMessage], object] | None = None,
        on_damaged: Callable[[UserMessage, tuple[Backup, ...]], object] | None = None,
        on_locked: Callable[[UserMessage, bool], object] | None = None,
        anyway: bool = False,
    ) -> Job:
        """Open the project in `folder`, then close the one before; one that fails to open leaves it open.

        Where the folder is that of the open one, nothing happens. `catalogue` is read in the worker's thread. A damaged
        project goes to `on_damaged` with the backups that it can be restored from, one that is open elsewhere to
        `on_locked` with whether another computer has it; `anyway` opens it there too.
        """
        damaged: list[tuple[Backup, ...]] = []
        locked: list[bool] = []

        def opened() -> Project:
            if self._is_of(folder):
                return self._resource()
            try:
                return Project.open(folder, catalogue() if catalogue else None, anyway=anyway)
            except ProjectDamaged as error:
                damaged.append(error.backups)
                raise
            except ProjectLocked as error:
                locked.append(isinstance(error, ProjectElsewhere))
                raise

        def failed(message: UserMessage) -> None:
            if damaged and on_damaged is not None:
                on_damaged(message, damaged[0])
            elif locked and on_locked is not None:
                on_locked(message, locked[0])
            elif on_error is not None:
                on_error(message)
            else:
                self.failed.emit(message)

        return self._switch(opened, on_success, failed, f"Open {folder.name}")

    def create_project(
        self,
        folder: Path,
        name: str,
        *,
        catalogue: Callable[[], Mapping[str, Relation]] | None = None,
        on_success: Callable[[ProjectInfo], object] | None = None,
        on_error: Callable[[UserMessage], object] | None = None,
    ) -> Job:
        """Create a project in `folder`, then close the one before; one that fails to be made leaves it open."""
        return self._switch(
            lambda: Project.create(folder, name, catalogue() if catalogue else None),
            on_success,
            on_error,
            f"Create {name}",
        )

    def restore_project(
        self,
        folder: Path,
        backup: Backup,
        *,
        catalogue: Callable[[], Mapping[str, Relation]] | None = None,
        on_success: Callable[[ProjectInfo], object] | None = None,
        on_error: Callable[[UserMessage], object] | None = None,
    ) -> Job:
        """Put `backup` in the place of the file in `folder`, and open that project; then close the one before.

        Where that is the one in `folder` it is closed first: see `holds_project` for what is left where this fails.
        """

        def restored() -> Project:
            if self._is_of(folder):
                self._put_away()
            Project.restore(folder, backup)
            return Project.open(folder, catalogue() if catalogue else None)

        return self._switch(restored, on_success, on_error, f"Restore {folder.name}")

    def close_project(
        self,
        *,
        on_success: Callable[[None], object] | None = None,
        on_error: Callable[[UserMessage], object] | None = None,
    ) -> Job:
        """Close the open project, backed up; on_error hears of a backup that could not be made, of a closed project."""

        def told(nothing: None) -> None:
            self._told = 0
            if on_success is not None:
                on_success(nothing)

        return self._submit(self._close_project, on_success=told, on_error=on_error, name="Close the project")

    def _switch(
        self,
        opened: Callable[[], Project],
        on_success: Callable[[ProjectInfo], object] | None,
        on_error: Callable[[UserMessage], object] | None,
        name: str,
    ) -> Job:
        lost: list[bool] = []

        def switched() -> tuple[ProjectInfo, int]:
            # The project before stays open until the other one is: what cannot be opened must not cost it.
            try:
                opening = opened()
            except BaseException:
                lost.append(self._project is None)
                raise
            if opening is not self._project:
                self._put_away()
            self._project = opening
            self._opened += 1
            return opening.info, self._opened

        def told(found: tuple[ProjectInfo, int]) -> None:
            info, self._told = found
            if on_success is not None:
                on_success(info)

        def failed(message: UserMessage) -> None:
            if any(lost):
                self._told = 0
            if on_error is not None:
                on_error(message)
            else:
                self.failed.emit(message)

        return self._submit(switched, on_success=told, on_error=failed, name=name)

    def _is_of(self, folder: Path) -> bool:
        return self._project is not None and self._project.folder.resolve() == folder.resolve()

    def _put_away(self) -> None:
        try:
            self._close_project()
        except ProjectError:
            # It is closed all the same; that its backup is missing must not keep the next one from opening.
            _logger.exception("The project before could not be backed up.")

    def _close_project(self) -> None:
        project, self._project = self._project, None
        if project is not None:
            project.close()

    def _resource(self) -> Project:
        if self._project is None:
            raise ProjectError(tr("No project is open."), tr("Open one, or create one."))
        return self._project

    def _at_end(self) -> None:
        self._close_project()

    def _announce(self, value: object) -> None:
        if isinstance(value, Changes) and value:
            self.changed.emit(value)


@dataclass(frozen=True, slots=True)
class _Kept:
    key: Hashable
    thing: object
    on: str | None


class Shelf:
    """What the model worker keeps between jobs: at most one thing of each kind."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def get(self, kind: str, key: Hashable, load: Callable[[], T], *, on: str | None = None) -> T:
        """The thing of `kind` kept under `key`; another one is dropped before `load` makes this one.

        Things that were made `on` a kind (an edited model on a language model) are dropped with it.
        """
        kept = self._kept.get(kind)
        if kept is not None and kept.key == key:
            return cast("T", kept.thing)
        del kept
        self.drop(kind)
        thing = load()
        self._kept[kind] = _Kept(key, thing, on)
        return thing

    def find(self, kind: str) -> object | None:
        """The thing of `kind`, or None."""
        kept = self._kept.get(kind)
        return kept.thing if kept else None

    def drop(self, kind: str) -> None:
        """Let go of the thing of `kind` and of what was made on it, and give its memory back."""
        if kind not in self._kept:
            return
        for other in [name for name, kept in self._kept.items() if kept.on == kind]:
            self.drop(other)
        del self._kept[kind]
        _free_memory()

    def clear(self) -> None:
        """Let go of everything."""
        for kind in list(self._kept):
            self.drop(kind)


class ModelWorker(Worker[Shelf]):
    """Owns the models. On shutdown every job is asked to stop."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("models", parent)
        self._shelf = Shelf()  # the thread's

    def _resource(self) -> Shelf:
        return self._shelf

    def _after_failure(self) -> None:
        _free_memory()

    def _before_shutdown(self) -> None:
        self.stop_all()

    def _at_end(self) -> None:
        self._shelf.clear()


class SideWorker(Worker[None]):
    """Does what takes long and needs neither the project's file to itself nor a model; all may wait, or be left out."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("side", parent)

    def _resource(self) -> None:
        return None

    def _before_shutdown(self) -> None:
        self.stop_all()


def _call_if_alive(owner: QObject | None, callback: Callable[..., object], *values: object) -> None:
    """Call `callback` unless a widget that it is for was deleted while the job ran."""
    receivers = [*_receivers(callback), *([owner] if owner is not None else [])]
    if all(isValid(receiver) for receiver in receivers):
        callback(*values)


def _receivers(callback: object) -> Iterator[QObject]:
    """The QObjects that a callback belongs to or has closed over."""
    left, seen = [callback], set[int]()
    while left:
        part = left.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, QObject):
            yield part
        elif isinstance(part, functools.partial):
            left += [part.func, *part.args, *part.keywords.values()]
        elif isinstance(part, FunctionType):
            left += [_content(cell) for cell in part.__closure__ or ()]
        elif isinstance(part, MethodType | BuiltinMethodType):
            left.append(part.__self__)


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is assigned later, or was deleted
        return None


def _let_go(error: BaseException) -> None:
    """Empty the frames that `error` passed through: their tensors must not outlive a job that ran out of memory."""
    left: BaseException | None = error
    while left is not None:
        traceback.clear_frames(left.__traceback__)
        left.__traceback__ = None
        left = left.__cause__ or left.__context__


def _free_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
