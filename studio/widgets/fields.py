"""Fields with their name above them."""

from __future__ import annotations

from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from engine.edits import MAX_TEXT
from studio.theme import SPACE
from studio.widgets.labels import Label
from studio.words import tr


def named(name: str, field: QWidget, *, help: str = "") -> QVBoxLayout:
    """`field` under a label that is its buddy; the label is the field's accessible name."""
    name, help = tr(name), tr(help)
    label = Label(name, muted=True)
    label.setBuddy(field)
    if not field.accessibleName():
        field.setAccessibleName(name)
    if help:
        field.setToolTip(help)
        field.setAccessibleDescription(help)
    column = QVBoxLayout()
    column.setSpacing(SPACE // 2)
    column.addWidget(label)
    column.addWidget(field)
    return column


def line(name: str, example: str = "") -> QLineEdit:
    """A line of text with an example in grey."""
    made = QLineEdit()
    made.setAccessibleName(tr(name))
    made.setMaxLength(MAX_TEXT)
    if example:
        made.setPlaceholderText(tr(example))
    return made
