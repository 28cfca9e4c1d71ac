"""Where the studio keeps its files, and what it remembers between two starts.

Facts live in projects, in the data folder, never in a cache that a clean-up may empty.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import PlatformDirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.atomic import write_file
from studio.words import tr

HOME = "MEG_STUDIO_HOME"
"""The environment variable that puts everything under one folder: a memory stick, a test."""

RECENT = 10


@dataclass(frozen=True, slots=True)
class Locations:
    """The studio's own folders. `MEG_STUDIO_HOME` puts all of them under one folder."""

    data: Path  # projects
    config: Path  # settings.json
    state: Path  # logs, crash.log

    @property
    def projects(self) -> Path:
        """Where new projects are offered to be made."""
        return self.data / "projects"

    @property
    def settings(self) -> Path:
        """The file of the settings."""
        return self.config / "settings.json"


def locations() -> Locations:
    """The folders of this user on this system; made when they are not there."""
    home = os.environ.get(HOME)
    if home:
        base = Path(home).expanduser().resolve()
        found = Locations(base / "data", base / "config", base / "state")
    else:
        system = PlatformDirs("MeG Studio" if os.name == "nt" else "meg-studio", appauthor=False)
        found = Locations(system.user_data_path, system.user_config_path, system.user_state_path)
    for folder in (found.projects, found.config, found.state):
        folder.mkdir(parents=True, exist_ok=True)
    return found


class Settings(BaseModel):
    """What the studio remembers between two starts."""

    # What a newer version added is left out, not refused: one's settings must survive going back a version.
    model_config = ConfigDict(frozen=True, extra="ignore")

    theme: Literal["system", "light", "dark"] = "system"
    zoom: Annotated[float, Field(ge=0.5, le=3.0)] = 1.0  # of the font size
    recent_projects: tuple[Path, ...] = ()  # the last one opened first
    geometry: str = ""  # the window's place and size, base64
    page: str = "facts"  # the page that was open
    tour_seen: bool = False  # whether the first steps were shown, or skipped

    def with_recent(self, folder: Path) -> Settings:
        """These settings with `folder` as the project opened last."""
        others = [other for other in self.recent_projects if other != folder]
        return self.model_copy(update={"recent_projects": (folder, *others)[:RECENT]})

    def last_project(self) -> Path | None:
        """The folder of the project that was open last, where it is still there."""
        recent = self.recent_projects
        return recent[0] if recent and recent[0].is_dir() else None


def load_settings(path: Path) -> tuple[Settings, str]:
    """The settings in `path` and, where they could not be read, a sentence; the bad file is kept aside."""
    try:
        return Settings.model_validate_json(path.read_bytes()), ""
    except FileNotFoundError:
        return Settings(), ""
    except ValidationError:
        kept = path.with_suffix(".unreadable.json")
        try:
            os.replace(path, kept)
        except OSError:
            kept = path
        return Settings(), tr("The settings could not be read and start afresh; the file is kept: {kept}", kept=kept)
    except OSError as error:
        return Settings(), tr(
            "The settings could not be read ({strerror}) and start afresh: {path}", strerror=error.strerror, path=path
        )


def save_settings(settings: Settings, path: Path) -> None:
    """Write the settings; a crash leaves the old ones or the new ones, never half. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, [settings.model_dump_json(indent=2).encode(), b"\n"])
