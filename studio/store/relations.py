"""The relations that edits of a project can use: the built-in catalogue, and what the project adds to it.

A built-in relation is copied into the project when an edit first uses it, so that the project stays whole when the
catalogue changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.edits import Relation
from studio.store.changes import Changes
from studio.store.project import Project


@dataclass(frozen=True, slots=True)
class RelationRow:
    """One relation, and how many edits use it."""

    relation: Relation
    edits: int
    built_in: bool  # it stands in the catalogue as it is


def relations(project: Project) -> list[RelationRow]:
    """Every relation an edit can use, by name."""
    raise NotImplementedError


def add_relation(project: Project, relation: Relation) -> Changes:
    """Add a relation of one's own; EditError where the id or the name is taken."""
    raise NotImplementedError


def update_relation(project: Project, relation: Relation) -> Changes:
    """Give a relation another name or other phrasings; prompts made of its old phrasings stay as they are."""
    raise NotImplementedError


def delete_relation(project: Project, relation_id: str) -> Changes:
    """Delete a relation of one's own; EditError while edits use it."""
    raise NotImplementedError
