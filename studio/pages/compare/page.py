"""The Compare page: one question or many, both models, the gate's word while one types, and why it decides so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from engine import atomic
from engine.decoding import Decoding, DecodingError
from studio.errors import UserMessage
from studio.messages import Kind
from studio.pages.compare.answers import Answers
from studio.pages.compare.asker import Answered, Asker, Follower
from studio.pages.compare.export import FORMS, Form
from studio.pages.compare.familiarity_card import FamiliarityCard
from studio.pages.compare.history import MOST, History, Wanted
from studio.pages.compare.near_edits import KnownEdit, NearEdits, known_edits
from studio.pages.compare.questions_dialog import QuestionsDialog
from studio.pages.compare.reasons_card import ReasonsCard
from studio.pages.compare.sampling_form import SamplingForm, in_words
from studio.store import comparisons as keeping
from studio.store import edits as editing
from studio.store import settings as remembering
from studio.store.adopting import Role, adopt_queries
from studio.store.changes import Changes
from studio.store.comparisons import AskedList, ComparisonRow
from studio.store.project import Project
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.card import Card
from studio.widgets.chances import Chances
from studio.widgets.editor_words import NO_GATE
from studio.widgets.fields import line
from studio.widgets.figures import count
from studio.widgets.files import choose_target
from studio.widgets.job_strip import JobStrip
from studio.widgets.labels import ElidedLabel, Label, page_title
from studio.widgets.run_words import called, editor_name, model_name
from studio.words import deferred, plural, tr
from studio.workspace import Workspace

if TYPE_CHECKING:
    from engine.editor import Explanation

AGAIN_DELAY = 200
"""Milliseconds after which a question is asked again when an edit or the threshold has changed."""

NO_PACK = deferred(
    "No pack is in use: only the original model answers. Train an editor, or choose a run on the Runs page."
)
BUSY = deferred("An editor is being trained: the gauge follows again when that is done.")
BUSY_WITHOUT_GATE = deferred("An editor is being trained: ask again when that is done.")
EMPTY = deferred("Type a question, up to where the answer begins.")
DECODING = "decoding"
"""The project's setting that keeps how answers are decoded."""
ONE, MANY = 0, 1


class ComparePage(QWidget):
    """A question box, two answers, gauge, reasons, nearest edits, next tokens; and every question asked before."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._explanation: Explanation | None = None
        self._shown: Answered | None = None
        self._known: dict[str, KnownEdit] = {}
        self._reading_history = self._history_stale = False
        self.follower = Follower(workspace, self)
        self.asker = Asker(workspace, self)
        self.question = line("Question", "The capital of France is")
        self.ask = button("Ask", "ask", primary=True)
        self.many = button("Ask many…", "facts")
        self.sampling = button("Greedy", "settings", tip=tr("How answers are decoded, of both models alike."))
        self.sampling.setCheckable(True)
        self.decoding = SamplingForm()
        self.decoding.hide()
        self.strip = JobStrip()
        self.answers = Answers()
        self.familiarity = FamiliarityCard()
        self.reasons = ReasonsCard()
        self.near = NearEdits()
        self.original_tokens = Chances(tr("Next tokens of the original model"), edited=False)
        self.edited_tokens = Chances(tr("Next tokens of the edited model"), edited=True)
        self.history = History()
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName(tr("One question, or all that were asked"))
        self._engaged = ElidedLabel(muted=True)
        self._lay_out()
        self._again_soon = QTimer(self)
        self._again_soon.setSingleShot(True)
        self._again_soon.setInterval(AGAIN_DELAY)
        self._again_soon.timeout.connect(self._ask_again)
        self.setFocusProxy(self.question)
        self._connect()
        self._project_changed()

    # --- building ----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(page_title("Compare"))
        head.addSpacing(SPACE)
        head.addWidget(self._engaged, 1)
        head.addWidget(self.sampling)
        head.addWidget(self.many)
        self.tabs.addTab(self._one_question(), tr("One question"))
        self.tabs.addTab(self._all_questions(), tr("Questions asked"))
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(SPACE)
        box.addLayout(head)
        box.addWidget(self.decoding)
        box.addWidget(self.strip)
        box.addWidget(self.tabs, 1)

    def _one_question(self) -> QWidget:
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.question, 1)
        row.addWidget(self.ask)
        middle = QHBoxLayout()
        middle.setSpacing(2 * SPACE)
        middle.addWidget(self.familiarity, 2)
        middle.addWidget(self._tokens(), 3)
        below = QHBoxLayout()
        below.setSpacing(2 * SPACE)
        below.addWidget(self.reasons, 5)
        below.addWidget(self.near, 6)
        content = QWidget()
        content.setProperty("scrolled", True)
        box = QVBoxLayout(content)
        box.setContentsMargins(0, 2 * SPACE, 0, 0)
        box.setSpacing(2 * SPACE)
        box.addLayout(row)
        box.addWidget(self.answers, 2)
        box.addLayout(middle, 3)
        box.addLayout(below, 4)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(content)
        return area

    def _tokens(self) -> Card:
        tokens = Card("Next tokens")
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * SPACE)
        grid.addWidget(Label(tr("Original model"), muted=True), 0, 0)
        grid.addWidget(Label(tr("Edited model"), muted=True), 0, 1)
        grid.addWidget(self.original_tokens, 1, 0)
        grid.addWidget(self.edited_tokens, 1, 1)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        tokens.body.addLayout(grid)
        tokens.body.addStretch(1)
        return tokens

    def _all_questions(self) -> QWidget:
        holder = QWidget()
        box = QVBoxLayout(holder)
        box.setContentsMargins(0, 2 * SPACE, 0, 0)
        box.addWidget(self.history)
        return holder

    def _connect(self) -> None:
        workspace = self._workspace
        workspace.project_changed.connect(self._project_changed)
        workspace.changed.connect(self._take_changes)
        workspace.engagement_changed.connect(self._engagement_changed)
        workspace.counts_changed.connect(self._look_again)
        workspace.threshold_changed.connect(lambda: self.familiarity.show_run(workspace.run))
        workspace.threshold_changed.connect(self._look_again)
        workspace.training_changed.connect(lambda _: self._follow())
        self.question.textChanged.connect(self._typed)
        self.question.returnPressed.connect(self._ask_now)
        self.ask.clicked.connect(self._ask_now)
        self.many.clicked.connect(self._ask_many)
        self.sampling.toggled.connect(self.decoding.setVisible)
        self.decoding.changed.connect(self._decoding_changed)
        self.follower.explained.connect(self._explained)
        self.follower.failed.connect(self._not_explained)
        self.asker.began.connect(self.strip.follow)
        self.asker.answered.connect(self._answered)
        self.asker.many_answered.connect(self._many_answered)
        self.asker.busy_changed.connect(lambda _: self._tell())
        self.familiarity.threshold_moved.connect(workspace.move_threshold)
        self.familiarity.train_asked.connect(partial(workspace.page_asked.emit, "training"))
        self.familiarity.run_asked.connect(partial(workspace.page_asked.emit, "runs"))
        self.near.adopt_asked.connect(lambda key, role: self._adopt({key: [self.question.text().strip()]}, role))
        self.near.switch_asked.connect(self._switch)
        self.near.show_asked.connect(lambda key: workspace.edits_asked.emit((key,)))
        self.history.look_asked.connect(self._read_history)
        self.history.again_asked.connect(self.ask_question)
        self.history.adopt_asked.connect(self._adopt_rows)
        self.history.delete_asked.connect(self._delete)
        self.history.export_asked.connect(self._export)

    # --- what the workspace says -------------------------------------------------------------------------------

    def _project_changed(self) -> None:
        self.setEnabled(self._workspace.project is not None)
        self._known.clear()
        self.question.clear()
        self.history.show_lists(())
        self.history.show_rows(())
        self.decoding.show_decoding(Decoding())
        self._name_decoding()
        if self._workspace.project is not None:
            self.history.show_all()
            self._workspace.database.run(
                _read_decoding, on_success=self._decoding_read, owner=self, name="Read settings"
            )
        self._engagement_changed()

    def _take_changes(self, changes: Changes) -> None:
        if changes.edits or changes.relations:
            self._known.clear()
            self._show_near()
        if changes.comparisons or changes.runs:
            self._read_history()

    def _engagement_changed(self) -> None:
        self._known.clear()  # whether an edit was changed since depends on the pack
        self._name_engaged()
        self._show_gate()
        self._forget()
        self._tell()
        self._follow()

    @property
    def _gated(self) -> bool:
        """Whether there is a gate, or, while no pack is in use, might be one."""
        run = self._workspace.run
        return run is None or run.gated

    def _show_gate(self) -> None:
        """Reasons, nearest edits and gauge are the gate's: without one there is a sentence."""
        self.familiarity.show_gate(self._gated)
        self.familiarity.show_run(self._workspace.run)
        self.reasons.setVisible(self._gated)
        self.near.setVisible(self._gated)
        run = self._workspace.run
        self.near.let_switch(run is None or run.undoes_one)

    def _name_engaged(self) -> None:
        run, source = self._workspace.run, self._workspace.source
        model = model_name(source.name)
        pack = (
            tr(
                "{editor}: pack of {run}, {edits}",
                editor=editor_name(run),
                run=called(run),
                edits=count(run.edits, "edit"),
            )
            if run
            else tr("no pack in use")
        )
        self._engaged.set_whole(f"{model} · {pack}")

    def _forget(self) -> None:
        self._shown = None
        self.answers.clear()
        self.original_tokens.show_rows(())
        self.edited_tokens.show_rows(())

    def _tell(self) -> None:
        packed, free = self._workspace.run is not None, not self.asker.busy
        self.ask.setEnabled(free)
        self.many.setEnabled(free and packed)
        tip = tr("Paste a list or read a file: each question is asked of both models.") if packed else tr(NO_PACK)
        self.many.setToolTip(tip)
        self.many.setAccessibleDescription(tip)

    def _look_again(self) -> None:
        """An edit was switched, or the threshold moved: see at once what that does."""
        self._follow()
        if self._shown is not None:
            self._again_soon.start()

    def _ask_again(self) -> None:
        shown = self._shown
        if (
            shown is None
            or self.asker.busy
            or self._workspace.training
            or not self.isVisible()
            or shown.reply.query != self.question.text().strip()
            or shown.engagement == self._workspace.engagement
        ):
            return
        self.asker.ask(shown.reply.query, shown.decoding, keep=False)

    def showEvent(self, event: QShowEvent) -> None:
        """What changed meanwhile on other pages shows in the answer."""
        super().showEvent(event)
        self._name_engaged()  # the run may have been renamed
        self._look_again()

    def changeEvent(self, event: QEvent) -> None:
        """The colours of the reasons follow the scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._explanation is not None:
            self.reasons.show_explanation(self._explanation)

    # --- following what is typed -------------------------------------------------------------------------------

    def _typed(self) -> None:
        shown = self._shown
        if shown is not None and shown.reply.query != self.question.text().strip():
            self._forget()
        self._follow()

    def _follow(self) -> None:
        query = self.question.text().strip()
        if self._workspace.run is None:
            self._silent(tr(NO_PACK), first_steps=True)
        elif self._workspace.training:
            self._silent(tr(BUSY) if self._gated else tr(BUSY_WITHOUT_GATE))
        elif not self._gated:
            self._silent(tr(NO_GATE))
        elif not query:
            self._silent(tr(EMPTY))
        self.follower.follow(query)

    def _silent(self, why: str, *, first_steps: bool = False) -> None:
        self._explanation = None
        self.familiarity.say(why, first_steps=first_steps)
        self.reasons.clear(
            tr("Without a pack there is no gate.") if first_steps else tr("What the gate goes by is told here.")
        )
        self._show_near()

    def _explained(self, explanation: Explanation) -> None:
        if explanation.routing.query != self.question.text().strip():
            return
        self._explanation = explanation
        self.familiarity.show_explanation(explanation)
        self.reasons.show_explanation(explanation)
        self._show_near()

    def _not_explained(self, sentence: str) -> None:
        self._silent(sentence)

    def _show_near(self) -> None:
        near = self._explanation.near if self._explanation is not None else ()
        self.near.show_near(near, self._known)
        unknown = [key for key in self.near.keys if key not in self._known]
        if unknown:
            self._workspace.database.run(
                lambda project: known_edits(project, unknown),
                on_success=self._name_edits,
                owner=self,
                name="Read the nearest edits",
            )

    def _name_edits(self, known: Mapping[str, KnownEdit]) -> None:
        self._known.update(known)
        if self._explanation is not None:
            self.near.show_near(self._explanation.near, self._known)

    # --- asking ------------------------------------------------------------------------------------------------

    def ask_question(self, question: str) -> None:
        """Put `question` into the box and ask it."""
        self.tabs.setCurrentIndex(ONE)
        self.question.setText(question)
        self._ask_now()

    def _ask_now(self) -> None:
        query = self.question.text().strip()
        if not query:
            self.question.setFocus()
            return
        if not self.asker.busy:
            self.asker.ask(query, self.decoding.decoding())

    def _ask_many(self) -> None:
        dialog = QuestionsDialog(self._workspace.database, self)
        dialog.ask_asked.connect(self.ask_all)
        dialog.open()

    def ask_all(self, questions: Sequence[str]) -> None:
        """Ask both models `questions` in the background, and list the answers as they come."""
        if self._workspace.run is None:
            self._workspace.say(Kind.INFO, tr(NO_PACK))
            return
        self.asker.ask_all(questions, self.decoding.decoding())
        self.tabs.setCurrentIndex(MANY)
        self.history.show_list(self.asker.last_list)

    def _answered(self, answered: Answered) -> None:
        if self.question.text().strip() != answered.reply.query:
            return
        self._shown = answered
        self.answers.show_reply(answered.reply)
        self.original_tokens.show_rows(answered.chances.original)
        self.edited_tokens.show_rows(answered.chances.edited)
        if answered.explanation is not None and answered.engagement == self._workspace.engagement:
            self._explained(answered.explanation)
        self._again_soon.start()  # an edit may have been switched meanwhile

    def _many_answered(self, answered: int, changed: int, whole: bool) -> None:
        told = tr(
            "{questions} answered, {changed} of them differently after editing.",
            questions=count(answered, "question"),
            changed=f"{changed:,}",
        )
        if whole:
            self._workspace.say(Kind.GOOD, told)
        else:
            self._workspace.say(Kind.INFO, tr("Stopped: {told} They are kept.", told=told))

    # --- sampling ----------------------------------------------------------------------------------------------

    def _decoding_read(self, decoding: Decoding) -> None:
        self.decoding.show_decoding(decoding)
        self._name_decoding()

    def _decoding_changed(self) -> None:
        self._name_decoding()
        if self._workspace.project is not None:
            values = asdict(self.decoding.decoding())
            self._workspace.database.run(
                lambda project: remembering.set_setting(project, DECODING, values), owner=self, name="Keep a choice"
            )

    def _name_decoding(self) -> None:
        words = in_words(self.decoding.decoding())
        self.sampling.setText(words)
        self.sampling.setAccessibleName(tr("Decoding: {words}", words=words))

    # --- edits -------------------------------------------------------------------------------------------------

    def _switch(self, edit_id: int, on: bool) -> None:
        self._workspace.database.run(
            lambda project: editing.set_enabled(project, [edit_id], on), owner=self, name="Switch an edit"
        )

    def _adopt_rows(self, rows: Sequence[ComparisonRow], role: Role) -> None:
        queries: dict[str, list[str]] = {}
        for row in rows:
            queries.setdefault(row.nearest_edit, []).append(row.query)
        self._adopt(queries, role)

    def _adopt(self, queries: Mapping[str, Sequence[str]], role: Role) -> None:
        asked = sum(len(texts) for texts in queries.values())
        self._workspace.database.run(
            lambda project: adopt_queries(project, queries, role),
            on_success=partial(self._adopted, asked, role),
            owner=self,
            name=f"Add {role.value}s",
        )

    def _adopted(self, asked: int, role: Role, changes: Changes) -> None:
        added = asked - changes.skipped
        if not added:
            why = tr("it is there already, is the edit's own prompt, or the edit is gone")
            told = (
                tr("No paraphrase was added: {why}.", why=why)
                if role is Role.PARAPHRASE
                else tr("No probe was added: {why}.", why=why)
            )
            self._workspace.say(Kind.INFO, told)
            return
        left = (
            tr(" {questions} had nothing to add.", questions=count(changes.skipped, "question"))
            if changes.skipped
            else ""
        )
        self._workspace.say(
            Kind.GOOD,
            plural(
                added,
                "{number} paraphrase added, which generality is measured on from the next training on.{left} "
                "Ctrl+Z takes it back.",
                "{number} paraphrases added, which generality is measured on from the next training on.{left} "
                "Ctrl+Z takes them back.",
                left=left,
            )
            if role is Role.PARAPHRASE
            else plural(
                added,
                "{number} probe added, which locality is measured on from the next training on.{left} "
                "Ctrl+Z takes it back.",
                "{number} probes added, which locality is measured on from the next training on.{left} "
                "Ctrl+Z takes them back.",
                left=left,
            ),
        )

    # --- the history -------------------------------------------------------------------------------------------

    def _read_history(self) -> None:
        self._history_stale = True
        if self._workspace.project is None or self._reading_history:
            return
        # While a list is answered the history changes again and again: what came meanwhile is read once.
        self._reading_history, self._history_stale = True, False
        wanted = self.history.wanted
        self._workspace.database.run(
            lambda project: _history(project, wanted),
            on_success=partial(self._history_read, wanted),
            on_error=self._history_not_read,
            on_cancelled=self._history_let_go,
            owner=self,
            name="Read the history",
        )

    def _history_let_go(self) -> None:
        self._reading_history = False
        if self._history_stale:  # the project that was opened meanwhile has one of its own
            self._read_history()

    def _history_not_read(self, message: UserMessage) -> None:
        self._reading_history = False
        self._workspace.report(message)

    def _history_read(self, wanted: Wanted, found: tuple[list[ComparisonRow], list[AskedList]]) -> None:
        self._reading_history = False
        if self._history_stale:
            self._read_history()
        if wanted == self.history.wanted:
            self.history.show_lists(found[1])
            self.history.show_rows(found[0])

    def _delete(self, ids: Sequence[int]) -> None:
        self._workspace.database.run(
            lambda project: keeping.delete_comparisons(project, ids), owner=self, name="Delete questions"
        )

    def _export(self) -> None:
        kinds = [(tr(form.title), form.suffix) for form in FORMS]
        choose_target(
            self, tr("Export the questions listed"), "comparison", kinds, lambda p, kind: self.write(p, FORMS[kind])
        )

    def write(self, path: Path, form: Form = FORMS[0]) -> None:
        """Write what is listed, in its order, to `path`."""
        rows = list(self.history.rows)

        def write(_project: Project) -> None:
            atomic.write_file(path, [form.write(rows).encode()])

        self._workspace.database.run(
            write,
            on_success=lambda _: self._workspace.say(
                Kind.GOOD, tr("{name}: {questions} written.", name=path.name, questions=count(len(rows), "question"))
            ),
            owner=self,
            name="Export questions",
        )


def _history(project: Project, wanted: Wanted) -> tuple[list[ComparisonRow], list[AskedList]]:
    rows = keeping.comparisons(
        project, MOST, search=wanted.search, outcome=wanted.outcome, asked_with=wanted.asked_with
    )
    return rows, keeping.asked_lists(project)


def _read_decoding(project: Project) -> Decoding:
    """How answers were decoded last; as usual where that cannot be read."""
    kept = remembering.get_setting(project, DECODING)
    if not isinstance(kept, dict):
        return Decoding()
    try:
        return Decoding(**kept)
    except (TypeError, DecodingError):
        return Decoding()
