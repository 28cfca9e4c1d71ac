"""Buttons with an icon, a word and an accessible name."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QPushButton, QToolButton

from studio import icons
from studio.theme import TOOL
from studio.widgets.labels import plain_tooltip
from studio.words import tr


def button(text: str, icon: str = "", *, primary: bool = False, tip: str = "") -> QPushButton:
    """A push button; the primary one is the page's main deed."""
    text, tip = tr(text), tr(tip)
    made = QPushButton(text)
    made.setAccessibleName(text.replace("&", ""))
    made.setAutoDefault(False)
    if primary:
        made.setProperty("primary", True)
    if icon:
        icons.dress(made, icon)
    if tip:
        made.setToolTip(tip)
        made.setAccessibleDescription(tip)
    return made


def icon_button(name: str, icon: str, action: Callable[[], object] | None = None) -> QToolButton:
    """A small button that shows only its icon; `name` is its tooltip and its accessible name."""
    name = tr(name)
    made = QToolButton()
    made.setIconSize(QSize(TOOL, TOOL))
    made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
    made.setToolTip(name)
    made.setAccessibleName(name)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    icons.dress(made, icon)
    if action is not None:
        made.clicked.connect(lambda _checked=False: action())
    return made


def action_button(action: QAction, *, icon_only: bool = False, primary: bool = False) -> QPushButton | QToolButton:
    """A button for `action`: its words, its icon, enabled when it is."""
    icon = str(action.property(icons.NAME) or "")
    made = icon_button(action.text(), icon) if icon_only else button(action.text(), icon, primary=primary)

    def follow() -> None:
        words = action.text().replace("&&", "&").rstrip("…")
        keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        tip = action.toolTip() if action.toolTip() != action.text().rstrip("…") else words
        made.setEnabled(action.isEnabled())
        made.setToolTip(plain_tooltip(f"{tip} ({keys})" if keys and keys not in tip else tip))
        made.setAccessibleName(words)
        if not icon_only:
            made.setText(action.text())

    made.clicked.connect(action.trigger)
    action.changed.connect(follow)
    follow()
    return made
