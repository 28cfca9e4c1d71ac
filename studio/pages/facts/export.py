"""Writing edits to a file: which edits, in which format, and what that format cannot hold, said before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QDialog, QHBoxLayout, QVBoxLayout, QWidget

from engine.edits import EditSet
from engine.formats.imported import Rejection, Written
from engine.formats.registry import FORMATS, account_of, write_edits
from studio.errors import UserMessage
from studio.messages import Kind
from studio.store import listing
from studio.store.project import Project
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.fields import named
from studio.widgets.figures import count
from studio.widgets.files import choose_target
from studio.widgets.labels import Label, hint, page_title
from studio.widgets.tables import fill, text_table
from studio.words import deferred, tr
from studio.workspace import Workspace

_MEANINGS = {
    "jsonl": deferred("The studio's own format: everything comes back the same."),
    "json": deferred("The same in one list, for programs that read no lines."),
    "csv": deferred("A table for spreadsheets, with commas."),
    "tsv": deferred("A table for spreadsheets, with tabs."),
    "easyedit": deferred("One list of flat records, as EasyEdit reads them."),
    "counterfact": deferred("One list of nested records, as ROME and MEMIT read them."),
    "zsre": deferred("One list of questions, as MEND, MEMIT and EasyEdit read them."),
    "knowedit": deferred("One list of records with locality groups, as KnowEdit's loaders read them."),
    "huggingface": deferred("A folder with JSON Lines and a card, ready for the hub and its library of data sets."),
}
_TABLES = ("csv", "tsv")


@dataclass(frozen=True, slots=True)
class Choice:
    """A format to write, as the dialog offers it."""

    format: str
    spreadsheet_safe: bool = False

    @property
    def title(self) -> str:
        """What the dialog calls it."""
        return FORMATS[self.format].title

    @property
    def suffix(self) -> str:
        """How the file's name ends."""
        return FORMATS[self.format].suffixes[0]


CHOICES = tuple(Choice(name) for name in _MEANINGS)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which edits: a word for them, and their row ids (None: all)."""

    words: str
    ids: tuple[int, ...] | None
    number: int


class Export(QObject):
    """Asks what and where to, then writes in the database worker's thread."""

    def __init__(self, workspace: Workspace, window: QWidget) -> None:
        super().__init__(window)
        self._workspace = workspace
        self._window = window

    def ask(self, scopes: Sequence[Scope], chosen: int = 0) -> ExportDialog | None:
        """Open the dialog on `scopes`, with one of them chosen; None where there is nothing to export."""
        if self._workspace.project is None or self._workspace.counts.total == 0:
            self._workspace.say(Kind.INFO, tr("There is no edit to export: add or import some first."))
            return None
        dialog = ExportDialog(self._workspace, scopes, chosen, self._window)
        dialog.export_asked.connect(self._choose_place)
        dialog.open()
        return dialog

    def _choose_place(self, choice: Choice, ids: tuple[int, ...] | None) -> None:
        project = self._workspace.project
        if project is None:
            return
        name = f"{project.name}{choice.suffix}" if choice.suffix else tr("{name} data set", name=project.name)
        kinds = [(choice.title, choice.suffix)]
        choose_target(self._window, tr("Export edits"), name, kinds, lambda path, _kind: self.write(path, choice, ids))

    def write(self, path: Path, choice: Choice, ids: Sequence[int] | None = None) -> None:
        """Write `ids`, or every edit, to `path`."""

        def write(project: Project) -> Written:
            edit_set = listing.edit_set(project, ids)
            return write_edits(
                edit_set,
                path,
                choice.format,
                spreadsheet_safe=choice.spreadsheet_safe,
                probe_answers=_probe_answers(edit_set),
            )

        self._workspace.database.run(write, on_success=self._written, owner=self, name="Export edits")

    def _written(self, written: Written) -> None:
        left = [str(rejection) for rejection in written.left_out]
        details = "\n".join([*written.notes, *left])
        kind = Kind.WARNING if left else Kind.GOOD
        self._workspace.say(
            kind, tr("Exported to {path}: {summary}", path=written.path, summary=written.summary()), details=details
        )


class ExportDialog(QDialog):
    """Which edits, which format, and what would be lost."""

    export_asked = Signal(object, object)  # Choice, row ids or None

    def __init__(self, workspace: Workspace, scopes: Sequence[Scope], chosen: int, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Export edits"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(90 * SPACE, 60 * SPACE)
        self._workspace = workspace
        self._looks = 0
        self.scope = QComboBox()
        for scope in scopes:
            self.scope.addItem(f"{scope.words} ({count(scope.number, 'edit')})", scope)
        self.scope.setCurrentIndex(chosen)
        self.format = QComboBox()
        for choice in CHOICES:
            self.format.addItem(choice.title, choice)
        self.safe = QCheckBox(tr("Safe to open in a spreadsheet"))
        self.safe.setAccessibleName(self.safe.text())
        self.safe.setToolTip(
            tr(
                "Puts an apostrophe before cells such as “=1+1” or “-40”, which a spreadsheet would run. "
                "The file says so in its header, and importing it here takes the apostrophes off again."
            )
        )
        self._meaning = hint("")
        self.summary = Label(wrap=True)
        self.losses = text_table("What the format cannot hold", ("What the format cannot hold",), stretch=(0,))
        room = self.losses.sizePolicy()
        room.setRetainSizeWhenHidden(True)
        self.losses.setSizePolicy(room)
        cancel = button("Cancel")
        self.accept_button = button("Choose where…", "export", primary=True)
        choices = QHBoxLayout()
        choices.setSpacing(2 * SPACE)
        choices.addLayout(named("Which edits", self.scope), 1)
        choices.addLayout(named("Format", self.format), 1)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addStretch(1)
        row.addWidget(cancel)
        row.addWidget(self.accept_button)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addWidget(page_title("Export edits"))
        box.addLayout(choices)
        box.addWidget(self._meaning)
        box.addWidget(self.safe)
        box.addWidget(self.summary)
        box.addWidget(self.losses, 1)
        box.addLayout(row)
        self.scope.currentIndexChanged.connect(self._look)
        self.format.currentIndexChanged.connect(self._look)
        cancel.clicked.connect(self.reject)
        self.accept_button.clicked.connect(self._hand_over)
        self._look()

    @property
    def choice(self) -> Choice:
        """What was chosen."""
        name = self.format.currentData().format
        return Choice(name, spreadsheet_safe=name in _TABLES and self.safe.isChecked())

    @property
    def ids(self) -> tuple[int, ...] | None:
        """The row ids of the edits that were chosen, None for all."""
        scope: Scope = self.scope.currentData()
        return scope.ids

    def _look(self) -> None:
        """Ask what the format would lose of these edits."""
        choice, ids = self.choice, self.ids
        self._meaning.setText(tr(_MEANINGS[choice.format]))
        self.safe.setVisible(choice.format in _TABLES)
        self.summary.setText(tr("Looking at the edits…"))
        self._looks += 1

        def look(project: Project) -> Written:
            edit_set = listing.edit_set(project, ids)
            path = Path(f"edits{choice.suffix}")
            return account_of(edit_set, path, choice.format, probe_answers=_probe_answers(edit_set))

        self._workspace.database.run(
            look,
            on_success=partial(self._tell, self._looks),
            on_error=partial(self._refuse, self._looks),
            owner=self,
            name="Look at the edits",
        )

    def _tell(self, look: int, account: Written) -> None:
        if look != self._looks:
            return
        left = len(account.left_out)
        told = tr("{edits} will be written", edits=count(account.rows, "edit"))
        if left:
            told += tr(", {left} cannot be and will be left out", left=f"{left:,}")
        if not left and not account.notes:
            told += tr("; nothing of them is lost")
        self.summary.setText(f"{told}.")
        lines = [*account.notes, *_reasons(account.left_out)]
        fill(self.losses, [(line,) for line in lines])
        self.losses.setVisible(bool(lines))
        self.accept_button.setEnabled(account.rows > 0)

    def _refuse(self, look: int, message: UserMessage) -> None:
        if look == self._looks:
            self.summary.setText(f"{message.sentence} {message.action}".strip())

    def _hand_over(self) -> None:
        self.export_asked.emit(self.choice, self.ids)
        self.accept()


def _reasons(left_out: Sequence[Rejection]) -> list[str]:
    """Why edits are left out, each reason once with how many it holds for and the first of them."""
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for rejection in left_out:
        numbers[rejection.column, rejection.reason].append(rejection.row)
    return [
        tr(
            "{edits} left out for “{column}”: {reason} (the first is edit {first}).",
            edits=count(len(rows), "edit"),
            column=column,
            reason=reason,
            first=f"{rows[0]:,}",
        )
        for (column, reason), rows in numbers.items()
    ]


def _probe_answers(edit_set: EditSet) -> dict[str, str]:
    """What the original model answers to a probe that is the prompt of another edit, for formats that want it."""
    return {edit.prompt: edit.original_answer for edit in edit_set.edits if edit.original_answer}
