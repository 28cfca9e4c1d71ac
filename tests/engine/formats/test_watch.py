"""Reading tells how far it is and stops when it is asked to."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.formats.registry import read_edits
from engine.formats.watch import Watch
from engine.runs import Cancelled, ProgressBoard
from tests.stopping import Stopping

ROWS = 2_000
FILES = {
    "facts.csv": "prompt,new object\n" + "p,o\n" * ROWS,
    "facts.jsonl": '{"prompt": "p", "new_object": "o"}\n' * ROWS,
    "facts.json": "[" + ",".join(['{"prompt": "p", "target_new": "o"}'] * ROWS) + "]",
}


@pytest.mark.parametrize("name", FILES)
def test_progress_goes_from_nothing_to_all(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name])
    board = ProgressBoard()
    assert read_edits(tmp_path / name, watch=Watch(board)).accepted == ROWS
    told = [progress for _, progress in board.history()]
    assert list(dict.fromkeys(progress.stage for progress in told)) == ["Reading", "Checking"]
    shares = [progress.step / progress.of for progress in told if progress.stage == "Reading"]
    assert len(shares) >= 4
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.1
    assert shares[-1] == 1
    assert (told[-1].step, told[-1].of) == (ROWS, ROWS)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("looks", [0, ROWS // 2, ROWS + ROWS // 2])
def test_it_stops_at_the_next_row(tmp_path: Path, name: str, looks: int) -> None:
    (tmp_path / name).write_text(FILES[name])
    cancel = Stopping(looks)
    with pytest.raises(Cancelled):
        read_edits(tmp_path / name, watch=Watch(cancel=cancel))
    assert cancel.left == -1
