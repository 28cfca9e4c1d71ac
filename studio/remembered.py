"""The settings of this user while the studio runs: every change is on the disk at once."""

from __future__ import annotations

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

    def keep(self, settings: Settings) -> None:
        """Make `settings` the current ones."""
        if settings == self.settings:
            return
        self.settings = settings
        try:
            save_settings(settings, self._path)
        except OSError as error:
            self.failed.emit(describe(error))
        self.changed.emit()

    def update(self, **values: object) -> None:
        """Change some of the settings."""
        self.keep(self.settings.model_copy(update=values))
