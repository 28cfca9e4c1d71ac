"""The stages of a training: one bar each, how long it took, and how long the current one will take."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QProgressBar, QWidget

from engine.runs import Progress
from engine.usage import Usage
from studio import icons
from studio.theme import HALF, MARK, SPACE, tokens
from studio.widgets.card import Card
from studio.widgets.figures import seconds, share
from studio.widgets.labels import Label
from studio.words import tr


class _Row:
    """The widgets of one stage."""

    def __init__(self, name: str) -> None:
        self.icon = QLabel()
        self.icon.setFixedWidth(3 * SPACE)
        self.name = Label(tr(name))
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 1)
        self.bar.setAccessibleName(tr("Progress of the stage {name}", name=tr(name)))
        self.told = Label(muted=True)
        self.told.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.state = ""

    def show_state(self, icon: str, colour: str) -> None:
        if (icon + colour) != self.state:
            self.state = icon + colour
            self.icon.setPixmap(icons.pixmap(icon, colour, MARK))


class StageList(Card):
    """One row a stage, in the order of the editor."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Stages", parent)
        self._rows: dict[str, _Row] = {}
        self._took: dict[str, float] = {}
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(2 * SPACE)
        self._grid.setVerticalSpacing(HALF)
        self._grid.setColumnStretch(2, 1)
        self.usage = Label(muted=True)
        self.state = Label(muted=True)
        self.head.addWidget(self.usage)
        self.head.addSpacing(2 * SPACE)
        self.head.addWidget(self.state)
        self.body.addLayout(self._grid)

    def show_usage(self, usage: Usage | None, stated: int | None = None) -> None:
        """Show how much of the machine the training takes, and the bytes beside the model that it `stated` at most.

        Nothing where it is not known.
        """
        parts = []
        if usage is not None:
            parts.append(tr("memory {ram} of {ram_of} GiB", ram=_gib(usage.ram), ram_of=_gib(usage.ram_of)))
            if usage.gpu_of:
                busy = tr(", {busy} busy", busy=share(usage.busy)) if usage.busy is not None else ""
                parts.append(
                    tr("GPU {gpu} of {gpu_of} GiB{busy}", gpu=_gib(usage.gpu), gpu_of=_gib(usage.gpu_of), busy=busy)
                )
            if stated is not None:
                parts.append(tr("at most {size} beside the model", size=_size(stated)))
        self.usage.setText(" · ".join(parts))

    def durations(self) -> dict[str, float]:
        """How long each finished stage took, in seconds."""
        return dict(self._took)

    def set_stages(self, names: Sequence[str]) -> None:
        """Show these stages, none begun."""
        self._took.clear()
        for row in self._rows.values():
            for widget in (row.icon, row.name, row.bar, row.told):
                self._grid.removeWidget(widget)
                widget.hide()
                widget.deleteLater()
        self._rows.clear()
        for name in names:
            self._add(name)

    def _add(self, name: str) -> None:
        row = self._rows[name] = _Row(name)
        row.show_state("stage", tokens().faint)
        place = len(self._rows)
        for column, widget in enumerate((row.icon, row.name, row.bar, row.told)):
            self._grid.addWidget(widget, place, column)
        row.told.setMinimumWidth(row.told.fontMetrics().horizontalAdvance(tr("1,000 of 1,000 · about 10 min left")))

    def show_history(self, history: Sequence[tuple[float, Progress]], elapsed: float, running: bool) -> None:
        """Show how far each stage is. `elapsed` is the time since the start in seconds."""
        begun: dict[str, float] = {}
        last: dict[str, Progress] = {}
        for moment, progress in history:
            begun.setdefault(progress.stage, moment)
            last[progress.stage] = progress
        order = list(begun)
        at_work = history[-1][1].stage if history else ""
        for stage in order:
            if stage not in self._rows:
                self._add(stage)
        colours = tokens()
        for place, stage in enumerate(order):
            row, progress = self._rows[stage], last[stage]
            current, newest = stage == at_work, place == len(order) - 1
            if not current or not running:
                end = begun[order[place + 1]] if not newest else elapsed
                done = not newest or progress.step >= progress.of
                row.bar.setRange(0, 1)
                row.bar.setValue(int(done))
                if done:
                    self._took[stage] = max(end - begun[stage], 0)
                row.told.setText(
                    seconds(self._took[stage]) if done else tr("stopped at {progress}", progress=_steps(progress))
                )
                row.show_state("good" if done else "stop", colours.good if done else colours.warn)
                continue
            row.bar.setRange(0, progress.of)
            row.bar.setValue(progress.step)
            left = (
                tr(" · about {eta} left", eta=seconds(progress.eta)) if progress.eta is not None and progress.of else ""
            )
            row.told.setText(f"{_steps(progress)}{left}" if progress.of else tr("working…"))
            row.show_state("train", colours.accent)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f}"


def _size(size: int) -> str:
    return f"{_gib(size)} GiB" if size >= 2**30 else f"{size / 2**20:,.0f} MiB"


def _steps(progress: Progress) -> str:
    return tr("{step} of {of}", step=f"{progress.step:,}", of=f"{progress.of:,}")
