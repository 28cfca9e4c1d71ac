"""The script that takes the pictures goes to every page, state and dialog, in both themes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from studio import tour
from studio.theme import DARK, Scheme, Tokens
from studio.window import PAGES, MainWindow

STATES = (
    *(name for name, _ in PAGES),
    *(f"{name}-empty" for name, _ in PAGES),
    "training-under-way",
    "import",
    "relations",
    "backups",
    "log",
    "about",
    "shortcuts",
    "error-to-put-right",
    "error-of-ours",
    "first-steps-1",
    "first-steps-5",
    "no-project",
)


@pytest.mark.parametrize(("scheme", "colours"), [(Scheme.DARK, DARK)])
def test_every_state_has_its_picture(
    empty_window: MainWindow,
    qapp: QApplication,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: Scheme,
    colours: Tokens,
) -> None:
    """In one of the two themes: the other is the same way again, for as long."""
    monkeypatch.setattr(tour, "SETTLED", 0.02)
    monkeypatch.setattr(tour._Tour, "schemes", (scheme,))
    empty_window.appearance.set_scheme(scheme)
    tour._Tour(qapp, empty_window, tmp_path / "pictures").take(tmp_path / "Sample", 12)
    for state in STATES:
        image = QImage(str(tmp_path / "pictures" / f"{state}-{scheme.value}.png"))
        assert not image.isNull(), state
        seen = {
            image.pixelColor(x, y).name()
            for x in range(0, image.width(), max(1, image.width() // 40))
            for y in range(0, image.height(), max(1, image.height() // 40))
        }
        assert seen & {colours.window, colours.surface, colours.rail, colours.stripe}, state
        assert len(seen) > 3, f"{state} is blank"
