"""Threads of torch spin for a moment before they sleep, where the user chose nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engine.waiting_threads import BRIEFLY, POLICY, SPINS, spin_briefly


def test_threads_spin_briefly() -> None:
    environment: dict[str, str] = {}
    spin_briefly(environment)
    assert environment == {SPINS: str(BRIEFLY)}


@pytest.mark.parametrize("chosen", [{POLICY: "PASSIVE"}, {SPINS: "0"}])
def test_what_the_user_chose_stands(chosen: dict[str, str]) -> None:
    environment = dict(chosen)
    spin_briefly(environment)
    assert environment == chosen


@pytest.mark.parametrize("module", ["engine.cli", "studio.app"])
def test_torch_is_not_loaded_before_the_choice(module: str) -> None:
    """GNU OpenMP reads its settings once, when torch is loaded."""
    told = f"import sys, {module}; print('torch' in sys.modules)"
    environment = {key: value for key, value in os.environ.items() if key not in (POLICY, SPINS)}
    done = subprocess.run([sys.executable, "-c", told], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
