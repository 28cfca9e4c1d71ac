from __future__ import annotations

from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from studio.messages import Deed, Kind, Message
from studio.widgets.message_bar import MessageBar


def bar(qtbot: QtBot) -> MessageBar:
    made = MessageBar()
    qtbot.addWidget(made)
    return made


def test_trouble_stays_and_good_news_make_room(qtbot: QtBot) -> None:
    shown = bar(qtbot)
    shown.show_message(Message(Kind.ERROR, "The disk is full."))
    shown.show_message(Message(Kind.GOOD, "Saved."))
    shown.show_message(Message(Kind.GOOD, "Saved again."))
    assert shown.current() == Message(Kind.GOOD, "Saved again.")
    shown.dismiss()
    assert shown.current() == Message(Kind.ERROR, "The disk is full.")
    shown.dismiss()
    assert shown.current() is None
    assert shown.isHidden()


def test_the_same_trouble_is_said_once(qtbot: QtBot) -> None:
    shown = bar(qtbot)
    for _ in range(3):
        shown.show_message(Message(Kind.ERROR, "The disk is full."))
    shown.dismiss()
    assert shown.current() is None


def test_good_news_go_by_themselves(qtbot: QtBot) -> None:
    shown = bar(qtbot)
    shown.QUIET_AFTER = 30
    shown.show_message(Message(Kind.GOOD, "Saved."))
    qtbot.waitUntil(lambda: shown.current() is None)


def test_a_deed_is_done_and_the_message_goes(qtbot: QtBot) -> None:
    shown, done = bar(qtbot), []
    shown.show_message(Message(Kind.WARNING, "Stopped.", deeds=(Deed("Again", lambda: done.append(1)),)))
    shown._deeds.itemAt(0).widget().click()
    assert done == [1]
    assert shown.current() is None


def test_what_is_offered_for_one_project_goes_with_it(qtbot: QtBot) -> None:
    shown = bar(qtbot)
    copied = Message(Kind.GOOD, "Copied.", deeds=(Deed("Open the copy", lambda: None, lasting=True),))
    for message in (
        Message(Kind.ERROR, "The disk is full."),
        Message(Kind.WARNING, "1 row cannot be an edit.", deeds=(Deed("Paste the other", lambda: None),)),
        copied,
    ):
        shown.show_message(message)
    shown.leave_project()
    assert shown.current() == copied
    shown.dismiss()
    assert shown.current() == Message(Kind.ERROR, "The disk is full.")


def test_details_are_shown_and_copied(qtbot: QtBot) -> None:
    shown = bar(qtbot)
    shown.show_message(Message(Kind.ERROR, "It <b>broke</b>.", details="Traceback …"))
    shown._details.click()
    assert not shown._full.isHidden()
    shown._copy.click()
    assert QGuiApplication.clipboard().text() == "It <b>broke</b>.\n\nTraceback …"
    assert shown._text.text() == "It <b>broke</b>."


def test_trouble_of_the_user_and_faults_of_ours_are_told_apart(qtbot: QtBot) -> None:
    """By icon, by colour, by what is offered, and by what a screen reader says first."""
    shown = MessageBar(lambda: "PySide6 6.11")
    qtbot.addWidget(shown)
    shown.show_message(Message(Kind.ERROR, "The disk is full. Make room."))
    yours = (shown._text.accessibleName().split(":")[0], shown._icon.pixmap().toImage())
    assert shown._copy.isHidden()
    assert shown._details.isHidden()
    shown.show_message(Message(Kind.BUG, "Something is wrong inside.", details="Traceback …"))
    ours = (shown._text.accessibleName().split(":")[0], shown._icon.pixmap().toImage())
    assert not shown._copy.isHidden()
    assert yours[0] != ours[0]
    assert yours[1] != ours[1]
    shown._copy.click()
    assert QGuiApplication.clipboard().text() == "Something is wrong inside.\n\nTraceback …\n\nPySide6 6.11"
