"""The main job with the keys alone, and the keys themselves: told, and each with one meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QDialog, QTableWidget, QWidget
from pytestqt.qtbot import QtBot

from studio.dialogs.shortcuts import OR, ShortcutsDialog
from studio.window import PAGES, MainWindow

Settle = Callable[[MainWindow], None]
TABS = 60
"""More than there are controls on any page."""


class Keys:
    """Presses keys where the focus is, as a keyboard does."""

    def __init__(self, window: MainWindow, qtbot: QtBot) -> None:
        self.window, self.qtbot = window, qtbot
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)

    @property
    def focus(self) -> QWidget:
        focus = QApplication.focusWidget()
        assert focus is not None, "nothing has the focus"
        return focus

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        self.qtbot.keyClick(self.focus, key, modifier)

    def control(self, key: Qt.Key) -> None:
        self.press(key, Qt.KeyboardModifier.ControlModifier)

    def type(self, text: str) -> None:
        self.qtbot.keyClicks(self.focus, text)

    def tab_to(self, wanted: Callable[[QWidget], bool]) -> QWidget:
        """Tab until a control is reached; fails where Tab comes round without it."""
        seen = []
        for _ in range(TABS):
            if wanted(self.focus):
                return self.focus
            seen.append(f"{type(self.focus).__name__} {self.focus.accessibleName()}")
            self.press(Qt.Key.Key_Tab)
        pytest.fail(f"Tab never came there: {seen}")


@pytest.fixture
def keys(empty_window: MainWindow, qtbot: QtBot, settle: Settle) -> Keys:
    settle(empty_window)
    return Keys(empty_window, qtbot)


def named(name: str) -> Callable[[QWidget], bool]:
    return lambda widget: widget.accessibleName() == name


def test_a_fact_is_added_trained_and_compared_with_keys_only(keys: Keys, settle: Settle, qtbot: QtBot) -> None:
    window = keys.window
    keys.control(Qt.Key.Key_1)
    keys.tab_to(named("Subject"))
    keys.type("France")
    keys.press(Qt.Key.Key_Tab)
    assert isinstance(keys.focus, QComboBox)
    keys.type("capital")
    assert keys.focus.currentText() == "capital"
    keys.press(Qt.Key.Key_Tab)
    keys.type("Lyon")
    keys.press(Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.workspace.counts.total == 1)

    keys.control(Qt.Key.Key_2)
    settle(window)
    train = keys.tab_to(lambda widget: isinstance(widget, QAbstractButton) and widget.text() == "Train")
    assert train.isEnabled()
    keys.press(Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.workspace.run is not None and not window.trainer.busy, timeout=30_000)
    settle(window)

    keys.control(Qt.Key.Key_3)
    settle(window)
    keys.tab_to(named("Question"))
    prompt = "The capital of France is"
    keys.type(prompt)
    keys.press(Qt.Key.Key_Return)
    compare: Any = window.page("compare")
    qtbot.waitUntil(lambda: compare.answers.edited.toPlainText() == "Lyon", timeout=30_000)
    assert compare.answers.original.toPlainText() == "old is"
    settle(window)


def test_every_page_can_be_left_by_tab_and_by_its_keys(keys: Keys, settle: Settle) -> None:
    window = keys.window
    for place, (name, _) in enumerate(PAGES):
        keys.control(Qt.Key(Qt.Key.Key_1 + place))
        settle(window)
        assert window._stack.currentIndex() == place, name
        keys.tab_to(lambda widget: widget.accessibleName().endswith(" page"))


def test_the_rail_is_walked_by_arrows(keys: Keys) -> None:
    keys.tab_to(named("Facts page"))
    keys.press(Qt.Key.Key_Down)
    assert keys.window._stack.currentIndex() == 1
    keys.press(Qt.Key.Key_Up)
    assert keys.window._stack.currentIndex() == 0


def test_text_is_made_larger_and_smaller_by_keys(keys: Keys, qapp: QApplication) -> None:
    size = qapp.font().pointSizeF()
    keys.press(Qt.Key.Key_Equal, Qt.KeyboardModifier.ControlModifier)
    assert qapp.font().pointSizeF() > size
    keys.control(Qt.Key.Key_0)
    assert qapp.font().pointSizeF() == size
    keys.control(Qt.Key.Key_Minus)
    assert qapp.font().pointSizeF() < size
    keys.control(Qt.Key.Key_0)


def actions(window: MainWindow) -> list[QAction]:
    for name, _ in PAGES:
        window.page(name)
    return window.findChildren(QAction)


def test_no_two_actions_of_a_window_share_their_keys(window: MainWindow) -> None:
    seen: dict[str, QAction] = {}
    for action in actions(window):
        for keys in action.shortcuts():
            other = seen.setdefault(keys.toString(), action)
            assert other is action, f"{keys.toString()}: {other.text()} and {action.text()}"
    for shortcut in window.findChildren(QShortcut):
        assert shortcut.key().toString() not in seen
    assert {"Ctrl+Z", "Ctrl+N", "F1", "Ctrl+1"} <= set(seen)


def test_no_key_of_a_menu_is_taken_twice_on_the_bar(window: MainWindow) -> None:
    letters = [
        text[text.index("&") + 1].casefold() for menu in window.menuBar().actions() if "&" in (text := menu.text())
    ]
    assert len(letters) == len(set(letters)) == len(window.menuBar().actions())


def test_every_key_is_told_in_one_dialog(keys: Keys, settle: Settle) -> None:
    window = keys.window
    keys.press(Qt.Key.Key_F1)
    dialog = next(child for child in window.findChildren(ShortcutsDialog))
    table = dialog.findChild(QTableWidget)
    assert table is not None
    told = {keys.strip() for row in range(table.rowCount()) for keys in table.item(row, 1).text().split(OR.strip())}
    for action in actions(window):
        for sequence in action.shortcuts():
            assert sequence.toString(QKeySequence.SequenceFormat.NativeText) in told, action.text()
    dialog.reject()


def test_shortcuts_stand_in_the_menus(window: MainWindow) -> None:
    """Whoever looks for a deed there learns its keys: nothing with keys is only on a page."""
    menus = [menu.menu() for menu in window.menuBar().actions()]
    listed = {id(entry) for menu in menus for entry in menu.actions()}  # type: ignore[union-attr]
    missing = [entry.text() for entry in actions(window) if entry.shortcuts() and id(entry) not in listed]
    assert missing == []


def test_escape_closes_every_dialog(window: MainWindow, settle: Settle, qtbot: QtBot) -> None:
    for entry in (*window.help_entries()[1:], window.project_actions.backups, window.facts.relations):
        entry.trigger()
        settle(window)
        open_ones = [dialog for dialog in window.findChildren(QDialog) if dialog.isVisible()]
        assert len(open_ones) == 1, entry.text()
        qtbot.keyClick(open_ones[0], Qt.Key.Key_Escape)
        settle(window)
        assert not [dialog for dialog in window.findChildren(QDialog) if dialog.isVisible()]
