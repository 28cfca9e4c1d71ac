"""Words that can be another language's: what is translated, what is left, and text from right to left."""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from gettext import NullTranslations
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QSpinBox,
    QTableView,
    QTabWidget,
    QTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

import studio
from engine.decoding import Decoding
from engine.editors.registry import EDITORS
from engine.edits import Edit, EditSet
from engine.evaluation.document import NAMES
from engine.formats import csv
from engine.formats.registry import FORMATS
from engine.setting_fields import describe
from studio.language import speak
from studio.messages import Kind
from studio.pages.compare.questions_dialog import QuestionsDialog
from studio.pages.facts.conflict_dialog import ConflictDialog
from studio.pages.facts.export import ExportDialog, Scope
from studio.pages.facts.import_dialog import ImportDialog
from studio.pages.facts.relations_dialog import RelationsDialog
from studio.pages.training.advanced_dialog import AdvancedDialog
from studio.store import listing
from studio.store.edits import EditDraft
from studio.widgets.chances import visible
from studio.widgets.labels import ElidedLabel
from studio.window import PAGES, MainWindow
from studio.words import KEYWORDS, counted, tr, use_language
from tests.studio import standin

Settle = Callable[[MainWindow], None]
ROOT = Path(studio.__file__).parent
OPEN, CLOSE = "⟦", "⟧"
BRACKETS = re.compile(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}")
TAGS = re.compile("<[^>]*>")
WORD = re.compile(r"[^\W\d_]{2}")


def named_arguments(call: ast.Call) -> tuple[int, ...]:
    function = call.func
    return KEYWORDS.get(function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", ""), ())


@cache
def catalogue() -> frozenset[str]:
    """What a translator would be given: the literals that the keywords name."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                for place in named_arguments(node):
                    if place <= len(node.args):
                        argument = node.args[place - 1]
                        parts = argument.elts if isinstance(argument, ast.Tuple) else [argument]
                        found |= {part.value for part in parts if isinstance(part, ast.Constant)}
    return frozenset(text for text in found if isinstance(text, str) and text)


class Pseudo(NullTranslations):
    """A language that nobody speaks: every text of the catalogue in brackets, longer than it was."""

    def gettext(self, message: str) -> str:
        return f"{OPEN}{message}~~{CLOSE}" if message in catalogue() else message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"{OPEN}{msgid1 if n == 1 else msgid2}{CLOSE}" if msgid1 in catalogue() else msgid2


@pytest.fixture
def pseudo() -> Iterator[None]:
    use_language(Pseudo())
    yield
    use_language(NullTranslations())


@pytest.fixture
def strange_window(pseudo: None, window: MainWindow, settle: Settle) -> MainWindow:
    for name, _ in PAGES:
        window.page(name)
    settle(window)
    return window


def shown(root: QWidget) -> Iterator[tuple[str, str]]:
    """Every text of `root` and of what is in it that a person sees or hears, with what shows it."""
    for widget in (root, *root.findChildren(QWidget)):
        if widget.window() is not root.window():  # plots have menus of their own that are never shown
            continue
        kind = type(widget).__name__
        yield f"{kind}, its name", widget.accessibleName()
        yield f"{kind}, its description", widget.accessibleDescription()
        yield f"{kind}, its tooltip", widget.toolTip()
        match widget:
            case ElidedLabel():
                pass  # its name is what it says, not shortened
            case QAbstractButton() | QLabel():
                yield kind, widget.text()
            case QLineEdit() if not isinstance(widget.parent(), QAbstractSpinBox | QComboBox):
                yield f"{kind}, its example", widget.placeholderText()
            case QPlainTextEdit() | QTextEdit():
                yield f"{kind}, its example", widget.placeholderText()
            case QComboBox():
                yield from ((kind, widget.itemText(place)) for place in range(widget.count()))
            case QSpinBox() | QDoubleSpinBox():
                yield kind, f"{widget.specialValueText()} {widget.suffix()} {widget.prefix()}"
            case QTabWidget():
                yield from ((kind, widget.tabText(place)) for place in range(widget.count()))
            case QTableView():
                for column in range(widget.model().columnCount()):
                    for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
                        yield (
                            f"{kind}, a heading",
                            str(widget.model().headerData(column, Qt.Orientation.Horizontal, role) or ""),
                        )
    for action in root.findChildren(QAction):
        if isinstance(action.parent(), QWidget) and action.parent().window() is root.window():
            yield "action", action.text()


def untouched(root: QWidget, *known: str) -> list[str]:
    """The texts with words in them that no catalogue could change, but for those that are `known` to be no words."""
    left = []
    for what, text in shown(root):
        rest = TAGS.sub("", text)
        while (shorter := BRACKETS.sub("", rest)) != rest:
            rest = shorter
        for part in sorted({*NO_WORDS, *known}, key=len, reverse=True):
            rest = rest.replace(part, "")
        if WORD.search(rest):
            left.append(f"{what}: {text}")
    return left


def test_values_are_put_in_once_and_never_read_as_names() -> None:
    assert tr("{a} and {b}", a="{b}", b="{a} {0.__class__}") == "{b} and {a} {0.__class__}"
    assert tr("100 % of {x}", x=3) == "100 % of 3"
    assert tr("left {alone}") == "left {alone}"
    assert tr("{known} {unknown}", known=1) == "1 {unknown}"
    assert tr("") == ""
    assert (counted(1, "edit"), counted(2, "edit"), counted(1_000, "entry", "entries")) == (
        "1 edit",
        "2 edits",
        "1,000 entries",
    )


def test_menus_rail_and_status_speak_another_language(strange_window: MainWindow, settle: Settle) -> None:
    left = []
    for menu in strange_window.menuBar().actions():
        left += [menu.text()] if OPEN not in menu.text() else []
        left += [
            entry.text()
            for entry in cast("QMenu", menu.menu()).actions()
            if entry.text() and OPEN not in entry.text() and not entry.text().startswith("/")
        ]
    left += untouched(strange_window._rail)
    # The project is called as its owner called it.
    left += untouched(strange_window.statusBar(), "project")
    assert left == []


def test_the_dialogs_of_the_window_speak_another_language(strange_window: MainWindow, settle: Settle) -> None:
    window = strange_window
    for entry in (*window.help_entries(), window.project_actions.backups):
        entry.trigger()
        settle(window)
        for dialog in window.findChildren(QDialog):
            assert OPEN in dialog.windowTitle()
            assert untouched(dialog) == [], entry.text()
            dialog.reject()
        window.first_steps.show()
        assert untouched(window.first_steps) == []
        window.first_steps.end()
        settle(window)


def test_what_is_said_of_projects_is_in_another_language(
    strange_window: MainWindow, settle: Settle, tmp_path: Path
) -> None:
    window = strange_window
    said: list[str] = []
    window.workspace.said.connect(lambda message: said.append(message.text))
    window.project_actions.back_up.trigger()
    settle(window)
    window.project_actions.copy_to(tmp_path / "copy")
    settle(window)
    window.undoing.undo.trigger()
    settle(window)
    assert len(said) == 3
    assert all(text.startswith(OPEN) for text in said), said


def told_by_the_engine() -> set[str]:
    """What editors, settings, kinds of query and formats are called and mean: the engine's command line says the same.

    Where they are shown they are texts of their own, never parts of a sentence of the window's.
    """
    found = {*NAMES.values(), *(name.partition(": ")[2] for name in NAMES.values()), "prompts", "paraphrases"}
    found |= {form.title for form in FORMATS.values()} | {"auto", *csv.SINGLE, *csv.MANY}
    found |= {str(field.metadata["help"]) for field in fields(Decoding)}
    for kind in EDITORS.values():
        found |= {kind.title, kind.about, kind.undo, *kind.stages, *kind.presets}
        for meaning, make in kind.presets.values():
            found |= {meaning, *(group.title for group in kind.groups), *described(make())}
    return found - {""}


def described(settings: object) -> set[str]:
    found = set()
    for one in describe(type(settings)):
        found |= {one.title, one.title[:1].upper() + one.title[1:], one.bounds, *one.choices}
        found.add(str(getattr(settings, one.name)))
    for field in fields(cast("Any", settings)):
        found |= {text for text in field.metadata.values() if isinstance(text, str)}
    parts = [getattr(settings, field.name) for field in fields(cast("Any", settings))]
    return found.union(*(described(part) for part in parts if is_dataclass(part)))


def of_the_user(window: MainWindow, edits: Iterable[Edit]) -> set[str]:
    """Texts of edits, of what is suggested for them, of relations and models, and what models and editors say."""
    facts = cast("Any", window.facts)
    found = {relation.name for relation in window.workspace.relations}
    for edit in edits:
        found |= {edit.prompt, edit.subject, edit.new_object, *edit.paraphrases}
    inspector = facts.inspector
    for texts in (inspector.suggested_paraphrases, inspector.suggested_neighbours, inspector.suggested_same_subject):
        found |= set(texts.texts)
    found |= {choice.label for choice in standin.machine().models}
    found |= {*standin.STAGES, cast("Any", window.page("training")).settings.fit.text()}
    compare = cast("Any", window.page("compare"))
    found |= {visible(row.text) for row in (*compare.original_tokens.rows, *compare.edited_tokens.rows)}
    return found - {""}


NO_WORDS = (
    *("Ctrl+", "Shift+", "Alt+", "Tab", "Space", "Del", "Ins", "Esc"),  # keys, as Qt writes them
    *("Scroll Left", "Scroll Right"),  # of Qt's tab bars: Qt's catalogue translates them
    *("CPU", "GPU", "MeG", "AUROC", "AG", "TF", "CSV", "JSON", "HTML", "PNG", "UTF-8", "UTF-16"),  # names
    *("GiB", "min", "ms"),  # units
    *("France", "The capital of France is", "Lyon"),  # examples stand for the user's words
)
OF_QT = ("Cancel",)
"""Of Qt's button boxes, which Qt's own catalogue translates."""


@pytest.fixture
def worked_window(
    pseudo: None, trained: MainWindow, qtbot: QtBot, settle: Settle, ask: Callable[..., object]
) -> MainWindow:
    """A window in which something was trained, asked and evaluated."""
    evaluation, compare = (cast("Any", trained.page(name)) for name in ("evaluation", "compare"))
    for name, _ in PAGES:
        trained.show_page(name)
        settle(trained)
    trained.show_page("evaluation")
    evaluation.begin()
    settle(trained)
    prompt = cast("EditSet", ask(trained, listing.edit_set)).edits[0].prompt
    trained.show_page("compare")
    compare.question.setText(prompt)
    compare.ask.click()
    settle(trained)
    trained.facts.view.selectRow(0)
    trained.show_page("runs")
    cast("Any", trained.page("runs")).table.selectRow(0)
    settle(trained)
    return trained


@pytest.mark.parametrize("name", [name for name, _ in PAGES])
def test_a_page_speaks_another_language(
    worked_window: MainWindow, settle: Settle, ask: Callable[..., object], name: str
) -> None:
    window = worked_window
    edits = cast("EditSet", ask(window, listing.edit_set)).edits
    window.show_page(name)
    settle(window)
    assert untouched(window.page(name), *told_by_the_engine(), *of_the_user(window, edits)) == []


def test_the_dialogs_of_the_pages_speak_another_language(
    worked_window: MainWindow, settle: Settle, ask: Callable[..., object], tmp_path: Path
) -> None:
    window = worked_window
    edits = cast("EditSet", ask(window, listing.edit_set)).edits
    known = (*told_by_the_engine(), *of_the_user(window, edits))
    file = tmp_path / "edits.csv"
    file.write_text("subject,relation,new object\nItaly,capital,Turin\nNowhere,,\n", "utf-8")
    workspace = window.workspace
    training = cast("Any", window.page("training")).settings
    kind = training.kind
    dialogs = [
        RelationsDialog(workspace, window),
        ConflictDialog(workspace, None, window),
        ExportDialog(workspace, [Scope(tr("All edits"), None, 3)], 0, window),
        ImportDialog(file, workspace.relations, window.database, window),
        QuestionsDialog(window.database, window),
        AdvancedDialog(kind, "balanced", {}, window),
    ]
    left = {}
    for dialog in dialogs:
        dialog.open()
        settle(window)
        assert OPEN in dialog.windowTitle(), dialog
        left[type(dialog).__name__] = untouched(dialog, *known, file.name, *OF_QT)
        dialog.reject()
    settle(window)
    assert {name: texts for name, texts in left.items() if texts} == {}


def test_no_text_is_put_together_before_it_is_translated() -> None:
    """A catalogue has whole texts: none is an f-string, a sum or one of two where a keyword takes it."""
    wrong = []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                for place in named_arguments(node):
                    argument = node.args[place - 1] if place <= len(node.args) else None
                    parts = argument.elts if isinstance(argument, ast.Tuple) else [argument]
                    if any(isinstance(part, ast.JoinedStr | ast.BinOp | ast.IfExp) for part in parts):
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert wrong == []


def test_a_language_of_a_catalogue_is_spoken_from_its_side(
    qapp: QApplication, tmp_path: Path, make_window: Callable[[], MainWindow]
) -> None:
    folder = tmp_path / "he_IL" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "meg-studio.mo").write_bytes(compiled({"": "Content-Type: text/plain; charset=UTF-8\n", "&Help": "עזרה"}))
    hebrew = QLocale(QLocale.Language.Hebrew, QLocale.Country.Israel)
    before = qapp.layoutDirection()
    try:
        assert speak(qapp, hebrew, tmp_path)
        window = make_window()
        assert "עזרה" in [menu.text() for menu in window.menuBar().actions()]
        assert window.layoutDirection() is Qt.LayoutDirection.RightToLeft
        window.show()
        rail = window._rail
        assert rail.mapTo(window, rail.rect().topLeft()).x() > window.width() / 2
    finally:
        use_language(NullTranslations())
        qapp.setLayoutDirection(before)
    assert not speak(qapp, QLocale(QLocale.Language.French), tmp_path)


def compiled(texts: dict[str, str]) -> bytes:
    """A catalogue as gettext reads it."""
    pairs = sorted((key.encode(), value.encode()) for key, value in texts.items())
    number, offset = len(pairs), 28 + 16 * len(pairs)
    tables: list[bytes] = []
    data = b""
    for place in (0, 1):
        for pair in pairs:
            tables.append(struct.pack("<II", len(pair[place]), offset + len(data)))
            data += pair[place] + b"\0"
    return struct.pack("<7I", 0x950412DE, 0, number, 28, 28 + 8 * number, 0, 0) + b"".join(tables) + data


SCRIPTS = {
    "right to left": ("ירושלים", "بيروت", "القاهرة"),
    "wide": ("日本国", "大阪市", "東京都"),
    "combining": ("Zürich", "São Paulo", "naïve"),
    "emoji": ("👩‍👩‍👧‍👦", "🇧🇷 Brasília", "👍🏽"),
    "both ways": ("abc אבג def", "12 عام", "(عربي)"),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_facts_of_every_script_come_back_to_the_letter(
    window: MainWindow, settle: Settle, ask: Callable[..., object], script: str
) -> None:
    subject, new_object, prompt = SCRIPTS[script]
    window.facts.deeds.add([EditDraft(new_object, subject=subject, prompt=f"{prompt} {subject}")])
    settle(window)
    edits = cast("listing.EditSet", ask(window, listing.edit_set)).edits
    assert (edits[-1].subject, edits[-1].new_object, edits[-1].prompt) == (subject, new_object, f"{prompt} {subject}")
    window.facts.search.setText(new_object)
    settle(window)
    model = window.facts.view.model()
    window.grab()  # drawn without a warning
    texts = {
        model.index(row, column).data() for row in range(model.rowCount()) for column in range(model.columnCount())
    }
    settle(window)
    texts |= {
        model.index(row, column).data() for row in range(model.rowCount()) for column in range(model.columnCount())
    }
    assert new_object in texts
    window.workspace.say(Kind.INFO, f"{subject} → {new_object}")
    window.grab()


def test_no_file_dialog_is_left(window: MainWindow) -> None:
    assert not window.findChildren(QFileDialog)
