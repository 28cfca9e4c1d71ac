from __future__ import annotations

import math
import threading

import pytest

from engine.metrics import CurveLog, MetricsError, read_points
from engine.runs import Cancel, Cancelled, Progress, ProgressBoard


def test_a_job_that_is_held_waits_until_it_is_let_go_on():
    cancel, passed = Cancel(), []

    def work():
        cancel.check()
        passed.append(1)

    cancel.hold()
    worker = threading.Thread(target=work)
    worker.start()
    while not cancel.waiting:
        pass
    assert not passed
    cancel.go_on()
    worker.join(10)
    assert passed
    assert not cancel.waiting


def test_a_stop_ends_a_job_that_is_held():
    cancel, ended = Cancel(), []

    def work():
        try:
            cancel.check()
        except Cancelled:
            ended.append(1)

    cancel.hold()
    worker = threading.Thread(target=work)
    worker.start()
    cancel.set()
    worker.join(10)
    assert ended
    cancel.hold()  # comes too late: nothing waits
    with pytest.raises(Cancelled):
        cancel.check()


def test_the_clock_stands_still_while_a_job_is_held(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("engine.runs.time.monotonic", lambda: now[0])
    board = ProgressBoard()
    board.report("Learn", 0, 10)
    now[0] = 102.0
    board.report("Learn", 1, 10)
    assert board.latest().eta == 18.0
    board.hold()
    now[0] = 1_000.0
    board.hold()  # a second time changes nothing
    assert board.seconds() == 2.0
    board.go_on()
    board.go_on()
    now[0] = 1_002.0
    board.report("Learn", 2, 10)
    assert board.latest().eta == 16.0
    assert [moment for moment, _ in board.history()] == [0.0, 2.0, 4.0]


def test_a_job_that_leaps_to_where_it_was_tells_its_time_by_what_it_does_now(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("engine.runs.time.monotonic", lambda: now[0])
    board = ProgressBoard()
    board.report("Learn", 0, 100)
    now[0] = 1.0
    board.report("Learn", 51, 100)
    assert board.latest().eta is None
    now[0] = 2.0
    board.report("Learn", 52, 100)
    assert board.latest().eta == 48.0


def test_a_million_points_take_the_room_of_some_and_keep_their_peaks():
    board, most = ProgressBoard(), 0
    usual = [Progress("Learn", step, 7, loss=1.0 + step) for step in range(7)]
    peak = Progress("Learn", 0, 7, loss=50.0)
    for step in range(1_000_000):
        board.recall(float(step), peak if step == 123_456 else usual[step % 7])
        if step % 5_000 == 0:
            most = max(most, len(board.history()))
    losses = [progress.loss for _, progress in board.history()]
    moments = [moment for moment, _ in board.history()]
    assert most <= ProgressBoard.POINTS
    assert (min(losses), max(losses)) == (1.0, 50.0)
    assert moments == sorted(moments)
    assert (moments[0], moments[-1]) == (0.0, 999_999.0)


class TestCurveLog:
    def told(self, board: ProgressBoard) -> list[tuple[str, int, float | None]]:
        return [(progress.stage, progress.step, progress.loss) for _, progress in board.history()]

    def begun(self, path, kept=None) -> tuple[ProgressBoard, CurveLog]:
        board, log = ProgressBoard(), CurveLog(path, kept)
        board.record(log)
        return board, log

    def test_what_came_after_the_last_checkpoint_is_drawn_again(self, tmp_path):
        path = tmp_path / "metrics.jsonl"
        board, log = self.begun(path)
        for step in range(1, 8):
            board.report("Learn", step, 10, loss=1 / step)
            if step in (3, 6):
                board.mark("learn", step)
        log.close()
        with path.open("ab") as file:
            file.write(b'{"at": 9, "sta')  # the process was killed here
        resumed, log = self.begun(path, lambda stage, step: (stage, step) == ("learn", 3))
        assert self.told(resumed) == [("Learn", step, 1 / step) for step in (1, 2, 3)]
        resumed.report("Learn", 4, 10, loss=0.25)
        log.close()
        assert [progress.step for _, progress in read_points(path)] == [1, 2, 3, 4]
        moments = [moment for moment, _ in read_points(path)]
        assert moments == sorted(moments)

    def test_without_a_checkpoint_everything_is_drawn_again(self, tmp_path):
        board, log = self.begun(tmp_path / "m")
        board.report("Learn", 1, 10, loss=1.0)
        board.mark("learn", 1)
        log.close()
        again, log = self.begun(tmp_path / "m", lambda *_: False)
        log.close()
        assert again.history() == []

    def test_a_loss_that_is_no_number_is_kept_as_none(self, tmp_path):
        board, log = self.begun(tmp_path / "m")
        board.report("Learn", 1, 10, loss=math.nan, answered=0.5)
        log.close()
        ((_, kept),) = read_points(tmp_path / "m")
        assert (kept.loss, kept.answered) == (None, 0.5)

    def test_a_place_that_cannot_be_written_is_told_in_a_sentence(self, tmp_path):
        with pytest.raises(MetricsError, match="cannot be written"):
            CurveLog(tmp_path / "nowhere" / "m")
