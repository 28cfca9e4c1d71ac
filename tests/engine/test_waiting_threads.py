"""Threads of torch spin for a moment before they sleep, where the user chose nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import engine.cli
import studio.app
from engine.waiting_threads import BRIEFLY, POLICY, SPINS, spin_briefly


def begin_meg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.cli, "app", lambda: None)
    engine.cli.main()


def begin_studio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio.app, "missing_libraries", lambda: "None of them is here.")  # and there it ends
    assert studio.app.main([]) == 1


def test_threads_spin_briefly() -> None:
    environment: dict[str, str] = {}
    spin_briefly(environment)
    assert environment == {SPINS: str(BRIEFLY)}


@pytest.mark.parametrize("chosen", [{POLICY: "PASSIVE"}, {SPINS: "0"}])
def test_what_the_user_chose_stands(chosen: dict[str, str]) -> None:
    environment = dict(chosen)
    spin_briefly(environment)
    assert environment == chosen


@pytest.mark.parametrize("begin", [begin_meg, begin_studio])
def test_both_programs_choose_as_they_begin(
    begin: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (POLICY, SPINS):
        monkeypatch.setenv(name, "")  # what is set meanwhile is taken back
        monkeypatch.delenv(name)
    begin(monkeypatch)
    assert os.environ[SPINS] == str(BRIEFLY)


@pytest.mark.parametrize("module", ["engine.cli", "studio.app"])
def test_torch_is_not_loaded_before_the_choice(module: str) -> None:
    """GNU OpenMP reads its settings once, when torch is loaded."""
    told = f"import sys, {module}; print('torch' in sys.modules)"
    environment = {key: value for key, value in os.environ.items() if key not in (POLICY, SPINS)}
    done = subprocess.run([sys.executable, "-c", told], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
