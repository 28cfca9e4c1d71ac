"""The settings of this user while the studio runs: every change is on the disk at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from studio.errors import describe
from studio.settings import Settings, load_settings, save_settings


class Remembered(QObject):
    """The current settings, and the one way to change them."""

    changed = Signal()
    failed = Signal(object)  # UserMessage: they could not be written

    def __init__(self, path: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = path
        self.settings, self.complaint = load_settings(path)

    def change(self, make: Callable[[Settings], Settings]) -> None:
        """Change the settings as they are on the disk now: another window may have changed them."""
        others, complaint = load_settings(self._path)
        settings = make(self.settings if complaint or not self._path.exists() else others)
        if settings == self.settings == others:
            return
        self.settings = settings
        try:
            save_settings(settings, self._path)
        except OSError as error:
            self.failed.emit(describe(error))
        self.changed.emit()

    def update(self, **values: object) -> None:
        """Change some of the settings."""
        self.change(lambda settings: settings.model_copy(update=values))

    def reset(self) -> None:
        """Forget every choice, but not which projects there are."""
        self.change(lambda settings: Settings(recent_projects=settings.recent_projects, tour_seen=settings.tour_seen))
