"""The log as it grows: filtered by level and by word, to be read and copied."""

from __future__ import annotations

import logging
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, QTimer, QUrl
from PySide6.QtGui import QColor, QDesktopServices, QFontDatabase, QGuiApplication, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QCheckBox, QComboBox, QDialog, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from studio.logs import LOG, Entry, parse
from studio.redaction import redacted
from studio.theme import SPACE, tokens
from studio.widgets.buttons import button
from studio.widgets.fields import line
from studio.widgets.labels import Label, hint, page_title
from studio.words import counted, deferred, tr

LEVELS = (
    (logging.DEBUG, deferred("Everything")),
    (logging.INFO, deferred("Steps and worse")),
    (logging.WARNING, deferred("Warnings and errors")),
    (logging.ERROR, deferred("Errors")),
)
POLL = 500
"""Milliseconds between two looks at the file."""
SHOWN = 5_000
"""Entries that are shown at most, the newest."""


class LogDialog(QDialog):
    """A window of its own that leaves the others alone."""

    def __init__(self, folder: Path, parent: QWidget | None = None) -> None:
        """`folder` is where the log is kept."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Log"))
        self.resize(112 * SPACE, 76 * SPACE)
        self._file = folder / LOG
        self._read_to = 0
        self._rest = b""
        self._entries: list[Entry] = []
        self.level = QComboBox()
        self.level.setAccessibleName(tr("Which entries"))
        for level, words in LEVELS:
            self.level.addItem(tr(words), level)
        self.level.setCurrentIndex(1)
        self.search = line(tr("Only entries with this text"), tr("Only entries with…"))
        self.search.setClearButtonEnabled(True)
        self.follow = QCheckBox(tr("Follow"))
        self.follow.setChecked(True)
        self.follow.setAccessibleName(self.follow.text())
        self.follow.setToolTip(tr("Keep the newest entry in sight"))
        self.follow.setAccessibleDescription(self.follow.toolTip())
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setUndoRedoEnabled(False)
        self.text.setMaximumBlockCount(4 * SHOWN)
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName(tr("Entries of the log"))
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._told = Label(muted=True)
        self.copy = button(tr("Copy"), "copy", tip=tr("Copy what is shown, without tokens and without your name"))
        self.show_folder = button(tr("Show the folder"), "folder")
        close = button(tr("Close"), primary=True)
        top = QHBoxLayout()
        top.setSpacing(SPACE)
        top.addWidget(self.level)
        top.addWidget(self.search, 1)
        top.addWidget(self.follow)
        bottom = QHBoxLayout()
        bottom.setSpacing(SPACE)
        bottom.addWidget(self._told, 1)
        bottom.addWidget(self.show_folder)
        bottom.addWidget(self.copy)
        bottom.addWidget(close)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(SPACE)
        box.addWidget(page_title(tr("Log")))
        box.addWidget(hint(tr("What the studio did, newest last. It stays on this computer.")))
        box.addLayout(top)
        box.addWidget(self.text, 1)
        box.addLayout(bottom)
        self._timer = QTimer(self)
        self._timer.setInterval(POLL)
        self._timer.timeout.connect(self.look)
        self._timer.start()
        self.level.currentIndexChanged.connect(self._show_all)
        self.search.textChanged.connect(self._show_all)
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(redacted(self.text.toPlainText())))
        self.show_folder.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))))
        close.clicked.connect(self.accept)
        self.look()
        self.search.setFocus()

    def look(self) -> None:
        """Read what was written since the last look; a file that has rolled over is read from its start."""
        try:
            with self._file.open("rb") as file:
                size = file.seek(0, 2)
                rolled = size < self._read_to
                if rolled:
                    self._read_to, self._rest = 0, b""
                file.seek(self._read_to)
                new = file.read()
        except FileNotFoundError:
            new = b""
        except OSError as error:
            self._told.setText(tr("The log cannot be read: {reason}", reason=error.strerror))
            return
        if not new and self._entries:
            return
        self._read_to += len(new)
        whole, _, self._rest = (self._rest + new).rpartition(b"\n")
        added = parse(whole.decode("utf-8", "replace"))
        self._entries = (self._entries + added)[-SHOWN:]
        self._append([entry for entry in added if self._fits(entry)])
        self._tell()

    def _show_all(self) -> None:
        self.text.clear()
        self._append([entry for entry in self._entries if self._fits(entry)])
        self._tell()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._show_all()

    def _fits(self, entry: Entry) -> bool:
        wanted = self.search.text().casefold()
        return entry.level >= self.level.currentData() and (not wanted or wanted in str(entry).casefold())

    def _append(self, entries: list[Entry]) -> None:
        colours = tokens()
        bar = self.text.verticalScrollBar()
        kept = bar.value()
        cursor = QTextCursor(self.text.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.beginEditBlock()
        for entry in entries:
            looks = QTextCharFormat()
            if entry.level >= logging.ERROR:
                looks.setForeground(QColor(colours.bad))
            elif entry.level >= logging.WARNING:
                looks.setForeground(QColor(colours.warn))
            else:
                looks.setForeground(QColor(colours.text))
            cursor.insertText(str(entry) + "\n", looks)
        cursor.endEditBlock()
        bar.setValue(bar.maximum() if self.follow.isChecked() else kept)

    def _tell(self) -> None:
        shown = sum(map(self._fits, self._entries))
        if not self._entries:
            text = tr("The log is empty: nothing has happened yet.")
        elif shown == len(self._entries):
            text = counted(shown, "entry", "entries")
        else:
            text = tr("{shown} of {all}", shown=f"{shown:,}", all=counted(len(self._entries), "entry", "entries"))
        self._told.setText(text)
