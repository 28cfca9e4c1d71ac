"""What a project remembers of its own choices: model, device, encoder, layer, threshold. Values are JSON."""

from __future__ import annotations

from studio.store.changes import Changes
from studio.store.project import Project


def get_setting(project: Project, name: str, default: object = None) -> object:
    """The value kept under `name`, or `default`."""
    raise NotImplementedError


def set_setting(project: Project, name: str, value: object) -> Changes:
    """Keep `value` (anything JSON can hold) under `name`; None forgets it."""
    raise NotImplementedError
