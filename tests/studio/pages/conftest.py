from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from pytestqt.qtbot import QtBot

from studio.window import MainWindow


@pytest.fixture
def trained(window: MainWindow, qtbot: QtBot, settle: Callable[[MainWindow], None]) -> MainWindow:
    """A window whose project has a finished training."""
    window.show_page("training")
    settle(window)
    cast("Any", window.page("training")).train.click()
    qtbot.waitUntil(lambda: window.workspace.run is not None and not window.trainer.busy, timeout=20_000)
    return window
