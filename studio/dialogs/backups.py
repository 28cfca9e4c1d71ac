"""The backups of a project: when each was made and what it holds, and the way back to one of them.

The same list serves a project that is well and one that is damaged; the second has its fault told above the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from studio.dialogs.question import question
from studio.errors import UserMessage
from studio.store.errors import Backup
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.figures import count, file_size, moment
from studio.widgets.labels import Label, hint, page_title
from studio.widgets.tables import fill, text_table
from studio.words import deferred, tr

_REASONS = {"": "", "before-update": deferred("before an update"), "before-repair": deferred("before a repair")}


class BackupsDialog(QDialog):
    """A list of backups, newest first, of which one can be restored."""

    restore_asked = Signal(object)  # Backup
    backup_asked = Signal()
    looking = Signal()  # the list may be another one now

    def __init__(self, name: str, fault: UserMessage | None = None, parent: QWidget | None = None) -> None:
        """`name` is the project's; `fault` says why it cannot be opened, where it cannot."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Restore the project") if fault else tr("Backups"))
        self.resize(84 * SPACE, 64 * SPACE)
        self._damaged = fault is not None
        self._backups: tuple[Backup, ...] = ()
        self.table = text_table(
            tr("Backups, newest first"), (tr("Made"), tr("Edits"), tr("Size"), tr("Why")), stretch=(3,), framed=True
        )
        self.table.setSelectionMode(self.table.SelectionMode.SingleSelection)
        self._none = hint(
            tr(
                "There is no backup yet. One is made when a project that was changed is closed, and whenever you press "
                "“Back up now”."
            )
        )
        self.back_up = button(tr("Back up now"), "copy")
        self.back_up.setVisible(not self._damaged)
        self.restore = button(tr("Restore…"), "undo", primary=True)
        self.restore.setEnabled(False)
        self.close_button = button(tr("Close"))
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        if fault is None:
            box.addWidget(page_title(tr("Backups")))
            box.addWidget(
                hint(
                    tr(
                        "Each is a whole, checked copy of this project's facts, history and settings. The newest ten "
                        "are kept, then one a day, a week and a month. Runs stay where they are."
                    )
                )
            )
        else:
            box.addWidget(page_title(tr("“{name}” is damaged", name=name)))
            box.addWidget(Label(fault.sentence, wrap=True))
            box.addWidget(
                hint(
                    tr(
                        "Choose a backup to go on with. The damaged file is not changed: it is moved to the folder "
                        "“set-aside” of the project, and the runs stay."
                    )
                )
            )
            self._none.setText(
                tr(
                    "There is no backup of this project that can be read. Its file is left as it is: copy the folder "
                    "to a safe place, and look for an older copy of it."
                )
            )
        box.addWidget(self._none)
        box.addWidget(self.table, 1)
        self._rest = QWidget()  # takes the place of the table where there is nothing to list
        box.addWidget(self._rest, 1)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.back_up)
        row.addStretch(1)
        row.addWidget(self.close_button)
        row.addWidget(self.restore)
        box.addLayout(row)
        self.table.itemSelectionChanged.connect(lambda: self.restore.setEnabled(self.chosen() is not None))
        self.table.doubleClicked.connect(lambda _: self._ask())
        self.back_up.clicked.connect(self.backup_asked)
        self.restore.clicked.connect(self._ask)
        self.close_button.clicked.connect(self.reject)
        self.show_backups(())

    def show_backups(self, backups: Sequence[Backup]) -> None:
        """List `backups`, newest first, the newest chosen."""
        self._backups = tuple(backups)
        fill(
            self.table,
            [
                (
                    moment(backup.created),
                    count(backup.edits, "edit"),
                    file_size(backup.size),
                    tr(_REASONS.get(backup.reason, backup.reason)),
                )
                for backup in self._backups
            ],
        )
        self._none.setVisible(not backups)
        self.table.setVisible(bool(backups))
        self._rest.setVisible(not backups)
        if backups:
            self.table.selectRow(0)
            self.table.setFocus()

    def look_again(self) -> None:
        """A backup was made: have the list read anew."""
        self.looking.emit()

    def chosen(self) -> Backup | None:
        """The backup that is selected."""
        rows = self.table.selectionModel().selectedRows()
        return self._backups[rows[0].row()] if rows else None

    def _ask(self) -> None:
        backup = self.chosen()
        if backup is None:
            return
        if self._damaged:
            self._restore(backup)
            return
        ask_before_restoring(self, backup, lambda: self._restore(backup))

    def _restore(self, backup: Backup) -> None:
        self.restore_asked.emit(backup)
        self.accept()


def ask_before_restoring(parent: QWidget, backup: Backup, go_on: Callable[[], object]) -> None:
    """Ask whether the project shall really go back to `backup`."""
    question(
        parent,
        tr("Restore a backup"),
        tr("Go back to {moment}, with {edits}?", moment=moment(backup.created), edits=count(backup.edits, "edit")),
        tr(
            "What was changed since is backed up first, and the file as it is now is kept in the folder “set-aside” of "
            "the project."
        ),
        yes=tr("Restore"),
        no=tr("Keep it as it is"),
        go_on=go_on,
    )
