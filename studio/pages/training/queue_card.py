"""The runs that wait for their turn: moved, removed, begun."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QWidget

from studio.store.runs import RunRow
from studio.widgets.buttons import button, icon_button
from studio.widgets.card import Card
from studio.widgets.figures import count
from studio.widgets.labels import hint, plain_tooltip
from studio.widgets.run_words import editor_name, model_name
from studio.words import tr

_RUN = Qt.ItemDataRole.UserRole


class QueueCard(Card):
    """The waiting runs, the next one first."""

    order_changed = Signal(object)  # tuple of run ids
    removed = Signal(int)  # id of a run that shall not be trained
    begin_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Queue", parent)
        self._runs: tuple[RunRow, ...] = ()
        self.up = icon_button("Earlier", "chevron-up", lambda: self._move(-1))
        self.down = icon_button("Later", "chevron-down", lambda: self._move(1))
        self.remove = icon_button("Remove from the queue", "delete", self._remove)
        for control in (self.up, self.down, self.remove):
            self.head.addWidget(control)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Waiting runs, the next one first"))
        self.list.setProperty("low", True)
        self.list.currentRowChanged.connect(lambda _: self._tell())
        self.begin = button("Start the queue", "train", tip=tr("Train the waiting runs, one after the other."))
        self.begin.clicked.connect(self.begin_asked)
        self.body.addWidget(self.list)
        self.body.addWidget(hint("Each is trained on the edits as they were when it was added."))
        self.body.addWidget(self.begin)
        self.show_runs((), busy=False)

    def show_runs(self, runs: Sequence[RunRow], *, busy: bool) -> None:
        """Show the waiting `runs`; while another one is trained they begin by themselves."""
        chosen = self._current()
        self._runs = tuple(runs)
        self.list.clear()
        for place, run in enumerate(runs, start=1):
            text = tr(
                "{place}. {editor}, {edits}, seed {seed}",
                place=place,
                editor=editor_name(run),
                edits=count(run.edits, "edit"),
                seed=run.seed,
            )
            item = QListWidgetItem(text)
            item.setData(_RUN, run.id)
            item.setToolTip(
                plain_tooltip(
                    tr(
                        "{model}, preset {preset}",
                        model=model_name(run.model),
                        preset=run.settings.get("preset", "balanced"),
                    )
                )
            )
            self.list.addItem(item)
            if run.id == chosen:
                self.list.setCurrentItem(item)
        if self.list.currentRow() < 0 and runs:
            self.list.setCurrentRow(0)
        self.setVisible(bool(runs))
        self.begin.setVisible(not busy)
        self._tell()

    def _current(self) -> int | None:
        item = self.list.currentItem()
        return None if item is None else int(item.data(_RUN))

    def _tell(self) -> None:
        place = self.list.currentRow()
        self.up.setEnabled(place > 0)
        self.down.setEnabled(0 <= place < len(self._runs) - 1)
        self.remove.setEnabled(place >= 0)

    def _move(self, by: int) -> None:
        ids, place = [run.id for run in self._runs], self.list.currentRow()
        if 0 <= place + by < len(ids):
            ids[place], ids[place + by] = ids[place + by], ids[place]
            self.order_changed.emit(tuple(ids))

    def _remove(self) -> None:
        chosen = self._current()
        if chosen is not None:
            self.removed.emit(chosen)
