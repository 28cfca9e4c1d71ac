"""The trainer in a real window: its queue, its pause, and whatever order things happen in."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio import model_jobs
from studio.model_jobs import METRICS, ModelSource, Trained
from studio.notification import Notifier, told
from studio.pages.runs.page import RunsPage
from studio.store import queue
from studio.store.edits import EditDraft
from studio.store.runs import RunRow, RunState, delete_run, runs, update_run
from studio.trainer import TrainingChoices
from studio.training_phase import Phase
from studio.widgets.run_words import called
from studio.window import MainWindow
from tests.studio.conftest import PATIENCE
from tests.studio.standin import MOST_WORDS, World

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[..., object]], list[RunRow]]


def choices(seed: int = 0) -> TrainingChoices:
    return TrainingChoices(ModelSource(), seed=seed)


def idle(window: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    qtbot.waitUntil(lambda: not window.trainer.busy, timeout=PATIENCE)
    settle(window)


def test_waiting_runs_are_trained_one_after_the_other(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    began: list[int] = []
    window.trainer.started.connect(lambda run, _board: began.append(run.seed))
    for seed in (1, 2, 3):
        window.trainer.enqueue(choices(seed))
    window.show_page("runs")
    settle(window)
    assert [run.state for run in cast("RunsPage", window.page("runs")).model.rows] == [RunState.WAITING] * 3
    rows = ask(window, queue.waiting)
    assert [run.seed for run in rows] == [1, 2, 3]
    ask(window, lambda project: queue.reorder(project, [rows[2].id, rows[0].id, rows[1].id]))
    ask(window, lambda project: delete_run(project, rows[0].id))
    settle(window)
    assert not window.trainer.busy  # nothing begins before it is asked for
    window.trainer.start_queue()
    qtbot.waitUntil(lambda: len(began) == 2 and not window.trainer.busy, timeout=PATIENCE)
    settle(window)
    assert began == [3, 2]
    assert {run.state for run in ask(window, runs)} == {RunState.FINISHED}


def test_a_failed_run_lets_the_next_one_begin_and_a_stop_by_the_user_does_not(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask, world: World
) -> None:
    world.fail_with = RuntimeError("the sum is wrong")
    window.trainer.enqueue(choices(1))
    window.trainer.enqueue(choices(2))
    settle(window)
    window.trainer.start_queue()
    qtbot.waitUntil(lambda: not ask(window, queue.waiting) and not window.trainer.busy, timeout=PATIENCE)
    settle(window)
    assert [run.state for run in ask(window, runs)] == [RunState.FAILED, RunState.FAILED]
    world.fail_with, world.pause = None, 0.05
    window.trainer.enqueue(choices(3))
    window.trainer.start(choices(4))
    qtbot.waitUntil(lambda: window.trainer.phase is Phase.TRAINING, timeout=PATIENCE)
    window.trainer.cancel()
    idle(window, qtbot, settle)
    assert [run.seed for run in ask(window, queue.waiting)] == [3]


def test_a_stop_that_comes_too_late_for_its_run_still_holds_the_queue(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped_at_its_end(*_parts: object) -> Trained:
        window.trainer._cancel.set()  # as `cancel` does, once nothing looks at it any more
        return Trained({"reliability": 1.0}, {})

    monkeypatch.setattr(model_jobs, "_measured", stopped_at_its_end)
    window.trainer.enqueue(choices(1))
    window.trainer.start(choices(2))
    idle(window, qtbot, settle)
    assert {run.seed: run.state for run in ask(window, runs)} == {1: RunState.WAITING, 2: RunState.FINISHED}
    assert not window.trainer.busy


@pytest.mark.parametrize("phase", [Phase.NOTING, Phase.IDLE])
def test_who_stops_and_closes_as_a_run_ends_begins_no_other(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask, phase: Phase
) -> None:
    met: list[Phase] = []

    def stop_now(*_: object) -> None:
        if window.trainer.phase is phase and not met:
            met.append(phase)
            window.trainer.cancel() if phase is Phase.IDLE else window.stop_and_close()

    window.trainer.enqueue(choices(1))
    settle(window)
    window.workspace.said.connect(stop_now)
    window.trainer.ended.connect(stop_now)
    began: list[int] = []
    window.trainer.started.connect(lambda run, _board: began.append(run.seed))
    window.trainer.start(choices(2))
    qtbot.waitUntil(lambda: bool(met) and not window.trainer.busy, timeout=PATIENCE)
    if phase is Phase.NOTING:
        qtbot.waitUntil(lambda: not window.isVisible(), timeout=PATIENCE)
    else:
        settle(window)
        assert began == [2]
        window.trainer.start_queue()  # whoever asks for it gets it all the same
        qtbot.waitUntil(lambda: len(began) == 2, timeout=PATIENCE)
        idle(window, qtbot, settle)
    assert began == ([2] if phase is Phase.NOTING else [2, 1])


def test_the_queue_survives_a_restart_as_waiting(
    window: MainWindow, make_window: Callable[[], MainWindow], qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    window.trainer.enqueue(choices(7))
    settle(window)
    folder = window.workspace.project.folder
    window.close()
    again = make_window()
    again.projects.open(folder)
    qtbot.waitUntil(lambda: again.workspace.counts.total == 3, timeout=PATIENCE)
    again.show_page("training")
    settle(again)
    page = again.page("training")
    assert not again.trainer.busy
    assert [run.seed for run in ask(again, queue.waiting)] == [7]
    assert page.queue.list.count() == 1
    page.queue.begin.click()
    idle(again, qtbot, settle)
    assert ask(again, runs)[0].state is RunState.FINISHED
    assert not page.queue.isVisibleTo(page)


def test_a_paused_training_stands_still_and_goes_on(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask, world: World
) -> None:
    world.pause = 0.01
    window.show_page("training")
    settle(window)
    page = window.page("training")
    page.train.click()
    qtbot.waitUntil(lambda: page._board is not None and page._board.latest().step > 2, timeout=PATIENCE)
    page.pause.click()
    assert page.pause.text() == "Go on"
    qtbot.waitUntil(lambda: window.trainer.standing_still, timeout=PATIENCE)
    qtbot.waitUntil(lambda: page.stages.state.text() == "paused", timeout=PATIENCE)
    step, seconds = page._board.latest().step, page._board.seconds()
    qtbot.wait(50)
    assert (page._board.latest().step, page._board.seconds()) == (step, seconds)
    page.pause.click()
    assert page.pause.text() == "Pause"
    idle(window, qtbot, settle)
    assert ask(window, runs)[0].state is RunState.FINISHED


@pytest.mark.parametrize("seed", range(6))
def test_whatever_order_things_happen_in_it_ends_at_rest(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask, world: World, seed: int
) -> None:
    """Start, pause, go on, cancel, crash, finish, resume at random: no state is stuck, no run says it is running."""
    draw = random.Random(seed)
    trainer = window.trainer

    def resume() -> None:
        stopped = [run for run in ask(window, runs) if run.state in (RunState.CANCELLED, RunState.FAILED)]
        if stopped:
            trainer.resume(stopped[0])

    def crash() -> None:
        world.fail_with = draw.choice([RuntimeError("crashed"), MemoryError(), SystemExit(1)])

    def mend() -> None:
        world.fail_with = None

    def wait() -> None:
        qtbot.wait(draw.choice([0, 5, 30]))

    deeds = [lambda: trainer.start(choices()), trainer.pause, trainer.go_on, trainer.cancel, resume, crash, mend, wait]
    world.pause = 0.002
    for _ in range(25):
        draw.choice(deeds)()
    mend()
    trainer.go_on()
    idle(window, qtbot, settle)
    assert trainer.phase is Phase.IDLE
    assert not window.workspace.training
    assert RunState.RUNNING not in {run.state for run in ask(window, runs)}
    trainer.start(choices())
    idle(window, qtbot, settle)
    assert ask(window, runs)[0].state is RunState.FINISHED


def test_closing_a_window_whose_training_is_paused_loses_nothing(
    window: MainWindow, qtbot: QtBot, settle: Settle, world: World
) -> None:
    world.pause = 0.01
    window.trainer.start(choices())
    qtbot.waitUntil(lambda: window.trainer.phase is Phase.TRAINING, timeout=PATIENCE)
    window.trainer.pause()
    window.stop_and_close()
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=PATIENCE)
    assert window.trainer.phase is Phase.IDLE


def test_word_is_sent_only_where_nobody_looks(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts: list[object] = []
    monkeypatch.setattr(QApplication, "alert", lambda *given: alerts.append(given))
    window.trainer.start(choices())
    idle(window, qtbot, settle)
    run = ask(window, runs)[0]
    alerts.clear()
    notifier = Notifier(window)
    monkeypatch.setattr(window, "isActiveWindow", lambda: True)
    notifier.training_ended(run)
    assert not alerts
    monkeypatch.setattr(window, "isActiveWindow", lambda: False)
    notifier.training_ended(None)
    notifier.training_ended(run)
    assert len(alerts) == 1
    assert told(run) == ("Training finished", "3 edits: 100 % answered.")


def test_curves_come_back_after_a_restart(
    window: MainWindow, make_window: Callable[[], MainWindow], qtbot: QtBot, settle: Settle, ask: Ask, tmp_path: Path
) -> None:
    window.trainer.start(choices())
    idle(window, qtbot, settle)
    run = ask(window, runs)[0]
    assert (run.folder / METRICS).is_file()
    folder = window.workspace.project.folder
    window.close()
    again = make_window()
    again.projects.open(folder)
    qtbot.waitUntil(lambda: again.workspace.counts.total == 3, timeout=PATIENCE)
    again.show_page("training")
    settle(again)
    page = again.page("training")
    assert list(page.curves._stages) == ["Collect", "Learn"]
    assert len(page.curves.table().splitlines()) > 20
    assert "the run of" in page.stages.state.text()


def test_a_waiting_run_that_cannot_begin_fails_and_the_next_one_begins(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    window.trainer.start(choices(1))
    idle(window, qtbot, settle)
    (first,) = ask(window, runs)
    window.trainer.enqueue(replace(choices(2), start=first))
    for seed in (3, 4):
        window.trainer.enqueue(choices(seed))
    window.show_page("runs")
    settle(window)
    page = cast("RunsPage", window.page("runs"))
    assert page._depending(first).startswith("1 run that is not finished goes on from its pack")
    waits = {run.seed: run for run in ask(window, queue.waiting)}
    assert page._depending(waits[3]) == ""
    page.delete_run(first)
    shutil.rmtree(waits[3].folder)
    settle(window)
    window.trainer.start_queue()
    qtbot.waitUntil(lambda: not ask(window, queue.waiting) and not window.trainer.busy, timeout=PATIENCE)
    idle(window, qtbot, settle)
    left = {run.seed: run for run in ask(window, runs)}
    assert {seed: run.state for seed, run in left.items()} == {
        2: RunState.FAILED,
        3: RunState.FAILED,
        4: RunState.FINISHED,
    }
    assert "the pack that it goes on from is gone" in left[2].message
    assert "its folder is gone" in left[3].message


@pytest.mark.parametrize("deed", ["start", "enqueue", "start_queue", "resume"])
def test_what_is_begun_while_another_project_opens_is_taken_back_with_a_word(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask, tmp_path: Path, deed: str
) -> None:
    window.trainer.enqueue(choices())
    settle(window)
    (run,) = ask(window, runs)
    window.show_page("training")
    settle(window)
    page = window.page("training")
    window.projects.create(tmp_path / "other")
    deeds = {
        "start": page.train.click,
        "enqueue": page.enqueue.click,
        "start_queue": page.queue.begin.click,
        "resume": lambda: window.trainer.resume(run),
    }
    deeds[deed]()
    idle(window, qtbot, settle)
    assert window.workspace.project.name == "other"
    assert not window.workspace.training
    assert window.messages.current().text == "Another project was opened: nothing was trained."
    assert not page.cancel.isEnabled()
    assert not ask(window, runs)
    window.facts.deeds.add((EditDraft("Bergen", subject="Norway", relation="P36"),))
    settle(window)
    page.train.click()
    idle(window, qtbot, settle)
    assert ask(window, runs)[0].state is RunState.FINISHED


def test_a_run_is_called_after_the_moment_when_its_training_began(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    for seed in (1, 2):
        window.trainer.enqueue(choices(seed))
    settle(window)
    waits = {run.seed: run for run in ask(window, runs)}
    long_ago = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    for run in waits.values():
        ask(window, lambda project, run=run: update_run(project, run.id, created=long_ago))
    window.show_page("runs")
    settle(window)
    page = cast("RunsPage", window.page("runs"))
    started = next(place for place, column in enumerate(page.model.columns) if column.title == "Started")
    assert [page.model.index(row, started).data() for row in range(2)] == ["", ""]
    before = datetime.now(UTC)
    window.trainer.start_queue()
    qtbot.waitUntil(lambda: not ask(window, queue.waiting) and not window.trainer.busy, timeout=PATIENCE)
    idle(window, qtbot, settle)
    began = {run.seed: run.created for run in ask(window, runs)}
    assert before < began[1] < began[2]
    assert all(page.model.index(row, started).data() for row in range(2))
    assert called(replace(waits[1], created=long_ago)) != called(replace(waits[1], created=long_ago.replace(second=1)))


def test_a_paraphrase_that_is_too_long_is_left_out_of_what_is_measured(
    window: MainWindow, qtbot: QtBot, settle: Settle, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    long = "word " * (MOST_WORDS + 1)
    window.facts.deeds.add((EditDraft("Bergen", subject="Norway", relation="P36", paraphrases=(long.strip(),)),))
    settle(window)
    window.trainer.enqueue(choices())
    settle(window)
    window.trainer.start_queue()
    idle(window, qtbot, settle)
    (run,) = ask(window, runs)
    assert run.state is RunState.FINISHED
    assert (run.figures["generality"], run.figures["generality queries"]) == (1.0, 1)
    assert "is left out. The question “word word" in caplog.text
