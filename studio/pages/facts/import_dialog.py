"""The preview of an import: what a file holds, what is wrong with it, and then all the rest or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QHBoxLayout,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from engine.edits import Relation
from engine.formats.csv import header_cells
from engine.formats.imported import Imported, Rejection, write_rejections
from engine.formats.registry import FORMATS, ReadOptions, read_edits
from engine.formats.source import FormatError, Source
from studio.errors import UserMessage
from studio.jobs import DatabaseWorker
from studio.pages.facts.table_options import TableOptions
from studio.store.edits import OnClash
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.fields import named
from studio.widgets.figures import count
from studio.widgets.files import choose_target
from studio.widgets.labels import Label, page_title
from studio.widgets.tables import fill, text_table

SHOWN = 200
"""Rows of the preview; every row is imported all the same."""

_COLUMNS = 3
"""The place of the tab that says what a table's columns hold."""
_TABLES = ("csv", "tsv")
_TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
_ENCODINGS = ("utf-8", "utf-16", "cp1252")
_CLASHES = (
    (OnClash.ADD, "keep both"),
    (OnClash.REPLACE, "replace the edit that is there"),
    (OnClash.KEEP, "keep the edit that is there"),
)


@dataclass(frozen=True, slots=True)
class _Read:
    """What reading a file came to."""

    cells: tuple[str, ...] | None  # the header's cells, where the file is a table
    imported: Imported | None
    fault: str = ""  # why there is nothing to import


class ImportDialog(QDialog):
    """Reads a file in the worker's thread, shows what it holds, and hands the edits over."""

    import_asked = Signal(object, object)  # EditSet, OnClash

    def __init__(
        self, path: Path, relations: Sequence[Relation], database: DatabaseWorker, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import edits")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(100 * SPACE, 72 * SPACE)
        self._path = path
        self._relations = {relation.id: relation for relation in relations}
        self._database = database
        self._reading = 0
        self._imported: Imported | None = None

        self.format = _combo([("", "as the file shows"), *((f.name, f.title) for f in FORMATS.values())])
        self.encoding = _combo([(name, name) for name in _ENCODINGS])
        self.target = _combo([("", "choose…"), ("alt", "“alt”, as EasyEdit"), ("answers", "“answers”, as MEMIT")])
        self.clash = _combo([(clash.value, words) for clash, words in _CLASHES])
        choices = QHBoxLayout()
        choices.setSpacing(2 * SPACE)
        choices.addLayout(named("Format", self.format))
        choices.addLayout(named("Encoding", self.encoding))
        self._target_field = QWidget()
        target_field = named("New object of zsRE", self.target)
        target_field.setContentsMargins(0, 0, 0, 0)
        self._target_field.setLayout(target_field)
        choices.addWidget(self._target_field)
        choices.addLayout(named("Where an id is taken", self.clash))

        self.summary = Label(wrap=True)
        self.edits = text_table(
            "Edits of the file", ("Subject", "Relation", "New object", "Prompt"), stretch=(0, 1, 2, 3)
        )
        self.rejections = text_table("Rows that are left out", ("Row", "Column", "Reason"), stretch=(2,))
        self.notes = text_table("Notes", ("Note",), stretch=(0,))
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName("What the file holds")
        self.tabs.addTab(self.edits, "Edits")
        self.tabs.addTab(self.rejections, "Left out")
        self.tabs.addTab(self.notes, "Notes")
        self.table_options = TableOptions()
        self.tabs.addTab(self.table_options, "Columns")
        self.tabs.setTabVisible(_COLUMNS, False)

        self.save = button("Save the rejections…", "export", tip="A table of row, column and reason, to mend the file.")
        self.cancel = button("Import nothing")
        self.accept_button = button("Import", "import", primary=True)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.save)
        row.addStretch(1)
        row.addWidget(self.cancel)
        row.addWidget(self.accept_button)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addWidget(page_title(f"Import {path.name}"))
        box.addLayout(choices)
        box.addWidget(self.summary)
        box.addWidget(self.tabs, 1)
        box.addLayout(row)

        for combo in (self.format, self.encoding, self.target):
            combo.currentIndexChanged.connect(self._read)
        self.table_options.changed.connect(self._read)
        self.save.clicked.connect(self._save)
        self.cancel.clicked.connect(self.reject)
        self.accept_button.clicked.connect(self._hand_over)
        self._read()

    def _read(self) -> None:
        self._reading += 1
        self._imported = None
        self.summary.setText("Reading the file…")
        for control in (self.accept_button, self.save):
            control.setEnabled(False)
        path, relations, chosen = self._path, self._relations, self.format.currentData() or None
        target = self.target.currentData()
        options = ReadOptions(encoding=self.encoding.currentData(), zsre_target=target or None)
        options = self.table_options.applied_to(options)
        self._database.run(
            lambda _project: _read(path, chosen, relations, options),
            on_success=partial(self._show, self._reading),
            on_error=partial(self._refuse, self._reading),
            owner=self,
            name="Read a file",
        )

    def _refuse(self, number: int, message: UserMessage) -> None:
        if number == self._reading:
            self._complain(f"{message.sentence} {message.action}".strip())

    def _complain(self, text: str) -> None:
        self.summary.setText(text)
        self._target_field.setVisible("zsRE" in text or self.format.currentData() == "zsre")
        for table in (self.edits, self.rejections, self.notes):
            table.setRowCount(0)

    def _show(self, number: int, found: _Read) -> None:
        if number != self._reading:
            return
        self.tabs.setTabVisible(_COLUMNS, found.cells is not None)
        if found.cells is not None:
            self.table_options.show_cells(found.cells)
        imported = found.imported
        if imported is None:
            self._complain(f"{found.fault} Choose below what each column holds.")
            self.tabs.setCurrentIndex(_COLUMNS)
            return
        self._imported = imported
        names = {**self._relations, **imported.edit_set.relations}
        title = FORMATS[imported.format].title if imported.format in FORMATS else imported.format
        left = f"; {count(imported.rejected, 'row')} cannot be" if imported.rejected else ""
        self.summary.setText(
            f"{title}: {count(imported.rows, 'row')} read, {count(imported.accepted, 'edit')} can be imported{left}."
        )
        self._target_field.setVisible(imported.format == "zsre")
        fill(
            self.edits,
            [
                (
                    edit.subject,
                    names[edit.relation].name if edit.relation in names else edit.relation,
                    edit.new_object,
                    edit.prompt,
                )
                for edit in imported.edit_set.edits[:SHOWN]
            ],
        )
        fill(self.rejections, [_rejected(rejection) for rejection in imported.rejections[:SHOWN]])
        fill(self.notes, [(note,) for note in imported.notes[:SHOWN]])
        first = f", first {SHOWN}" if imported.accepted > SHOWN else ""
        self.tabs.setTabText(0, f"Edits ({imported.accepted:,}{first})")
        self.tabs.setTabText(1, f"Left out ({imported.rejected:,})")
        self.tabs.setTabText(2, f"Notes ({len(imported.notes):,})")
        if self.tabs.currentIndex() != _COLUMNS:
            self.tabs.setCurrentIndex(1 if imported.rejections else 0)
        rest = "the other " if imported.rejections else ""
        self.accept_button.setText(f"Import {rest}{count(imported.accepted, 'edit')}")
        self.accept_button.setAccessibleName(self.accept_button.text())
        self.accept_button.setEnabled(imported.accepted > 0)
        self.save.setEnabled(bool(imported.rejections))

    def _hand_over(self) -> None:
        if self._imported is not None:
            self.import_asked.emit(self._imported.edit_set, OnClash(self.clash.currentData()))
            self.accept()

    def _save(self) -> None:
        name = f"{self._path.stem}-left-out"
        choose_target(self, "Save the rejections", name, [("Table", ".csv")], lambda path, _kind: self._write(path))

    def _write(self, path: Path) -> None:
        if self._imported is None:
            return
        rejections = self._imported.rejections
        self._database.run(
            lambda _project: write_rejections(path, rejections),
            on_success=lambda _: self.summary.setText(f"The rejections are in {path.name}."),
            on_error=lambda message: self.summary.setText(f"{message.sentence} {message.action}".strip()),
            owner=self,
            name="Save the rejections",
        )


def _read(path: Path, format: str | None, relations: Mapping[str, Relation], options: ReadOptions) -> _Read:
    """Read the file as far as it goes: where the columns of a table have other names, the names are what is wanted."""
    cells = None
    if format in _TABLES or (format is None and path.suffix.casefold() in _TABLE_SUFFIXES):
        source = Source.open(path, options.encoding)
        cells = header_cells(source, delimiter=options.delimiter, skip_rows=options.skip_rows)
        if options.columns:
            options = replace(options, columns={k: v for k, v in options.columns.items() if k in cells} or None)
    else:
        options = replace(options, delimiter=None, columns=None, skip_rows=0)
    try:
        imported = read_edits(path, format, relations=relations, options=options)
        return _Read(cells if imported.format in _TABLES else None, imported)
    except FormatError as error:
        if cells is None:
            raise
        return _Read(cells, None, str(error))


def _rejected(rejection: Rejection) -> tuple[str, str, str]:
    return f"{rejection.unit} {rejection.row:,}", rejection.column, rejection.reason


def _combo(items: Sequence[tuple[str, str]]) -> QComboBox:
    made = QComboBox()
    for value, words in items:
        made.addItem(words, value)
    return made
