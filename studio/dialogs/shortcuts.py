"""All keys in one list, read from the actions themselves so that it cannot grow stale."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from studio.theme import SPACE
from studio.widgets.buttons import button
from studio.widgets.labels import page_title
from studio.widgets.tables import fill, text_table
from studio.words import deferred, tr

OR = "  ·  "
"""Between two keys that do the same."""

_BUILT_IN = (
    (deferred("Change the cell of the facts table"), "F2"),
    (deferred("Switch the selected edits on or off"), "Space"),
    (deferred("Go to the next field"), "Tab"),
)


def shortcuts(actions: Iterable[QAction]) -> list[tuple[str, str]]:
    """What each action does and its keys, by name."""
    found = {
        (
            action.text().replace("&&", "&").rstrip("…"),
            OR.join(keys.toString(QKeySequence.SequenceFormat.NativeText) for keys in action.shortcuts()),
        )
        for action in actions
        if action.shortcuts()
    }
    return sorted({*found, *((tr(what), keys) for what, keys in _BUILT_IN)}, key=lambda row: row[0].casefold())


class ShortcutsDialog(QDialog):
    """A table of words and keys."""

    def __init__(self, actions: Iterable[QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Keyboard shortcuts"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(64 * SPACE, 72 * SPACE)
        rows = shortcuts(actions)
        table = text_table(tr("Keyboard shortcuts"), (tr("What"), tr("Keys")), stretch=(0,), framed=True)
        fill(table, rows)
        close = button(tr("Close"), primary=True)
        close.clicked.connect(self.accept)
        bottom = QHBoxLayout()
        bottom.addStretch(1)
        bottom.addWidget(close)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        box.setSpacing(2 * SPACE)
        box.addWidget(page_title(tr("Keyboard shortcuts")))
        box.addWidget(table, 1)
        box.addLayout(bottom)
