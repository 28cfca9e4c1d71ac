"""Texts that an edit could be given, each one click away."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from studio.theme import SPACE
from studio.widgets.buttons import button, icon_button
from studio.widgets.labels import ElidedLabel, Label
from studio.words import tr

SHOWN = 3
"""Texts shown at a time; the next ones come up when one of these is taken."""


class SuggestedTextsList(QWidget):
    """A few texts with a button each; hidden while there are none."""

    accepted = Signal(object)  # tuple of texts

    def __init__(self, source: str, parent: QWidget | None = None) -> None:
        """`source` says where the texts come from, in a few words."""
        super().__init__(parent)
        self._rows: list[QWidget] = []
        self._source = ElidedLabel(source, muted=True)
        self._all = button("Add all")
        self._texts: tuple[str, ...] = ()
        head = QHBoxLayout()
        head.setSpacing(SPACE)
        head.addWidget(self._source, 1)
        head.addWidget(self._all)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SPACE // 2)
        self._column.addLayout(head)
        self._all.clicked.connect(lambda: self.accepted.emit(self._texts))
        self.hide()

    @property
    def texts(self) -> tuple[str, ...]:
        """What is suggested, from the top."""
        return self._texts

    def show_texts(self, texts: Sequence[str], source: str = "") -> None:
        """Suggest `texts`, the first of them on show."""
        if source:
            self._source.set_whole(source)
        if tuple(texts) != self._texts:
            self._texts = tuple(texts)
            for row in self._rows:
                self._column.removeWidget(row)
                row.hide()
                row.deleteLater()
            self._rows = [self._row(text) for text in self._texts[:SHOWN]]
            for row in self._rows:
                self._column.addWidget(row)
        self._all.setText(tr("Add all {number}", number=len(self._texts)))
        self._all.setAccessibleName(
            tr(
                "Add all {number} texts: {source}",
                number=len(self._texts),
                source=self._source.accessibleName(),
            )
        )
        self._all.setVisible(len(self._texts) > 1)
        self.setVisible(bool(self._texts))

    def _row(self, text: str) -> QWidget:
        made = QWidget()
        line = QHBoxLayout(made)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(SPACE)
        add = icon_button(tr("Add “{words}”", words=text), "add", partial(self.accepted.emit, (text,)))
        line.addWidget(add, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(Label(text, wrap=True), 1)
        return made
