"""No editor takes more memory than it said before: a real comparison on the embedded model, in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from engine.comparison.record import Record, Records

EDITORS = "ft-m,ultraedit,grace,ike,memit"  # the quick ones
COMMAND = ("--editors", EDITORS, "--edits", "8", "--queries", "2", "--protocols", "none", "--device", "cpu")


def test_no_editor_takes_more_than_it_stated(tmp_path: Path) -> None:
    program = "from engine.cli import main; main()"
    environment = {**os.environ, "MEG_STUDIO_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, "compare", *COMMAND, "--records", str(tmp_path / "records")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    kept = Records(tmp_path / "records")
    found = [kept.known(file.stem, Record) for file in (tmp_path / "records").glob("*.json")]
    records = [record for record in found if record is not None]
    assert sorted(record.contender for record in records) == sorted(EDITORS.split(","))
    for record in records:
        assert record.memory_taken is not None
        assert record.cost.memory_stated is not None
        taken, stated = record.memory_taken, record.cost.memory_stated
        assert 0 < taken <= stated, f"{record.contender} took {taken:,} bytes and had stated {stated:,}"
