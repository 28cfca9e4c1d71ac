"""The relations: what can be asked of a subject, and in which words. Built-in ones can be reworded, own ones added.

What is typed is checked and shown on real subjects with every key; what it would do to edits is said before it is done.
It is kept until it is saved or discarded: another relation can be looked at meanwhile, and closing asks first.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QDialog, QHBoxLayout, QListWidget, QListWidgetItem, QPlainTextEdit, QVBoxLayout, QWidget

from engine.edits import SLOT, EditError, Relation, fill, fold
from studio.errors import UserMessage
from studio.store import relations as keeping
from studio.store.changes import Changes
from studio.store.relations import OnUse, RelationRow
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.fields import line, named
from studio.widgets.figures import count
from studio.widgets.labels import Label, hint, page_title
from studio.widgets.tables import fill as fill_table
from studio.widgets.tables import text_table
from studio.words import plural, tr
from studio.workspace import Workspace

EFFECT_DELAY = 250
"""Milliseconds of silence after which it is asked what saving would do to edits."""
SUBJECTS = 4
"""Subjects that phrasings are shown on."""


class Typed(NamedTuple):
    """What the fields say of a relation, whether it can be one or not."""

    name: str
    phrasings: tuple[str, ...]
    held_out: tuple[str, ...]


class RelationsDialog(QDialog):
    """A list of relations, and the words of the one that is chosen."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Relations"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(116 * SPACE, 80 * SPACE)
        self._workspace = workspace
        self._rows: list[RelationRow] = []
        self._drafts: dict[str, Typed] = {}  # what is typed and not saved, by the relation's id; "" is a new relation
        self._id = ""
        self._subjects: tuple[str, ...] = ()
        self._closing = False  # whether the dialog closes once everything is saved
        self._asked = 0
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Relations"))
        self.name = line("Name", "is the capital of")
        self.phrasings = QPlainTextEdit()
        self.phrasings.setTabChangesFocus(True)
        self.phrasings.setPlaceholderText(tr("The capital of {} is\n{} has the capital"))
        self.held_out = QPlainTextEdit()
        self.held_out.setTabChangesFocus(True)
        self._told = Label(wrap=True)
        self.preview = text_table("Preview", ("Subject", "The model is asked"), stretch=(1,), framed=True)
        self.preview.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.new = button("New relation", "add")
        self.restore = button("Built-in phrasings", "undo", tip=tr("Give the relation its name and phrasings back."))
        self.delete = button("Delete", "delete")
        self.free = button("Delete it, keep its edits")
        self.delete_edits = button("Delete it and its edits", "delete")
        self.back = button("Do not delete")
        self.discard = button("Discard changes", tip=tr("Show the relation as it is in the project."))
        self.save = button("Save", primary=True)
        self.close_button = button("Close")
        self.save_all = button("Save", primary=True)
        self.discard_all = button("Discard")
        self.stay = button("Back")
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
                tr(
                    "Each has {slot} once, where the subject goes, and ends where the object begins. "
                    "The first is the prompt.",
                    slot=SLOT,
                )
            )
        )
        right.addLayout(named("Phrasings kept for measuring, one a line", self.held_out), 1)
        right.addWidget(Label(tr("Preview"), muted=True))
        right.addWidget(self.preview, 2)
        right.addWidget(self._told)
        sides = QHBoxLayout()
        sides.setSpacing(3 * SPACE)
        sides.addLayout(left, 2)
        sides.addLayout(right, 3)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        left_deeds = (self.delete, self.restore, self.free, self.delete_edits, self.back)
        right_deeds = (self.discard, self.close_button, self.save, self.stay, self.discard_all, self.save_all)
        self._deeds = (*left_deeds, *right_deeds)
        for deed in left_deeds:
            row.addWidget(deed)
        row.addStretch(1)
        for deed in right_deeds:
            row.addWidget(deed)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addWidget(page_title("Relations"))
        box.addLayout(sides, 1)
        box.addLayout(row)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(EFFECT_DELAY)
        self._soon.timeout.connect(self._weigh)
        self.list.currentRowChanged.connect(self._show)
        self.new.clicked.connect(self._begin)
        self.delete.clicked.connect(self._ask_delete)
        self.back.clicked.connect(self._offer_usual)
        self.free.clicked.connect(partial(self._delete, OnUse.FREE))
        self.delete_edits.clicked.connect(partial(self._delete, OnUse.DELETE))
        self.restore.clicked.connect(self._restore)
        self.discard.clicked.connect(self._discard)
        self.save.clicked.connect(self._save)
        self.close_button.clicked.connect(self.reject)
        self.save_all.clicked.connect(self._save_all)
        self.discard_all.clicked.connect(self._discard_all)
        self.stay.clicked.connect(self._offer_usual)
        self.name.returnPressed.connect(self.save.click)
        self.name.textChanged.connect(self._follow)
        for field in (self.phrasings, self.held_out):
            field.textChanged.connect(self._follow)
        self._offer_usual()
        self._load("")

    def _load(self, chosen: str) -> None:
        self._workspace.database.run(
            keeping.relations, on_success=partial(self._fill, chosen), owner=self, name="Read the relations"
        )

    def _fill(self, chosen: str, rows: list[RelationRow]) -> None:
        self._rows = rows
        self.list.clear()
        for row in rows:
            self.list.addItem(QListWidgetItem(self._told_of(row)))
        place = next((at for at, row in enumerate(rows) if row.relation.id == chosen), 0)
        self.list.setCurrentRow(place if rows else -1)

    def _told_of(self, row: RelationRow) -> str:
        told = [count(row.edits, "edit")] if row.edits else []
        if row.relation.id in self._drafts:
            told.append(tr("not saved"))
        return f"{row.relation.name}  ({', '.join(told)})" if told else row.relation.name

    def _row(self) -> RelationRow | None:
        return next((row for row in self._rows if row.relation.id == self._id), None)

    def _show(self, place: int) -> None:
        if not 0 <= place < len(self._rows):
            return
        relation = self._rows[place].relation
        self._id = relation.id
        self._write(self._drafts.get(relation.id) or _typed_of(relation))
        self._offer_usual()
        self._ask_subjects()

    def _write(self, typed: Typed) -> None:
        """Put what is said of a relation into the fields."""
        self.name.setText(typed.name)
        self.phrasings.setPlainText("\n".join(typed.phrasings))
        self.held_out.setPlainText("\n".join(typed.held_out))
        self._follow()

    def _begin(self) -> None:
        self.list.setCurrentRow(-1)
        self._id = ""
        self._write(self._drafts.get("") or _NOTHING)
        self._offer_usual()
        self._ask_subjects()
        self.name.setFocus()

    # --- while typing ------------------------------------------------------------------------------------------

    def _typed(self) -> Typed:
        return Typed(
            self.name.text().strip(), _lines(self.phrasings.toPlainText()), _lines(self.held_out.toPlainText())
        )

    def _follow(self) -> None:
        """Keep what is typed, and check it."""
        typed, row = self._typed(), self._row()
        if typed == (_NOTHING if row is None else _typed_of(row.relation)):
            self._drafts.pop(self._id, None)
        else:
            self._drafts[self._id] = typed
        self.discard.setEnabled(self._id in self._drafts)
        item = self.list.currentItem()
        if row is not None and item is not None:
            item.setText(self._told_of(row))
        self._check()

    def _relation(self, relation_id: str, typed: Typed) -> Relation:
        """The relation that was typed; EditError, in words, where it is none."""
        name, phrasings, held_out = typed
        if not name:
            raise EditError(tr("Give the relation a name."))
        for row in self._rows:
            if row.relation.id != relation_id and fold(row.relation.name) == fold(name):
                raise EditError(
                    tr("There is a relation called “{name}” already: choose another name.", name=row.relation.name)
                )
        if not phrasings:
            raise EditError(tr("Give it a phrasing, with {slot} where the subject goes.", slot=SLOT))
        for template in (*phrasings, *held_out):
            if SLOT not in template:
                named = next((subject for subject in self._subjects if subject in template), tr("the subject"))
                raise EditError(
                    tr(
                        "The phrasing “{phrasing}” has no {slot}: put it where “{named}” stands.",
                        phrasing=template,
                        slot=SLOT,
                        named=named,
                    )
                )
        twice = next((text for at, text in enumerate(phrasings) if text in (*phrasings[:at], *held_out)), None)
        if twice is not None:
            raise EditError(tr("The phrasing “{twice}” is there twice: remove one.", twice=twice))
        return Relation(relation_id or f"own-{uuid.uuid4().hex[:8]}", name, phrasings, held_out)

    def _check(self) -> None:
        """Say what is wrong, or show what the model would be asked."""
        self._soon.stop()
        try:
            relation = self._relation(self._id, self._typed())
        except EditError as error:
            self.save.setEnabled(False)
            touched = bool(self.name.text() or self.phrasings.toPlainText())
            self._say(str(error) if touched else "", bad=touched)
        else:
            row = self._row()
            self.save.setEnabled(row is None or row.relation != relation)
            self._say("")
            if row is not None and row.edits and row.relation != relation:
                self._soon.start()
        self._preview()

    def _preview(self) -> None:
        typed = self._typed()
        templates = [text for text in (*typed.phrasings, *typed.held_out) if text.count(SLOT) == 1]
        subjects = self._subjects or (tr("France"),)
        fill_table(
            self.preview,
            [
                (subjects[at % len(subjects)], fill(template, subjects[at % len(subjects)]))
                for at, template in enumerate(templates)
            ],
        )

    def _ask_subjects(self) -> None:
        relation_id = self._id
        self._workspace.database.run(
            lambda project: keeping.subjects(project, relation_id, SUBJECTS),
            on_success=self._take_subjects,
            owner=self,
            name="Read some subjects",
        )

    def _take_subjects(self, subjects: tuple[str, ...]) -> None:
        self._subjects = subjects
        self._preview()

    def _weigh(self) -> None:
        """Ask what saving would do to edits."""
        try:
            relation = self._relation(self._id, self._typed())
        except EditError:
            return
        self._asked += 1
        self._workspace.database.run(
            lambda project: keeping.count_rephrased(project, relation),
            on_success=partial(self._weighed, self._asked),
            owner=self,
            name="Count the prompts",
        )

    def _weighed(self, asked: int, number: int) -> None:
        row = self._row()
        if asked != self._asked or row is None or not self.save.isEnabled():
            return
        if number:
            self._say(
                tr(
                    "Saving says the prompts of {edits} in the new words; their original answers and familiarity, "
                    "which belong to the old prompts, are emptied. Undo brings all of it back.",
                    edits=count(number, "edit"),
                )
            )
        else:
            self._say(tr("{edits} use it; their prompts stay as they are.", edits=count(row.edits, "edit")))

    def _say(self, text: str, *, bad: bool = False) -> None:
        self._told.setForegroundRole(QPalette.ColorRole.BrightText if bad else QPalette.ColorRole.PlaceholderText)
        self._told.setText(text)

    # --- deeds -------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        try:
            self._store(self._id, self._typed())
        except EditError as error:
            self._say(str(error), bad=True)
        else:
            self._hold_focus()
            self.save.setEnabled(False)

    def _store(self, relation_id: str, typed: Typed) -> None:
        """Save what was typed of a relation. Raises EditError where it is no relation."""
        relation = self._relation(relation_id, typed)
        self._run(
            partial(keeping.update_relation if relation_id else keeping.add_relation, relation=relation),
            partial(self._stored, relation_id, typed, relation.id),
        )

    def _stored(self, relation_id: str, typed: Typed, chosen: str) -> None:
        if self._drafts.get(relation_id) == typed:
            del self._drafts[relation_id]
        if self._closing and not self._drafts:
            self.reject()
        else:
            self._load(chosen)

    def _discard(self) -> None:
        row = self._row()
        self._write(_NOTHING if row is None else _typed_of(row.relation))

    def _restore(self) -> None:
        """Write the built-in relation's own words into the fields; Save makes them hold."""
        self._workspace.database.run(
            partial(keeping.built_in, relation_id=self._id),
            on_success=self._restored,
            owner=self,
            name="Read the built-in relation",
        )

    def _restored(self, relation: Relation | None) -> None:
        if relation is not None and relation.id == self._id:
            self._write(_typed_of(relation))

    def _hold_focus(self) -> None:
        """A button that goes hands the focus on, and the list would choose a relation with it: the name takes it."""
        if self.focusWidget() in self._deeds:
            self.name.setFocus()

    def _offer(self, *deeds: QWidget) -> None:
        """Show these buttons below, and no others; nothing that is still being counted is told over a question."""
        self._soon.stop()
        self._asked += 1
        self._hold_focus()
        for deed in self._deeds:
            deed.setVisible(deed in deeds)

    def _offer_usual(self) -> None:
        """Nothing is being asked: show what can be done with the relation."""
        row = self._row()
        self._closing = False
        self._offer(self.delete, self.discard, self.close_button, self.save)
        self.delete.setEnabled(row is not None and not row.in_catalogue)
        self.restore.setVisible(row is not None and row.in_catalogue and not row.built_in)
        self._check()

    def _ask_delete(self) -> None:
        row = self._row()
        if row is None:
            return
        if not row.edits:
            self._delete(OnUse.REFUSE)
            return
        self._offer(self.free, self.delete_edits, self.back)
        self._say(
            tr(
                "{edits} use “{name}”. Kept, they are still asked as they are now, but have no relation; or they "
                "go with it. Either is one step: Undo brings everything back.",
                edits=count(row.edits, "edit"),
                name=row.relation.name,
            )
        )

    def _delete(self, on_use: OnUse) -> None:
        deleted = self._id
        self._run(partial(keeping.delete_relation, relation_id=deleted, on_use=on_use), partial(self._deleted, deleted))

    def _deleted(self, relation_id: str) -> None:
        self._drafts.pop(relation_id, None)
        self._load("")

    def _run(self, deed: partial[Changes], done: Callable[[], object]) -> None:
        self._workspace.database.run(
            deed,
            on_success=lambda _: done(),
            on_error=self._refused,
            owner=self,
            name="Change the relations",
        )

    def _refused(self, message: UserMessage) -> None:
        self._offer_usual()
        self._say(f"{message.sentence} {message.action}".strip(), bad=True)

    # --- closing -----------------------------------------------------------------------------------------------

    def reject(self) -> None:
        """Close; where something is not saved, ask first. Escape while that is asked goes back."""
        if not self._drafts:
            super().reject()
        elif self.stay.isVisible():
            self._offer_usual()
        else:
            self._offer(self.stay, self.discard_all, self.save_all)
            unsaved = [typed.name or tr("the new relation") for typed in self._drafts.values()]
            self._say(
                plural(
                    len(unsaved),
                    "What you typed of “{name}” is not saved.",
                    "What you typed of {number} relations is not saved.",
                    name=unsaved[0],
                )
            )
            self.save_all.setFocus()

    def _discard_all(self) -> None:
        self._drafts.clear()
        self.reject()

    def _save_all(self) -> None:
        """Save what is typed of every relation and close; the first that cannot be a relation is shown instead."""
        for relation_id, typed in self._drafts.items():
            try:
                self._relation(relation_id, typed)
            except EditError:
                self._choose(relation_id)  # where the fault is told
                return
        self._offer()
        self._closing = True
        for relation_id, typed in self._drafts.items():
            self._store(relation_id, typed)

    def _choose(self, relation_id: str) -> None:
        if not relation_id:
            self._begin()
            return
        place = next(at for at, row in enumerate(self._rows) if row.relation.id == relation_id)
        self.list.setCurrentRow(place)
        self._show(place)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _typed_of(relation: Relation) -> Typed:
    """What the fields say when the relation is shown as it is."""
    return Typed(relation.name.strip(), _lines("\n".join(relation.phrasings)), _lines("\n".join(relation.held_out)))


_NOTHING = Typed("", (), ())
