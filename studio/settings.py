"""Where the studio keeps its files, and what it remembers between two starts.

Facts live in projects, in the data folder, never in a cache that a clean-up may empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Locations:
    """The studio's own folders. `MEG_STUDIO_HOME` puts all of them under one folder."""

    data: Path  # projects
    config: Path  # settings.json
    state: Path  # logs, crash.log

    @property
    def projects(self) -> Path:
        """Where new projects are offered to be made."""
        raise NotImplementedError


def locations() -> Locations:
    """The folders of this user on this system; made when they are not there."""
    raise NotImplementedError


class Settings(BaseModel):
    """What the studio remembers between two starts."""

    theme: Literal["system", "light", "dark"] = "system"
    zoom: float = 1.0  # of the font size, 0.5 to 3
    recent_projects: tuple[Path, ...] = ()  # the last one opened first
    geometry: str = ""  # the window's place and size, base64
    page: str = "facts"  # the page that was open
    device: str = "auto"

    def with_recent(self, folder: Path) -> Settings:
        """These settings with `folder` as the project opened last."""
        raise NotImplementedError


def load_settings(path: Path) -> tuple[Settings, str]:
    """The settings in `path` and, where they could not be read, a sentence; the bad file is kept aside."""
    raise NotImplementedError


def save_settings(settings: Settings, path: Path) -> None:
    """Write the settings; a crash leaves the old ones or the new ones, never half."""
    raise NotImplementedError
