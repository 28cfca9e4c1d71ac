"""A strip that shows one job of a worker: what it does, how far it is, when it ends, and a Cancel button."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QWidget

from engine.runs import ProgressBoard
from studio.jobs import Job, JobState
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.figures import seconds
from studio.widgets.labels import Label
from studio.words import tr

POLL = 100
"""Milliseconds between two looks at a job's progress."""


class JobStrip(QWidget):
    """Hidden until a job is followed and again once it has ended."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job: Job | None = None
        self._board = ProgressBoard()
        self._text = Label(muted=True)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(tr("Progress of the job"))
        self._cancel = button("Cancel", "stop")
        self._cancel.setAccessibleName(tr("Cancel the job"))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * SPACE)
        row.addWidget(self._text)
        row.addWidget(self._bar, 1)
        row.addWidget(self._cancel)
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self._poll)
        self._cancel.clicked.connect(self._stop)
        self.hide()

    def follow(self, job: Job, board: ProgressBoard) -> None:
        """Show `job`, whose progress is on `board`, until it ends."""
        self._job, self._board = job, board
        self._cancel.setEnabled(True)
        self.show()
        self._timer.start()
        self._poll()

    def _stop(self) -> None:
        if self._job is not None:
            self._job.stop()
            self._poll()

    def _poll(self) -> None:
        job = self._job
        if job is None or job.state.ended:
            self._timer.stop()
            self._job = None
            self.hide()
            return
        progress = self._board.latest()
        stopping = job.state is JobState.STOPPING
        self._cancel.setEnabled(not stopping)
        self._bar.setRange(0, progress.of)
        self._bar.setValue(progress.step)
        if stopping:
            text = tr("{name}: stopping…", name=job.name)
        elif job.state is JobState.WAITING:
            text = tr("{name}: waits for its turn", name=job.name)
        elif progress.of:
            left = tr(", about {eta} left", eta=seconds(progress.eta)) if progress.eta is not None else ""
            text = tr(
                "{stage}: {step} of {of}{left}",
                stage=tr(progress.stage),
                step=f"{progress.step:,}",
                of=f"{progress.of:,}",
                left=left,
            )
        else:
            text = f"{tr(progress.stage) or job.name}…"
        self._text.setText(text)
