"""The edits that a run was trained on, and what became of them since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from studio.store.runs import RunRow
from studio.store.trained import EditSince, Since
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.figures import count
from studio.widgets.labels import Label
from studio.widgets.rows import Column, RowsModel, chosen_rows, rows_view
from studio.widgets.since_words import SINCE_WORDS, since_in_words
from studio.words import tr

_ICONS = {
    Since.ADDED: "add",
    Since.REMOVED: "delete",
    Since.CHANGED: "again",
    Since.OFF: "stop",
    Since.ON: "check",
}


class SinceTab(QWidget):
    """A table of the edits that are no longer as the run learnt them."""

    edits_asked = Signal(object)  # tuple of edit ids

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model: RowsModel[EditSince] = RowsModel(
            (
                Column(tr("Since then"), lambda row: tr(SINCE_WORDS[row.since]), icon=lambda row: _ICONS[row.since]),
                Column(tr("Edit"), lambda row: row.prompt, wide=True),
                Column(tr("It was"), lambda row: row.before, wide=True),
                Column(tr("It is"), lambda row: row.now, wide=True),
            )
        )
        self.table = rows_view(tr("Edits that are no longer as the run learnt them"), self.model)
        self.told = Label(muted=True)
        self.show_edits = button("Show on the Facts page", "facts")
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.told, 1)
        row.addWidget(self.show_edits)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, SPACE, 0, 0)
        box.setSpacing(SPACE)
        box.addLayout(row)
        box.addWidget(self.table, 1)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._tell())
        self.model.modelReset.connect(self._tell)
        self.table.activated.connect(lambda _: self._ask())
        self.show_edits.clicked.connect(lambda _checked=False: self._ask())
        self.show_changes(None, ())

    def show_changes(self, run: RunRow | None, changes: Sequence[EditSince]) -> None:
        """Show what changed since `run` took its snapshot."""
        self.model.show_rows(changes)
        if run is None:
            self.told.setText(tr("Select one run to see what changed in its edits since."))
            return
        told = since_in_words(Counter(change.since for change in changes))
        self.told.setText(
            tr("Trained on {edits}, snapshot {snapshot}. ", edits=count(run.edits, "edit"), snapshot=run.snapshot[:16])
            + (tr("Since then: {told}.", told=told) if told else tr("They are as they were."))
        )

    def _there(self) -> tuple[str, ...]:
        """The selected edits that are still in the project; without a selection, all of them."""
        chosen = chosen_rows(self.table, self.model) or list(self.model.rows)
        return tuple(dict.fromkeys(change.key for change in chosen if change.since is not Since.REMOVED))

    def _tell(self) -> None:
        self.show_edits.setEnabled(bool(self._there()))

    def _ask(self) -> None:
        keys = self._there()
        if keys:
            self.edits_asked.emit(keys)
