"""The edits that lie nearest to the question, and what can be done with one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from studio.store import listing
from studio.store.adopting import Role
from studio.store.project import Project
from studio.store.trained import Since
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.card import Card
from studio.widgets.editor_words import AT_THE_NEXT_TRAINING
from studio.widgets.figures import share
from studio.widgets.labels import hint
from studio.widgets.tables import fill, text_table
from studio.words import deferred, tr

if TYPE_CHECKING:
    from engine.editor import NearEdit

GONE = deferred("an edit that is deleted since")
CHANGED = deferred(
    "This edit was changed since the pack in use was trained: the pack answers as the edit was. Train again to have it "
    "answered so."
)
SHOWN = 6


@dataclass(frozen=True, slots=True)
class KnownEdit:
    """What the project knows of an edit of the pack."""

    id: int | None  # None: it is deleted since
    words: str
    enabled: bool
    changed: bool = False  # since the pack in use was trained, which knows it as it was


class NearEdits(Card):
    """A table of edits; the buttons are for the one that is chosen, the nearest by default."""

    adopt_asked = Signal(str, object)  # key of the edit, Role
    switch_asked = Signal(int, bool)  # id of the edit, on
    show_asked = Signal(str)  # key of the edit

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Nearest edits", parent)
        self._near: tuple[NearEdit, ...] = ()
        self._known: Mapping[str, KnownEdit] = {}
        self._switchable = True
        self.paraphrase = button(
            "Paraphrase",
            "add",
            tip=tr(
                "Make the question a paraphrase of the edit: it should be answered so; generality is measured on it."
            ),
        )
        self.probe = button(
            "Probe",
            "add",
            tip=tr("Make the question a probe of the edit: it must keep its answer; locality is measured on it."),
        )
        self.switch = button("Switch off", "stop")
        self.show_edit = button("Show", "facts", tip=tr("Go to the edit on the Facts page."))
        self.paraphrase.setAccessibleName(tr("Make the question a paraphrase of the edit"))
        self.probe.setAccessibleName(tr("Make the question a probe of the edit"))
        self.show_edit.setAccessibleName(tr("Show the edit on the Facts page"))
        self.table = text_table("Nearest edits", ("Edit", "Similarity", "Familiarity", "State"), stretch=(0,))
        self.table.setSelectionMode(self.table.SelectionMode.SingleSelection)
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.table.setMinimumHeight(13 * SPACE)
        self.told = hint("")
        self.told.hide()
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self.told)
        # Below the table, which they are for: beside the title they would make the page wider than a small screen.
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACE)
        for control in (self.paraphrase, self.probe, self.switch, self.show_edit):
            buttons.addWidget(control)
        buttons.addStretch(1)
        self.body.addLayout(buttons)
        self.table.itemSelectionChanged.connect(self._tell)
        self.paraphrase.clicked.connect(lambda: self._adopt(Role.PARAPHRASE))
        self.probe.clicked.connect(lambda: self._adopt(Role.PROBE))
        self.switch.clicked.connect(self._switch)
        self.show_edit.clicked.connect(self._show)
        self.let_switch(True)

    @property
    def keys(self) -> tuple[str, ...]:
        """The edits on show."""
        return tuple(near.edit for near in self._near)

    @property
    def chosen(self) -> str | None:
        """The key of the edit that the buttons are for."""
        row = self.table.currentRow()
        return self._near[row].edit if 0 <= row < len(self._near) else None

    def let_switch(self, can: bool) -> None:
        """Whether the pack in use can leave out one edit; if not, the button says so."""
        self._switchable = can
        told = tr("Questions about the edit get the original answer, at once.") if can else tr(AT_THE_NEXT_TRAINING)
        self.switch.setToolTip(told)
        self.switch.setAccessibleDescription(told)
        self._tell()

    def show_near(self, near: Sequence[NearEdit], known: Mapping[str, KnownEdit]) -> None:
        """List `near`, of which the project knows `known`; the edit that was chosen stays so while it is listed."""
        before = self.chosen
        self._near, self._known = tuple(near)[:SHOWN], known
        fill(
            self.table,
            [
                (
                    known[each.edit].words if each.edit in known else "…",
                    f"{each.similarity:.2f}",
                    share(each.familiarity),
                    _state(known.get(each.edit)),
                )
                for each in self._near
            ],
        )
        if self._near:
            self.table.selectRow(self.keys.index(before) if before in self.keys else 0)
        self._tell()

    def _tell(self) -> None:
        known = self._known.get(self.chosen or "")
        there = known is not None and known.id is not None
        for control in (self.paraphrase, self.probe, self.switch, self.show_edit):
            control.setEnabled(there)
        self.told.setText(tr(CHANGED) if known is not None and known.changed else "")
        self.told.setVisible(bool(self.told.text()))
        self.switch.setEnabled(there and self._switchable)
        word = tr("Switch on") if known is not None and there and not known.enabled else tr("Switch off")
        self.switch.setText(word)
        self.switch.setAccessibleName(f"{word}: {known.words}" if known is not None else word)

    def _adopt(self, role: Role) -> None:
        if self.chosen is not None:
            self.adopt_asked.emit(self.chosen, role)

    def _switch(self) -> None:
        known = self._known.get(self.chosen or "")
        if known is not None and known.id is not None:
            self.switch_asked.emit(known.id, not known.enabled)

    def _show(self) -> None:
        if self.chosen is not None:
            self.show_asked.emit(self.chosen)


def _state(known: KnownEdit | None) -> str:
    if known is None:
        return ""
    if known.id is None:
        return tr("gone")
    switched = tr("on") if known.enabled else tr("off")
    return tr("{switched}, changed", switched=switched) if known.changed else switched


def known_edits(project: Project, keys: Sequence[str]) -> dict[str, KnownEdit]:
    """What the project knows of the edits called `keys`: “France · capital → Lyon”."""
    ids = listing.ids_of_keys(project, keys)
    rows = {row.key: row for row in listing.rows(project, list(ids.values()))}
    known = {key: KnownEdit(None, tr(GONE), enabled=False) for key in keys}
    for key, row in rows.items():
        asked = f"{row.subject} · {row.relation_name}" if row.subject and row.relation else row.prompt
        known[key] = KnownEdit(row.id, f"{asked} → {row.new_object}", row.enabled, row.since is Since.CHANGED)
    return known
