"""Makes the application and its window."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from studio import diagnostics, icons
from studio.appearance import Appearance
from studio.errors import describe
from studio.messages import Kind
from studio.remembered import Remembered
from studio.settings import locations
from studio.theme import Scheme
from studio.window import MainWindow


def run_window(project: Path | None) -> int:
    """Show the window on `project`, or on the one that was open last, until it is closed."""
    app = make_application()
    window = make_window(app)
    if project is None:
        window.projects.start()
    else:
        window.projects.open(project.resolve())
    window.show()
    # What is not needed for the first picture comes after it.
    QTimer.singleShot(0, window, window.build_all)
    return app.exec()


def make_application() -> QApplication:
    """The application, named so that the desktop can find it."""
    app = QApplication(sys.argv[:1])
    app.setApplicationName("meg-studio")
    app.setApplicationDisplayName("MeG Studio")
    app.setDesktopFileName("meg-studio")
    app.setWindowIcon(icons.icon("app"))
    return app


def make_window(app: QApplication) -> MainWindow:
    """The window, with no project open yet; what nobody catches is reported in it."""
    places = locations()
    remembered = Remembered(places.settings, app)
    appearance = Appearance(app, Scheme(remembered.settings.theme), remembered.settings.zoom)
    crash = diagnostics.last_crash(places)
    app.setProperty("crashLog", diagnostics.watch(places))  # the stream must live as long as the application
    window = MainWindow(places, remembered, appearance)
    _report_bugs_to(window)
    if crash:
        window.workspace.say(
            Kind.WARNING, "MeG Studio crashed the last time it ran. No edit that was entered is lost.", details=crash
        )
    return window


def _report_bugs_to(window: MainWindow) -> None:
    """Show an exception that nothing caught in the window; its traceback goes to stderr as well."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        if isinstance(error, Exception):
            window.workspace.report(describe(error))

    sys.excepthook = hook
