"""The row in which a fact is entered: three words, or a free prompt and its new object."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QMenu, QRadioButton, QStackedWidget, QWidget

from engine.edits import SLOT, EditError, Relation, check_text, fill
from studio.store.edits import EditDraft
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.card import Card
from studio.widgets.fields import line, named
from studio.widgets.labels import ElidedLabel
from studio.words import tr


class AddForm(Card):
    """Collects one edit and says what the model will be asked."""

    add_asked = Signal(object)  # EditDraft
    relations_asked = Signal()  # the user wants to see and change the relations

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Add a fact", parent)
        self._relations: dict[str, Relation] = {}
        self._template = ""
        self.fact_mode = QRadioButton(tr("Subject, relation, object"))
        self.prompt_mode = QRadioButton(tr("Free prompt"))
        self.fact_mode.setAccessibleName(tr("Enter a subject, a relation and an object"))
        self.prompt_mode.setAccessibleName(tr("Enter a free prompt"))
        self.fact_mode.setChecked(True)
        modes = QButtonGroup(self)
        modes.addButton(self.fact_mode)
        modes.addButton(self.prompt_mode)
        self.head.addWidget(self.fact_mode)
        self.head.addWidget(self.prompt_mode)

        self.subject = line("Subject", "France")
        self.relation = QComboBox()
        self.relation.setAccessibleName(tr("Relation"))
        self.relation.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.relation.setMinimumContentsLength(16)
        self.prompt = line("Prompt", "The capital of France is")
        self.new_object = line("New object", "Lyon")
        self.add = button("Add fact", "add", primary=True)
        self._menu = QMenu(self)
        self._one_of = QActionGroup(self._menu)
        self.phrasings = button("Phrasings", tip=tr("How the model is asked: choose one of the relation's phrasings."))
        self.phrasings.setProperty("hasMenu", True)
        self.phrasings.setMenu(self._menu)
        self._asked = ElidedLabel(muted=True)

        self._fields = QStackedWidget()
        self._fields.addWidget(_side_by_side(((tr("Subject"), self.subject), (tr("Relation"), self.relation))))
        self._fields.addWidget(_side_by_side(((tr("Prompt, up to where the answer begins"), self.prompt),)))
        row = QHBoxLayout()
        row.setSpacing(2 * SPACE)
        row.addWidget(self._fields, 5)
        row.addLayout(named("New object", self.new_object), 2)
        last = named("", self.add)
        row.addLayout(last)
        self.body.addLayout(row)
        below = QHBoxLayout()
        below.setSpacing(SPACE)
        below.addWidget(self._asked, 1)
        below.addWidget(self.phrasings)
        self.body.addLayout(below)

        self.prompt_mode.toggled.connect(self._switch)
        self.relation.currentIndexChanged.connect(self._relation_chosen)
        for field in (self.subject, self.prompt, self.new_object):
            field.textChanged.connect(self._preview)
            field.returnPressed.connect(self._add_now)
        self.add.clicked.connect(self._add_now)
        self._preview()

    def set_relations(self, relations: Sequence[Relation]) -> None:
        """The relations to choose from; the chosen one stays chosen where it is still there."""
        before = self.relation.currentData()
        self._relations = {relation.id: relation for relation in relations}
        self.relation.blockSignals(True)
        self.relation.clear()
        for relation in relations:
            self.relation.addItem(relation.name, relation.id)
        self.relation.setCurrentIndex(max(self.relation.findData(before), 0) if relations else -1)
        self.relation.blockSignals(False)
        self._relation_chosen()

    def draft(self) -> EditDraft:
        """What is entered. Raises EditError, in words, where something is missing."""
        new_object = self.new_object.text().strip()
        if self.prompt_mode.isChecked():
            prompt = self.prompt.text().strip()
            if not prompt:
                raise EditError(tr("Enter the prompt: what the model is asked, up to where its answer begins."))
            made = EditDraft(new_object, prompt=prompt)
        else:
            subject, relation = self.subject.text().strip(), self.relation.currentData()
            if not subject:
                raise EditError(tr("Enter the subject: what the fact is about."))
            if relation is None:
                raise EditError(tr("Choose a relation, or enter a free prompt."))
            if SLOT in subject:
                raise EditError(tr("The subject must not contain {slot}: write its name.", slot=SLOT))
            made = EditDraft(new_object, subject=subject, relation=relation, prompt=fill(self._template, subject))
        if not new_object:
            raise EditError(tr("Enter the new object: what the model shall answer from now on."))
        for text in (made.subject, made.prompt, new_object):
            check_text(text)
        return made

    def holds(self, draft: EditDraft) -> bool:
        """Whether what is typed is `draft`: another fact may have been begun since."""
        try:
            return self.draft() == draft
        except EditError:
            return False

    def clear(self) -> None:
        """Make room for the next fact; the relation stays."""
        for field in (self.subject, self.prompt, self.new_object):
            field.clear()
        (self.prompt if self.prompt_mode.isChecked() else self.subject).setFocus()

    def complain(self, text: str) -> None:
        """Say below the fields what is missing."""
        self._asked.set_whole(text)

    def _add_now(self) -> None:
        try:
            draft = self.draft()
        except EditError as error:
            self.complain(str(error))
            self._first_empty().setFocus()
            return
        self.add_asked.emit(draft)

    def _first_empty(self) -> QWidget:
        fields = (self.prompt,) if self.prompt_mode.isChecked() else (self.subject,)
        return next((field for field in fields if not field.text().strip()), self.new_object)

    def _switch(self, free: bool) -> None:
        self._fields.setCurrentIndex(1 if free else 0)
        self.phrasings.setVisible(not free)
        self._preview()

    def _relation_chosen(self) -> None:
        relation = self._relations.get(self.relation.currentData())
        self._template = relation.phrasings[0] if relation else ""
        self._list_phrasings()
        self._preview()

    def _list_phrasings(self) -> None:
        relation = self._relations.get(self.relation.currentData())
        self._menu.clear()
        for template in relation.phrasings if relation else ():
            action = self._menu.addAction(template.replace("&", "&&").replace(SLOT, "…", 1))
            action.setCheckable(True)
            self._one_of.addAction(action)
            action.setChecked(template == self._template)
            action.triggered.connect(lambda _=False, chosen=template: self._choose(chosen))
        self._menu.addSeparator()
        self._menu.addAction(tr("Relations…")).triggered.connect(self.relations_asked)
        self.phrasings.setText(
            tr("{number} phrasings", number=len(relation.phrasings)) if relation else tr("Phrasings")
        )

    def _choose(self, template: str) -> None:
        self._template = template
        self._preview()

    def _preview(self) -> None:
        new_object = self.new_object.text().strip() or "…"
        if self.prompt_mode.isChecked():
            asked = self.prompt.text().strip() or "…"
        elif self._template:
            asked = self._template.replace(SLOT, self.subject.text().strip() or "…", 1)
        else:
            self._asked.set_whole("")
            return
        self._asked.set_whole(
            tr("The model is asked “{asked}” and shall answer “{new_object}”.", asked=asked, new_object=new_object)
        )


def _side_by_side(fields: Sequence[tuple[str, QWidget]]) -> QWidget:
    made = QWidget()
    row = QHBoxLayout(made)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(2 * SPACE)
    for name, field in fields:
        row.addLayout(named(name, field), 1)
    return made
