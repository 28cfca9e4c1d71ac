"""The Evaluation page: what a run's edits came to, asked query by query, and kept with the run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QStackedWidget, QTabWidget, QVBoxLayout, QWidget

from engine.comparison.comparison import Comparison, read_comparison
from engine.comparison.document import write_comparison_report
from engine.evaluation.document import ENDING, Subject, write_report
from engine.evaluation.report import Report
from engine.runs import Cancel, ProgressBoard
from studio.errors import UserMessage
from studio.evaluating import EvaluationOrder, Findings, evaluate_run, findings_of, run_figures
from studio.jobs import Job
from studio.messages import Kind
from studio.model_jobs import Engagement
from studio.pages.evaluation.beside_tab import BesideTab
from studio.pages.evaluation.editors_tab import EditorsTab
from studio.pages.evaluation.figures_tab import FiguresTab
from studio.pages.evaluation.gate_tab import GateTab
from studio.pages.evaluation.queries_tab import QueriesTab
from studio.side_by_side import comparison_of
from studio.store import runs as keeping
from studio.store.changes import Changes
from studio.store.project import Project
from studio.store.runs import RunRow, RunState
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.empty_state import EmptyState
from studio.widgets.figures import count, figure, share
from studio.widgets.files import choose_file, choose_target
from studio.widgets.job_strip import JobStrip
from studio.widgets.labels import page_title
from studio.widgets.run_words import called, editor_name, settings_in_words
from studio.words import deferred, tr
from studio.workspace import Workspace

AMOUNTS: tuple[tuple[str, int | None], ...] = (
    (deferred("All questions"), None),
    (deferred("At most 2,000 of each kind"), 2_000),
    (deferred("At most 500 of each kind"), 500),
    (deferred("At most 100 of each kind"), 100),
)
"""How many queries are asked, by what the choice is called."""
_NO_RUN, _NOT_EVALUATED, _FOUND = range(3)


class EvaluationPage(QWidget):
    """A run to choose, a button that evaluates it, and five views of what was found."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._runs: list[RunRow] = []
        self._found: Findings | None = None
        self._found_of: RunRow | None = None
        self._followed: int | None = None  # the run in use that the page has gone over to
        self._job: Job | None = None
        self._evaluating: int | None = None  # the run that the job evaluates
        self._to_evaluate: list[RunRow] = []  # after it
        self.run = QComboBox()
        self.run.setAccessibleName(tr("Run to evaluate"))
        self.run.setMinimumWidth(28 * SPACE)
        self.amount = QComboBox()
        self.amount.setAccessibleName(tr("How many questions are asked"))
        for name, most in AMOUNTS:
            self.amount.addItem(tr(name), most)
        self.evaluate = button(
            "Evaluate", "evaluation", primary=True, tip=tr("Ask every prompt, paraphrase and probe of the run's edits.")
        )
        self.report = button(
            "Report…", "export", tip=tr("Write a page to keep or print, with every question in a JSON file.")
        )
        self.strip = JobStrip()
        self.figures = FiguresTab()
        self.queries = QueriesTab()
        self.gate = GateTab()
        self.beside = BesideTab()
        self.editors = EditorsTab()
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName(tr("Views of the evaluation"))
        self._places = QStackedWidget()
        self._lay_out()
        self.setFocusProxy(self.run)
        self._connect()
        self._project_changed()

    def _lay_out(self) -> None:
        for name, tab in (
            (tr("Figures"), self.figures),
            (tr("Questions"), self.queries),
            (tr("Gate"), self.gate),
            (tr("Two runs"), self.beside),
            (tr("Editors side by side"), self.editors),
        ):
            self.tabs.addTab(tab, name)
        to_training = button("Go to Training", "training", primary=True)
        to_training.clicked.connect(lambda _checked=False: self._workspace.page_asked.emit("training"))
        self._places.addWidget(
            EmptyState(
                "evaluation",
                "Nothing to evaluate yet",
                "An evaluation asks a finished run everything that its edits can be asked: prompts, paraphrases, and "
                "probes whose answers must not change. Train first.",
                to_training,
                self._opening(),
            )
        )
        begin = button("Evaluate this run", "evaluation", primary=True)
        begin.clicked.connect(lambda _checked=False: self.begin())
        self._begin = begin
        self._places.addWidget(
            EmptyState(
                "evaluation",
                "This run is not evaluated yet",
                "Its prompts, paraphrases and probes are asked of both models. It can be stopped and gone on with; "
                "what is found is kept with the run.",
                begin,
                self._opening(),
            )
        )
        self._places.addWidget(self.tabs)
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(page_title("Evaluation"))
        head.addSpacing(SPACE)
        head.addWidget(self.run)
        head.addWidget(self.amount)
        head.addStretch(1)
        head.addWidget(self.report)
        head.addWidget(self.evaluate)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addLayout(head)
        box.addWidget(self.strip)
        box.addWidget(self._places, 1)

    def _connect(self) -> None:
        workspace = self._workspace
        workspace.project_changed.connect(self._project_changed)
        workspace.changed.connect(self._take_changes)
        workspace.engagement_changed.connect(self._follow_use)
        workspace.training_changed.connect(lambda _: self._tell())
        workspace.relations_changed.connect(self._read_findings)
        self.run.currentIndexChanged.connect(lambda _: self._run_chosen())
        self.evaluate.clicked.connect(lambda _checked=False: self.begin())
        self.report.clicked.connect(lambda _checked=False: self._choose_report())
        self.figures.relation_asked.connect(self._show_relation)
        self.queries.edit_asked.connect(self._show_edit)
        self.beside.edit_asked.connect(self._show_edit)
        self.beside.other_asked.connect(self._read_other)
        self.beside.evaluation_asked.connect(self._evaluate_other)
        self.gate.threshold_asked.connect(self._use_threshold)
        self.editors.comparison_asked.connect(self._compare_runs)
        self.editors.evaluations_asked.connect(self._evaluate_all)
        self.editors.open_asked.connect(self._choose_comparison)
        self.editors.export_asked.connect(self._choose_export)

    def _opening(self) -> QPushButton:
        made = button("Open a comparison…", "folder", tip=tr("A JSON file that “meg compare” wrote."))
        made.clicked.connect(lambda _checked=False: self._choose_comparison())
        return made

    # --- which run ---------------------------------------------------------------------------------------------

    def _project_changed(self) -> None:
        self.setEnabled(self._workspace.project is not None)
        self._to_evaluate = []
        self._take_runs([])
        if self._workspace.project is not None:
            self._read_runs()

    def _take_changes(self, changes: Changes) -> None:
        if changes.runs:
            self._read_runs()

    def _read_runs(self) -> None:
        self._workspace.database.run(keeping.runs, on_success=self._take_runs, owner=self, name="Read the runs")

    def _take_runs(self, runs: list[RunRow]) -> None:
        before = self.chosen()
        self._runs = [run for run in runs if run.state is RunState.FINISHED]
        if self._job is not None and self._evaluating not in {run.id for run in runs}:
            self._job.stop()  # its run was deleted, or is that of another project
        with QSignalBlocker(self.run):
            self.run.clear()
            for run in self._runs:
                told = (called(run), editor_name(run), count(run.edits, "edit"))
                self.run.addItem(" · ".join(told), run.id)
            self._choose(before)
        self._follow_use()
        self._run_chosen()

    def _choose(self, run: RunRow | None) -> None:
        places = [place for place, one in enumerate(self._runs) if run is not None and one.id == run.id]
        self.run.setCurrentIndex(places[0] if places else 0 if self._runs else -1)

    def _follow_use(self) -> None:
        """A pack that was just put to use is what one wants to see evaluated."""
        in_use = self._workspace.run
        if in_use is None:
            self._followed = None
        elif in_use.id != self._followed and in_use.id in {run.id for run in self._runs} and self._job is None:
            self._followed = in_use.id
            self._choose(in_use)

    def chosen(self) -> RunRow | None:
        """The run on the page."""
        place = self.run.currentIndex()
        return self._runs[place] if 0 <= place < len(self._runs) else None

    def has_findings(self) -> bool:
        """Whether the evaluation of the chosen run is on the page."""
        return self._found is not None

    def _run_chosen(self) -> None:
        run = self.chosen()
        if run is None or self._found_of is None or run.id != self._found_of.id:
            self._found = self._found_of = None
        snapshot = run.snapshot if run is not None else ""
        self.editors.show_runs([one for one in self._runs if one.snapshot == snapshot])
        self._tell()
        self._read_findings()

    def _read_findings(self) -> None:
        run = self.chosen()
        if run is None:
            return
        if self._found is not None and self._found_of is not None and self._found_of.id == run.id:
            self._show(run, self._found)  # its name or its threshold may have changed
            return
        names = self._names()
        self._workspace.database.run(
            lambda _project: findings_of(run, names),
            on_success=partial(self._take_findings, run),
            owner=self,
            name="Read the evaluation",
        )

    def _take_findings(self, run: RunRow, found: Findings | None) -> None:
        chosen = self.chosen()
        if chosen is None or chosen.id != run.id:
            return
        if found is None:
            self._found = self._found_of = None
        else:
            self._show(chosen, found)
        self._tell()

    def _show(self, run: RunRow, found: Findings) -> None:
        fresh = self._found is not found
        self._found, self._found_of = found, run
        calibrated = figure(run.figures, "threshold")
        in_use = run.threshold if run.threshold is not None else calibrated
        if in_use is None:
            in_use = found.evaluation.head.threshold
        self.tabs.setTabVisible(self.tabs.indexOf(self.gate), run.gated)
        self.figures.show_findings(found, in_use, gated=run.gated)
        if fresh:
            self.queries.show_findings(found, gated=run.gated)
        self.gate.show_findings(found, in_use, calibrated if calibrated is not None else in_use)
        self.beside.show_findings(run, found, [other for other in self._runs if other.id != run.id])
        self._tell()

    def _names(self) -> dict[str, str]:
        return {relation.id: relation.name for relation in self._workspace.relations}

    def _tell(self) -> None:
        """Show the place that fits, and enable what can be done."""
        run, busy = self.chosen(), self._job is not None
        place = _NO_RUN if run is None else _NOT_EVALUATED if self._found is None else _FOUND
        # A comparison that was opened is looked at with or without a run.
        self._places.setCurrentIndex(_FOUND if self.editors.opened else place)
        for tab in (self.figures, self.queries, self.gate, self.beside):
            self.tabs.setTabEnabled(self.tabs.indexOf(tab), place == _FOUND)
        free = run is not None and not busy and not self._workspace.training
        self.run.setEnabled(bool(self._runs) and not busy)
        self.amount.setEnabled(free)
        self.evaluate.setEnabled(free)
        self.evaluate.setText(tr("Evaluate again") if self._found is not None else tr("Evaluate"))
        self.evaluate.setAccessibleName(self.evaluate.text())
        self.evaluate.setVisible(place != _NOT_EVALUATED)
        self._begin.setEnabled(free)
        self.beside.evaluate.setEnabled(free)
        self.editors.allow(free)
        self.report.setEnabled(self._found is not None)

    # --- evaluating --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Evaluate the chosen run, from where an evaluation of it was stopped."""
        run = self.chosen()
        if run is not None:
            self._evaluate(run)

    def _evaluate_other(self, run: RunRow | None) -> None:
        if run is not None:
            self._evaluate(run)

    def _evaluate_all(self, runs: tuple[RunRow, ...]) -> None:
        """Evaluate `runs`, one after the other."""
        if runs and self._job is None:
            self._to_evaluate = list(runs[1:])
            self._evaluate(runs[0])

    def _evaluate(self, run: RunRow) -> None:
        if self._job is not None or self._workspace.training:
            return
        engagement = Engagement(self._workspace.source_of(run), threshold=run.threshold)
        order = EvaluationOrder(engagement, run.folder, self.amount.currentData())
        board, cancel = ProgressBoard(), Cancel()
        self._evaluating = run.id
        self._job = self._workspace.models.run(
            lambda shelf: evaluate_run(shelf, order, board, cancel),
            on_success=partial(self._evaluated, run),
            on_error=lambda message: self._unless_deleted(run, partial(self._failed, message)),
            on_cancelled=lambda: self._unless_deleted(run, self._cancelled),
            cancel=cancel,
            owner=self,
            name=tr("Evaluate"),
        )
        self.strip.follow(self._job, board)
        self._tell()

    def _evaluated(self, run: RunRow, report: Report) -> None:
        self._job = None
        project = self._workspace.project
        if project is None or run.folder.parent != project.runs_folder:
            self._tell()
            return
        self._found = self._found_of = None
        self._workspace.database.run(
            lambda project: _note(project, run.id, report),
            on_success=lambda _: self._noted(run, report),
            on_error=self._not_noted,
            owner=self,
            name="Keep the figures",
        )

    def _noted(self, run: RunRow, report: Report) -> None:
        score = report.score()
        told = tr("score {score}, ", score=share(score)) if score is not None else ""
        wrong = tr("{wrong} of {asked} questions wrong", wrong=f"{len(report.wrong):,}", asked=f"{len(report.asked):,}")
        self._workspace.say(
            Kind.GOOD, tr("{run} is evaluated: {told}{wrong}.", run=called(run), told=told, wrong=wrong)
        )
        if self._to_evaluate:
            self._evaluate(self._to_evaluate.pop(0))
        self._tell()

    def _not_noted(self, message: UserMessage) -> None:
        self._to_evaluate = []
        self._failed(message)

    def _unless_deleted(self, run: RunRow, tell: Callable[[], None]) -> None:
        """Tell how an evaluation ended, but for one whose run was deleted meanwhile: there is nothing left to mend."""
        self._job, self._to_evaluate = None, []
        self._tell()
        project = self._workspace.project
        if project is None or run.folder.parent != project.runs_folder:
            tell()
            return
        self._workspace.database.run(
            lambda project: keeping.get_run(project, run.id),
            on_success=lambda found: (
                tell()
                if found is not None
                else self._workspace.say(Kind.INFO, tr("Evaluation stopped: its run was deleted."))
            ),
            on_cancelled=tell,
            owner=self,
            name="Read the run",
        )

    def _failed(self, message: UserMessage) -> None:
        self._workspace.report(message)
        self._tell()
        self._read_findings()

    def _cancelled(self) -> None:
        self._workspace.say(Kind.INFO, tr("Evaluation stopped. What was asked is kept: it goes on from there."))
        self._tell()

    # --- what the tabs ask for ---------------------------------------------------------------------------------

    def _read_other(self, run: RunRow) -> None:
        names = self._names()
        self._workspace.database.run(
            lambda _project: findings_of(run, names),
            on_success=partial(self._take_other, run),
            owner=self,
            name="Read the other evaluation",
        )

    def _take_other(self, run: RunRow, found: Findings | None) -> None:
        beside = self.beside.other_run()
        if beside is not None and beside.id == run.id:
            self.beside.show_other(found)

    def _show_relation(self, relation: str) -> None:
        self.queries.show_relation(relation)
        self.tabs.setCurrentWidget(self.queries)

    def _show_edit(self, key: str) -> None:
        self._workspace.edits_asked.emit((key,))

    def _use_threshold(self, threshold: float | None) -> None:
        run = self.chosen()
        if run is None:
            return
        told = (
            tr("The calibrated threshold is in use for {run}.", run=called(run))
            if threshold is None
            else tr(
                "The threshold {threshold} is kept and in use for {run}.",
                threshold=f"{threshold:.3f}",
                run=called(run),
            )
        )
        self._workspace.database.run(
            lambda project: keeping.update_run(project, run.id, threshold=threshold),
            on_success=lambda _: self._workspace.say(Kind.GOOD, told),
            owner=self,
            name="Keep the threshold",
        )

    # --- editors side by side ----------------------------------------------------------------------------------

    def _compare_runs(self, runs: tuple[RunRow, ...]) -> None:
        project = self._workspace.project
        title = tr("Editors side by side: {project}", project=project.folder.name if project is not None else "")
        self._workspace.database.run(
            lambda _project: comparison_of(runs, title),
            on_success=partial(self._take_comparison, runs),
            owner=self,
            name="Compare the runs",
        )

    def _take_comparison(self, runs: tuple[RunRow, ...], comparison: Comparison) -> None:
        if runs == self.editors.ticked() and not self.editors.opened:
            self.editors.show_comparison(comparison)
        self._tell()

    def _choose_comparison(self) -> None:
        choose_file(self, tr("Open a comparison"), [tr("Comparison (*.json)")], self.open_comparison)

    def open_comparison(self, path: Path) -> None:
        """Show the comparison that “meg compare” wrote to `path`."""
        self._workspace.database.run(
            lambda _project: read_comparison(path),
            on_success=partial(self._opened, path),
            owner=self,
            name="Open a comparison",
        )

    def _opened(self, path: Path, comparison: Comparison) -> None:
        self.editors.show_comparison(comparison, path.name)
        self._tell()
        self.tabs.setCurrentWidget(self.editors)

    def _choose_export(self) -> None:
        choose_target(
            self,
            tr("Export the comparison"),
            f"comparison{ENDING}",
            [(tr("Report"), ENDING)],
            lambda path, _: self.export_comparison_to(path),
        )

    def export_comparison_to(self, path: Path) -> None:
        """Write the comparison that is shown as a page, and the JSON file beside it."""
        comparison = self.editors.comparison
        if comparison is None:
            return
        self._workspace.database.run(
            lambda _project: write_comparison_report(path, comparison),
            on_success=lambda made: self._workspace.say(
                Kind.GOOD,
                tr(
                    "The comparison is in {made}, all that it is drawn from in {name}.", made=made[0], name=made[1].name
                ),
            ),
            owner=self,
            name="Write the comparison",
        )

    # --- report ------------------------------------------------------------------------------------------------

    def _choose_report(self) -> None:
        run = self._found_of
        if run is not None:
            name = f"{run.folder.name}-report{ENDING}"
            choose_target(
                self, tr("Write a report"), name, [(tr("Report"), ENDING)], lambda path, _: self.write_report_to(path)
            )

    def write_report_to(self, path: Path) -> None:
        """Write the report of what is shown, and the JSON file beside it."""
        run, found = self._found_of, self._found
        if run is None or found is None:
            return
        about = {**settings_in_words(run), "folder": run.folder.name}
        if run.note:
            about["note"] = run.note
        subject = Subject(
            tr("Evaluation of {run}", run=called(run)),
            found.evaluation.head.threshold if run.gated else None,
            about,
            dict(self._names()),
        )
        self._workspace.database.run(
            lambda _project: write_report(path, subject, found.report.asked),
            on_success=lambda made: self._workspace.say(
                Kind.GOOD, tr("The report is in {made}, every question in {name}.", made=made[0], name=made[1].name)
            ),
            owner=self,
            name="Write the report",
        )


def _note(project: Project, run_id: int, report: Report) -> Changes:
    """Keep the figures of an evaluation in the place of those that the training measured on a sample."""
    run = keeping.get_run(project, run_id)
    if run is None:
        return Changes()
    return keeping.update_run(project, run_id, figures={**run.figures, **run_figures(report)})
