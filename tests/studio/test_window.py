"""The window as a whole: names for every control, keys without clashes, looks, closing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QMenuBar,
    QMessageBox,
    QPlainTextEdit,
    QTabWidget,
    QTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from studio.dialogs.about import AboutDialog
from studio.dialogs.backups import BackupsDialog
from studio.dialogs.log import LogDialog
from studio.dialogs.shortcuts import ShortcutsDialog
from studio.errors import UserFixable, UserMessage
from studio.model_jobs import ModelSource
from studio.pages.compare.questions_dialog import QuestionsDialog
from studio.pages.facts.conflict_dialog import ConflictDialog
from studio.pages.facts.relations_dialog import RelationsDialog
from studio.store import journal, listing
from studio.store.changes import Changes
from studio.store.edits import EditDraft, add_edits
from studio.store.project import Project
from studio.store.runs import RunState, runs, update_run
from studio.theme import Scheme
from studio.trainer import TrainingChoices
from studio.widgets.labels import Label
from studio.window import PAGES, MainWindow
from tests.studio.conftest import PATIENCE
from tests.studio.standin import World

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]
CONTROLS = (
    QAbstractButton,
    QLineEdit,
    QComboBox,
    QAbstractSpinBox,
    QPlainTextEdit,
    QTextEdit,
    QAbstractItemView,
    QTabWidget,
)


def build_everything(window: MainWindow) -> None:
    for name, _ in PAGES:
        window.page(name)


def is_part_of_qt(widget: QWidget) -> bool:
    """Pieces of Qt's own compound widgets: their owner carries the name."""
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QAbstractSpinBox | QComboBox | QLineEdit | QMenu | QMenuBar):
            return True
        if isinstance(parent, QAbstractItemView) and isinstance(widget, QAbstractButton | QAbstractItemView):
            return True
        parent = parent.parentWidget()
    return type(widget).__name__ in ("QHeaderView", "QTableCornerButton", "QTabBar")


def nameless(root: QWidget) -> list[str]:
    buddies = {id(label.buddy()) for label in root.findChildren(QLabel) if label.buddy() is not None and label.text()}
    return [
        f"{type(widget).__name__} in {type(widget.parentWidget()).__name__}"
        for kind in CONTROLS
        for widget in root.findChildren(kind)
        if not widget.accessibleName() and id(widget) not in buddies and not is_part_of_qt(widget)
    ]


def test_every_control_has_a_name(window: MainWindow, settle: Settle) -> None:
    build_everything(window)
    settle(window)
    assert nameless(window) == []


def test_every_control_of_a_dialog_has_a_name(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    file = tmp_path / "facts.csv"
    file.write_text("subject,relation,new object\nPeru,capital,Cusco\n", "utf-8")
    dialogs: list[QDialog] = [
        window.facts.import_from(file),
        RelationsDialog(window.workspace, window),
        ConflictDialog(window.workspace, None, window),
        QuestionsDialog(window.database, window),
        AboutDialog("text", window),
        ShortcutsDialog(window.findChildren(QAction), window),
        BackupsDialog("Project", parent=window),
        BackupsDialog("Project", UserMessage("It is damaged.", "", "", is_bug=False), window),
        LogDialog(tmp_path, window),
    ]
    settle(window)
    for dialog in dialogs:
        assert nameless(dialog) == [], type(dialog).__name__
        dialog.reject()


def test_every_control_of_what_a_menu_opens_has_a_name(window: MainWindow, settle: Settle, qtbot: QtBot) -> None:
    build_everything(window)
    entries = [
        entry
        for menu in window.menuBar().actions()
        for entry in cast("QMenu", menu.menu()).actions()
        if not entry.isSeparator() and entry.menu() is None and entry.text() != "Quit"
    ]
    opened = set()
    for entry in entries:
        entry.trigger()
        settle(window)
        for dialog in window.findChildren(QDialog):
            if not isinstance(dialog, QFileDialog | QMessageBox):
                assert nameless(dialog) == [], entry.text()
                assert dialog.windowTitle(), entry.text()
            opened.add(entry.text())
            dialog.reject()
            dialog.deleteLater()
    assert nameless(window.first_steps) == []
    window.first_steps.end()
    window.reset_settings()
    assert len(opened) >= 8, opened


def test_labels_that_show_text_of_the_user_never_take_it_for_markup(window: MainWindow, settle: Settle) -> None:
    build_everything(window)
    rich = [
        label.text()
        for label in window.findChildren(QLabel)
        if label.textFormat() != Qt.TextFormat.PlainText and label.text() and not is_part_of_qt(label)
    ]
    assert rich == []


def test_tab_reaches_the_form_in_reading_order(window: MainWindow, qtbot: QtBot) -> None:
    form = window.facts.form
    form.subject.setFocus()
    order = [form.subject]
    for _ in range(3):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        order.append(QApplication.focusWidget())
    assert order == [form.subject, form.relation, form.new_object, form.add]


def test_pages_by_keys(window: MainWindow, qtbot: QtBot) -> None:
    for place, (name, _) in enumerate(PAGES, start=1):
        action = next(a for a in window.findChildren(QAction) if a.shortcut().toString() == f"Ctrl+{place}")
        action.trigger()
        assert window._stack.currentIndex() == [page for page, _ in PAGES].index(name)


def test_theme_and_zoom_are_remembered(
    window: MainWindow, make_window: Callable[[], MainWindow], qapp: QApplication
) -> None:
    size = qapp.font().pointSizeF()
    window.choose_scheme(Scheme.DARK)
    window._zoom(2)
    assert qapp.palette().window().color().lightness() < 128
    assert qapp.font().pointSizeF() > size
    kept = make_window()._remembered.settings
    assert (kept.theme, kept.zoom) == ("dark", window.appearance.zoom)
    window._zoom(0)
    assert qapp.font().pointSizeF() == size


def test_all_text_follows_the_zoom_and_nothing_is_squeezed(window: MainWindow, settle: Settle) -> None:
    build_everything(window)
    window.resize(1280, 800)
    settle(window)
    watched = [
        window.facts.form.subject,
        window.facts.form.add,
        window.facts.view,
        window.menuBar(),
        window._status.project.text,
    ]
    titles = [window.page(name).findChildren(Label)[0] for name, _ in PAGES]
    before = [widget.font().pointSizeF() for widget in (*watched, *titles)]
    window.appearance.set_zoom(2.0)
    settle(window)
    assert [widget.font().pointSizeF() for widget in (*watched, *titles)] == [size * 2 for size in before]
    window.appearance.set_scheme(Scheme.DARK)
    settle(window)
    assert [widget.font().pointSizeF() for widget in (*watched, *titles)] == [size * 2 for size in before]
    for name, _ in PAGES:
        window.show_page(name)
        settle(window)
        page = window.page(name)
        hint = page.minimumSizeHint()
        assert page.width() >= hint.width(), name
        assert page.height() >= hint.height(), name
    window.appearance.set_zoom(1.0)
    settle(window)
    assert [widget.font().pointSizeF() for widget in (*watched, *titles)] == before


def test_place_and_page_are_remembered(window: MainWindow, make_window: Callable[[], MainWindow]) -> None:
    window.resize(1100, 750)
    window.show_page("compare")
    window.close()
    again = make_window()
    assert again.height() == 750  # the width is cut to that of the test's small screen
    assert again._stack.currentIndex() == 2


def test_the_settings_can_be_reset_and_the_projects_stay(
    window: MainWindow, qtbot: QtBot, qapp: QApplication, tmp_path: Path
) -> None:
    size = qapp.font().pointSizeF()
    window.choose_scheme(Scheme.DARK)
    window._zoom(2)
    window.resize(1000, 650)
    window._ask_before_reset()
    box = next(child for child in window.children() if isinstance(child, QMessageBox))
    assert box.defaultButton().text() == "Keep them"
    next(button for button in box.buttons() if button.text() == "Reset").click()
    assert qapp.font().pointSizeF() == size
    assert window._remembered.settings.theme == "system"
    assert window._remembered.settings.zoom == 1.0
    assert window._remembered.settings.recent_projects == (tmp_path / "project",)
    assert [entry.isChecked() for entry in window._schemes.actions()] == [True, False, False]
    assert window.height() == 800


def test_the_model_is_written_one_way_wherever_it_is_named(window: MainWindow, settle: Settle) -> None:
    settle(window)
    training, compare = (cast("Any", window.page(name)) for name in ("training", "compare"))
    settle(window)
    picker = training.settings.model
    assert picker.itemText(picker.findData("embedded")) == window._status.model.text.text() == "embedded model"
    assert compare._engaged.text().startswith("embedded model · ")


def test_two_windows_do_not_forget_each_others_projects(
    window: MainWindow, make_window: Callable[[], MainWindow], settle: Settle, tmp_path: Path
) -> None:
    other = make_window()
    window.choose_scheme(Scheme.DARK)
    other.projects.create(tmp_path / "second")
    settle(other)
    window._zoom(1)
    kept = make_window()._remembered.settings
    assert kept.recent_projects == (tmp_path / "second", tmp_path / "project")
    assert (kept.theme, kept.zoom) == ("dark", window.appearance.zoom)
    window._zoom(0)


def test_closing_during_training_asks_and_keeps_the_checkpoint(
    window: MainWindow, qtbot: QtBot, settle: Settle, world: World, tmp_path: Path
) -> None:
    world.pause = 0.05
    window.show_page("training")
    settle(window)
    page = cast("Any", window.page("training"))
    page.train.click()
    qtbot.waitUntil(lambda: page._board is not None and page._board.latest().step > 2)
    window.close()
    assert window.isVisible()
    box = next(child for child in window.children() if isinstance(child, QMessageBox))
    keep, stop = (
        next(button for button in box.buttons() if button.text() == text)
        for text in ("Keep training", "Stop and close")
    )
    assert box.defaultButton() is keep
    stop.click()
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=10_000)
    project = Project.open(tmp_path / "project")
    try:
        run = runs(project)[0]
        assert run.state is RunState.CANCELLED
        assert (run.folder / "checkpoint.json").exists()
        assert len(listing.edit_set(project).edits) == 3
    finally:
        project.close()


def test_closing_waits_for_what_is_being_written_and_never_blocks(
    window: MainWindow, qtbot: QtBot, settle: Settle, tmp_path: Path
) -> None:
    settle(window)
    go_on = threading.Event()

    def write(project: Project) -> Changes:
        assert go_on.wait(PATIENCE / 1000)
        return add_edits(project, [EditDraft("Cusco", subject="Peru", relation="P36")])

    window.database.run(write, name="Import")
    window.close()
    assert window.isVisible()  # and this thread is here, not in the worker's end
    assert not window._room.isEnabled()
    message = window.messages.current()
    assert message is not None
    assert "closes by itself" in message.text
    window.close()  # somebody does not want to wait
    window.close()
    (box,) = (child for child in window.children() if isinstance(child, QMessageBox))
    assert box.defaultButton().text() == "Wait"
    box.defaultButton().click()
    assert window.isVisible()
    go_on.set()
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=PATIENCE)
    with closing(Project.open(tmp_path / "project")) as project:
        assert listing.counts(project).total == 4


def test_what_could_not_be_written_keeps_the_window_open(window: MainWindow, settle: Settle) -> None:
    settle(window)

    def write(_project: Project) -> Changes:
        raise UserFixable("The disk is full.", "Make room.")

    window.database.run(write, name="Import")
    window.close()
    settle(window)
    assert window.isVisible()
    assert window._room.isEnabled()
    message = window.messages.current()
    assert message is not None
    assert "The disk is full." in message.text


def test_a_closing_that_was_called_off_does_not_wait_for_the_next_training(
    window: MainWindow, qtbot: QtBot, settle: Settle, world: World
) -> None:
    world.pause = 0.05
    window.show_page("training")
    settle(window)
    page = cast("Any", window.page("training"))
    page.train.click()
    qtbot.waitUntil(lambda: window.trainer.busy)
    go_on = threading.Event()

    def write(_project: Project) -> Changes:
        assert go_on.wait(PATIENCE / 1000)
        raise UserFixable("The disk is full.", "Make room.")

    def import_edits() -> None:
        window.database.run(write, name="Import")

    window.trainer.ended.connect(import_edits)
    window.stop_and_close()
    qtbot.waitUntil(lambda: window._finishing, timeout=PATIENCE)
    go_on.set()
    settle(window)
    assert window.isVisible()
    window.trainer.ended.disconnect(import_edits)
    world.pause = 0
    page.train.click()
    qtbot.waitUntil(lambda: window.workspace.run is not None and not window.trainer.busy, timeout=PATIENCE)
    settle(window)
    assert window.isVisible()


def test_closing_at_once_leaves_out_what_is_half_written(
    window: MainWindow, qtbot: QtBot, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(window)
    monkeypatch.setattr("studio.window.AT_ONCE", 0.0)
    go_on = threading.Event()
    window.database.run(lambda _project: go_on.wait(PATIENCE / 1000), name="Import")
    window.close()
    window.close()
    (box,) = (child for child in window.children() if isinstance(child, QMessageBox))
    next(button for button in box.buttons() if button.text() == "Close at once").click()
    assert not window.isVisible()
    go_on.set()
    qtbot.waitUntil(lambda: window.database.shutdown(0), timeout=PATIENCE)


def test_another_project_waits_for_the_training(
    window: MainWindow, qtbot: QtBot, settle: Settle, world: World, tmp_path: Path
) -> None:
    world.pause = 0.03
    window.show_page("training")
    settle(window)
    cast("Any", window.page("training")).train.click()
    qtbot.waitUntil(lambda: window.trainer.busy)
    window.projects.open(tmp_path / "elsewhere")
    assert window.messages.current() is not None
    assert window.workspace.project is not None


def test_the_pack_that_was_chosen_last_is_the_one_in_use(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    for seed in (1, 2):
        window.trainer.start(TrainingChoices(ModelSource(), seed=seed))
        qtbot.waitUntil(lambda: not window.trainer.busy, timeout=PATIENCE)
        settle(window)
    second, first = ask(window, runs)
    engaged: list[int | None] = []
    workspace = window.workspace
    workspace.engagement_changed.connect(lambda: engaged.append(workspace.run.id if workspace.run else None))
    # What is read of the runs after the one change is out of date once the other one is made.
    window.database.changed.emit(Changes(runs=(second.id,)))
    workspace.use_run(first)
    settle(window)
    assert workspace.run is not None
    assert workspace.run.id == first.id
    assert engaged[-1] == first.id
    engaged.clear()
    ask(window, lambda project: update_run(project, first.id, note="Looked at twice."))
    settle(window)
    assert workspace.run.note == "Looked at twice."
    assert engaged == []  # a note changes no answer: those on the Compare page stay


def test_a_missing_project_leaves_the_window_usable(
    make_window: Callable[[], MainWindow], qtbot: QtBot, tmp_path: Path
) -> None:
    window = make_window()
    window.projects.open(tmp_path / "nowhere")
    qtbot.waitUntil(lambda: window.messages.current() is not None)
    assert not window.facts.isEnabled()
    window.projects.create(tmp_path / "new")
    qtbot.waitUntil(window.facts.isEnabled)


def test_two_windows_cannot_have_one_project(
    window: MainWindow, make_window: Callable[[], MainWindow], qtbot: QtBot, tmp_path: Path
) -> None:
    other = make_window()
    other.projects.open(tmp_path / "project")
    qtbot.waitUntil(lambda: other.messages.current() is not None)
    assert other.workspace.project is None
    assert window.workspace.project is not None


def test_pages_fit_into_1280_by_800(window: MainWindow, settle: Settle) -> None:
    build_everything(window)
    window.resize(1280, 800)
    settle(window)
    for name, _ in PAGES:
        window.show_page(name)
        hint = window.page(name).minimumSizeHint()
        assert hint.width() <= 1280 - 92, name
        assert hint.height() <= 800 - 50, name


def test_it_is_said_when_the_oldest_steps_cannot_be_taken_back_any_more(
    window: MainWindow, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(window)
    monkeypatch.setattr(journal, "ROWS", 10)
    said: list[str] = []
    window.workspace.said.connect(lambda message: said.append(message.text))
    for number in range(4):
        window.facts.deeds.add([EditDraft(f"o{each}", prompt=f"p{number} {each}") for each in range(6)])
        settle(window)
    told = [text for text in said if "cannot be taken back any more" in text]
    assert [text.partition(" cannot")[0] for text in told] == ["The 2 oldest steps", "The oldest step"]
