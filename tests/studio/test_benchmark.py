"""Every benchmark of the studio in small, by the one command that runs them all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from studio.benchmark.__main__ import NAMES, main

SMALL = {
    "facts": ("--edits", "200", "--pasted", "20"),
    "imports": ("--edits", "200", "--pasted", "20", "--rounds", "1"),
    "soak": ("--operations", "5", "--edits", "20"),
    "start": ("--times", "1"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_keeps_its_figures_with_the_command_that_gave_them(name: str, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = [name, *SMALL[name], "--json", str(file)]
    command = [sys.executable, "-m", "studio.benchmark", *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    record = json.loads(file.read_text("utf-8"))
    assert record["command"] == " ".join(["python -m studio.benchmark", *options])
    assert json.loads(done.stdout) == record
    assert record["machine"]["display"] == "offscreen"
    assert len(record) > 3


def test_a_benchmark_that_there_is_not_is_answered_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["gone"]) == main([]) == 2
    told = capsys.readouterr().err
    assert all(name in told for name in NAMES)
