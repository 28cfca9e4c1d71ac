"""The preview of an import: what a file holds, what is wrong with it, what is there already; then all, a part, or none.

Reading and writing run in the database worker's thread, with progress and a Cancel that leaves the project untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QDialog, QHBoxLayout, QTabWidget, QVBoxLayout, QWidget

from engine.edits import Relation
from engine.formats import csv, huggingface, jsonl
from engine.formats.imported import Imported, Rejection
from engine.formats.registry import FORMATS, TABLE_SUFFIXES, ReadOptions, detect, is_json, read_edits, read_source
from engine.formats.rejects import suffix, write_rejects
from engine.formats.source import FormatError, Source
from engine.formats.watch import Watch
from studio.errors import UserMessage
from studio.jobs import DatabaseWorker, Job
from studio.pages.facts.import_account import ImportAccount
from studio.pages.facts.table_options import TableOptions
from studio.store.importing import ImportChanges, Standing, WhenThere, compare, import_edit_set
from studio.store.project import Project
from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.fields import named
from studio.widgets.figures import count
from studio.widgets.files import choose_target
from studio.widgets.job_strip import JobStrip
from studio.widgets.labels import Label, page_title
from studio.widgets.tables import fill, text_table
from studio.words import deferred, tr

SHOWN = 200
"""Rows of the preview; every row is imported all the same."""

_TABLES = ("csv", "tsv")
_TEXT_SUFFIX = ".txt"
_ENCODINGS = (
    ("utf-8", "UTF-8"),
    ("utf-16", "UTF-16"),
    ("cp1252", deferred("Western Windows (cp1252)")),
    ("cp1251", deferred("Cyrillic Windows (cp1251)")),
    ("gb18030", deferred("Chinese (GB18030)")),
    ("big5", deferred("Chinese (Big5)")),
    ("shift_jis", deferred("Japanese (Shift JIS)")),
    ("euc_kr", deferred("Korean (EUC-KR)")),
)
_WHEN_THERE = (
    (WhenThere.SKIP, deferred("leave as they are")),
    (WhenThere.UPDATE, deferred("update them")),
    (WhenThere.ADD, deferred("add the rows all the same")),
)
_GOOD_ROWS, _NOTHING = "good rows", "nothing"


@dataclass(frozen=True, slots=True)
class _Read:
    """What reading a file came to."""

    columns: Mapping[str, str] | None  # name -> example, where the user may say what columns hold
    is_table: bool
    imported: Imported | None
    standing: Standing | None = None
    fault: str = ""  # why there is nothing to import


class ImportDialog(QDialog):
    """Reads a file, shows what it holds, and imports what the user chose."""

    imported = Signal(object)  # ImportAccount, after the project has the edits

    def __init__(
        self, path: Path, relations: Sequence[Relation], database: DatabaseWorker, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Import edits"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(110 * SPACE, 80 * SPACE)
        self._path = path
        self._relations = {relation.id: relation for relation in relations}
        self._database = database
        self._job: Job | None = None
        self._readings = 0
        self._found: Imported | None = None
        self._standing = Standing(0, 0, 0)

        self.format = _combo([("", tr("as the file shows")), *((f.name, f.title) for f in FORMATS.values())])
        self.encoding = _combo([(value, tr(words)) for value, words in _ENCODINGS])
        self.target = _combo(
            [("", tr("choose…")), ("alt", tr("“alt”, as EasyEdit")), ("answers", tr("“answers”, as MEMIT"))]
        )
        self.when_there = _combo([(choice.value, tr(words)) for choice, words in _WHEN_THERE])
        self.bad_rows = _combo([(_GOOD_ROWS, tr("import the others")), (_NOTHING, tr("import nothing"))])
        choices = QHBoxLayout()
        choices.setSpacing(2 * SPACE)
        choices.addLayout(named("Format", self.format))
        choices.addLayout(named("Encoding", self.encoding))
        self._target_field = _field(tr("New object of zsRE"), self.target)
        self._target_field.setVisible(False)
        choices.addWidget(self._target_field)
        choices.addLayout(
            named(
                "Edits that are there already",
                self.when_there,
                help=tr(
                    "An edit is there where the project has its id, its subject and relation, or its prompt. "
                    "Updating takes over what a row gives and empties nothing."
                ),
            )
        )
        choices.addLayout(named("If a row is rejected", self.bad_rows))

        self.summary = Label(wrap=True)
        self.strip = JobStrip()
        self.edits = text_table(
            "Edits of the file", ("Row", "Subject", "Relation", "New object", "Prompt"), stretch=(1, 2, 3, 4)
        )
        self.rejections = text_table("Rows that are rejected", ("Row", "Column", "Reason"), stretch=(2,))
        self.notes = text_table("Notes", ("Note",), stretch=(0,))
        self.table_options = TableOptions()
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName(tr("What the file holds"))
        self.tabs.addTab(self.edits, tr("Edits"))
        self.tabs.addTab(self.rejections, tr("Rejected"))
        self.tabs.addTab(self.notes, tr("Notes"))
        self._columns_tab = self.tabs.addTab(self.table_options, tr("Columns"))
        self.tabs.setTabVisible(self._columns_tab, False)

        self.save = button(
            "Save the rejected rows…",
            "export",
            tip=tr("The rows with why each was rejected, to mend and import again."),
        )
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
        box.addWidget(page_title(tr("Import {name}", name=path.name)))
        box.addLayout(choices)
        box.addWidget(self.summary)
        box.addWidget(self.strip)
        box.addWidget(self.tabs, 1)
        box.addLayout(row)

        for combo in (self.format, self.encoding, self.target):
            combo.currentIndexChanged.connect(self._read)
        self.table_options.changed.connect(self._read)
        for combo in (self.when_there, self.bad_rows):
            combo.currentIndexChanged.connect(self._tell)
        self.save.clicked.connect(self._save)
        self.cancel.clicked.connect(self.reject)
        self.accept_button.clicked.connect(self._import)
        self.finished.connect(self._stop)
        self._read()

    # --- reading -----------------------------------------------------------------------------------------------

    def _read(self) -> None:
        self._stop()
        self._found = None
        self.summary.setText(tr("Reading the file…"))
        self.accept_button.setEnabled(False)
        self.save.setEnabled(False)
        path, relations, chosen = self._path, self._relations, self.format.currentData() or None
        options = ReadOptions(encoding=self.encoding.currentData(), zsre_target=self.target.currentData() or None)
        options = self.table_options.applied_to(options)
        watch = Watch()
        self._readings += 1
        number = self._readings
        job = self._database.run(
            lambda project: _read(project, path, chosen, relations, options, watch),
            on_success=partial(self._show, number),
            on_error=partial(self._refuse, number),
            on_cancelled=partial(self._stopped, number),
            cancel=watch.cancel,
            owner=self,
            name=tr("Read a file"),
        )
        self._job = job
        self.strip.follow(job, watch.board)

    def _stop(self) -> None:
        """Stop what is under way: nobody waits for it any more."""
        job, self._job = self._job, None
        if job is not None and not job.state.ended:
            job.stop()

    # A reading that made room for another one is heard no more.

    def _stopped(self, number: int) -> None:
        if number == self._readings:
            self._complain(
                tr("Reading was cancelled; the project is untouched. Change a choice above to read it again.")
            )

    def _refuse(self, number: int, message: UserMessage) -> None:
        if number == self._readings:
            self._complain(f"{message.sentence} {message.action}".strip())

    def _complain(self, text: str) -> None:
        self.summary.setText(text)
        self._target_field.setVisible("zsRE" in text or self.format.currentData() == "zsre")
        for table in (self.edits, self.rejections, self.notes):
            table.setRowCount(0)

    def _show(self, number: int, found: _Read) -> None:
        if number != self._readings:
            return
        self.tabs.setTabVisible(self._columns_tab, found.columns is not None)
        if found.columns is not None:
            self.table_options.show_columns(found.columns, is_table=found.is_table)
        imported = found.imported
        if imported is None:
            self._complain(tr("{fault} Choose below what each column holds.", fault=found.fault))
            self.tabs.setCurrentIndex(self._columns_tab)
            return
        self._found = imported
        self._standing = found.standing or Standing(imported.accepted, 0, 0)
        self._target_field.setVisible(imported.format == "zsre")
        self._fill(imported)
        if self.tabs.currentIndex() != self._columns_tab:
            self.tabs.setCurrentIndex(1 if imported.rejections else 0)
        self.save.setEnabled(bool(imported.rejections))
        self._tell()

    def _fill(self, imported: Imported) -> None:
        names = {**self._relations, **imported.edit_set.relations}
        shown = zip(imported.places, imported.edit_set.edits[:SHOWN], strict=False)
        fill(
            self.edits,
            [
                (
                    f"{row:,}",
                    edit.subject,
                    names[edit.relation].name if edit.relation in names else edit.relation,
                    edit.new_object,
                    edit.prompt,
                )
                for row, edit in shown
            ],
        )
        fill(self.rejections, [_rejected(rejection) for rejection in imported.rejections[:SHOWN]])
        fill(self.notes, [(note,) for note in imported.notes[:SHOWN]])
        first = tr(", first {shown} shown", shown=SHOWN) if imported.accepted > SHOWN else ""
        self.tabs.setTabText(0, tr("Edits ({accepted}{first})", accepted=f"{imported.accepted:,}", first=first))
        self.tabs.setTabText(1, tr("Rejected ({rejected})", rejected=f"{imported.rejected:,}"))
        self.tabs.setTabText(2, tr("Notes ({number})", number=f"{len(imported.notes):,}"))

    def _tell(self) -> None:
        """The account as it would be, and what the button would do."""
        imported, there = self._found, self._standing
        if imported is None:
            return
        title = FORMATS[imported.format].title if imported.format in FORMATS else imported.format
        told = [
            tr("{title}: {rows} in – {new} new", title=title, rows=count(imported.rows, "row"), new=f"{there.new:,}")
        ]
        if there.same:
            told.append(tr("{same} there already, word for word", same=f"{there.same:,}"))
        if there.differing:
            told.append(tr("{differing} there already, in other words", differing=f"{there.differing:,}"))
        told.append(tr("{rejected} rejected.", rejected=f"{imported.rejected:,}"))
        self.summary.setText(", ".join(told))
        self.when_there.setEnabled(bool(there.same or there.differing))
        self.bad_rows.setEnabled(bool(imported.rejections))
        refused = bool(imported.rejections) and self.bad_rows.currentData() == _NOTHING
        taken = imported.accepted
        if self.when_there.currentData() != WhenThere.ADD:
            taken = there.new + (there.differing if self.when_there.currentData() == WhenThere.UPDATE else 0)
        if refused:
            text = tr("Import nothing: {rows} rejected", rows=count(imported.rejected, "row"))
        elif imported.accepted and not taken:
            text = tr("Nothing new to import")
        elif taken < imported.rows:
            text = tr("Import {taken} of {rows}", taken=f"{taken:,}", rows=count(imported.rows, "row"))
        else:
            text = tr("Import {edits}", edits=count(taken, "edit"))
        self.accept_button.setText(text)
        self.accept_button.setAccessibleName(text)
        self.accept_button.setEnabled(taken > 0 and not refused)

    # --- importing ---------------------------------------------------------------------------------------------

    def _import(self) -> None:
        imported, choice = self._found, WhenThere(self.when_there.currentData())
        if imported is None:
            return
        self._lock(True)
        self.summary.setText(tr("Importing {edits}…", edits=count(imported.accepted, "edit")))
        watch = Watch()
        job = self._database.run(
            lambda project: import_edit_set(project, imported.edit_set, choice, watch=watch),
            on_success=partial(self._done, imported),
            on_error=self._not_imported,
            on_cancelled=self._unlock,
            cancel=watch.cancel,
            owner=self,
            name=tr("Import edits"),
        )
        self._job = job
        self.strip.follow(job, watch.board)

    def _done(self, imported: Imported, changes: ImportChanges) -> None:
        self.imported.emit(ImportAccount(imported, changes))
        self.accept()

    def _not_imported(self, message: UserMessage) -> None:
        self._unlock()
        self.summary.setText(
            tr("{sentence} {action} Nothing was imported.", sentence=message.sentence, action=message.action).strip()
        )

    def _unlock(self) -> None:
        self._lock(False)
        self._tell()
        self.summary.setText(tr("Cancelled: nothing was imported. {told}", told=self.summary.text()))

    def _lock(self, locked: bool) -> None:
        for control in (self.format, self.encoding, self.target, self.when_there, self.bad_rows, self.table_options):
            control.setEnabled(not locked)
        self.accept_button.setEnabled(not locked)
        self.save.setEnabled(not locked and self._found is not None and bool(self._found.rejections))

    # --- rejected rows -----------------------------------------------------------------------------------------

    def _save(self) -> None:
        if self._found is not None:
            save_rejects(self, self._path, self._found, self._write)

    def _write(self, path: Path) -> None:
        imported = self._found
        if imported is None:
            return
        self._database.run(
            lambda _project: write_rejects(path, imported),
            on_success=lambda _: self.summary.setText(
                tr("The rejected rows are in {name}: mend and import them.", name=path.name)
            ),
            on_error=lambda message: self.summary.setText(f"{message.sentence} {message.action}".strip()),
            owner=self,
            name="Save the rejected rows",
        )


def save_rejects(parent: QWidget, source: Path, imported: Imported, write: Callable[[Path], object]) -> None:
    """Ask where the rejected rows of `imported`, which came from `source`, shall go."""
    ending = suffix(imported)
    kinds = [(tr("Rejected rows"), ending)]
    choose_target(
        parent,
        tr("Save the rejected rows"),
        f"{source.stem}-rejected{ending}",
        kinds,
        lambda p, _: write(p),
    )


def _read(
    project: Project,
    path: Path,
    format: str | None,
    relations: Mapping[str, Relation],
    options: ReadOptions,
    watch: Watch,
) -> _Read:
    """Read the file as far as it goes: where its columns have other names, the names are what is wanted."""
    if format == huggingface.NAME or path.is_dir():
        imported = read_edits(path, format, relations=relations, watch=watch)
        return _Read(None, False, imported, compare(project, imported.edit_set, watch))
    source = Source.open(path, options.encoding, watch)
    columns: Mapping[str, str] | None = None
    is_table = False
    try:
        format = format or _shown(source, path)
        is_table = format in _TABLES
        if is_table:
            delimiter = "\t" if format == "tsv" and options.delimiter is None else options.delimiter
            columns = csv.columns_of(source, delimiter=delimiter, skip_rows=options.skip_rows)
            format = "csv"
        elif format == jsonl.NAME:
            columns = jsonl.columns_of(source) or None
            options = replace(options, delimiter=None, skip_rows=0)
        chosen = {name: holds for name, holds in (options.columns or {}).items() if name in (columns or {})}
        options = replace(options, columns=chosen or None)
        if columns and not is_table:
            _check_named(source, columns, chosen)
        imported = read_source(source, format, relations=relations, options=options)
    except FormatError as error:
        if columns is None:
            raise
        return _Read(columns, is_table, None, fault=str(error))
    return _Read(columns, is_table, imported, compare(project, imported.edit_set, watch))


def _shown(source: Source, path: Path) -> str:
    """The format that the content shows; records and tables with names that are not known are still such."""
    try:
        return detect(source)
    except FormatError:
        if is_json(source):
            return jsonl.NAME
        if path.suffix.casefold() in (*TABLE_SUFFIXES, _TEXT_SUFFIX):
            return "csv"
        raise


def _check_named(source: Source, columns: Mapping[str, str], chosen: Mapping[str, str]) -> None:
    """Raise FormatError where no key of the records holds the new object: every one of them would be rejected."""
    if "new object" not in {chosen.get(name, jsonl.column_of(name)) for name in columns}:
        keys = ", ".join(list(columns)[:12])
        raise FormatError(
            tr(
                "No key of {name} is known to hold the new object; it has {keys}.",
                name=source.name,
                keys=ascii(keys[:200]),
            )
        )


def _rejected(rejection: Rejection) -> tuple[str, str, str]:
    return f"{rejection.unit} {rejection.row:,}", rejection.column, rejection.reason


def _field(name: str, field: QWidget) -> QWidget:
    """A named field that can be hidden as one."""
    holder = QWidget()
    layout = named(name, field)
    layout.setContentsMargins(0, 0, 0, 0)
    holder.setLayout(layout)
    return holder


def _combo(items: Sequence[tuple[str, str]]) -> QComboBox:
    made = QComboBox()
    # Beside one another and in large text, the longest choices would make the dialog wider than a small screen.
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(8)
    for value, words in items:
        made.addItem(words, value)
    return made
