"""Nothing is cut off: in a usual window, in a small one, and with large text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import QTabWidget, QWidget
from pytestqt.qtbot import QtBot

from studio.errors import describe
from studio.pages.evaluation.page import EvaluationPage
from studio.pages.facts.columns import HEADINGS
from studio.pages.facts.conflict_dialog import ConflictDialog
from studio.pages.facts.relations_dialog import RelationsDialog
from studio.pages.training.page import TrainingPage
from studio.widgets.column import Column
from studio.widgets.word_diff import MarkedText
from studio.window import PAGES, MainWindow
from tests.studio.standin import World

Settle = Callable[[MainWindow], None]


@pytest.fixture
def full(trained: MainWindow, world: World, qtbot: QtBot, settle: Settle) -> Iterator[MainWindow]:
    """A window with a run that was evaluated, one that can be resumed, and an edit that is looked at."""
    trained.show_page("evaluation")
    settle(trained)
    evaluation = cast("EvaluationPage", trained.page("evaluation"))
    evaluation.begin()
    settle(trained)
    assert evaluation.has_findings()
    world.pause = 0.05
    training = cast("TrainingPage", trained.page("training"))
    training.settings.seed.setValue(1)
    training.train.click()
    qtbot.waitUntil(lambda: bool(training.curves.drawn), timeout=20_000)
    training.cancel.click()
    qtbot.waitUntil(lambda: not trained.trainer.busy, timeout=20_000)
    settle(trained)
    trained.show_page("training")
    assert training.resume.isVisible()
    trained.messages.clear()
    trained.facts.view.selectRow(0)
    settle(trained)
    yield trained
    trained.appearance.set_zoom(1.0)


def views(window: MainWindow, settle: Settle) -> Iterator[tuple[str, QWidget]]:
    """Every page, with each of its tabs in front."""
    for name, _ in PAGES:
        window.show_page(name)
        tabs = window.page(name).findChildren(QTabWidget)
        for place in range(tabs[0].count() if tabs else 1):
            if tabs:
                tabs[0].setCurrentIndex(place)
            settle(window)
            yield f"{name} {tabs[0].tabText(place) if tabs else ''}", window._holders[name]


def test_a_usual_window_shows_every_page_whole(full: MainWindow, settle: Settle) -> None:
    full.resize(1280, 800)
    for name, holder in views(full, settle):
        assert holder.verticalScrollBar().maximum() == 0, name  # type: ignore[attr-defined]
        assert holder.horizontalScrollBar().maximum() == 0, name  # type: ignore[attr-defined]


@pytest.mark.parametrize(("width", "height", "zoom"), [(1024, 700, 1.0), (1280, 800, 1.5)])
def test_a_small_window_and_large_text_cut_nothing_off(
    full: MainWindow, settle: Settle, width: int, height: int, zoom: float
) -> None:
    full.resize(width, height)
    full.appearance.set_zoom(zoom)
    settle(full)
    for name, holder in views(full, settle):
        assert holder.horizontalScrollBar().maximum() == 0, name  # type: ignore[attr-defined]
        for column in holder.findChildren(Column):
            assert column.horizontalScrollBar().maximum() == 0, name
        for button in holder.findChildren(QWidget):
            if button.inherits("QPushButton") and button.isVisible():
                assert button.height() >= button.sizeHint().height(), f"{name}: {button.accessibleName()}"


def test_a_small_window_keeps_the_facts_whole(window: MainWindow, settle: Settle) -> None:
    facts = window.facts
    window.resize(1024, 680)
    facts._count.set_whole("5 edits · 4 switched on · " * 8)
    settle(window)
    assert window._holders["facts"].horizontalScrollBar().maximum() == 0
    assert facts._count.toolTip()
    assert facts.search.width() > facts.search.fontMetrics().horizontalAdvance("Search the edits")
    header = facts.view.horizontalHeader()
    assert sum(map(header.sectionSize, range(header.count()))) <= facts.view.viewport().width()
    bold = QFont(header.font())
    bold.setWeight(QFont.Weight.DemiBold)
    for column, heading in HEADINGS.items():
        assert header.sectionSize(column) > QFontMetrics(bold).horizontalAdvance(heading.title)


def test_large_text_makes_no_dialog_wider_than_a_small_screen(
    window: MainWindow, settle: Settle, tmp_path: Path
) -> None:
    window.appearance.set_zoom(1.5)
    file = tmp_path / "facts.csv"
    file.write_text("subject,relation,new object\nPeru,capital,Cusco\n", "utf-8")
    for dialog in (
        window.facts.import_from(file),
        ConflictDialog(window.workspace, parent=window),
        RelationsDialog(window.workspace, window),
    ):
        settle(window)
        dialog.ensurePolished()
        assert dialog.minimumSizeHint().width() <= 1024, dialog.windowTitle()
        dialog.reject()
    window.appearance.set_zoom(1.0)


def test_what_stands_for_an_answer_grows_with_the_text(full: MainWindow, settle: Settle) -> None:
    full.show_page("compare")
    settle(full)
    (answer,) = [each for each in full.page("compare").findChildren(MarkedText) if "Edited" in each.accessibleName()]

    def height() -> int:
        """Of the letters that are painted."""
        picture = answer.grab().toImage()
        plain = picture.pixel(picture.width() - 1, picture.height() - 1)
        inked = [
            y
            for y in range(picture.height())
            if any(picture.pixel(x, y) != plain for x in range(SPINE, picture.width() // 2))
        ]
        return inked[-1] - inked[0] + 1

    before = height()
    full.appearance.set_zoom(2.0)
    settle(full)
    assert height() > 1.6 * before


def test_what_shows_a_few_lines_grows_with_them(full: MainWindow, settle: Settle, qtbot: QtBot) -> None:
    training = cast("TrainingPage", full.page("training"))
    training.enqueue.click()
    settle(full)
    full.workspace.report(describe(ValueError("a fault of ours")))
    full.messages._details.setChecked(True)
    settle(full)
    lists = (training.queue.list, full.messages._full)
    before = [each.height() / each.fontMetrics().lineSpacing() for each in lists]
    assert min(before) > 5
    full.appearance.set_zoom(2.0)
    settle(full)
    qtbot.waitUntil(
        lambda: all(
            each.height() / each.fontMetrics().lineSpacing() > 0.9 * lines
            for each, lines in zip(lists, before, strict=True)
        )
    )


SPINE = 8
"""Pixels at the left of an answer where the mark of the focus is."""
