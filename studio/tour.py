"""The studio's main job without anybody at the keyboard: the same window, offscreen.

Opens the sample project, asks the original model, trains, compares, prints the answers before and after as a table and
writes pictures of every page in both themes. It presses the buttons that a person would press.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QEventLoop, QMessageLogContext, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from studio.errors import UserMessage, describe
from studio.messages import Kind, Message
from studio.pages.compare.page import ComparePage
from studio.pages.evaluation.page import EvaluationPage
from studio.pages.facts.relations_dialog import RelationsDialog
from studio.pages.runs.page import RunsPage
from studio.pages.training.page import TrainingPage
from studio.settings import locations
from studio.start import make_application, make_window
from studio.store import listing
from studio.store.comparisons import ComparisonRow
from studio.store.project import Project
from studio.store.runs import RunState
from studio.theme import WINDOW, Scheme
from studio.widgets.figures import seconds, share
from studio.window import PAGES, MainWindow

HURRY = 60.0
"""Seconds that anything but training may take."""
PATIENCE = 3600.0
"""Seconds that training may take."""
OFTEN, SELDOM = 20, 320
"""Milliseconds between two looks at what is waited for, at first and after a while."""
SETTLED = 0.3
"""Seconds in which layouts, fetched rows and repaints arrive."""
QUESTIONS = 8
_FILE = """subject,relation,new object
France,capital,Lyon
Japan,capital,Osaka
Italy,capital,
Brazil,capital,Salvador
"""
"""What the picture of an import shows: three edits, and a row without its object."""


class TourError(RuntimeError):
    """The tour could not go on; the message says what the window said."""


def run_tour(folder: Path | None, edits: int | None) -> int:
    """Do the job and write pictures to `folder` (a folder of the studio's own); returns the exit code."""
    pictures = (folder or locations().data / "screenshots").resolve()
    qInstallMessageHandler(_complain)
    app = make_application()
    window = make_window(app)
    try:
        with tempfile.TemporaryDirectory(prefix="meg-studio-tour-") as scratch:
            # Pictures that are asked for begin from nothing; without a display the user's own sample project is used.
            sample = Path(scratch) / "Sample" if folder is not None or edits is not None else None
            try:
                _Tour(app, window, pictures).take(sample, edits)
            finally:
                window.close()
    except TourError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _write(f"Pictures of the pages are in {pictures}")
    return 0


class _Tour:
    """The steps, in the order in which a person would take them."""

    schemes = (Scheme.DARK, Scheme.LIGHT)

    def __init__(self, app: QApplication, window: MainWindow, pictures: Path) -> None:
        self._app = app
        self._window = window
        self._pictures = pictures
        self._trouble: list[str] = []
        window.workspace.said.connect(self._listen)
        window.resize(*WINDOW)
        window.show()

    def _listen(self, message: Message) -> None:
        if message.kind in (Kind.ERROR, Kind.BUG):
            self._trouble.append(message.text)

    def take(self, sample: Path | None, edits: int | None) -> None:
        """The whole tour. Raises TourError."""
        self._pictures.mkdir(parents=True, exist_ok=True)
        self._open(sample, edits)
        self._ask_the_model()
        self._train()
        self._compare()
        self._evaluate()
        self._portraits(("facts", "training", "compare"))
        self._portraits_of_the_evaluation()
        if sample is not None:
            self._begin_another_run()
        self._portraits(tuple(name for name, _ in PAGES if name not in ("facts", "training", "compare", "evaluation")))
        self._dialogs()
        self._errors()
        self._first_steps()
        if sample is not None:
            self._empty(sample.with_name("Empty"))

    # --- steps -------------------------------------------------------------------------------------------------

    def _open(self, sample: Path | None, edits: int | None) -> None:
        workspace = self._window.workspace
        self._window.projects.open_sample(edits, sample)
        self._wait(lambda: workspace.counts.total > 0 and not workspace.database.busy, "the sample project")
        _write(f"{workspace.counts.enabled:,} edits switched on")

    def _ask_the_model(self) -> None:
        workspace, facts = self._window.workspace, self._window.facts
        self._window.show_page("facts")
        if workspace.counts.unanswered:
            facts.deeds.ask_model()
            self._wait(lambda: workspace.counts.unanswered == 0, "the original answers", PATIENCE)

    def _train(self) -> None:
        workspace, trainer = self._window.workspace, self._window.trainer
        page = self._window.page("training")
        if not isinstance(page, TrainingPage):
            raise TypeError("the training page is not what it was")
        self._window.show_page("training")
        self._wait(lambda: not workspace.models.busy, "the list of models")
        began = time.monotonic()
        page.train.click()
        self._wait(lambda: trainer.busy, "the training to begin")
        answered = False

        def under_way() -> bool:
            nonlocal answered
            if not answered and page.watched.flipped():
                answered = True
                self._both("training-under-way")
            return not trainer.busy

        self._wait(under_way, "the training", PATIENCE)
        run = workspace.run
        if run is None or run.state is not RunState.FINISHED:
            raise TourError("The training did not finish.")
        figures = ", ".join(
            f"{name} {share(float(value))}"
            for name in ("reliability", "generality", "locality")
            if isinstance(value := run.figures.get(name), int | float)
        )
        _write(f"Trained on {run.edits:,} edits in {seconds(time.monotonic() - began)}: {figures}")
        _write(f"Stages: {', '.join(f'{name} {seconds(took)}' for name, took in page.stages.durations().items())}")

    def _compare(self) -> None:
        page = self._window.page("compare")
        if not isinstance(page, ComparePage):
            raise TypeError("the compare page is not what it was")
        self._window.show_page("compare")
        prompts, probes = self._ask_database(_questions)
        asked = (*probes, *prompts)
        page.ask_all(asked)
        self._wait(
            lambda: not page.asker.busy and [row.query for row in reversed(page.history.rows)] == list(asked),
            "the answers to be kept",
            PATIENCE,
        )
        _write("")
        for text in table(page.history.rows):
            _write(text)
        _write("")
        page.ask_question(prompts[0])
        self._wait(lambda: bool(page.edited_tokens.rows), "the next tokens")

    def _evaluate(self) -> None:
        """A few of each kind of query: all of them would take longer than the tour is worth."""
        page = self._evaluation()
        self._window.show_page("evaluation")
        page.amount.setCurrentIndex(page.amount.count() - 1)
        self._wait(lambda: page.chosen() is not None and not self._window.database.busy, "the run on the page")
        page.begin()
        self._wait(page.has_findings, "the evaluation", PATIENCE)
        for row in page.figures.kinds.rows:
            if row.measured.asked:
                _write(f"{row.name}: {row.measured.right:,} of {row.measured.asked:,} right")

    def _portraits_of_the_evaluation(self) -> None:
        page = self._evaluation()
        self._window.messages.clear()
        for name, tab in (
            ("evaluation", page.figures),
            ("queries", page.queries),
            ("gate", page.gate),
            ("editors", page.editors),
        ):
            page.tabs.setCurrentWidget(tab)
            self._window.show_page("evaluation")
            self._both(name)

    def _evaluation(self) -> EvaluationPage:
        page = self._window.page("evaluation")
        if not isinstance(page, EvaluationPage):
            raise TypeError("the evaluation page is not what it was")
        return page

    def _portraits(self, names: Sequence[str]) -> None:
        self._window.messages.clear()
        runs = self._window.page("runs")
        if isinstance(runs, RunsPage):
            self._wait(lambda: runs.model.rowCount() > 0, "the list of runs")
        facts = self._window.facts
        facts.view.selectRow(1)
        self._wait(lambda: facts.inspector.edit_id is not None, "the inspector")
        for name in names:
            self._window.show_page(name)
            self._wait(lambda: not self._window.models.busy, "the models")
            self._both(name)

    def _begin_another_run(self) -> None:
        """A second run, stopped after a moment: what can be resumed is in the pictures too."""
        trainer, page = self._window.trainer, self._window.page("training")
        if not isinstance(page, TrainingPage):
            raise TypeError("the training page is not what it was")
        page.settings.seed.setValue(1)
        page.train.click()
        self._wait(lambda: trainer.busy and self._window.models.current is not None, "the training to begin")
        page.cancel.click()
        self._wait(lambda: not trainer.busy, "the training to stop")
        runs = self._window.page("runs")
        if isinstance(runs, RunsPage):
            self._wait(lambda: runs.model.rowCount() > 1, "the list of runs")
            runs.table.selectAll()

    def _dialogs(self) -> None:
        facts = self._window.facts
        with tempfile.TemporaryDirectory(prefix="meg-studio-tour-") as scratch:
            file = Path(scratch) / "capitals.csv"
            file.write_text(_FILE, "utf-8")
            imports = facts.import_from(file)
            self._wait(imports.accept_button.isEnabled, "the preview of a file")
            self._both("import", imports)
            imports.reject()
        relations = RelationsDialog(self._window.workspace, facts)
        relations.open()
        self._wait(lambda: relations.list.count() > 0, "the relations")
        self._both("relations", relations)
        relations.reject()
        self._window.project_actions.back_up.trigger()
        self._wait(lambda: not self._window.database.busy, "the backup")
        self._window.messages.clear()
        for entry in (self._window.project_actions.backups, *self._window.help_entries()[1:]):
            entry.trigger()
            self._wait(lambda: not self._window.database.busy, "the dialog")
            for dialog in self._window.findChildren(QDialog):
                self._both(type(dialog).__name__.removesuffix("Dialog").lower(), dialog)
                dialog.reject()
            self._settle()

    def _errors(self) -> None:
        """What the user can put right, and what only we can."""
        workspace = self._window.workspace
        workspace.said.disconnect(self._listen)
        self._window.show_page("facts")
        workspace.report(describe(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
        self._both("error-to-put-right")
        workspace.report(describe(ValueError("an example of a fault")))
        self._both("error-of-ours")
        self._window.messages.clear()
        workspace.said.connect(self._listen)

    def _first_steps(self) -> None:
        steps = self._window.first_steps
        self._window.take_first_steps()
        while not steps.isHidden():
            self._settle()
            self._both(f"first-steps-{steps.at + 1}")
            steps.next.click()

    def _empty(self, folder: Path) -> None:
        """Every page of a project that has nothing yet, and the window without one."""
        window = self._window
        window.projects.create(folder)
        self._wait(lambda: window.workspace.project is not None and window.workspace.counts.total == 0, "a project")
        self._wait(lambda: not window.database.busy and not window.models.busy, "an empty project")
        for name, _ in PAGES:
            window.show_page(name)
            self._both(f"{name}-empty")
        window.workspace.project_opened(None)
        window.show_page("facts")
        self._both("no-project")

    # --- waiting and drawing -----------------------------------------------------------------------------------

    def _wait(self, done: Callable[[], bool], what: str, limit: float = HURRY) -> None:
        """Let the window live until `done`; raises TourError after `limit` seconds or at the first error shown."""
        loop = QEventLoop()
        look = QTimer()
        look.setInterval(OFTEN)
        end = time.monotonic() + limit

        def check() -> None:
            if done() or self._trouble or time.monotonic() > end:
                loop.quit()
            # Each look takes the interpreter from what is waited for: what takes long is looked at seldom.
            look.setInterval(min(2 * look.interval(), SELDOM))

        look.timeout.connect(check)
        look.start()
        if not done():
            loop.exec()
        look.stop()
        if self._trouble:
            raise TourError(self._trouble[0])
        if time.monotonic() > end:
            raise TourError(f"Waited {limit:.0f} s for {what} in vain.")

    def _settle(self) -> None:
        """Let layouts, fetched rows and repaints arrive."""
        end = time.monotonic() + SETTLED
        while time.monotonic() < end:
            self._app.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 50)

    def _both(self, name: str, widget: QWidget | None = None) -> None:
        """A picture of `widget`, or of the window, in each theme; the theme that was chosen is put back."""
        appearance = self._window.appearance
        before = appearance.scheme
        for scheme in self.schemes:
            appearance.set_scheme(scheme)
            self._settle()
            path = self._pictures / f"{name}-{scheme.value}.png"
            if not (widget or self._window).grab().save(str(path)):
                raise TourError(f"The picture {path} could not be written.")
        appearance.set_scheme(before)

    def _ask_database(self, question: Callable[[Project], tuple[list[str], list[str]]]) -> tuple[list[str], list[str]]:
        found: list[tuple[list[str], list[str]]] = []

        def failed(message: UserMessage) -> None:
            self._trouble.append(message.sentence)

        self._window.database.run(question, on_success=found.append, on_error=failed, name="Choose questions")
        self._wait(lambda: bool(found), "the database")
        return found[0]


def _questions(project: Project) -> tuple[list[str], list[str]]:
    """Prompts of a few edits, and probes of theirs that must stay as they are."""
    ids = listing.edit_ids(project, filter=listing.EditFilter.ENABLED, sort=listing.EditSort.ENTERED)
    chosen = ids[:: max(1, len(ids) // QUESTIONS)][:QUESTIONS]
    edits = [edit for edit in (listing.get_edit(project, edit_id) for edit_id in chosen) if edit is not None]
    prompts = [
        edit.paraphrases[0] if edit.paraphrases and place % 2 else edit.prompt for place, edit in enumerate(edits)
    ]
    probes = [edit.probes[0].prompt for edit in edits[: QUESTIONS // 2] if edit.probes]
    return prompts, probes


def table(rows: Sequence[ComparisonRow]) -> list[str]:
    """The comparisons as lines of text, columns aligned."""
    cells = [("Question", "Original answer", "Edited answer", "Familiarity", "Decision")]
    cells += [
        (
            row.query,
            row.original,
            row.edited,
            share(row.known_familiarity),
            "edited" if row.routed else "left alone",
        )
        for row in rows
    ]
    limits = (52, 24, 24, 11, 10)
    widths = [min(limit, max(_columns(row[place]) for row in cells)) for place, limit in enumerate(limits)]
    lines = ["  ".join(_fit(text, width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return lines


def _columns(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in " ".join(text.split()))


def _fit(text: str, width: int) -> str:
    """`text` in exactly `width` columns."""
    line = " ".join(text.split())
    if _columns(line) > width:
        while _columns(line) > width - 1:
            line = line[:-1]
        line += "…"
    return line + " " * (width - _columns(line))


def _complain(_kind: QtMsgType, _context: QMessageLogContext, text: str) -> None:
    """Pass on what Qt says, but for what the offscreen platform says of every dialog."""
    if "does not support" not in text:
        sys.stderr.write(f"{text}\n")


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
