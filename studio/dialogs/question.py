"""A question before something that is not easily taken back."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget


def question(
    parent: QWidget,
    title: str,
    text: str,
    more: str,
    *,
    yes: str,
    no: str,
    go_on: Callable[[], object],
    destructive: bool = False,
) -> QMessageBox:
    """Ask in plain text, without waiting; `go_on` is called where the answer is `yes`. What Enter presses is `no`."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(text)
    box.setInformativeText(more)
    role = QMessageBox.ButtonRole.DestructiveRole if destructive else QMessageBox.ButtonRole.AcceptRole
    box.addButton(yes, role).clicked.connect(lambda _checked=False: go_on())
    box.setDefaultButton(box.addButton(no, QMessageBox.ButtonRole.RejectRole))
    box.open()
    return box
