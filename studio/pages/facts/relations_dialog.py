"""The relations: what can be asked of a subject, and in which words. Built-in ones can be reworded, own ones added."""

from __future__ import annotations

import uuid
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QListWidget, QListWidgetItem, QPlainTextEdit, QVBoxLayout, QWidget

from engine.edits import SLOT, EditError, Relation
from studio.errors import UserMessage
from studio.store import relations as keeping
from studio.store.changes import Changes
from studio.store.project import Project
from studio.store.relations import RelationRow
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.fields import line, named
from studio.widgets.figures import count
from studio.widgets.labels import Label, hint, page_title
from studio.workspace import Workspace


class RelationsDialog(QDialog):
    """A list of relations, and the words of the one that is chosen."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Relations")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(100 * SPACE, 66 * SPACE)
        self._workspace = workspace
        self._rows: list[RelationRow] = []
        self._id = ""
        self.list = QListWidget()
        self.list.setAccessibleName("Relations")
        self.name = line("Name", "is the capital of")
        self.phrasings = QPlainTextEdit()
        self.phrasings.setTabChangesFocus(True)
        self.phrasings.setPlaceholderText("The capital of {} is\n{} has the capital")
        self.held_out = QPlainTextEdit()
        self.held_out.setTabChangesFocus(True)
        self._told = Label(wrap=True, muted=True)
        self.new = button("New relation", "add")
        self.delete = button("Delete", "delete")
        self.save = button("Save", primary=True)
        self.close_button = button("Close")
        left = QVBoxLayout()
        left.setSpacing(SPACE)
        left.addWidget(self.list, 1)
        left.addWidget(self.new)
        right = QVBoxLayout()
        right.setSpacing(SPACE + SPACE // 2)
        right.addLayout(named("Name", self.name))
        right.addLayout(named("Phrasings, one a line", self.phrasings), 2)
        right.addWidget(
            hint(
                f"Each has {SLOT} once, where the subject goes, and ends where the object begins. "
                "The first is the prompt."
            )
        )
        right.addLayout(named("Phrasings kept for measuring, one a line", self.held_out), 1)
        right.addWidget(self._told)
        sides = QHBoxLayout()
        sides.setSpacing(3 * SPACE)
        sides.addLayout(left, 2)
        sides.addLayout(right, 3)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.delete)
        row.addStretch(1)
        row.addWidget(self.close_button)
        row.addWidget(self.save)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addWidget(page_title("Relations"))
        box.addLayout(sides, 1)
        box.addLayout(row)
        self.list.currentRowChanged.connect(self._show)
        self.new.clicked.connect(self._begin)
        self.delete.clicked.connect(self._delete)
        self.save.clicked.connect(self._save)
        self.close_button.clicked.connect(self.accept)
        self._load("")

    def _load(self, chosen: str) -> None:
        self._workspace.database.run(
            keeping.relations, on_success=partial(self._fill, chosen), owner=self, name="Read the relations"
        )

    def _fill(self, chosen: str, rows: list[RelationRow]) -> None:
        self._rows = rows
        self.list.clear()
        for row in rows:
            used = f"  ({count(row.edits, 'edit')})" if row.edits else ""
            self.list.addItem(QListWidgetItem(f"{row.relation.name}{used}"))
        place = next((at for at, row in enumerate(rows) if row.relation.id == chosen), 0)
        self.list.setCurrentRow(place if rows else -1)

    def _show(self, place: int) -> None:
        if not 0 <= place < len(self._rows):
            return
        row = self._rows[place]
        self._id = row.relation.id
        self.name.setText(row.relation.name)
        self.phrasings.setPlainText("\n".join(row.relation.phrasings))
        self.held_out.setPlainText("\n".join(row.relation.held_out))
        self.delete.setEnabled(not row.built_in and not row.edits)
        self._told.setText("")

    def _begin(self) -> None:
        self.list.setCurrentRow(-1)
        self._id = ""
        for field in (self.name, self.phrasings, self.held_out):
            field.clear()
        self.delete.setEnabled(False)
        self.name.setFocus()

    def _save(self) -> None:
        try:
            relation = Relation(
                self._id or f"own-{uuid.uuid4().hex[:8]}",
                self.name.text().strip(),
                _lines(self.phrasings),
                _lines(self.held_out),
            )
        except EditError as error:
            self._told.setText(str(error))
            return
        if not relation.name:
            self._told.setText("Give the relation a name.")
            return
        write = keeping.update_relation if self._id else keeping.add_relation

        def save(project: Project) -> Changes:
            return write(project, relation)

        self._workspace.database.run(
            save,
            on_success=partial(self._saved, relation.id),
            on_error=self._refused,
            owner=self,
            name="Save a relation",
        )

    def _saved(self, relation_id: str, _changes: Changes) -> None:
        self._load(relation_id)

    def _delete(self) -> None:
        relation_id = self._id
        if relation_id:
            self._workspace.database.run(
                lambda project: keeping.delete_relation(project, relation_id),
                on_success=lambda _: self._load(""),
                on_error=self._refused,
                owner=self,
                name="Delete a relation",
            )

    def _refused(self, message: UserMessage) -> None:
        self._told.setText(f"{message.sentence} {message.action}".strip())


def _lines(field: QPlainTextEdit) -> tuple[str, ...]:
    return tuple(text.strip() for text in field.toPlainText().splitlines() if text.strip())
