"""Word that a training has ended, for a user who is looking at something else."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

from studio.store.runs import RunRow, RunState
from studio.widgets.figures import count, figure, share
from studio.words import tr

_SHOWN = 10_000
"""Milliseconds that the message stands."""


class Notifier(QObject):
    """Speaks up only while the window is not in front: by the system's tray where there is one, else by the taskbar."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._tray: QSystemTrayIcon | None = None

    def training_ended(self, run: RunRow | None) -> None:
        """Tell how `run` ended; nothing where the user stopped it, or is looking."""
        if run is None or run.state not in (RunState.FINISHED, RunState.FAILED) or self._window.isActiveWindow():
            return
        QApplication.alert(self._window)
        if QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages():
            self._message(*told(run))

    def _message(self, title: str, text: str) -> None:
        if self._tray is None:
            self._tray = QSystemTrayIcon(self._window.windowIcon(), self)
            self._tray.setToolTip("MeG Studio")
            self._tray.messageClicked.connect(self._raise)
            self._tray.activated.connect(lambda _reason: self._raise())
        self._tray.show()  # a message needs an icon to come from
        self._tray.showMessage(title, text, self._window.windowIcon(), _SHOWN)

    def _raise(self) -> None:
        self._window.raise_()
        self._window.activateWindow()
        if self._tray is not None:
            self._tray.hide()


def told(run: RunRow) -> tuple[str, str]:
    """Title and text about how `run` ended."""
    if run.state is RunState.FAILED:
        return tr("Training failed"), run.message
    answered = figure(run.figures, "reliability")
    much = tr(": {answered} answered", answered=share(answered)) if answered is not None else ""
    return tr("Training finished"), f"{count(run.edits, 'edit')}{much}."
