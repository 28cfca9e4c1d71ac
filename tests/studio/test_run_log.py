"""The log of a run, whichever way the training ends."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from engine.runs import Cancel, Cancelled, ProgressBoard
from studio.jobs import Shelf
from studio.model_jobs import ModelSource, Trained, TrainingOrder
from studio.run_log import LOG, logged, read_log


@pytest.fixture
def order(tmp_path: Path) -> TrainingOrder:
    return TrainingOrder(ModelSource(), "meg", {"layer": 2, "watched": ()}, 7, tmp_path)


def run(order: TrainingOrder, error: BaseException | None = None) -> None:
    @logged
    def train(_shelf: Shelf, _order: TrainingOrder, board: ProgressBoard, _cancel: Cancel) -> Trained:
        board.note_stated(3 << 29)
        board.report("Encoder", 1, 2, loss=0.5)
        board.report("Encoder", 2, 2, loss=0.25)
        board.report("Gate", 1, 4, answered=0.5)
        logging.getLogger("engine.checkpoints").warning("a checkpoint was damaged")
        other = threading.Thread(target=lambda: logging.getLogger("other").warning("not of this run"))
        other.start()
        other.join()
        if error is not None:
            raise error
        return Trained({"reliability": 0.75, "not answered": ["e1"]}, {})

    train(Shelf(), order, ProgressBoard(), Cancel())


def test_it_tells_stages_warnings_and_the_end(order: TrainingOrder) -> None:
    assert read_log(order.folder) == ""
    run(order)
    text = read_log(order.folder)
    assert "Memory beside the model: 1,536 MiB at most, as stated before it began." in text
    assert "Training begins: model embedded, device auto, seed 7." in text
    assert "Editor meg: layer 2." in text
    assert "step 2 of 2, loss 0.25" in text
    assert "50.0 % of the edits answered" in text
    assert "a checkpoint was damaged" in text
    assert "not of this run" not in text
    assert text.rstrip().endswith("Finished: reliability 0.75.")


def test_a_stop_and_a_failure_are_told_and_passed_on(order: TrainingOrder) -> None:
    with pytest.raises(Cancelled):
        run(order, Cancelled())
    with pytest.raises(RuntimeError):
        run(order, RuntimeError("no more memory"))
    text = read_log(order.folder)
    assert text.count("Training begins") == 2  # a run that goes on appends
    assert "Stopped." in text
    assert "no more memory" in text


def test_a_log_that_cannot_be_written_does_not_keep_it_from_training(order: TrainingOrder) -> None:
    (order.folder / LOG).mkdir()
    run(order)


def test_nothing_listens_afterwards(order: TrainingOrder) -> None:
    before = list(logging.getLogger().handlers)
    run(order)
    assert logging.getLogger().handlers == before
