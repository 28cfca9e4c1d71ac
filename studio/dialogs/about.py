"""About the studio, with the diagnostics that a report of trouble needs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.fields import named
from studio.widgets.labels import Label, hint, page_title
from studio.words import tr


class AboutDialog(QDialog):
    """What this is, and what it runs on."""

    def __init__(self, diagnostics: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("About MeG Studio"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(76 * SPACE, 60 * SPACE)
        self._text = QPlainTextEdit(diagnostics)
        self._text.setReadOnly(True)
        self._text.setTabChangesFocus(True)
        self.copy = button(tr("Copy diagnostics"), "copy")
        self.close_button = button(tr("Close"), primary=True)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.copy)
        row.addStretch(1)
        row.addWidget(self.close_button)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addWidget(page_title(tr("MeG Studio")))
        box.addWidget(Label(tr("Version {version}", version=_version()), muted=True))
        box.addWidget(
            hint(
                tr(
                    "Corrects what a local language model believes: thousands of edits at once, each visible, undoable "
                    "and exportable. The method is MeG, massive editing by generated neurons (arXiv 2512.14395)."
                )
            )
        )
        box.addLayout(named(tr("Diagnostics: no tokens, no name of your home folder"), self._text), 1)
        box.addLayout(row)
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._text.toPlainText()))
        self.close_button.clicked.connect(self.accept)


def _version() -> str:
    try:
        return version("meg-studio")
    except PackageNotFoundError:
        return tr("from source")
