"""Messages that do not get in the way: a bar above the page, with what happened and what to do.

The newest message is shown; closing it shows the one before. A message never blocks a page or takes the focus.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent, QColor, QGuiApplication, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from studio import icons
from studio.messages import Deed, Kind, Message
from studio.redaction import redacted
from studio.theme import HALF, MARK, RADIUS, SPACE, tokens
from studio.widgets.buttons import button, icon_button
from studio.widgets.labels import Label
from studio.words import deferred, tr

_COLOURS: dict[Kind, tuple[str, str]] = {
    Kind.GOOD: ("good", "good_surface"),
    Kind.INFO: ("accent", "info_surface"),
    Kind.WARNING: ("warn", "warn_surface"),
    Kind.ERROR: ("bad", "bad_surface"),
    Kind.BUG: ("bug", "bug_surface"),
}
"""The tokens of icon and surface."""

_SPOKEN: dict[Kind, str] = {
    Kind.GOOD: deferred("done"),
    Kind.INFO: deferred("note"),
    Kind.WARNING: deferred("warning"),
    Kind.ERROR: deferred("trouble you can put right"),
    Kind.BUG: deferred("fault of the program"),
}
"""What a screen reader says before the sentence: what the others see by icon and colour."""


class MessageBar(QFrame):
    """Shows messages one at a time."""

    QUIET_AFTER = 8_000
    """Milliseconds after which good news go away by themselves; trouble stays until it is read."""

    KEPT = 20

    shown = Signal(str)

    def __init__(self, diagnostics: Callable[[], str] | None = None, parent: QWidget | None = None) -> None:
        """`diagnostics` tells what is known of the machine; “Copy diagnostics” copies it with the message."""
        super().__init__(parent)
        self._diagnostics = diagnostics
        self._waiting: list[Message] = []
        self._icon = QLabel()
        self._text = Label(wrap=True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._deeds = QHBoxLayout()
        self._deeds.setSpacing(SPACE)
        self._more = Label(muted=True)
        self._details = button(tr("Details"))
        self._details.setCheckable(True)
        self._copy = button(tr("Copy diagnostics"), "copy")
        self._close = icon_button(tr("Close this message"), "close", self.dismiss)
        self._full = QPlainTextEdit()
        self._full.setReadOnly(True)
        self._full.setAccessibleName(tr("Details of the message"))
        self._full.setProperty("low", True)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._text, 1)
        row.addWidget(self._more)
        row.addLayout(self._deeds)
        row.addWidget(self._details)
        row.addWidget(self._copy)
        row.addWidget(self._close, 0, Qt.AlignmentFlag.AlignVCenter)
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * SPACE, SPACE, SPACE, SPACE)
        box.addLayout(row)
        box.addWidget(self._full)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.dismiss)
        self._details.toggled.connect(self._full.setVisible)
        self._copy.clicked.connect(self._copy_details)
        self.hide()

    def current(self) -> Message | None:
        """The message on show."""
        return self._waiting[-1] if self._waiting else None

    def show_message(self, message: Message) -> None:
        """Show a message; the same sentence twice in a row is shown once, and good news make room at once."""
        before = self.current()
        if before is not None and (
            (before.kind, before.text) == (message.kind, message.text) or before.kind in (Kind.GOOD, Kind.INFO)
        ):
            self._waiting.pop()
        self._waiting.append(message)
        del self._waiting[: -self.KEPT]
        self._show()
        self.shown.emit(message.text)
        QAccessible.updateAccessibility(QAccessibleEvent(self._text, QAccessible.Event.Alert))

    def dismiss(self) -> None:
        """Close the message on show."""
        if self._waiting:
            self._waiting.pop()
        self._show()

    def leave_project(self) -> None:
        """Close the messages that offer deeds on the project that is left."""
        self._waiting = [message for message in self._waiting if all(deed.lasting for deed in message.deeds)]
        self._show()

    def clear(self) -> None:
        """Close all messages."""
        self._waiting.clear()
        self._show()

    def _show(self) -> None:
        self._timer.stop()
        message = self.current()
        self.setVisible(message is not None)
        if message is None:
            return
        self._text.setText(message.text)
        self._text.setAccessibleName(f"{tr(_SPOKEN[message.kind])}: {message.text}")
        self._more.setText(tr("{number} more", number=len(self._waiting) - 1) if len(self._waiting) > 1 else "")
        while (item := self._deeds.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        for deed in message.deeds:
            self._deeds.addWidget(self._deed_button(deed))
        self._details.setChecked(False)
        self._full.setVisible(False)
        self._details.setVisible(bool(message.details))
        self._copy.setVisible(bool(message.details))
        self._full.setPlainText(message.details)
        self._paint_icon()
        self.update()
        if message.kind in (Kind.GOOD, Kind.INFO) and not message.deeds:
            self._timer.start(self.QUIET_AFTER)

    def _deed_button(self, deed: Deed) -> QPushButton:
        made = button(deed.label)

        def act() -> None:
            self.dismiss()
            deed.act()

        made.clicked.connect(act)
        return made

    def _copy_details(self) -> None:
        message = self.current()
        if message is not None:
            parts = [redacted(message.text), message.details, self._diagnostics() if self._diagnostics else ""]
            QGuiApplication.clipboard().setText("\n\n".join(part for part in parts if part))

    def _paint_icon(self) -> None:
        message = self.current()
        if message is not None:
            colour = getattr(tokens(), _COLOURS[message.kind][0])
            self._icon.setPixmap(icons.pixmap(message.kind.value, colour, MARK + HALF))

    def changeEvent(self, event: QEvent) -> None:
        """Paint the icon anew after a change of scheme."""
        if event.type() == QEvent.Type.PaletteChange:
            self._paint_icon()
        super().changeEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A tinted surface, in the colours in force."""
        message = self.current()
        if message is None:
            return
        surface = getattr(tokens(), _COLOURS[message.kind][1])
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(surface))
        painter.drawRoundedRect(QRectF(self.rect()), RADIUS, RADIUS)
