"""A project to try things on, and a way to compare two states of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.edits import Relation
from studio.store.project import Project

CATALOGUE = {
    "capital": Relation("capital", "capital", ("The capital of {} is", "Q: What is the capital of {}? A:")),
    "author": Relation("author", "author", ("{} was written by",), ("The author of {} is",)),
}

Dump = dict[str, list[tuple[object, ...]]]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.create(tmp_path / "project", "Trial", CATALOGUE)
    yield made
    made.close()


def dump(project: Project, *, familiarity: bool = False) -> Dump:
    """Every row that undo answers for, as plain values."""
    tables = {"edits": "id", "edit_texts": "edit_id", "edit_prints": "edit_id", "relations": "id"}
    found: Dump = {}
    with project.read() as session:
        connection = session.connection()
        for table, key in tables.items():
            result = connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY {key}")
            columns = list(result.keys())
            keep = [name for name in columns if familiarity or name != "familiarity"]
            found[table] = [tuple(row[name] for name in keep) for row in result.mappings()]
    return found
