"""The tour of the first start: at the real widgets, in nobody's way."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.first_steps import FirstSteps
from studio.theme import SPACE
from studio.window import MainWindow

Settle = Callable[[MainWindow], None]


def walk(window: MainWindow) -> FirstSteps:
    window.take_first_steps()
    return window.first_steps


def test_each_step_points_at_what_is_really_there(window: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    window.resize(1280, 800)
    tour = walk(window)
    seen = []
    while not tour.isHidden():
        settle(window)
        target = tour.target
        assert target is not None
        assert target.isVisible()
        card = QRect(tour.pos(), tour.size())
        assert window.rect().contains(card)
        assert tour.accessibleName().startswith(tour._title.text())
        ring = tour._ring.geometry()
        assert ring.isValid()
        assert (
            QRect(target.mapTo(window, QPoint(0, 0)), target.size())
            .adjusted(-SPACE, -SPACE, SPACE, SPACE)
            .contains(ring)
        )
        if target.height() < 200:
            assert not card.intersects(ring)
        seen.append(target)
        qtbot.mouseClick(tour.next, Qt.MouseButton.LeftButton)
    assert len(seen) == 5
    assert window.facts.form in seen
    assert window._remembered.settings.tour_seen


def test_it_takes_no_key_and_no_focus(window: MainWindow, qtbot: QtBot) -> None:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.facts.form.subject.setFocus()
    tour = walk(window)
    assert QApplication.focusWidget() is window.facts.form.subject
    qtbot.keyClicks(QApplication.focusWidget(), "Peru")
    assert window.facts.form.subject.text() == "Peru"
    qtbot.keyClick(tour.next, Qt.Key.Key_Space)  # the buttons answer to keys all the same
    assert tour.at == 1
    tour.skip.click()


def test_it_can_be_skipped_and_seen_again(window: MainWindow) -> None:
    tour = walk(window)
    tour.skip.click()
    assert tour.isHidden()
    assert not tour._ring.isVisible()
    assert window._remembered.settings.tour_seen
    next(entry for entry in window.help_entries() if entry.text() == "First steps").trigger()
    assert not tour.isHidden()
    assert tour.at == 0
    tour.next.click()
    tour.back.click()
    assert tour.at == 0
    tour.end()


def test_only_the_first_start_begins_with_it(
    empty_window: MainWindow, make_window: Callable[[], MainWindow], qtbot: QtBot, settle: Settle
) -> None:
    settle(empty_window)
    empty_window.after_first_picture()
    qtbot.waitUntil(lambda: not empty_window.first_steps.isHidden())
    empty_window.first_steps.end()
    again = make_window()
    again.after_first_picture()
    qtbot.waitUntil(lambda: len(again._pages) == len(again._holders))
    qtbot.wait(20)
    assert again.first_steps.isHidden()


def test_it_follows_the_windows_size(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1280, 800)
    tour = walk(window)
    window.resize(1000, 700)
    qtbot.waitUntil(lambda: window.rect().contains(QRect(tour.pos(), tour.size())))
    tour.end()
