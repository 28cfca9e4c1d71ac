"""The inspector: everything about one edit that the table has no column for, each part editable.

A part is written when the user leaves it, as one step of undo.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QPlainTextEdit, QStackedWidget, QVBoxLayout, QWidget

from engine.edits import Edit, Probe, ProbeKind
from studio.pages.facts.suggested import SuggestedTextsList
from studio.store.edits import EditFields
from studio.suggestions import SuggestedTexts
from studio.theme import SECTION_TITLE, SPACE
from studio.widgets.card import Card
from studio.widgets.column import Column
from studio.widgets.empty_state import EmptyState
from studio.widgets.fields import named
from studio.widgets.labels import ElidedLabel, Label, hint
from studio.words import deferred, tr

_PROBES = (
    (
        ProbeKind.NEIGHBOUR,
        deferred("Neighbour probes"),
        deferred("Another subject, the same relation: these answers must stay."),
    ),
    (
        ProbeKind.SAME_SUBJECT,
        deferred("Same-subject probes"),
        deferred("The same subject, another relation: these answers must stay."),
    ),
    (ProbeKind.FAR, deferred("Far probes"), deferred("Anything else whose answer must stay.")),
)


class Lines(QPlainTextEdit):
    """A few lines of text that are handed over when the user leaves them changed."""

    left_changed = Signal()

    def __init__(self, name: str, rows: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = rows
        self._before = ""
        self._stored = ""
        self.setAccessibleName(name)
        self.setTabChangesFocus(True)
        self._fit()

    def show_text(self, text: str) -> None:
        """Show `text` as what stands in the project."""
        self._before = self._stored = text
        if self.toPlainText() != text:
            self.setPlainText(text)

    @property
    def changed(self) -> bool:
        """Whether the user changed what stands in the project."""
        return self.toPlainText() != self._before

    def lines(self) -> tuple[str, ...]:
        """The lines that say something."""
        return tuple(line.strip() for line in self.toPlainText().splitlines() if line.strip())

    def add_lines(self, texts: Sequence[str]) -> None:
        """Put `texts` below what stands here, and hand all of it over."""
        self.setPlainText("\n".join((*self.lines(), *texts)))
        self.hand_over()

    def take_back(self) -> None:
        """What was handed over was refused: it is as if it was not handed over yet."""
        self._before = self._stored

    def hand_over(self) -> None:
        """Tell of a change, once."""
        if self.changed:
            self._before = self.toPlainText()
            self.left_changed.emit()

    def _fit(self) -> None:
        self.setFixedHeight(self.fontMetrics().lineSpacing() * self._rows + 3 * SPACE)

    def changeEvent(self, event: QEvent) -> None:
        """Keep the number of lines when the zoom changes."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def focusOutEvent(self, event: object) -> None:
        """Hand over what was typed."""
        super().focusOutEvent(event)  # type: ignore[arg-type]
        self.hand_over()


class Inspector(Card):
    """Shows one edit; empty while none or several are selected."""

    changed = Signal(int, object)  # row id, EditFields

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._id: int | None = None
        self._kept_probes: dict[ProbeKind, Lines] = {}
        self._refusal = Label("", wrap=True)
        self._refusal.setForegroundRole(QPalette.ColorRole.BrightText)
        self._refusal.hide()
        self.suggested_paraphrases = SuggestedTextsList(tr("In other words"))
        self.suggested_neighbours = SuggestedTextsList(tr("Same object"))
        self.suggested_same_subject = SuggestedTextsList(tr("Other relations"))
        self.title = ElidedLabel(scale=SECTION_TITLE, bold=True)
        self.subject = Lines(tr("Subject"), 1)
        self.prompt = Lines(tr("Prompt"), 3)
        self.paraphrases = Lines(tr("Paraphrases, one a line"), 4)
        self.aliases = Lines(tr("Aliases of the subject, one a line"), 2)
        inner = QWidget()
        inner.setProperty("scrolled", True)
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, SPACE, 0)
        column.setSpacing(SPACE + SPACE // 2)
        column.addWidget(self.title)
        column.addWidget(self._refusal)
        self._subject_place = QWidget()
        place = named(
            "Subject", self.subject, help=tr("What the prompt is about, as it stands in it; it may be empty.")
        )
        place.setContentsMargins(0, 0, 0, 0)
        self._subject_place.setLayout(place)
        column.addWidget(self._subject_place)
        column.addLayout(
            named("Prompt", self.prompt, help=tr("What the model is asked, up to where the answer begins."))
        )
        column.addLayout(
            named(
                "Paraphrases, one a line",
                self.paraphrases,
                help=tr("The same question in other words: generality is measured on them, training never sees them."),
            )
        )
        column.addWidget(self.suggested_paraphrases)
        column.addLayout(
            named(
                "Aliases, one a line",
                self.aliases,
                help=tr("Other names of the subject: a question that uses one counts as naming it."),
            )
        )
        suggested = {
            ProbeKind.NEIGHBOUR: self.suggested_neighbours,
            ProbeKind.SAME_SUBJECT: self.suggested_same_subject,
        }
        for kind, name, meaning in _PROBES:
            title = tr("{name}, one a line", name=tr(name))
            lines = Lines(title, 3)
            self._kept_probes[kind] = lines
            column.addLayout(named(title, lines, help=tr(meaning)))
            if kind in suggested:
                column.addWidget(suggested[kind])
                suggested[kind].accepted.connect(lines.add_lines)
            lines.left_changed.connect(self._probes_left)
        self.suggested_paraphrases.accepted.connect(self.paraphrases.add_lines)
        column.addWidget(hint("What you change is kept when you leave its field."))
        column.addStretch(1)
        self._pages = QStackedWidget()
        self._pages.addWidget(
            EmptyState("search", "No edit selected", "Select one edit to see and change its prompt.", wide=24)
        )
        self._pages.addWidget(Column(inner, 26 * SPACE))
        self.body.addWidget(self._pages)
        self.subject.left_changed.connect(partial(self._left, "subject"))
        self.prompt.left_changed.connect(partial(self._left, "prompt"))
        self.paraphrases.left_changed.connect(partial(self._left, "paraphrases"))
        self.aliases.left_changed.connect(partial(self._left, "aliases"))

    @property
    def edit_id(self) -> int | None:
        """The row id of the edit on show."""
        return self._id

    def probes(self, kind: ProbeKind) -> Lines:
        """The field with the probes of `kind`."""
        return self._kept_probes[kind]

    def _fields(self) -> tuple[Lines, ...]:
        return (self.subject, self.prompt, self.paraphrases, self.aliases, *self._kept_probes.values())

    def hand_over(self) -> None:
        """Write what was typed and not left yet: before another edit is shown, before the window closes."""
        for lines in self._fields():
            lines.hand_over()

    def clear(self) -> None:
        """Show no edit."""
        self.hand_over()
        self.forget()

    def forget(self) -> None:
        """Show no edit, and hand nothing over: the edit on show is not in this project."""
        self._id = None
        self.show_suggestions(SuggestedTexts())
        self._pages.setCurrentIndex(0)

    def show_edit(self, edit_id: int, edit: Edit) -> None:
        """Show `edit`; what the user is typing about the same edit right now is left alone."""
        same = edit_id == self._id
        if not same:
            self.hand_over()
            self.show_suggestions(SuggestedTexts())  # those of the edit before: a click would give them to this one
        self._id = edit_id
        self._refusal.hide()
        self.title.set_whole(f"{edit.subject or tr('Free prompt')} → {edit.new_object}")
        parts: list[tuple[Lines, Sequence[str]]] = [
            (self.subject, (edit.subject,)),
            (self.prompt, (edit.prompt,)),
            (self.paraphrases, edit.paraphrases),
            (self.aliases, edit.aliases),
        ]
        for kind, lines in self._kept_probes.items():
            parts.append((lines, [probe.prompt for probe in edit.probes if probe.kind is kind]))
        for lines, texts in parts:
            if not (same and lines.hasFocus() and lines.changed):
                lines.show_text("\n".join(texts))
        self._subject_place.setVisible(not edit.relation)  # of a relation, the table has it
        self._pages.setCurrentIndex(1)

    def show_suggestions(self, suggested: SuggestedTexts) -> None:
        """Offer texts for the edit on show."""
        alike = tr("Same object") if suggested.same_object else tr("Same relation")
        self.suggested_paraphrases.show_texts(suggested.paraphrases)
        self.suggested_neighbours.show_texts(suggested.neighbours, alike)
        self.suggested_same_subject.show_texts(suggested.same_subject)

    def refuse(self, sentence: str) -> None:
        """Say why what was typed about the edit on show was not kept; it stays in its field, to be put right."""
        self._refusal.setText(sentence)
        self._refusal.show()
        for lines in self._fields():
            lines.take_back()

    def _left(self, part: str) -> None:
        if self._id is None:
            return
        fields: EditFields
        if part == "subject":
            # It says what the texts are about already: they are given too, that none is said anew for another subject.
            fields = {
                "subject": " ".join(self.subject.lines()),
                "prompt": self.prompt.toPlainText().strip(),
                "paraphrases": self.paraphrases.lines(),
                "probes": self._typed_probes(),
            }
        elif part == "prompt":
            fields = {"prompt": self.prompt.toPlainText().strip()}
        elif part == "paraphrases":
            fields = {"paraphrases": self.paraphrases.lines()}
        else:
            fields = {"aliases": self.aliases.lines()}
        self.changed.emit(self._id, fields)

    def _probes_left(self) -> None:
        if self._id is not None:
            self.changed.emit(self._id, EditFields(probes=self._typed_probes()))

    def _typed_probes(self) -> tuple[Probe, ...]:
        return tuple(Probe(kind, text) for kind, lines in self._kept_probes.items() for text in lines.lines())
