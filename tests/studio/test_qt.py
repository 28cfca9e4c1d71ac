"""What is asked of the Qt that is installed: versions were released that do not give it."""

from __future__ import annotations

import subprocess
import sys

CALLS = """
import sys
from PySide6.QtCore import QCoreApplication, QObject, Qt, QTimer, Signal

class Speaker(QObject):
    said = Signal(object)

app, speaker, timer = QCoreApplication([]), Speaker(), QTimer()
speaker.said.connect(speaker.objectName, Qt.ConnectionType.QueuedConnection)

def calls(times):
    for _ in range(times):
        speaker.said.emit(None)
        timer.stop()
        app.processEvents()

calls(10)
before = [sys.getrefcount(each) for each in (None, True, False)]
calls(200)
print([sys.getrefcount(each) - was for each, was in zip((None, True, False), before)])
"""


def test_calls_give_back_the_references_they_take() -> None:
    """Else None runs out of references after a few minutes of a window's life, which is the end of the program."""
    done = subprocess.run([sys.executable, "-c", CALLS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(abs(int(change)) < 100 for change in done.stdout.strip("[]\n").split(",")), done.stdout
