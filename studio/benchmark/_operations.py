"""What a person does with the window all day, one small thing after the other, chosen by a seed."""

from __future__ import annotations

import gc
import random
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, QObject, QThread, QTimer
from PySide6.QtGui import QTextFrame
from PySide6.QtWidgets import QApplication, QDialog
from shiboken6 import isValid

from studio.messages import Kind
from studio.store.edits import EditDraft
from studio.theme import Scheme
from studio.window import PAGES, MainWindow

WORDS = ("Lyon", "Osaka", "Milan", "Kraków", "München", "القاهرة", "北京", "São Paulo", "Ὀδησσός", "Reykjavík")
FILE = "subject,relation,new object\nPeru,capital,Cusco\nChile,capital,Arica\nGhana,capital,Kumasi\n"
SOON = 60.0
"""Seconds that one operation may take."""


class SoakError(RuntimeError):
    """The window said that something was wrong, or did not answer."""


@dataclass(frozen=True, slots=True)
class Census:
    """What there is at one moment."""

    memory: int  # bytes in use by this process
    widgets: int  # of the application
    objects: int  # QObjects of the window
    windows: int  # top-level widgets
    timers: int  # that tick
    threads: int  # of the process
    python: int  # objects that Python's collector knows


class Soak:
    """Does operations on a window with an open project, and counts what is left of them."""

    def __init__(self, window: MainWindow, folder: Path, seed: int, *, ask: bool) -> None:
        """`folder` is for the files that are imported; `ask`: ask the model too, which has to be loaded for it."""
        self.window, self._folder = window, folder
        self._random = random.Random(seed)
        self._number = 0
        self._trouble: list[str] = []
        window.workspace.said.connect(self._listen)
        self.operations: tuple[Callable[[], None], ...] = (
            self.add_fact,
            self.add_fact,
            self.change_cell,
            self.delete_some,
            self.switch_some,
            self.undo,
            self.redo,
            self.search,
            self.narrow,
            self.sort,
            self.turn_page,
            self.turn_page,
            self.zoom,
            self.change_scheme,
            self.open_dialog,
            self.import_file,
            self.back_up,
            self.say,
            self.take_first_steps,
            self.switch_project,
            *((self.compare,) if ask else ()),
        )

    def _listen(self, message: object) -> None:
        kind, text = getattr(message, "kind", None), str(getattr(message, "text", ""))
        if kind is Kind.BUG or (kind is Kind.ERROR and text != self._said):
            self._trouble.append(text)

    _said = "There is no room left on the disk."

    def every_kind(self) -> None:
        """Each operation once: what is built when it is first needed is there afterwards."""
        for name, _ in PAGES:
            self.window.show_page(name)
            self.settle()
        for dialog in range(len(self._dialogs())):
            self._open(dialog)
        for operation in self.operations:
            operation()
            self.settle()

    def step(self) -> str:
        """One operation at random; its name. Raises SoakError."""
        operation = self._random.choice(self.operations)
        operation()
        self.settle()
        return operation.__name__

    def settle(self) -> None:
        """Let the workers end what they were given, and the window show it."""
        window, end = self.window, time.monotonic() + SOON
        quiet = 0
        while quiet < 3:
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
            quiet = 0 if window.database.busy or window.models.busy else quiet + 1
            if time.monotonic() > end:
                raise SoakError("The workers do not come to an end.")
        if self._trouble:
            raise SoakError(self._trouble[0])

    def census(self) -> Census:
        """Count everything, once nothing is left to do: no message, no search, the first page."""
        window = self.window
        window.messages.clear()
        window.facts.search.clear()
        window.facts.filter.setCurrentIndex(0)
        window.facts.form.relation.setCurrentIndex(0)  # each has as many menu entries as phrasings
        window.show_page("facts")
        window.facts.view.clearSelection()
        self.settle()
        time.sleep(0.3)  # timers of the search and the like run out
        self.settle()
        gc.collect()
        return Census(
            psutil.Process().memory_info().rss,
            len(QApplication.allWidgets()),
            # A document makes its frame when it is first laid out, once and for all.
            sum(not isinstance(each, QTextFrame) for each in window.findChildren(QObject)),
            len(QApplication.topLevelWidgets()),
            sum(timer.isActive() for timer in window.findChildren(QTimer)),
            threading.active_count() + sum(thread.isRunning() for thread in window.findChildren(QThread)),
            len(gc.get_objects()),
        )

    # --- operations --------------------------------------------------------------------------------------------

    def add_fact(self) -> None:
        self._number += 1
        form = self.window.facts.form
        self.window.show_page("facts")
        form.subject.setText(f"{self._random.choice(WORDS)} {self._number}")
        form.relation.setCurrentIndex(self._random.randrange(form.relation.count()))
        form.new_object.setText(self._random.choice(WORDS))
        form.add.click()

    def change_cell(self) -> None:
        if row := self._row():
            self.window.facts.table.setData(self.window.facts.table.index(row, 3), self._random.choice(WORDS))

    def delete_some(self) -> None:
        self._select()
        self.window.facts.delete.trigger()

    def switch_some(self) -> None:
        self._select()
        self._random.choice((self.window.facts.switch_on, self.window.facts.switch_off)).trigger()

    def undo(self) -> None:
        self.window.undoing.undo.trigger()

    def redo(self) -> None:
        self.window.undoing.redo.trigger()

    def search(self) -> None:
        self.window.facts.search.setText(self._random.choice((*WORDS, "", "")))

    def narrow(self) -> None:
        box = self.window.facts.filter
        box.setCurrentIndex(self._random.randrange(box.count()))

    def sort(self) -> None:
        header = self.window.facts.view.horizontalHeader()
        self.window.facts.view.sortByColumn(
            self._random.randrange(header.count()),
            self._random.choice(
                (header.sortIndicatorOrder().AscendingOrder, header.sortIndicatorOrder().DescendingOrder)
            ),
        )

    def turn_page(self) -> None:
        self.window.show_page(self._random.choice(PAGES)[0])

    def zoom(self) -> None:
        self.window.appearance.zoom_by(self._random.choice((-1, 1)))
        self.settle()
        self.window.appearance.set_zoom(1.0)

    def change_scheme(self) -> None:
        self.window.appearance.set_scheme(self._random.choice((Scheme.LIGHT, Scheme.DARK)))

    def open_dialog(self) -> None:
        self._open(self._random.randrange(len(self._dialogs())))

    def import_file(self) -> None:
        file = self._folder / "capitals.csv"
        file.write_text(FILE, "utf-8")
        dialog = self.window.facts.import_from(file)
        self.settle()
        if dialog.accept_button.isEnabled() and self._random.random() < 0.5:
            dialog.accept_button.click()
            self.settle()
        if isValid(dialog):
            dialog.reject()

    def back_up(self) -> None:
        self.window.project_actions.back_up.trigger()

    def say(self) -> None:
        self.window.workspace.say(Kind.ERROR, self._said)
        self.window.messages.dismiss()

    def take_first_steps(self) -> None:
        self.window.take_first_steps()
        self.settle()
        self.window.first_steps.next.click()
        self.window.first_steps.skip.click()

    def switch_project(self) -> None:
        """To another project and back."""
        project = self.window.workspace.project
        if project is None:
            raise SoakError("No project is open.")
        other = self._folder / "Other"
        (self.window.projects.open if other.exists() else self.window.projects.create)(other)
        self.settle()
        self.window.projects.open(project.folder)

    def compare(self) -> None:
        from studio.pages.compare.page import ComparePage

        page = self.window.page("compare")
        if isinstance(page, ComparePage):
            self.window.show_page("compare")
            page.ask_question(f"The capital of {self._random.choice(WORDS)} is")

    # --- means -------------------------------------------------------------------------------------------------

    def _dialogs(self) -> tuple[Callable[[], object], ...]:
        window = self.window
        return (
            window.facts.relations.trigger,
            window.project_actions.backups.trigger,
            *(entry.trigger for entry in window.help_entries()),
        )

    def _open(self, number: int) -> None:
        self._dialogs()[number]()
        self.settle()
        for dialog in self.window.findChildren(QDialog):
            dialog.reject()
        self.window.first_steps.end()
        self.settle()

    def _row(self) -> int:
        rows = self.window.facts.table.rowCount()
        return self._random.randrange(rows) if rows else 0

    def _select(self) -> None:
        self.window.show_page("facts")
        self.window.facts.view.selectRow(self._row())

    def grow(self, edits: int) -> None:
        """Begin with so many edits."""
        self.window.facts.deeds.add(
            [
                EditDraft(self._random.choice(WORDS), subject=f"Place {number}", relation="P36")
                for number in range(edits)
            ]
        )
        self.settle()


def told(census: Census) -> dict[str, float]:
    """A census for a file."""
    figures: dict[str, float] = asdict(census)
    figures["memory"] = round(census.memory / 2**20, 1)
    return {"memory, MiB" if name == "memory" else name: value for name, value in figures.items()}
