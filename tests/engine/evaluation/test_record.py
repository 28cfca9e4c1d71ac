"""An evaluation on disk: kept whole, gone on from, never believed where it is damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.evaluation.record import (
    FILE,
    PARTIAL,
    EvaluationError,
    Head,
    Recording,
    pack_mark,
    read_evaluation,
)
from engine.evaluation.report import Asked

HEAD = Head(pack="a" * 64, threshold=0.5, queries=3)
ROWS = tuple(
    Asked(f"e{row}", "generality", "P36", f"q\u2028{row}\n<b>", "Åre", "Åre.", 1.0, 0.25 * row, 0.5, "e0", row > 1, "x")
    for row in range(3)
)


def whole(folder: Path) -> None:
    recording = Recording(folder, HEAD)
    recording.keep(ROWS[:2])
    recording.keep(ROWS[2:])
    recording.finish()


def asked_in(folder: Path) -> tuple[Asked, ...]:
    found = read_evaluation(folder)
    assert found is not None
    return found.asked


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    assert read_evaluation(tmp_path) is None
    whole(tmp_path)
    found = read_evaluation(tmp_path)
    assert found is not None
    assert (found.head, found.asked) == (HEAD, ROWS)
    assert not (tmp_path / PARTIAL).exists()


def test_one_that_was_stopped_is_gone_on_from(tmp_path: Path) -> None:
    Recording(tmp_path, HEAD).keep(ROWS[:2])
    assert read_evaluation(tmp_path) is None
    again = Recording(tmp_path, HEAD)
    assert again.known == ROWS[:2]
    again.keep(ROWS[2:])
    again.finish()
    assert asked_in(tmp_path) == ROWS


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_line_that_was_cut_off_is_asked_again(tmp_path: Path, cut: int) -> None:
    Recording(tmp_path, HEAD).keep(ROWS)
    data = (tmp_path / PARTIAL).read_bytes()
    (tmp_path / PARTIAL).write_bytes(data[:-cut])
    again = Recording(tmp_path, HEAD)
    assert again.known == ROWS[:2]
    again.keep(ROWS[2:])
    again.finish()
    assert asked_in(tmp_path) == ROWS


@pytest.mark.parametrize("other", [{"pack": "b" * 64}, {"threshold": 0.4}, {"most": 3}, {"queries": 4}])
def test_one_of_something_else_is_begun_anew(tmp_path: Path, other: dict) -> None:
    Recording(tmp_path, HEAD).keep(ROWS)
    assert Recording(tmp_path, replace(HEAD, **other)).known == ()


def test_a_whole_one_stays_until_the_next_is_whole(tmp_path: Path) -> None:
    whole(tmp_path)
    Recording(tmp_path, replace(HEAD, most=1)).keep(ROWS[:1])
    found = read_evaluation(tmp_path)
    assert found is not None
    assert found.asked == ROWS


@pytest.mark.parametrize("place", [10, 150, 400, -30])
def test_a_flipped_bit_is_noticed(tmp_path: Path, place: int) -> None:
    whole(tmp_path)
    data = bytearray((tmp_path / FILE).read_bytes())
    data[place] ^= 1
    (tmp_path / FILE).write_bytes(bytes(data))
    with pytest.raises(EvaluationError, match="damaged"):
        read_evaluation(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n{}\n", b"\xff\xfe", b"[" * 100_000])
def test_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(EvaluationError):
        read_evaluation(tmp_path)
    (tmp_path / PARTIAL).write_bytes(content)
    assert Recording(tmp_path, HEAD).known == ()


def test_half_of_a_pair_that_a_model_wrote_is_kept_as_a_mark(tmp_path: Path) -> None:
    recording = Recording(tmp_path, replace(HEAD, queries=1))
    recording.keep([replace(ROWS[0], given="\ud800")])
    recording.finish()
    assert asked_in(tmp_path)[0].given == "?"


def test_a_row_that_no_evaluation_has_ends_what_is_known(tmp_path: Path) -> None:
    Recording(tmp_path, HEAD).keep(ROWS[:1])
    with (tmp_path / PARTIAL).open("ab") as file:
        file.write(json.dumps({"edit": 5}).encode() + b"\n")
    assert Recording(tmp_path, HEAD).known == ROWS[:1]


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="cannot be written"):
        Recording(tmp_path / "gone", HEAD)
    with pytest.raises(EvaluationError, match="no pack"):
        pack_mark(tmp_path / "gone")
