"""What a training came to: the three figures that count, each with what it was measured on."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from studio.store.runs import RunRow, RunState
from studio.theme import FIGURE, SMALL, SPACE
from studio.trainer import ADVICE, failing_edits
from studio.widgets.buttons import button
from studio.widgets.card import Card
from studio.widgets.figures import count, figure, share
from studio.widgets.labels import Label, hint
from studio.widgets.run_words import called, outcome
from studio.words import deferred, tr

NAMES = (
    ("reliability", deferred("Reliability"), deferred("edits")),
    ("generality", deferred("Generality"), deferred("paraphrases")),
    ("locality", deferred("Locality"), deferred("probes")),
)

_UNKNOWN = {
    "reliability": deferred("edits answered"),
    "generality": deferred("paraphrases answered"),
    "locality": deferred("probes left alone"),
}


class FiguresCard(Card):
    """Reliability, generality, locality of one run, and the edits that it did not get right."""

    failing_asked = Signal(object)  # tuple of edit ids that the user wants to see

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Figures", parent)
        self._of = hint("")
        self._values = {name: Label("–", scale=FIGURE, bold=True) for name, _, _ in NAMES}
        self._bases = {name: Label(muted=True, scale=SMALL, wrap=True) for name in _UNKNOWN}
        row = QHBoxLayout()
        row.setSpacing(2 * SPACE)
        for name, title, _ in NAMES:
            column = QVBoxLayout()
            column.setSpacing(0)
            column.addWidget(Label(tr(title), muted=True, scale=SMALL))
            column.addWidget(self._values[name])
            column.addWidget(self._bases[name])
            column.addStretch(1)
            row.addLayout(column, 1)
        self.body.addLayout(row)
        self.body.addWidget(self._of)
        self._failing: tuple[str, ...] = ()
        self._trouble = hint("")
        self.show_failing = button("Show these edits", "facts", tip=tr("Select them on the Facts page."))
        self.show_failing.clicked.connect(lambda _checked=False: self.failing_asked.emit(self._failing))
        self.body.addWidget(self._trouble)
        self.body.addWidget(self.show_failing)
        self.show_run(None)

    def show_run(self, run: RunRow | None) -> None:
        """Show the figures of `run`."""
        for name, _, meaning in NAMES:
            value = figure(run.figures, name) if run else None
            queries = figure(run.figures, f"{name} queries") if run else None
            self._values[name].setText(share(value))
            self._bases[name].setText(
                tr("of {queries} {meaning}", queries=f"{int(queries):,}", meaning=tr(meaning))
                if queries
                else tr(_UNKNOWN[name])
            )
        self._failing = failing_edits(run.figures) if run else ()
        self._trouble.setText(
            tr("{edits} went wrong: {advice}", edits=count(len(self._failing), "edit"), advice=tr(ADVICE))
            if self._failing
            else ""
        )
        for part in (self._trouble, self.show_failing):
            part.setVisible(bool(self._failing))
        if run is None:
            self._of.setText(tr("They are measured when a training has finished."))
        elif run.state is RunState.FINISHED:
            self._of.setText(
                tr(
                    "{edits}, seed {seed}, {run}. Decoded text, exact.",
                    edits=count(run.edits, "edit"),
                    seed=run.seed,
                    run=called(run),
                )
            )
        else:
            self._of.setText(run.message or tr("The run of {run} {outcome}.", run=called(run), outcome=outcome(run)))
