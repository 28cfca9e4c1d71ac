"""The real window with the real engine and the embedded model: nothing stands in for anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from assets import catalogue
from engine.edits import Edit, ProbeKind
from engine.formats.registry import read_edits
from studio.appearance import Appearance
from studio.remembered import Remembered
from studio.settings import locations
from studio.theme import Scheme
from studio.window import MainWindow
from tests.end_to_end.driver import SOON, Studio


@pytest.fixture
def open_studio(qtbot: QtBot, qapp: QApplication) -> Iterator[Callable[[Path], Studio]]:
    """Opens a window on the project in a folder, which is made where it is not there."""
    made: list[MainWindow] = []

    def make(folder: Path) -> Studio:
        places = locations()
        remembered = Remembered(places.settings)
        window = MainWindow(places, remembered, Appearance(qapp, Scheme.LIGHT))
        remembered.setParent(window)
        made.append(window)
        studio = Studio(window, qtbot)
        window.workspace.said.connect(lambda message: studio.trouble.append(message.text))
        if folder.exists():
            window.projects.open(folder)
        else:
            window.projects.create(folder)
        window.show()
        studio.wait(lambda: bool(window.workspace.relations) and not window.database.busy)
        return studio

    yield make
    for window in made:
        window.trainer.cancel()
        qtbot.waitUntil(lambda window=window: not window.trainer.busy, timeout=SOON)
        window.close()
        qtbot.waitUntil(lambda window=window: window._closing, timeout=SOON)
        window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.fixture(scope="session")
def sample() -> list[Edit]:
    """Three of the sample edits, of three relations, each with a neighbour."""
    every = read_edits(catalogue.SAMPLE_EDITS, relations=catalogue.relations()).or_nothing().edits
    chosen: dict[str, Edit] = {}
    for edit in every:
        if any(probe.kind is ProbeKind.NEIGHBOUR for probe in edit.probes):
            chosen.setdefault(edit.relation, edit)
    return list(chosen.values())[:3]
