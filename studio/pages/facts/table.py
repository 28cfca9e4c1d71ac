"""The table of edits as Qt sees it: ids in order, rows fetched a page at a time from the database worker.

The model never waits and never raises while it is painted: a row that has not arrived yet shows a placeholder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFont, QIcon

from studio import icons
from studio.errors import UserMessage
from studio.jobs import DatabaseWorker, Job
from studio.pages.facts.columns import HEADINGS, Column, cell_text, state_meaning
from studio.store import edits as editing
from studio.store import listing
from studio.store.changes import Changes
from studio.store.listing import EditFilter, EditRow, EditSort, EditState
from studio.store.project import Project
from studio.store.trained import RUN_IN_USE
from studio.theme import tokens
from studio.widgets.labels import plain_tooltip
from studio.words import tr

Index = QModelIndex | QPersistentModelIndex

PAGE = 200
KEPT_ROWS = 20_000
PLACEHOLDER = "…"
ROW_ROLE = Qt.ItemDataRole.UserRole + 1
"""The whole EditRow, or None while it is on its way."""


class EditTable(QAbstractTableModel):
    """Edits of the open project: searched, filtered and sorted by the store, edited in place."""

    listed = Signal()  # the ids changed, or were confirmed
    switched_off = Signal()  # an edit, by its check box
    refused = Signal(object)  # UserMessage: an edit in place that the store did not take

    def __init__(self, database: DatabaseWorker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._database = database
        self._ids: list[int] = []
        self._rows: dict[int, EditRow | None] = {}
        self._stale: set[int] = set()  # rows that are on show until what they are now has arrived
        self._wanted: list[int] = []
        self._on_their_way: set[int] = set()
        self._listing = 0
        self._lister: Job | None = None
        self._search = ""
        self._filter = EditFilter.ALL
        self._sort = EditSort.ENTERED
        self._descending = False
        self._open = False
        self.undoes_one = True  # whether the pack in use can leave out one edit
        self._fetch_soon = QTimer(self)
        self._fetch_soon.setSingleShot(True)
        self._fetch_soon.timeout.connect(self._fetch)

    # --- what is listed ----------------------------------------------------------------------------------------

    @property
    def ids(self) -> Sequence[int]:
        """The ids of the listed edits, from the top."""
        return self._ids

    @property
    def narrowed(self) -> bool:
        """Whether a search or a filter hides edits."""
        return bool(self._search) or self._filter is not EditFilter.ALL

    def set_project_open(self, is_open: bool) -> None:
        """Start anew with the project that was opened, or empty."""
        self._open = is_open
        self._rows.clear()
        self._stale.clear()
        self._on_their_way.clear()
        self._replace([])
        self.reload()

    def narrow(self, search: str, filter: EditFilter) -> None:
        """List only what matches."""
        if (search, filter) != (self._search, self._filter):
            self._search, self._filter = search, filter
            self.reload()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by `column`; -1 is the order in which the edits were entered."""
        self._sort = HEADINGS[Column(column)].sort if column >= 0 else EditSort.ENTERED
        self._descending = order == Qt.SortOrder.DescendingOrder
        self.reload()

    def reload(self) -> None:
        """Ask the store anew which edits to list; an answer to an older question is dropped."""
        if not self._open:
            return
        self._listing += 1
        if self._lister is not None:
            self._lister.stop()  # a question that waits behind others is not asked once it is an old one
        search, order, descending, kept = self._search, self._sort, self._descending, self._filter
        self._lister = self._database.run(
            lambda project: listing.edit_ids(project, search, order, descending, kept),
            on_success=partial(self._listed, self._listing),
            owner=self,
            name="List the edits",
        )

    def take_changes(self, changes: Changes) -> None:
        """Show what an operation changed."""
        if not changes.edits and not changes.relations and RUN_IN_USE not in changes.settings:
            return
        # Any change may mark or unmark other edits as duplicates and contradictions: all that is kept is stale now.
        self._stale.update(self._rows)
        self._on_their_way.clear()
        for edit_id in changes.removed:
            self._rows.pop(edit_id, None)
        if changes.added or changes.removed or self.narrowed:
            self.reload()
        self._touch_all()

    def row_of(self, edit_id: int) -> int:
        """Where `edit_id` is listed, or -1."""
        try:
            return self._ids.index(edit_id)
        except ValueError:
            return -1

    def id_at(self, row: int) -> int | None:
        """The edit listed at `row`."""
        return self._ids[row] if 0 <= row < len(self._ids) else None

    def _listed(self, number: int, ids: list[int]) -> None:
        if number == self._listing:
            self._replace(ids)
            self.listed.emit()

    def _replace(self, ids: list[int]) -> None:
        """Put `ids` in place; what is selected stays selected where it is still listed."""
        if ids == self._ids:
            return
        if not self._ids or not ids:
            self.beginResetModel()
            self._ids = ids
            self.endResetModel()
            return
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        place = {edit_id: row for row, edit_id in enumerate(ids)} if before else {}
        after = []
        for index in before:
            row = place.get(self._ids[index.row()], -1) if index.row() < len(self._ids) else -1
            after.append(self.createIndex(row, index.column()) if row >= 0 else QModelIndex())
        self._ids = ids
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    # --- fetching ----------------------------------------------------------------------------------------------

    def _want(self, row: int) -> None:
        page = row // PAGE
        if page in self._wanted:
            self._wanted.remove(page)
        self._wanted.append(page)
        if not self._fetch_soon.isActive():
            self._fetch_soon.start(0)

    def _fetch(self) -> None:
        # A long scroll passes many pages: the last ones asked for are those on show.
        pages, self._wanted = self._wanted[-4:], []
        ids = [
            edit_id
            for page in pages
            for edit_id in self._ids[page * PAGE : (page + 1) * PAGE]
            if (edit_id not in self._rows or edit_id in self._stale) and edit_id not in self._on_their_way
        ]
        if not ids or not self._open:
            return
        self._on_their_way.update(ids)
        self._database.run(
            lambda project: listing.rows(project, ids),
            on_success=partial(self._arrived, ids),
            on_error=partial(self._not_arrived, ids),
            owner=self,
            name="Read edits",
        )

    def _arrived(self, ids: list[int], rows: list[EditRow]) -> None:
        found = {row.id: row for row in rows}
        for edit_id in ids:
            # Where a change came in between, the row was taken off the list of those on their way: it is stale.
            if edit_id in self._on_their_way:
                self._on_their_way.discard(edit_id)
                self._stale.discard(edit_id)
                self._rows[edit_id] = found.get(edit_id)
        if len(self._rows) > KEPT_ROWS:
            for edit_id in list(self._rows)[: KEPT_ROWS // 2]:
                del self._rows[edit_id]
                self._stale.discard(edit_id)
        self._touch_all()

    def _not_arrived(self, ids: list[int], message: UserMessage) -> None:
        self._on_their_way.difference_update(ids)
        self._stale.difference_update(ids)
        for edit_id in ids:
            self._rows.setdefault(edit_id, None)
        self.refused.emit(message)

    def _touch_all(self) -> None:
        if self._ids:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._ids) - 1, len(Column) - 1))

    def known_row(self, row: int) -> EditRow | None:
        """The row at `row` as far as it has arrived; asked for where it has not, or is stale."""
        edit_id = self.id_at(row)
        if edit_id is None:
            return None
        if (edit_id not in self._rows or edit_id in self._stale) and edit_id not in self._on_their_way:
            self._want(row)
        return self._rows.get(edit_id)

    # --- Qt's questions ----------------------------------------------------------------------------------------

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """How many edits are listed."""
        return 0 if parent.isValid() else len(self._ids)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """The columns."""
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Titles, and what they mean."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(Column):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return tr(HEADINGS[Column(section)].title)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tr(HEADINGS[Column(section)].meaning)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """One cell; a placeholder while its row is on its way."""
        if not index.isValid() or index.row() >= len(self._ids):
            return None
        row = self.known_row(index.row())
        column = Column(index.column())
        if row is None:
            waiting = role == Qt.ItemDataRole.DisplayRole and column is Column.SUBJECT
            return PLACEHOLDER if waiting else None
        if role == Qt.ItemDataRole.ToolTipRole and column is Column.STATE:
            return plain_tooltip(state_meaning(row, undoes_one=self.undoes_one))
        return _cell(row, column, role)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Subject, relation and new object can be edited in place; the first column is a check box."""
        flags = super().flags(index)
        if not index.isValid():
            return flags
        match Column(index.column()):
            case Column.ENABLED:
                return flags | Qt.ItemFlag.ItemIsUserCheckable
            case Column.SUBJECT | Column.RELATION | Column.NEW_OBJECT | Column.ORIGINAL_ANSWER:
                return flags | Qt.ItemFlag.ItemIsEditable
            case _:
                return flags

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Take an edit in place: shown at once, and again as the store has it."""
        row = self.known_row(index.row()) if index.isValid() else None
        if row is None:
            return False
        column = Column(index.column())
        if role == Qt.ItemDataRole.CheckStateRole and column is Column.ENABLED:
            on = Qt.CheckState(value) == Qt.CheckState.Checked
            self._change(row, replace(row, enabled=on), lambda project: editing.set_enabled(project, [row.id], on))
            if not on:
                self.switched_off.emit()
            return True
        text = str(value).strip()
        if role != Qt.ItemDataRole.EditRole or text == _editable(row, column):
            return False
        match column:
            case Column.SUBJECT if not row.subject:
                self._change(row, replace(row, prompt=text), lambda p: editing.update_edit(p, row.id, prompt=text))
            case Column.SUBJECT:
                self._change(row, replace(row, subject=text), lambda p: editing.update_edit(p, row.id, subject=text))
            case Column.RELATION:
                self._change(row, row, lambda p: editing.update_edit(p, row.id, relation=text))
            case Column.NEW_OBJECT:
                shown = replace(row, new_object=text)
                self._change(row, shown, lambda p: editing.update_edit(p, row.id, new_object=text))
            case Column.ORIGINAL_ANSWER:
                shown = replace(row, original_answer=text)
                self._change(row, shown, lambda p: editing.update_edit(p, row.id, original_answer=text))
            case _:
                return False
        return True

    def _change(self, row: EditRow, shown: EditRow, write: Any) -> None:
        self._rows[row.id] = shown
        self._touch_all()

        def change(project: Project) -> Changes:
            changes: Changes = write(project)
            return changes

        self._database.run(change, on_error=partial(self._undone, row.id), owner=self, name="Change an edit")

    def _undone(self, edit_id: int, message: UserMessage) -> None:
        self._rows.pop(edit_id, None)
        self._touch_all()
        self.refused.emit(message)


def _editable(row: EditRow, column: Column) -> str:
    return row.relation if column is Column.RELATION else cell_text(row, column)


def _state_icon(state: EditState) -> QIcon:
    colours = tokens()
    name, colour = {
        EditState.READY: ("good", colours.good),
        EditState.KNOWN: ("info", colours.muted),
        EditState.DUPLICATE: ("copy", colours.warn),
        EditState.CONTRADICTION: ("warning", colours.bad),
        EditState.DISABLED: ("stop", colours.muted),
    }[state]
    return icons.icon(name, colour)


def _cell(row: EditRow, column: Column, role: int) -> Any:
    """What `row` gives for one of Qt's roles."""
    match role:
        case Qt.ItemDataRole.DisplayRole:
            return cell_text(row, column) or None
        case Qt.ItemDataRole.EditRole:
            return _editable(row, column)
        case Qt.ItemDataRole.CheckStateRole if column is Column.ENABLED:
            return Qt.CheckState.Checked if row.enabled else Qt.CheckState.Unchecked
        case Qt.ItemDataRole.DecorationRole if column is Column.STATE:
            return _state_icon(row.state)
        case Qt.ItemDataRole.ToolTipRole:
            return plain_tooltip(cell_text(row, column))
        case Qt.ItemDataRole.AccessibleTextRole if column is Column.ENABLED:
            return tr("on") if row.enabled else tr("off")
        case Qt.ItemDataRole.FontRole if column is Column.SUBJECT and not row.subject:
            font = QFont()
            font.setItalic(True)
            return font
        case Qt.ItemDataRole.ForegroundRole if not row.enabled or column is Column.ORIGINAL_ANSWER:
            return QColor(tokens().muted)
        case _ if role == ROW_ROLE:
            return row
        case _:
            return None
