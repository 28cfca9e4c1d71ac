"""Makes the application and its window."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QEvent, QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication, QWidget

from studio import icons
from studio.appearance import Appearance
from studio.errors import describe
from studio.language import speak
from studio.logs import CrashLog, last_crash, start_logging
from studio.messages import Kind
from studio.remembered import Remembered
from studio.settings import Locations, locations
from studio.single_instance import knock
from studio.theme import Scheme
from studio.window import MainWindow
from studio.words import tr


def run_window(project: Path | None) -> int:
    """Show the window on `project`, or on the one that was open last, until it is closed.

    Where a window has that project open already, it comes to the front instead.
    """
    places = locations()
    start_logging(places)
    crash = last_crash(places)
    crash_log = CrashLog(places)
    watch_start(crash_log)
    app = make_application()
    remembered = Remembered(places.settings, app)
    wanted = project.resolve() if project is not None else remembered.settings.last_project()
    if wanted is not None and knock(wanted, wait=True):
        return 0
    window = make_window(app, places, remembered)
    if crash:
        window.workspace.say(
            Kind.WARNING,
            tr("MeG Studio crashed the last time it ran. No edit that was entered is lost."),
            details=crash,
        )
    if project is None:
        window.projects.start()
    else:
        window.projects.open(project.resolve())
    FirstPicture(window).painted.connect(window.after_first_picture)
    window.show()
    ended = app.exec()
    crash_log.close()
    return ended


class FirstPicture(QObject):
    """Says when a window is first to be seen: what is not needed for that comes after it."""

    painted = Signal()

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look for the first painting; all below the window is painted before the event loop goes on."""
        if event.type() == QEvent.Type.Paint:
            watched.removeEventFilter(self)
            QTimer.singleShot(0, self, self.painted.emit)
        return False


def make_application() -> QApplication:
    """The application, named so that the desktop can find it."""
    app = QApplication(sys.argv[:1])
    app.setApplicationName("meg-studio")
    app.setApplicationDisplayName("MeG Studio")
    app.setDesktopFileName("meg-studio")
    app.setWindowIcon(icons.icon("app"))
    speak(app)
    return app


def make_window(app: QApplication, places: Locations | None = None, remembered: Remembered | None = None) -> MainWindow:
    """The window, with no project open yet; what nobody catches is reported in it."""
    places = places or locations()
    remembered = remembered or Remembered(places.settings, app)
    appearance = Appearance(app, Scheme(remembered.settings.theme), remembered.settings.zoom)
    window = MainWindow(places, remembered, appearance)
    _report_bugs_to(window)
    return window


def watch_start(crash_log: CrashLog) -> None:
    """Until there is a window to show it in, an exception that nothing caught ends the program: note it."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        crash_log.write(error)
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = hook


def _report_bugs_to(window: MainWindow) -> None:
    """Show an exception that nothing caught in the window; its traceback goes to stderr as well."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        if isinstance(error, Exception):
            window.workspace.report(describe(error))

    sys.excepthook = hook
