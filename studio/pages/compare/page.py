"""The Compare page: one question, both models, and the gate's word while one types."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from engine import atomic
from engine.runs import Cancel, ProgressBoard
from studio import model_jobs
from studio.errors import UserMessage
from studio.jobs import Shelf
from studio.messages import Kind
from studio.model_jobs import Chances as TokenChances
from studio.model_jobs import Reply
from studio.pages.compare.answers import Answers
from studio.pages.compare.batch_dialog import BatchDialog
from studio.pages.compare.familiarity_card import FamiliarityCard
from studio.pages.compare.history import History, to_csv
from studio.store import comparisons as keeping
from studio.store import listing
from studio.store.changes import Changes
from studio.store.project import Project
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.card import Card
from studio.widgets.chances import Chances
from studio.widgets.fields import line
from studio.widgets.figures import count, moment
from studio.widgets.files import choose_target
from studio.widgets.job_strip import JobStrip
from studio.widgets.labels import ElidedLabel, Label, page_title
from studio.workspace import Workspace

if TYPE_CHECKING:
    from engine.editor import Routing

TYPING_DELAY = 150
"""Milliseconds of silence after which the gauge follows what was typed."""

NO_PACK = "No pack is in use: train an editor, or choose a run on the Runs page."
BUSY = "An editor is being trained: the gauge follows again when that is done."
EMPTY = "Type a question, up to where the answer begins."


class ComparePage(QWidget):
    """A question box, two answers, gauge, next tokens, history."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._following = False  # a question about familiarity is with the model worker
        self._edits_in_words: dict[str, str] = {}
        self.question = line("Question", "The capital of France is")
        self.ask = button("Ask", "ask", primary=True)
        self.several = button("Ask several…", "facts")
        self.strip = JobStrip()
        self.answers = Answers()
        self.familiarity = FamiliarityCard()
        self.original_tokens = Chances("Next tokens of the original model", edited=False)
        self.edited_tokens = Chances("Next tokens of the edited model", edited=True)
        self.history = History()
        self._engaged = ElidedLabel(muted=True)
        self._lay_out()
        self._follow_soon = QTimer(self)
        self._follow_soon.setSingleShot(True)
        self._follow_soon.setInterval(TYPING_DELAY)
        self._follow_soon.timeout.connect(self._follow)
        self.setFocusProxy(self.question)
        self._connect()
        self._project_changed()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(page_title("Compare"))
        head.addSpacing(SPACE)
        head.addWidget(self._engaged, 1)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.question, 1)
        row.addWidget(self.ask)
        row.addWidget(self.several)
        tokens = Card("Next tokens")
        grid = QGridLayout()
        grid.setHorizontalSpacing(3 * SPACE)
        grid.addWidget(Label("Original model", muted=True), 0, 0)
        grid.addWidget(Label("Edited model", muted=True), 0, 1)
        grid.addWidget(self.original_tokens, 1, 0)
        grid.addWidget(self.edited_tokens, 1, 1)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        tokens.body.addLayout(grid)
        tokens.body.addStretch(1)
        middle = QHBoxLayout()
        middle.setSpacing(2 * SPACE)
        middle.addWidget(self.familiarity, 2)
        middle.addWidget(tokens, 3)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addLayout(head)
        box.addLayout(row)
        box.addWidget(self.strip)
        box.addWidget(self.answers, 2)
        box.addLayout(middle)
        box.addWidget(self.history, 3)

    def _connect(self) -> None:
        workspace = self._workspace
        workspace.project_changed.connect(self._project_changed)
        workspace.changed.connect(self._take_changes)
        workspace.engagement_changed.connect(self._engagement_changed)
        workspace.counts_changed.connect(self._follow_later)
        workspace.training_changed.connect(self._follow_later)
        self.question.textChanged.connect(self._follow_later)
        self.question.returnPressed.connect(self._ask_now)
        self.ask.clicked.connect(self._ask_now)
        self.several.clicked.connect(self._ask_several)
        self.history.again_asked.connect(self.ask_question)
        self.history.delete_asked.connect(self._delete)
        self.history.export_asked.connect(self._export)

    # --- what the workspace says -------------------------------------------------------------------------------

    def _project_changed(self) -> None:
        self.setEnabled(self._workspace.project is not None)
        self._edits_in_words.clear()
        self.question.clear()
        self._clear()
        self.history.show_rows([])
        if self._workspace.project is not None:
            self._read_history()
        self._engagement_changed()

    def _take_changes(self, changes: Changes) -> None:
        if changes.edits:
            self._edits_in_words.clear()
        if changes.comparisons:
            self._read_history()

    def _engagement_changed(self) -> None:
        run, source = self._workspace.run, self._workspace.source
        model = "Embedded model" if source.name == "embedded" else source.name
        pack = f"pack of {moment(run.created)}, {count(run.edits, 'edit')}" if run else "no pack in use"
        self._engaged.set_whole(f"{model} · {pack}")
        self._clear()
        self._follow()

    def _clear(self) -> None:
        self.answers.clear()
        self.original_tokens.show_rows(())
        self.edited_tokens.show_rows(())

    def _read_history(self) -> None:
        self._workspace.database.run(
            keeping.comparisons, on_success=self.history.show_rows, owner=self, name="Read the history"
        )

    # --- following what is typed -------------------------------------------------------------------------------

    def _follow_later(self) -> None:
        self._follow_soon.start()

    def _follow(self) -> None:
        query = self.question.text().strip()
        if self._workspace.run is None:
            self.familiarity.say(NO_PACK)
        elif self._workspace.training:
            self.familiarity.say(BUSY)
        elif not query:
            self.familiarity.say(EMPTY)
        elif not self._following:
            # One question at a time: while it is out, later ones wait here, and only the last of them is asked.
            self._following = True
            engagement = self._workspace.engagement
            self._workspace.models.run(
                lambda shelf: model_jobs.route(shelf, engagement, query),
                on_success=partial(self._followed, query),
                on_error=self._not_followed,
                on_cancelled=self._let_go,
                owner=self,
                name="Follow the question",
            )

    def _let_go(self) -> None:
        self._following = False

    def _followed(self, query: str, routing: Routing | None) -> None:
        self._following = False
        if query != self.question.text().strip():
            self._follow()
        elif routing is not None:
            self._show_routing(routing)

    def _not_followed(self, message: UserMessage) -> None:
        self._following = False
        self.familiarity.say(f"{message.sentence} {message.action}".strip())

    def _show_routing(self, routing: Routing) -> None:
        words = self._edits_in_words.get(routing.nearest_edit)
        self.familiarity.show_routing(routing, words or "…")
        if words is None:
            key = routing.nearest_edit
            self._workspace.database.run(
                lambda project: _edit_in_words(project, key),
                on_success=partial(self._name_edit, routing),
                owner=self,
                name="Read the nearest edit",
            )

    def _name_edit(self, routing: Routing, words: str) -> None:
        self._edits_in_words[routing.nearest_edit] = words
        if self.question.text().strip() == routing.query:
            self.familiarity.show_routing(routing, words)

    # --- asking ------------------------------------------------------------------------------------------------

    def ask_question(self, question: str) -> None:
        """Put `question` into the box and ask it."""
        self.question.setText(question)
        self._ask_now()

    def _ask_now(self) -> None:
        query = self.question.text().strip()
        if not query:
            self.familiarity.say(EMPTY)
            self.question.setFocus()
            return
        self.ask_all((query,))

    def _ask_several(self) -> None:
        dialog = BatchDialog(self)
        dialog.ask_asked.connect(self.ask_all)
        dialog.open()

    def ask_all(self, questions: tuple[str, ...]) -> None:
        """Ask both models `questions` as one job."""
        engagement, cancel, board = self._workspace.engagement, Cancel(), ProgressBoard()
        self.ask.setEnabled(False)
        self.several.setEnabled(False)
        job = self._workspace.models.run(
            lambda shelf: _answers(shelf, engagement, questions, board, cancel),
            on_success=partial(self._answered, questions),
            on_error=self._not_answered,
            on_cancelled=self._asked,
            cancel=cancel,
            owner=self,
            name=f"Ask {count(len(questions), 'question')}",
        )
        self.strip.follow(job, board)

    def _asked(self) -> None:
        self.ask.setEnabled(True)
        self.several.setEnabled(True)

    def _not_answered(self, message: UserMessage) -> None:
        self._asked()
        self._workspace.report(message)

    def _answered(self, questions: tuple[str, ...], found: tuple[list[Reply], TokenChances]) -> None:
        self._asked()
        replies, chances = found
        first = replies[0]
        if len(questions) == 1:
            if self.question.text().strip() == first.query:
                self.answers.show_answers(first.original, first.answer.edited if first.answer else None)
                self.original_tokens.show_rows(chances.original)
                self.edited_tokens.show_rows(chances.edited)
                if first.answer is not None:
                    self._show_routing(first.answer.routing)
        else:
            changed = sum(reply.answer is not None and reply.answer.edited != reply.original for reply in replies)
            self._workspace.say(
                Kind.GOOD, f"{count(len(replies), 'question')} answered, {changed:,} of them differently after editing."
            )
        run = self._workspace.run
        answers = [reply.answer for reply in replies if reply.answer is not None]
        if answers and run is not None:
            run_id, model = run.id, run.model

            def keep(project: Project) -> Changes:
                for answer in answers:
                    keeping.add_comparison(project, answer, run=run_id, model=model)
                return Changes(comparisons=True)

            self._workspace.database.run(keep, owner=self, name="Keep the answers")
        elif len(questions) > 1:
            self._workspace.say(Kind.INFO, NO_PACK)

    # --- the history -------------------------------------------------------------------------------------------

    def _delete(self, ids: list[int]) -> None:
        self._workspace.database.run(
            lambda project: keeping.delete_comparisons(project, ids), owner=self, name="Delete questions"
        )

    def _export(self) -> None:
        choose_target(self, "Export the history", "history", [("Table", ".csv")], lambda path, _: self.write(path))

    def write(self, path: Path) -> None:
        """Write the whole history to `path`."""

        def write(project: Project) -> int:
            rows = keeping.comparisons(project, limit=1_000_000)
            atomic.write_file(path, [to_csv(rows).encode()])
            return len(rows)

        self._workspace.database.run(
            write,
            on_success=lambda number: self._workspace.say(
                Kind.GOOD, f"{path.name}: {count(number, 'question')} written."
            ),
            owner=self,
            name="Export the history",
        )


def _answers(
    shelf: Shelf,
    engagement: model_jobs.Engagement,
    questions: tuple[str, ...],
    board: ProgressBoard,
    cancel: Cancel,
) -> tuple[list[Reply], TokenChances]:
    """Both models' answers, a few questions at a time, and for a single question the next tokens too."""
    board.report(model_jobs.LOADING, 0, 0)
    replies: list[Reply] = []
    for start in range(0, len(questions), model_jobs.AT_ONCE):
        cancel.check()
        if len(questions) > 1:
            board.report("Ask", start, len(questions))
        replies.extend(model_jobs.reply(shelf, engagement, questions[start : start + model_jobs.AT_ONCE], cancel))
    if len(questions) > 1:
        return replies, TokenChances((), ())
    return replies, model_jobs.next_tokens(shelf, engagement, questions[0])


def _edit_in_words(project: Project, key: str) -> str:
    """The edit called `key` for a person: “France · capital → Lyon”."""
    edit_id = listing.ids_of_keys(project, [key]).get(key)
    rows = listing.rows(project, [edit_id]) if edit_id is not None else []
    if not rows:
        return "an edit that is deleted since"
    row = rows[0]
    return (
        f"{row.subject} · {row.relation_name} → {row.new_object}" if row.subject else f"{row.prompt} → {row.new_object}"
    )
