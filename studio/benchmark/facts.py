"""How the Facts page does with 100,000 edits.

It opens the real window on a project made for it, presses what a person would press, and notes how long each thing took
until its result was painted, the longest pause of the window meanwhile, and the memory of the process. It never fails:
the figures are for a person to judge.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
from PySide6.QtCore import QEventLoop, QItemSelection, QItemSelectionModel, Qt, QTimer
from PySide6.QtWidgets import QApplication

from assets import catalogue
from studio.benchmark import _record
from studio.pages.facts.columns import HEADINGS, Column
from studio.settings import HOME
from studio.start import make_application, make_window
from studio.store.edits import EditDraft, add_edits
from studio.store.listing import EditFilter
from studio.store.project import Project
from studio.window import MainWindow

PATIENCE = 60.0
"""Seconds that anything may take."""
TICK = 2
"""Milliseconds between two ticks of the clock that shows how long the window paused."""
SCROLLS = 60
OTHER = "other"
"""The project of one edit that is open before."""
SEARCHES = ("koriba tane", "mosildra", "place of", "baneüL", "q")
_SYLLABLES = ("ba", "ko", "ri", "ta", "ne", "mo", "sil", "dra", "pon", "ver", "ül", "ça")


@dataclass
class Figures:
    """The milliseconds that one thing took each time, the processor's too, and the longest pause of the window."""

    what: str
    taken: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    pause: float = 0.0

    def row(self) -> dict[str, object]:
        """What is written down."""
        ordered = sorted(self.taken)
        return {
            "what": self.what,
            "times": len(ordered),
            "median_ms": round(statistics.median(ordered), 1),
            "p95_ms": round(ordered[round(0.95 * (len(ordered) - 1))], 1),
            "most_ms": round(ordered[-1], 1),
            "processor_median_ms": round(statistics.median(self.busy), 1),
            "longest_pause_ms": round(self.pause, 1),
        }


class FactsBenchmark:
    """One window and the project in it."""

    def __init__(self, app: QApplication, window: MainWindow, edits: int, pasted: int) -> None:
        self._app = app
        self._window = window
        self._edits, self._pasted = edits, pasted
        self._figures: dict[str, Figures] = {}
        self._memory: list[dict[str, object]] = []
        self._ticked = time.perf_counter()
        self._pause = 0.0
        self._clock = QTimer(window)
        self._clock.setTimerType(Qt.TimerType.PreciseTimer)
        self._clock.timeout.connect(self._tick)
        self._clock.start(TICK)

    def take(self, folder: Path) -> dict[str, list[dict[str, object]]]:
        """Everything, in the order in which a person would do it."""
        self._weigh("window without a project")
        for _ in range(3):
            self._open(folder)
        self._weigh("project open, first rows painted")
        self._settle()
        self._scroll()
        self._weigh("scrolled through the table")
        self._search()
        self._sort()
        self._filter()
        self._weigh("searched, sorted by every column, filtered")
        self._change()
        self._bulk()
        self._weigh("pasted, deleted and brought back")
        return {"measured": [each.row() for each in self._figures.values()], "memory": self._memory}

    # --- what is done ------------------------------------------------------------------------------------------

    def _open(self, folder: Path) -> None:
        self._go_to(folder.with_name(OTHER), 1)  # a project that is open already is not opened
        with self._measured("open the project until its first rows are painted"):
            self._go_to(folder, self._edits)

    def _go_to(self, folder: Path, edits: int) -> None:
        table, workspace = self._window.facts.table, self._window.workspace
        before = workspace.project  # it stays, its rows on show, until the one that is opened takes its place
        self._window.projects.open(folder)
        self._wait(lambda: workspace.project is not before)
        self._wait(lambda: len(table.ids) == edits and self._painted())

    def _scroll(self) -> None:
        bar = self._window.facts.view.verticalScrollBar()
        step = bar.pageStep()
        for place in [*range(step, step * SCROLLS, step), *(bar.maximum() * n // 10 for n in range(1, 11))]:
            with self._measured("scroll: a page down, or a tenth of the table, until its rows are painted"):
                bar.setValue(place)
                self._wait(self._painted)
        bar.setValue(0)

    def _search(self) -> None:
        search, table = self._window.facts.search, self._window.facts.table
        for text in SEARCHES:
            for letter in text:
                if letter == " ":
                    search.insert(letter)  # asks for nothing else
                    continue
                with self._measured("search: a keystroke until its rows are painted"):
                    self._listed(partial(search.insert, letter))
            with self._measured("search: all edits again"):
                self._listed(search.clear)
            self._wait(lambda: len(table.ids) == self._edits)

    def _sort(self) -> None:
        header = self._window.facts.view.horizontalHeader()
        for column in Column:
            for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
                with self._measured(f"sort by {HEADINGS[column].title.casefold()}"):
                    self._listed(partial(header.setSortIndicator, column, order))
        self._listed(lambda: header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder))

    def _filter(self) -> None:
        box = self._window.facts.filter
        for wanted in EditFilter:
            if box.findData(wanted) > 0:
                with self._measured("filter"):
                    self._listed(partial(box.setCurrentIndex, box.findData(wanted)))
        with self._measured("filter"):
            self._listed(lambda: box.setCurrentIndex(0))

    def _change(self) -> None:
        facts = self._window.facts
        for place in range(10):
            index = facts.table.index(place, Column.NEW_OBJECT)
            with self._measured("change a cell until every mark and count is up to date"):
                facts.table.setData(index, f"Elsewhere {place}")
                self._settle()
            with self._measured("undo that"):
                self._window.undoing.undo.trigger()
                self._settle()

    def _bulk(self) -> None:
        facts, undoing, clipboard = self._window.facts, self._window.undoing, self._app.clipboard()
        relation = next(iter(catalogue.relations().values())).name
        covered = min(self._pasted, self._edits)
        clipboard.setText("\n".join(f"Town {n}" for n in range(covered)))
        column = QItemSelection(
            facts.table.index(0, Column.NEW_OBJECT), facts.table.index(covered - 1, Column.NEW_OBJECT)
        )
        facts.view.selectionModel().select(column, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self._settle()
        for what, deed in (
            (f"paste over {covered:,} cells", facts.paste_over.trigger),
            ("undo the paste over them", undoing.undo.trigger),
        ):
            with self._measured(what):
                deed()
                self._settle()
        clipboard.setText("\n".join(f"Land {n}\t{relation}\tTown {n}" for n in range(self._pasted)))
        for what, deed in (
            (f"paste {self._pasted:,} rows", facts.paste.trigger),
            ("undo the paste", undoing.undo.trigger),
            ("redo the paste", undoing.redo.trigger),
            ("undo it again", undoing.undo.trigger),
            ("select every edit", facts.view.selectAll),
            ("delete every edit", facts.delete.trigger),
            ("undo the deletion", undoing.undo.trigger),
        ):
            with self._measured(what):
                deed()
                self._settle()
        facts.view.selectionModel().select(facts.table.index(0, 0), QItemSelectionModel.SelectionFlag.ClearAndSelect)

    # --- how it is measured ------------------------------------------------------------------------------------

    @contextmanager
    def _measured(self, what: str) -> Iterator[None]:
        figures = self._figures.setdefault(what, Figures(what))
        self._app.processEvents()
        self._pause, self._ticked = 0.0, time.perf_counter()
        started, worked = time.perf_counter(), time.process_time()
        yield
        figures.busy.append((time.process_time() - worked) * 1_000)
        figures.taken.append((time.perf_counter() - started) * 1_000)
        self._app.processEvents()
        self._tick()
        figures.pause = max(figures.pause, self._pause)

    def _tick(self) -> None:
        now = time.perf_counter()
        self._pause = max(self._pause, (now - self._ticked) * 1_000 - TICK)
        self._ticked = now

    def _listed(self, deed: Callable[[], object]) -> None:
        """Do what lists other edits, and wait until they are painted."""
        answers: list[bool] = []
        listed = self._window.facts.table.listed

        def answered() -> None:
            answers.append(True)

        listed.connect(answered)
        deed()
        self._wait(lambda: bool(answers) and self._painted())
        listed.disconnect(answered)

    def _painted(self) -> bool:
        """Paint the rows on show; whether each of them has arrived."""
        facts = self._window.facts
        first = max(facts.view.rowAt(0), 0)
        last = facts.view.rowAt(facts.view.viewport().height() - 1)
        rows = range(first, min(len(facts.table.ids), last + 1 if last >= 0 else len(facts.table.ids)))
        if any(facts.table.known_row(row) is None for row in rows):
            return False
        facts.view.viewport().repaint()
        return True

    def _settle(self) -> None:
        """Wait until nothing is under way and the rows on show are painted."""
        for _ in range(2):
            self._app.processEvents()
            self._wait(lambda: not self._window.database.busy and self._painted())

    def _wait(self, done: Callable[[], bool]) -> None:
        until = time.perf_counter() + PATIENCE
        while not done():
            if time.perf_counter() > until:
                raise TimeoutError("The window did not come to rest.")
            self._app.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, TICK)
            time.sleep(0.002)

    def _weigh(self, when: str) -> None:
        used = psutil.Process().memory_info().rss
        self._memory.append({"when": when, "resident_mib": round(used / 2**20)})


def make_project(folder: Path, edits: int) -> None:
    """A project of so many edits over the built-in relations; every tenth subject is asked for twice."""
    draw = random.Random(1)
    relations = catalogue.relations()

    def word() -> str:
        return "".join(draw.choices(_SYLLABLES, k=draw.randint(2, 4))).title()

    drafts = [
        EditDraft(
            word(),
            f"{word()} {word()}",
            draw.choice(list(relations)),
            original_answer=word() if draw.random() < 0.7 else "",
            paraphrases=(f"{word()} {word()} is", f"{word()} {word()} has"),
            enabled=draw.random() < 0.95,
        )
        for _ in range(edits)
    ]
    project = Project.create(folder, "Benchmark", relations)
    try:
        add_edits(project, drafts)
    finally:
        project.close()


def main(arguments: Sequence[str]) -> int:
    """Measure, tell, and write the figures where they were asked for."""
    parser = argparse.ArgumentParser(prog="python -m studio.benchmark facts", description=__doc__)
    parser.add_argument("--edits", type=int, default=100_000, metavar="N", help="edits of the project (100000)")
    parser.add_argument("--pasted", type=int, default=5_000, metavar="N", help="rows that are pasted (5000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures in FILE")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="meg-studio-benchmark-") as scratch:
        os.environ[HOME] = str(Path(scratch) / "home")
        folder = Path(scratch) / "project"
        for place, edits in ((folder, options.edits), (folder.with_name(OTHER), 1)):
            # In a process of its own: what it takes to make the project must not count as the window's memory.
            maker = multiprocessing.get_context("spawn").Process(target=make_project, args=(place, edits))
            maker.start()
            maker.join()
        size = (folder / "project.sqlite").stat().st_size
        app = make_application()
        window = make_window(app)
        window.show()
        try:
            found = FactsBenchmark(app, window, options.edits, options.pasted).take(folder)
        finally:
            window.close()
    about = {"edits": options.edits, "pasted": options.pasted, "project_mib": round(size / 2**20, 1)}
    _record.write(options.json, "facts", arguments, {**about, **found})
    _tell(found)
    return 0


def _tell(found: Mapping[str, Sequence[Mapping[str, object]]]) -> None:
    """The figures as the table that docs/bench/README.md shows."""
    lines = [
        "| what | times | median | 95 % | most | processor, median | longest pause of the window |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['what']} | {row['times']} | {row['median_ms']} ms | {row['p95_ms']} ms | {row['most_ms']} ms "
        f"| {row['processor_median_ms']} ms | {row['longest_pause_ms']} ms |"
        for row in found["measured"]
    ]
    lines += ["", *(f"{row['when']}: {row['resident_mib']} MiB" for row in found["memory"])]
    sys.stderr.write("\n".join(lines) + "\n")
