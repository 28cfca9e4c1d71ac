"""Asks the models for the Compare page: follows what is typed, asks one question, asks many in the background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from engine.decoding import GREEDY, Decoding
from engine.runs import Cancel, ProgressBoard
from studio import model_jobs
from studio.errors import UserMessage
from studio.jobs import Job, Shelf
from studio.model_jobs import Batch, Chances, Engagement, Provenance, Reply
from studio.store.changes import Changes
from studio.store.comparisons import Asking, add_comparisons
from studio.store.project import Project
from studio.widgets.figures import count
from studio.words import tr
from studio.workspace import Workspace

if TYPE_CHECKING:
    from engine.editor import Explanation

TYPING_DELAY = 150
"""Milliseconds of silence after which the gauge follows what was typed."""
KEEPING = 200
"""Milliseconds between two looks for answers to many questions."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One question answered: what by, under which settings, and what both models think of the next token."""

    reply: Reply
    chances: Chances
    explanation: Explanation | None
    engagement: Engagement
    decoding: Decoding
    source: Provenance | None  # None while no pack is in use


class Follower(QObject):
    """Asks the gate about the question as it is typed: one question at a time, and of those that wait only the last."""

    explained = Signal(object)  # Explanation of the question that stands there now
    failed = Signal(str)

    def __init__(self, workspace: Workspace, parent: QObject) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._wanted = ""
        self._out = False  # a question is with the model worker
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(TYPING_DELAY)
        self._soon.timeout.connect(self._ask)

    @property
    def busy(self) -> bool:
        """Whether a question is with the model worker."""
        return self._out

    def follow(self, query: str) -> None:
        """Tell of `query` soon, unless another one comes; of nothing where it is empty, or where there is no gate."""
        run = self._workspace.run
        self._wanted = query if run is None or run.gated else ""
        self._soon.start()

    def _ask(self) -> None:
        query, engagement = self._wanted, self._workspace.engagement
        if not query or self._out or engagement.pack is None or self._workspace.training:
            return
        self._out = True
        self._workspace.models.run(
            lambda shelf: model_jobs.explain(shelf, engagement, query),
            on_success=partial(self._told, query, engagement),
            on_error=partial(self._not_told, query),
            on_cancelled=self._let_go,
            owner=self,
            name=tr("Follow the question"),
        )

    def _told(self, query: str, engagement: Engagement, explanation: Explanation | None) -> None:
        self._out = False
        if query != self._wanted or engagement != self._workspace.engagement:
            self._ask()
        elif explanation is not None:
            self.explained.emit(explanation)

    def _not_told(self, query: str, message: UserMessage) -> None:
        self._out = False
        if query != self._wanted:
            self._ask()
            return
        self.failed.emit(f"{message.sentence} {message.action}".strip())

    def _let_go(self) -> None:
        self._out = False


class Asker(QObject):
    """Asks both models, and keeps the answers in the project's history."""

    began = Signal(object, object)  # Job and ProgressBoard
    answered = Signal(object)  # Answered, of one question
    many_answered = Signal(int, int, bool)  # questions answered, of them changed, whether all of the list
    busy_changed = Signal(bool)

    def __init__(self, workspace: Workspace, parent: QObject) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._busy = False
        self._job: Job | None = None
        self._found: SimpleQueue[Batch] = SimpleQueue()
        self._take_batch = workspace.while_open(self._count_and_keep)
        self._asking = Asking()
        self._answered = self._changed = 0
        self._look = QTimer(self)
        self._look.setInterval(KEEPING)
        self._look.timeout.connect(self._keep_found)
        workspace.project_changed.connect(self._stop)

    @property
    def busy(self) -> bool:
        """Whether questions are being answered."""
        return self._busy

    @property
    def last_list(self) -> str:
        """What the last list is called in the history (`Asking.asked_with`)."""
        return self._asking.asked_with

    def ask(self, query: str, decoding: Decoding = GREEDY, *, keep: bool = True) -> None:
        """Ask both models `query`; with `keep` the answers go to the history."""
        engagement, cancel, board = self._workspace.engagement, Cancel(), ProgressBoard()
        asking = self._how(decoding) if keep else None
        self._set_busy(True)
        self._job = self._workspace.models.run(
            lambda shelf: _one(shelf, engagement, query, decoding, board, cancel),
            on_success=partial(self._one_answered, asking, self._workspace.while_open(self._keep)),
            on_error=self._failed,
            on_cancelled=partial(self._set_busy, False),
            cancel=cancel,
            owner=self,
            name=tr("Ask 1 question"),
        )
        self.began.emit(self._job, board)

    def ask_all(self, questions: Sequence[str], decoding: Decoding = GREEDY) -> None:
        """Ask both models every question; what is answered is in the history at once. Needs a pack."""
        engagement, cancel, board = self._workspace.engagement, Cancel(), ProgressBoard()
        found: SimpleQueue[Batch] = SimpleQueue()
        self._found, self._answered, self._changed = found, 0, 0
        self._take_batch = self._workspace.while_open(self._count_and_keep)
        self._asking = replace(self._how(decoding), asked_with=datetime.now(UTC).isoformat())
        self._set_busy(True)
        self._job = self._workspace.models.run(
            lambda shelf: model_jobs.replies(shelf, engagement, questions, decoding, board, cancel, found),
            on_success=lambda _: self._list_ended(whole=True),
            on_error=self._failed,
            on_cancelled=lambda: self._list_ended(whole=False),
            cancel=cancel,
            owner=self,
            name=tr("Ask {questions}", questions=count(len(questions), "question")),
        )
        self._look.start()
        self.began.emit(self._job, board)

    def _how(self, decoding: Decoding) -> Asking:
        run = self._workspace.run
        return Asking(run=run.id if run else None, model=run.model if run else "", decoding=decoding.as_json())

    def _stop(self) -> None:
        """What was asked in the project before is not asked on in this one."""
        if self._job is not None:
            self._job.stop()

    def _one_answered(self, asking: Asking | None, keep: Callable[[Asking, Batch], None], answered: Answered) -> None:
        self._set_busy(False)
        if asking is not None and answered.source is not None:
            keep(asking, Batch(answered.source, [answered.reply]))
        self.answered.emit(answered)

    def _list_ended(self, *, whole: bool) -> None:
        self._look.stop()
        self._keep_found()
        self._set_busy(False)
        self.many_answered.emit(self._answered, self._changed, whole)

    def _failed(self, message: UserMessage) -> None:
        self._look.stop()
        self._keep_found()
        self._set_busy(False)
        self._workspace.report(message)

    def _keep_found(self) -> None:
        while True:
            try:
                batch = self._found.get_nowait()
            except Empty:
                return
            self._take_batch(batch)

    def _count_and_keep(self, batch: Batch) -> None:
        self._answered += len(batch.replies)
        self._changed += sum(each.answer is not None and each.answer.edited != each.original for each in batch.replies)
        self._keep(self._asking, batch)

    def _keep(self, asking: Asking, batch: Batch) -> None:
        source = batch.source
        whole = replace(asking, fingerprint=source.fingerprint, pack=source.pack, calibrated=source.calibrated)
        answers = [reply.answer for reply in batch.replies if reply.answer is not None]

        def keep(project: Project) -> Changes:
            return add_comparisons(project, answers, whole)

        self._workspace.database.run(keep, owner=self, name="Keep the answers")

    def _set_busy(self, busy: bool) -> None:
        if busy != self._busy:
            self._busy = busy
            self.busy_changed.emit(busy)


def _one(
    shelf: Shelf, engagement: Engagement, query: str, decoding: Decoding, board: ProgressBoard, cancel: Cancel
) -> Answered:
    """Both models' answers to one question, and the next tokens."""
    board.report(model_jobs.LOADING, 0, 0)
    source = model_jobs.provenance(engagement.pack) if engagement.pack is not None else None
    (reply,) = model_jobs.reply(shelf, engagement, [query], cancel, decoding, board)
    explanation = model_jobs.explain(shelf, engagement, query)
    chances = model_jobs.next_tokens(shelf, engagement, query)
    return Answered(reply, chances, explanation, engagement, decoding, source)
