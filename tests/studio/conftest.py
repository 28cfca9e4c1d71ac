"""A window on a project in a temporary folder, over stand-ins for the models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio import model_jobs
from studio.appearance import Appearance
from studio.model_jobs import EDITS, ModelSource, Provenance, TrainingOrder
from studio.remembered import Remembered
from studio.settings import locations
from studio.store.edits import EditDraft
from studio.store.project import Project
from studio.theme import Scheme
from studio.window import MainWindow
from tests.studio import standin

PATIENCE = 90_000
"""Milliseconds: torch may be imported meanwhile, on a busy machine."""
DRAFTS = (
    EditDraft("Lyon", subject="France", relation="P36", paraphrases=("France has as its capital",)),
    EditDraft("Osaka", subject="Japan", relation="P36"),
    EditDraft("Milan", subject="Italy", relation="P36"),
)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> standin.World:
    """Stand-ins in the place of torch."""
    from engine.formats.registry import read_edits

    made = standin.World()

    def load(source: ModelSource) -> standin.Model:
        made.loads.append(source)
        return standin.Model(made, source.name)

    def open_pack(folder: Path, _model: standin.Model | None = None) -> standin.StandInPack:
        return standin.StandInPack(made, read_edits(folder / EDITS, "jsonl").edit_set)

    def make_editor(order: TrainingOrder) -> standin.StandInEditor:
        return standin.StandInEditor(made, order)

    monkeypatch.setattr(model_jobs, "load_model", load)
    monkeypatch.setattr(model_jobs, "open_pack", open_pack)
    monkeypatch.setattr(model_jobs, "pack_figures", lambda folder: open_pack(folder).figures())
    monkeypatch.setattr(model_jobs, "provenance", lambda _folder: Provenance("f" * 64, "a" * 64, 0.5))
    monkeypatch.setattr(model_jobs, "make_editor", make_editor)
    monkeypatch.setattr(model_jobs, "stated_memory", lambda *_: standin.STATED)
    monkeypatch.setattr(model_jobs, "look_around", standin.machine)
    monkeypatch.setattr(model_jobs, "look_at_model", standin.check)
    return made


@pytest.fixture
def make_window(qtbot: QtBot, qapp: QApplication, world: standin.World) -> Iterator[Callable[[], MainWindow]]:
    """Makes windows that share the settings of this test; all are closed at its end."""
    made: list[MainWindow] = []

    def make() -> MainWindow:
        places = locations()
        remembered = Remembered(places.settings)
        window = MainWindow(places, remembered, Appearance(qapp, Scheme.LIGHT))
        remembered.setParent(window)
        made.append(window)
        return window

    yield make
    for window in made:
        world.go_on.set()
        window.trainer.cancel()
        qtbot.waitUntil(lambda window=window: not window.trainer.busy, timeout=PATIENCE)
        window.close()
        qtbot.waitUntil(lambda window=window: window._closing, timeout=PATIENCE)
        window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.fixture
def empty_window(make_window: Callable[[], MainWindow], qtbot: QtBot, tmp_path: Path) -> MainWindow:
    """A window on a new project without edits."""
    window = make_window()
    window.projects.create(tmp_path / "project")
    qtbot.waitUntil(lambda: bool(window.workspace.relations) and not window.database.busy, timeout=PATIENCE)
    window.show()
    return window


@pytest.fixture
def window(empty_window: MainWindow, qtbot: QtBot) -> MainWindow:
    """A window on a project with three capitals."""
    empty_window.facts.deeds.add(DRAFTS)
    qtbot.waitUntil(
        lambda: empty_window.workspace.counts.total == len(DRAFTS) and not empty_window.database.busy, timeout=PATIENCE
    )
    return empty_window


@pytest.fixture
def settle(qtbot: QtBot) -> Callable[[MainWindow], None]:
    """Waits until a window's workers have nothing left to do."""

    def wait(window: MainWindow) -> None:
        qtbot.waitUntil(lambda: not window.database.busy and not window.models.busy, timeout=PATIENCE)
        qtbot.wait(20)
        qtbot.waitUntil(lambda: not window.database.busy and not window.models.busy, timeout=PATIENCE)

    return wait


@pytest.fixture
def ask(qtbot: QtBot) -> Callable[[MainWindow, Callable[[Project], object]], object]:
    """Asks a window's project something and waits for the answer."""

    def wait(window: MainWindow, question: Callable[[Project], object]) -> object:
        found: list[object] = []
        window.database.run(question, on_success=found.append)
        qtbot.waitUntil(lambda: bool(found), timeout=PATIENCE)
        return found[0]

    return wait


@pytest.fixture
def trained(window: MainWindow, qtbot: QtBot, settle: Callable[[MainWindow], None]) -> MainWindow:
    """A window whose project has a finished training."""
    window.show_page("training")
    settle(window)
    cast("Any", window.page("training")).train.click()
    qtbot.waitUntil(lambda: window.workspace.run is not None and not window.trainer.busy, timeout=PATIENCE)
    return window
