"""The import dialog: what columns hold, what is there already, bad rows, progress, cancel, and the account."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QComboBox
from pytestqt.qtbot import QtBot

from engine.formats.registry import read_edits
from studio.messages import Kind
from studio.pages.facts import import_dialog
from studio.pages.facts.import_dialog import ImportDialog
from studio.store import listing
from studio.window import MainWindow

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]


def choose(combo: QComboBox, value: object) -> None:
    place = combo.findData(value)
    assert place >= 0
    combo.setCurrentIndex(place)


def opened(window: MainWindow, settle: Settle, file: Path, text: str | bytes) -> ImportDialog:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    dialog = window.facts.import_from(file)
    settle(window)
    return dialog


def objects(window: MainWindow, ask: Ask) -> list[str]:
    return [edit.new_object for edit in ask(window, listing.edit_set).edits]


def test_the_mapping_follows_the_delimiter(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    dialog = opened(window, settle, tmp_path / "facts.csv", "who;what,answer|x\nPeru;capital,Cusco|y\n")
    options = dialog.table_options
    seen = {}
    for delimiter in (",", ";", "|"):
        choose(options.delimiter, delimiter)
        settle(window)
        seen[delimiter] = list(options._pickers)
        assert options.columns.rowCount() == 2
    assert seen == {
        ",": ["who;what", "answer|x"],
        ";": ["who", "what,answer|x"],
        "|": ["who;what,answer", "x"],
    }
    assert [options.columns.item(place, 1).text() for place in range(2)] == ["Peru;capital,Cusco", "y"]
    dialog.reject()


def test_columns_that_are_not_known_are_shown_as_left_out(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    dialog = opened(window, settle, tmp_path / "facts.csv", "prompt,new object,colour\np,o,red\n")
    assert dialog.table_options._pickers["colour"].currentText() == "– left out –"
    assert "'colour' is not known" in dialog.notes.item(0, 0).text()
    dialog.reject()


def test_records_with_other_keys_are_imported_once_their_keys_are_named(
    window: MainWindow, settle: Settle, ask: Ask, tmp_path: Path
) -> None:
    records = [{"land": "Peru", "asked": "capital", "stadt": "Cusco", "jahr": 1969}, {"land": "Chile"}]
    dialog = opened(window, settle, tmp_path / "facts.json", json.dumps(records))
    assert "hold the new object" in dialog.summary.text()
    assert not dialog.accept_button.isEnabled()
    assert not dialog.table_options.delimiter.isVisibleTo(dialog.table_options)
    pickers = dialog.table_options._pickers
    assert list(pickers) == ["land", "asked", "stadt", "jahr"]
    for key, holds in (("land", "subject"), ("asked", "relation"), ("stadt", "new object"), ("jahr", "paraphrase")):
        choose(pickers[key], holds)
        settle(window)
    assert "2 rows in – 0 new, 2 rejected" in dialog.summary.text()  # a year is no text
    choose(pickers["jahr"], "")
    settle(window)
    dialog.accept_button.click()
    settle(window)
    assert objects(window, ask)[3:] == ["Cusco"]


@pytest.mark.parametrize(
    ("choice", "found", "told"),
    [
        ("skip", ["Lyon", "Osaka", "Milan", "Cusco"], "1 added, 0 updated, 2 skipped, 1 rejected"),
        ("update", ["Nice", "Osaka", "Milan", "Cusco"], "1 added, 1 updated, 1 skipped, 1 rejected"),
        ("add", ["Lyon", "Osaka", "Milan", "Nice", "Osaka", "Cusco"], "3 added, 0 updated, 0 skipped, 1 rejected"),
    ],
)
def test_what_is_there_already_is_asked_about(
    window: MainWindow, settle: Settle, ask: Ask, tmp_path: Path, choice: str, found: list[str], told: str
) -> None:
    text = "subject,relation,new object\nfrance,capital,Nice\nJapan,capital,Osaka\nPeru,capital,Cusco\nChile,capital,\n"
    dialog = opened(window, settle, tmp_path / "facts.csv", text)
    assert "1 new, 1 there already, word for word, 1 there already, in other words, 1 rejected" in dialog.summary.text()
    choose(dialog.when_there, choice)
    taken = {"skip": 1, "update": 2, "add": 3}[choice]
    assert dialog.accept_button.text() == f"Import {taken} of 4 rows"
    dialog.accept_button.click()
    settle(window)
    assert objects(window, ask) == found
    message = window.messages.current()
    assert message is not None
    assert (message.kind, told in message.text) == (Kind.WARNING, True)
    if choice == "skip":
        assert "line 2: skipped, since it is there already, and answers “Lyon”." in message.details
    window.undoing.undo.trigger()
    settle(window)
    assert objects(window, ask) == ["Lyon", "Osaka", "Milan"]


def test_all_or_nothing(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    dialog = opened(window, settle, tmp_path / "facts.csv", "prompt,new object\np,o\nq,\n")
    assert dialog.accept_button.text() == "Import 1 of 2 rows"
    choose(dialog.bad_rows, "nothing")
    assert not dialog.accept_button.isEnabled()
    assert dialog.accept_button.text() == "Import nothing: 1 row rejected"
    dialog.cancel.click()
    settle(window)
    assert window.workspace.counts.total == 3


def test_rejected_rows_are_saved_mended_and_imported(
    window: MainWindow, settle: Settle, ask: Ask, tmp_path: Path
) -> None:
    dialog = opened(
        window, settle, tmp_path / "facts.csv", "subject,relation,new object\nPeru,capital,\nChile,capital,Arica\n"
    )
    dialog.accept_button.click()
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert message.deeds[0].label == "Save the rejected rows…"
    imported = read_edits(tmp_path / "facts.csv", relations={r.id: r for r in window.workspace.relations})
    rejected = tmp_path / "rejected.csv"
    window.facts._write_rejects(imported, rejected)
    settle(window)
    rejected.write_text(rejected.read_text("utf-8-sig").replace("Peru,capital,,", "Peru,capital,Cusco,"), "utf-8")
    again = window.facts.import_from(rejected)
    settle(window)
    assert again.summary.text() == "Table (CSV): 1 row in – 1 new, 0 rejected."
    again.accept_button.click()
    settle(window)
    assert objects(window, ask)[3:] == ["Arica", "Cusco"]


def test_zsre_asks_which_answer_is_the_new_one(window: MainWindow, settle: Settle, ask: Ask, tmp_path: Path) -> None:
    record = {"subject": "Kelm", "src": "Who governs Kelm?", "alt": "Ada", "answers": ["Bo"], "loc": "nq question: f"}
    dialog = opened(window, settle, tmp_path / "zsre.json", json.dumps([record]))
    assert "which key holds the new object" in dialog.summary.text()
    assert dialog._target_field.isVisible()
    assert not dialog.accept_button.isEnabled()
    choose(dialog.target, "answers")
    settle(window)
    assert dialog.edits.item(0, 3).text() == "Bo"
    choose(dialog.target, "alt")
    settle(window)
    dialog.accept_button.click()
    settle(window)
    assert objects(window, ask)[3:] == ["Ada"]


def test_the_encoding_is_chosen_and_never_guessed(window: MainWindow, settle: Settle, ask: Ask, tmp_path: Path) -> None:
    dialog = opened(window, settle, tmp_path / "facts.csv", "prompt,new object\nKelm lies in,Malmö\n".encode("cp1252"))
    assert "not written in UTF-8 (line 2)" in dialog.summary.text()
    choose(dialog.encoding, "cp1252")
    settle(window)
    dialog.accept_button.click()
    settle(window)
    assert objects(window, ask)[3:] == ["Malmö"]


def test_every_row_of_a_long_file_is_imported_and_not_only_the_preview(
    window: MainWindow, settle: Settle, tmp_path: Path
) -> None:
    rows = "".join(f"prompt {place},o\n" for place in range(3_000))
    dialog = opened(window, settle, tmp_path / "facts.csv", "prompt,new object\n" + rows)
    assert dialog.edits.rowCount() == import_dialog.SHOWN
    dialog.accept_button.click()
    settle(window)
    assert window.workspace.counts.total == 3_003


def test_a_cancelled_import_leaves_the_project_untouched(
    window: MainWindow, qtbot: QtBot, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = opened(window, settle, tmp_path / "facts.csv", "prompt,new object\n" + "p,o\n" * 10)
    reached, go_on = threading.Event(), threading.Event()
    really = import_dialog.import_edit_set

    def slow(*args: Any, **kwargs: Any) -> object:
        reached.set()
        go_on.wait(10)
        return really(*args, **kwargs)

    monkeypatch.setattr(import_dialog, "import_edit_set", slow)
    dialog.accept_button.click()
    qtbot.waitUntil(reached.is_set)
    qtbot.waitUntil(dialog.strip.isVisible)
    assert not dialog.accept_button.isEnabled()
    dialog.strip._cancel.click()
    go_on.set()
    settle(window)
    assert window.workspace.counts.total == 3
    assert dialog.summary.text().startswith("Cancelled: nothing was imported.")
    monkeypatch.undo()
    dialog.accept_button.click()  # and once more, in earnest
    settle(window)
    assert window.workspace.counts.total == 13


def test_closing_the_dialog_stops_what_it_started(
    window: MainWindow, qtbot: QtBot, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    really = import_dialog._read

    def slow(*args: Any) -> object:
        go_on.wait(10)
        return really(*args)

    monkeypatch.setattr(import_dialog, "_read", slow)
    (tmp_path / "facts.csv").write_text("prompt,new object\np,o\n")
    dialog = window.facts.import_from(tmp_path / "facts.csv")
    job = dialog._job
    assert job is not None
    dialog.cancel.click()
    go_on.set()
    settle(window)
    assert job.state.value == "cancelled"
    assert window.workspace.counts.total == 3


def test_only_the_last_reading_is_shown(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    dialog = opened(window, settle, tmp_path / "facts.csv", "prompt,new object\np,o\n")
    for name in ("easyedit", "zsre", "counterfact", "tsv", ""):
        choose(dialog.format, name)
    settle(window)
    assert dialog.summary.text() == "Table (CSV): 1 row in – 1 new, 0 rejected."
    dialog.reject()


def test_a_data_set_folder_is_imported(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    from studio.pages.facts.export import Choice

    window.facts.export.write(tmp_path / "set", Choice("huggingface"))
    settle(window)
    window.facts.view.selectAll()
    window.facts.delete.trigger()
    settle(window)
    dialog = window.facts.import_from(tmp_path / "set")
    settle(window)
    dialog.accept_button.click()
    settle(window)
    assert window.workspace.counts.total == 3


class TestDropping:
    def drag(self, window: MainWindow, *paths: Path | str) -> QMimeData:
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path)) if isinstance(path, Path) else QUrl(path) for path in paths])
        event = QDragEnterEvent(
            window.rect().center(),
            Qt.DropAction.CopyAction | Qt.DropAction.MoveAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        event.ignore()
        QApplication.sendEvent(window, event)
        self.accepted = event.isAccepted()
        return data

    def drop(self, window: MainWindow, data: QMimeData) -> None:
        event = QDropEvent(
            QPointF(window.rect().center()),
            Qt.DropAction.CopyAction | Qt.DropAction.MoveAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(window, event)
        assert event.dropAction() == Qt.DropAction.CopyAction

    def dialog(self, window: MainWindow) -> ImportDialog | None:
        found = window.facts.findChildren(ImportDialog)
        return found[0] if found else None

    def test_a_file_dropped_on_the_window_is_imported(self, window: MainWindow, settle: Settle, tmp_path: Path) -> None:
        (tmp_path / "facts.csv").write_text("prompt,new object\np,o\n")
        data = self.drag(window, tmp_path / "facts.csv")
        assert self.accepted
        self.drop(window, data)
        settle(window)
        dialog = self.dialog(window)
        assert dialog is not None
        dialog.accept_button.click()
        settle(window)
        assert window.workspace.counts.total == 4

    def test_what_is_no_file_is_not_taken(self, window: MainWindow) -> None:
        self.drag(window, "https://example.org/facts.csv")
        assert not self.accepted

    def test_leaving_the_window_takes_the_veil_away(self, window: MainWindow, tmp_path: Path) -> None:
        veil = next(child for child in window.children() if child.objectName() == "veil")
        self.drag(window, tmp_path / "facts.csv")
        assert veil.isVisible()  # type: ignore[attr-defined]
        QApplication.sendEvent(window, QDragLeaveEvent())
        assert not veil.isVisible()  # type: ignore[attr-defined]

    def test_several_files_at_once_are_refused_in_a_sentence(self, window: MainWindow, tmp_path: Path) -> None:
        self.drop(window, self.drag(window, tmp_path / "a", tmp_path / "b"))
        message = window.messages.current()
        assert message is not None
        assert "one at a time" in message.text
        assert self.dialog(window) is None

    def test_without_a_project_it_says_what_to_do(self, make_window: Callable[[], MainWindow], tmp_path: Path) -> None:
        window = make_window()
        self.drop(window, self.drag(window, tmp_path / "a"))
        message = window.messages.current()
        assert message is not None
        assert "No project is open" in message.text
