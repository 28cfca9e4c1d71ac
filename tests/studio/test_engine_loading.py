"""torch is loaded beside a window that stays awake."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import threading, time

def load():
    from studio.engine_loading import load_engine
    load_engine()

worker = threading.Thread(target=load)
worker.start()
longest, last = 0.0, time.perf_counter()
while worker.is_alive():
    time.sleep(0.005)
    now = time.perf_counter()
    longest, last = max(longest, now - last), now

import gc, sys
assert gc.isenabled() and gc.get_freeze_count() > 100_000
assert "torch" in sys.modules and "PySide6" not in sys.modules
print(longest)
"""


def test_another_thread_is_never_held_up_while_torch_is_loaded() -> None:
    """A machine busy with other things holds threads up now and then; what is wrong in here does so every time."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    longest = []
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        longest.append(float(done.stdout))
        if longest[-1] < 0.1:
            return
    pytest.fail(f"held up every time, for {longest} seconds")
