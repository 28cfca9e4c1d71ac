"""The Training page: what it shows while an editor is trained, stopped, resumed, or fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from engine.usage import Usage
from studio.messages import Kind
from studio.pages.training.page import TrainingPage
from studio.pages.training.stages import StageList
from studio.store import edits as editing
from studio.store import listing, watched
from studio.store.runs import RunState, runs, update_run
from studio.window import MainWindow
from tests.studio.standin import World

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[[Any], Any]], Any]
FRANCE = "The capital of France is"
GIB = 2**30


@pytest.fixture
def page(window: MainWindow, qtbot: QtBot, settle: Settle) -> TrainingPage:
    window.show_page("training")
    settle(window)
    return cast("TrainingPage", window.page("training"))


def finish(window: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    qtbot.waitUntil(lambda: not window.trainer.busy, timeout=20_000)
    settle(window)


def test_training_shows_stages_curves_flips_and_figures(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, ask: Ask, world: World, tmp_path: Path
) -> None:
    prompt = ask(window, listing.edit_set).edits[0].prompt
    page._keep_watched((prompt, "Something else entirely"))
    settle(window)
    world.pause = 0.02
    page.train.click()
    qtbot.waitUntil(lambda: page.watched.flipped() == 1, timeout=10_000)
    assert not page.train.isEnabled()
    assert page.cancel.isEnabled()
    assert page.enqueue.isEnabled()
    finish(window, qtbot, settle)
    assert page.watched.table.item(0, 1).text() == f"old {prompt.split()[-1]}"
    assert page.watched.table.item(0, 2).text() == "Lyon"
    assert page.watched.table.item(1, 2).text() == page.watched.table.item(1, 1).text()
    assert list(page.curves._stages) == ["Collect", "Learn"]
    assert page.curves._shares["Learn"].getData()[1][-1] == 100
    assert page.figures._values["reliability"].text() == "100 %"
    assert page.figures._values["locality"].text() == "–"  # no probes were entered
    run = ask(window, runs)[0]
    assert run.state is RunState.FINISHED
    assert run.edits == 3
    assert window.workspace.run is not None
    assert all(row.familiarity == pytest.approx(0.9) for row in ask(window, _rows))
    page.curves.write_picture(tmp_path / "curves.png")
    assert QImage(str(tmp_path / "curves.png")).width() > 100
    table = page.curves.table().splitlines()
    assert table[0] == "stage,seconds,step,loss,smoothed loss,answered"
    assert len(table) > 20


def _rows(project: Any) -> Any:
    return listing.rows(project, listing.edit_ids(project))


def test_cancel_says_so_at_once_and_resume_goes_on(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, ask: Ask, world: World
) -> None:
    world.pause = 0.05
    page.train.click()
    qtbot.waitUntil(lambda: page._board is not None and page._board.latest().step > 3)
    page.cancel.click()
    assert "stopping" in page.stages.state.text()
    assert not page.cancel.isEnabled()
    finish(window, qtbot, settle)
    assert ask(window, runs)[0].state is RunState.CANCELLED
    assert " on 3 edits was cancelled; its checkpoints are kept." in page._resume_told.text()
    assert page.figures._of.text().endswith(" was cancelled.")
    assert page.resume.isVisible()
    assert page.train.isEnabled()
    world.pause = 0
    page.resume.click()
    finish(window, qtbot, settle)
    assert world.resumed_from is not None
    assert world.resumed_from > 3
    found = ask(window, runs)
    assert [run.state for run in found] == [RunState.FINISHED]
    assert not page.resume.isVisible()


def test_resume_trains_the_snapshot_not_what_was_changed_since(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, ask: Ask, world: World
) -> None:
    world.pause = 0.05
    page.train.click()
    qtbot.waitUntil(lambda: page._board is not None and page._board.latest().step > 1)
    page.cancel.click()
    finish(window, qtbot, settle)
    first = ask(window, listing.edit_ids)[0]
    ask(window, lambda project: editing.delete_edits(project, [first]))
    world.pause = 0
    page.resume.click()
    finish(window, qtbot, settle)
    assert ask(window, runs)[0].figures["edits"] == 3


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("the sum is wrong"), "inside MeG Studio"),
        (MemoryError(), "memory"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), "graphics card"),
        (SystemExit(3), "SystemExit"),
    ],
    ids=["bug", "memory", "gpu memory", "exit"],
)
def test_a_failure_ends_the_run_with_a_sentence(
    window: MainWindow,
    page: TrainingPage,
    qtbot: QtBot,
    settle: Settle,
    ask: Ask,
    world: World,
    error: BaseException,
    says: str,
) -> None:
    world.fail_with = error
    page.train.click()
    finish(window, qtbot, settle)
    message = window.messages.current()
    assert message is not None
    assert message.kind is (Kind.ERROR if says in ("memory", "graphics card") else Kind.BUG)
    assert says in message.text
    assert ask(window, runs)[0].state is RunState.FAILED
    assert " on 3 edits failed; its checkpoints are kept." in page._resume_told.text()
    assert page.train.isEnabled()
    assert page.settings.seed.isEnabled()
    # The next training works: the worker lives on.
    world.fail_with = None
    page.train.click()
    finish(window, qtbot, settle)
    assert ask(window, runs)[0].state is RunState.FINISHED


def test_no_edit_no_training(empty_window: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    empty_window.show_page("training")
    settle(empty_window)
    page = cast("TrainingPage", empty_window.page("training"))
    assert not page.train.isEnabled()
    assert "add facts" in page._subtitle.text()


def test_an_incomplete_model_is_named_before_it_is_loaded(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, world: World
) -> None:
    form = page.settings
    form.model.setCurrentIndex(form.model.findData("big/half"))
    form.model.activated.emit(form.model.currentIndex())
    settle(window)
    page.train.click()
    message = window.messages.current()
    assert message is not None
    assert "not complete" in message.text
    assert not world.loads


def test_choices_become_the_run(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, ask: Ask, world: World
) -> None:
    page.settings.layer.setValue(2)
    page.settings.seed.setValue(7)
    page.train.click()
    finish(window, qtbot, settle)
    run = ask(window, runs)[0]
    assert (run.seed, run.settings["layer"], run.settings["encoder"]) == (7, 2, "embedded")


def test_the_layer_may_be_found_by_a_sweep(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = page.settings.layer
    assert page.layers.isHidden()  # no run has looked at them yet
    assert (layer.text(), page.settings.choices().settings.layer) == ("automatic", None)
    layer.selectAll()
    qtbot.keyClicks(layer, "3")
    assert (layer.value(), page.settings.choices().settings.layer) == (3, 3)
    layer.selectAll()
    qtbot.keyClicks(layer, "by a sweep?")
    assert (layer.text(), page.settings.choices().settings.layer) == ("by a sweep", "auto")
    layer.stepUp()
    assert layer.text() == "automatic"
    layer.stepDown()
    page.train.click()
    finish(window, qtbot, settle)
    assert ask(window, runs)[0].settings["layer"] == "auto"


def test_suggested_questions_are_kept_in_the_project(
    window: MainWindow, page: TrainingPage, settle: Settle, ask: Ask
) -> None:
    page.watched.suggest.click()
    settle(window)
    assert len(page.watched.questions()) == 3
    assert ask(window, watched.watched) == page.watched.questions()
    page.watched.table.item(0, 0).setText("Changed by hand")
    settle(window)
    assert ask(window, watched.watched)[0] == "Changed by hand"
    page.watched.table.selectRow(0)
    page.watched.remove.click()
    settle(window)
    assert len(ask(window, watched.watched)) == 2


def test_polling_ends_with_the_training(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, world: World
) -> None:
    assert not page._timer.isActive()
    world.pause = 0.02
    page.train.click()
    qtbot.waitUntil(page._timer.isActive)
    finish(window, qtbot, settle)
    assert not page._timer.isActive()


def test_the_window_stays_awake_while_the_processor_is_busy(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, world: World
) -> None:
    """No turn of the event loop but one computes for over 100 ms while the worker does, in Python and in numpy.

    What counts is the time of the window's own thread: how long it waits for a processor is the machine's affair.
    """
    import numpy as np

    matrix = np.random.default_rng(0).normal(size=(300, 300))

    def burn() -> None:
        end = time.perf_counter() + 0.03
        while time.perf_counter() < end:
            sum(range(2_000))
        np.linalg.inv(matrix @ matrix.T + np.eye(300))

    world.burn, world.steps = burn, 60
    gaps: list[float] = []
    last = time.thread_time()

    def tick() -> None:
        nonlocal last
        now = time.thread_time()
        gaps.append(now - last)
        last = now

    clock = QTimer(window)
    clock.setInterval(10)
    clock.timeout.connect(tick)
    page.train.click()
    qtbot.waitUntil(lambda: page._board is not None)
    last = time.thread_time()
    clock.start()
    qtbot.waitUntil(lambda: not window.trainer.busy, timeout=30_000)
    clock.stop()
    assert len(gaps) > 30
    *_, second, longest = sorted(gaps)
    assert second < 0.1, f"turns of the event loop took {second * 1000:.0f} and {longest * 1000:.0f} ms"
    assert longest < 0.3, f"one turn of the event loop took {longest * 1000:.0f} ms"  # a collection of garbage, at most
    settle(window)


def test_edits_that_went_wrong_are_named_and_shown(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, ask: Ask, world: World
) -> None:
    world.unlearnable = ("Osaka",)
    page.train.click()
    finish(window, qtbot, settle)
    message = window.messages.current()
    assert message is not None
    assert message.kind is Kind.WARNING
    assert "66.7 % of the edits are answered" in message.text
    assert "1 edit went wrong" in message.text
    assert ask(window, runs)[0].figures["threshold"] == 0.5
    assert page.figures.show_failing.isVisible()
    window.facts.search.setText("nothing like it")
    page.figures.show_failing.click()
    qtbot.waitUntil(lambda: len(window.facts.selected_ids()) == 1)
    settle(window)
    (chosen,) = ask(window, lambda project: listing.rows(project, window.facts.selected_ids()))
    assert chosen.new_object == "Osaka"


def test_a_pack_that_was_written_before_the_studio_was_killed_is_not_trained_again(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, ask: Ask, world: World
) -> None:
    page.train.click()
    finish(window, qtbot, settle)
    run = ask(window, runs)[0]
    ask(window, lambda project: update_run(project, run.id, state=RunState.INTERRUPTED, figures={}))
    world.resumed_from = None
    settle(window)
    page.resume.click()
    finish(window, qtbot, settle)
    assert world.resumed_from is None  # the editor was not asked again
    after = ask(window, runs)[0]
    assert (after.state, after.figures["reliability"]) == (RunState.FINISHED, 1.0)


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (Usage(3 * GIB, 16 * GIB), "memory 3.0 of 16.0 GiB"),
        (Usage(3 * GIB, 16 * GIB, 19 * GIB, 24 * GIB), "memory 3.0 of 16.0 GiB · GPU 19.0 of 24.0 GiB"),
        (
            Usage(3 * GIB, 16 * GIB, 19 * GIB, 24 * GIB, 0.37),
            "memory 3.0 of 16.0 GiB · GPU 19.0 of 24.0 GiB, 37.0 % busy",
        ),
    ],
)
def test_memory_and_graphics_card_are_told(qtbot: QtBot, usage: Usage, told: str) -> None:
    stages = StageList()
    qtbot.addWidget(stages)
    stages.show_usage(usage)
    assert stages.usage.text() == told
    stages.show_usage(usage, 3 * GIB // 2)
    assert stages.usage.text() == f"{told} · at most 1.5 GiB beside the model"
    stages.show_usage(usage, 3 << 20)
    assert stages.usage.text() == f"{told} · at most 3 MiB beside the model"
    stages.show_usage(None, GIB)
    assert stages.usage.text() == ""


def test_memory_is_told_while_it_trains_and_not_after(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, world: World
) -> None:
    world.pause = 0.02
    page.train.click()
    qtbot.waitUntil(lambda: page.stages.usage.text().startswith("memory "), timeout=20_000)
    qtbot.waitUntil(lambda: page.stages.usage.text().endswith("at most 96 MiB beside the model"), timeout=20_000)
    qtbot.waitUntil(lambda: not window.trainer.busy, timeout=60_000)
    assert page.stages.usage.text() == ""
