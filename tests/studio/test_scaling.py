"""Dense screens: every picture is drawn as fine as the screen is, and nothing grows out of its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, sys
from studio.start import make_application, make_window
from studio import icons
app = make_application(); window = make_window(app); window.resize(1280, 800); window.show(); app.processEvents()
picture = window.grab()
buttons = [button.icon().actualSize(button.iconSize()) for button in window._rail._group.buttons()]
print(json.dumps({
    "ratio": picture.devicePixelRatio(),
    "wide": picture.width(),
    "icons": [size.width() for size in buttons],
    "fine": icons.pixmap("facts", "#000000", 24).width(),
    "fits": window.facts.minimumSizeHint().width() <= 1280 - 92,
}))
window.close()
"""


@pytest.mark.parametrize("scale", ["1.5", "2"])
def test_a_dense_screen_gets_a_finer_picture_of_the_same_size(scale: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        env={**os.environ, "QT_SCALE_FACTOR": scale, "QT_QPA_PLATFORM": "offscreen"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["ratio"] == float(scale)
    assert told["wide"] == 1280 * float(scale)
    assert set(told["icons"]) == {24}
    assert told["fine"] == 48
    assert told["fits"]
