"""What a project remembers of its own choices: model, device, encoder, layer, threshold. Values are JSON."""

from __future__ import annotations

import json

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.store.changes import Changes
from studio.store.project import Project
from studio.store.schema import SettingRecord


def get_setting(project: Project, name: str, default: object = None) -> object:
    """The value kept under `name`, or `default`."""
    with project.read() as session:
        value = _read(session, name)
    return default if value is None else json.loads(value)


def set_setting(project: Project, name: str, value: object) -> Changes:
    """Keep `value` (anything JSON can hold, numbers finite) under `name`; None forgets it."""
    if name.startswith("_"):
        raise ValueError(f"The name {name} is the store's own.")
    text = None if value is None else json.dumps(value, allow_nan=False)
    with project.write() as session:
        if text == _read(session, name):
            return Changes()
        if text is None:
            session.delete(session.get_one(SettingRecord, name))
        else:
            session.merge(SettingRecord(name=name, value=text))
    return Changes(settings=(name,))


def _read(session: Session, name: str) -> str | None:
    return session.execute(select(SettingRecord.value).where(SettingRecord.name == name)).scalar()
