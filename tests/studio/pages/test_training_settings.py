"""What is chosen before a training: models, presets, every setting, a pack to go on from; and the curves."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot

from engine.editors.registry import EDITORS
from engine.meg.settings import PRESETS, MegSettings
from engine.model_files import ModelChoice
from engine.runs import Progress
from studio import model_jobs
from studio.model_jobs import ModelSource
from studio.pages.training.advanced_dialog import AdvancedDialog
from studio.pages.training.curves import Curves, smoothed
from studio.pages.training.page import TrainingPage
from studio.store import edits as editing
from studio.store.edits import EditDraft
from studio.store.runs import runs
from studio.window import MainWindow
from tests.studio.conftest import PATIENCE
from tests.studio.standin import World

Settle = Callable[[MainWindow], None]
Ask = Callable[[MainWindow, Callable[..., Any]], Any]


@pytest.fixture
def page(window: MainWindow, settle: Settle) -> TrainingPage:
    window.show_page("training")
    settle(window)
    return cast("TrainingPage", window.page("training"))


def train(window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle) -> None:
    page.train.click()
    qtbot.waitUntil(lambda: not window.trainer.busy, timeout=PATIENCE)
    settle(window)


def ok(dialog: AdvancedDialog) -> Any:
    return dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)


def test_every_setting_of_the_editor_is_there_with_its_help(page: TrainingPage) -> None:
    dialog = page.settings.show_advanced()
    assert {"generator.steps", "tuning.temperature", "collection.neurons", "false_routing"} <= set(dialog.rows)
    assert all(row.help.text() and row.field.accessibleName() for row in dialog.rows.values())
    dialog.search.setText("optimiser")
    assert dialog.rows["generator.optimiser"].field.isVisibleTo(dialog)
    assert not dialog.rows["tuning.temperature"].field.isVisibleTo(dialog)
    dialog.reject()


def test_a_value_is_refused_with_the_reason_while_it_is_typed(page: TrainingPage, qtbot: QtBot) -> None:
    dialog = page.settings.show_advanced()
    row = dialog.rows["generator.sampling_steps"]
    row.field.selectAll()
    qtbot.keyClicks(row.field, "0")
    assert "1 to 1,000: 0 is too little" in row.refusal.text()
    assert row.refusal.isVisibleTo(dialog)
    assert not ok(dialog).isEnabled()
    row.reset.click()
    assert row.refusal.text() == ""
    assert ok(dialog).isEnabled()
    heads = dialog.rows["generator.heads"]  # refused together with another one
    heads.field.setText("3")
    assert "cannot be shared among 3" in dialog.refusal.text()
    assert not ok(dialog).isEnabled()
    dialog.reject()


def test_what_differs_from_the_preset_is_marked_counted_kept_and_reset(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    dialog = page.settings.show_advanced()
    dialog.rows["generator.steps"].field.setText("1,200")
    picker = dialog.rows["generator.stopping"].field
    picker.setCurrentIndex(picker.findData("distance"))
    assert dialog.rows["generator.steps"].name.font().bold()
    assert not dialog.rows["generator.width"].name.font().bold()
    ok(dialog).click()
    page.settings.neurons.setValue(2)
    assert "3 changes" in page.settings._differing.text()
    train(window, page, qtbot, settle)
    told = ask(window, runs)[0].settings["settings"]
    assert (told["generator"]["steps"], told["generator"]["stopping"]) == (1200, "distance")
    assert told["collection"]["neurons"] == 2
    again = page.settings.show_advanced()
    assert again.rows["generator.steps"].field.text() == "1200"
    again.reset_all.click()
    ok(again).click()
    assert page.settings.settings() == MegSettings()
    assert page.settings.neurons.value() == 1


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_preset_is_the_engines_own(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, ask: Ask, preset: str
) -> None:
    page.settings.preset.setCurrentIndex(page.settings.preset.findData(preset))
    train(window, page, qtbot, settle)
    run = ask(window, runs)[0]
    assert run.settings["preset"] == preset
    assert EDITORS["meg"].restore(run.settings["settings"]) == PRESETS[preset][1]()


def test_each_editor_has_its_own_settings_and_what_was_chosen_is_kept(
    window: MainWindow, make_window: Callable[[], MainWindow], page: TrainingPage, qtbot: QtBot, settle: Settle
) -> None:
    form = page.settings
    form.layer.setValue(3)
    form.editor.setCurrentIndex(form.editor.findData("retrieval"))
    form.seed.setValue(9)
    assert form.preset.findData("paper") < 0
    assert not form.layer.isVisibleTo(page)
    assert form.settings().layer is None
    dialog = form.show_advanced()
    assert not any(path.startswith(("generator", "collection")) for path in dialog.rows)
    dialog.reject()
    assert [row.name.text() for row in page.stages._rows.values()] == ["Load the model", "Encoder", "Gate", "Measure"]
    settle(window)
    assert window.workspace.project is not None
    folder = window.workspace.project.folder
    window.close()
    again = make_window()
    again.projects.open(folder)
    qtbot.waitUntil(lambda: again.workspace.counts.total == 3, timeout=PATIENCE)
    settle(again)
    kept = cast("TrainingPage", again.page("training")).settings
    settle(again)
    assert (kept.editor.currentData(), kept.seed.value()) == ("retrieval", 9)


def test_what_was_kept_by_another_version_does_not_stop_the_page(page: TrainingPage) -> None:
    page.settings.restore(
        {"editor": "gone", "preset": "gone", "seed": "x", "changes": {"generator.steps": -1, "no.such": 1, "guards": 1}}
    )
    assert page.settings.settings() == MegSettings(guards=1)


def test_going_on_from_a_pack_says_what_it_means(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle, ask: Ask
) -> None:
    form = page.settings
    assert not form.start.isEnabled()
    train(window, page, qtbot, settle)
    first = ask(window, runs)[0]
    ask(window, lambda project: editing.add_edits(project, [EditDraft("Lima", subject="Spain", relation="P36")]))
    window.workspace._look()
    settle(window)
    form.start.setCurrentIndex(form.start.findData(first.id))
    settle(window)
    assert "knows 3 edits as they are now; 1 edit will be learnt" in form.growth.text()
    assert not form.layer.isEnabled()
    assert not form.advanced.isEnabled()
    order = form.choices()
    assert order.start == first
    window.workspace.use_model(ModelSource("another"))
    settle(window)
    assert form.chosen_start() is None  # it would not fit another model
    assert form.growth.text() == ""


def test_a_folder_is_searched_for_models_and_the_first_is_taken(
    window: MainWindow, page: TrainingPage, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [ModelChoice(str(tmp_path / "half"), "half", tmp_path, "“half” lacks a file."),
             ModelChoice(str(tmp_path / "whole"), "whole", tmp_path)]  # fmt: skip
    monkeypatch.setattr(model_jobs, "find_models", lambda folder, cancel: found)
    page.settings.folder_chosen.emit(tmp_path)
    settle(window)
    assert page.settings.source().name == str(tmp_path / "whole")
    assert window.workspace.source.name == str(tmp_path / "whole")
    monkeypatch.setattr(model_jobs, "find_models", lambda folder, cancel: [])
    page.settings.folder_chosen.emit(tmp_path)
    settle(window)
    message = window.messages.current()
    assert message is not None
    assert "no causal language model" in message.text


def test_code_of_a_model_is_trusted_for_that_model_alone(
    window: MainWindow, page: TrainingPage, settle: Settle
) -> None:
    form = page.settings
    form.add_models([ModelChoice("own", "own (own code)", Path("own"), remote_code=True)])
    settle(window)
    assert form.trust.isVisibleTo(page)
    assert not window.workspace.source.remote_code
    form.trust.click()
    settle(window)
    assert window.workspace.source == ModelSource("own", "auto", "own")
    form.model.setCurrentIndex(form.model.findData("embedded"))
    form.model.activated.emit(form.model.currentIndex())
    settle(window)
    assert not form.trust.isVisibleTo(page)
    assert not window.workspace.source.remote_code


def test_what_stands_in_the_way_is_told_before_anything_is_loaded(
    window: MainWindow, page: TrainingPage, settle: Settle, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page.settings.fit.text().startswith("Fits: tiny")
    page.settings.show_fit("“x” needs about 9 GiB.", "“x” needs about 9 GiB.")
    page.train.click()
    message = window.messages.current()
    assert message is not None
    assert "9 GiB" in message.text
    assert not world.loads


class TestCurves:
    @pytest.fixture
    def curves(self, qtbot: QtBot) -> Curves:
        made = Curves()
        qtbot.addWidget(made)
        made.resize(900, 300)
        made.show()
        return made

    def test_a_million_points_are_drawn_by_their_peaks(self, curves: Curves) -> None:
        usual = [Progress("Learn", 1, 1, loss=1.0 + level) for level in range(7)]
        points = [(float(step), usual[step % 7]) for step in range(1_000_000)]
        points[654_321] = (654_321.0, Progress("Learn", 1, 1, loss=90.0))
        curves.show_history(points, final=True)
        curves.grab()
        item = curves._stages["Learn"]
        assert item.opts["symbol"] is None
        assert (item.opts["clipToView"], item.opts["autoDownsample"], item.opts["downsampleMethod"]) == (
            True,
            True,
            "peak",
        )
        xs, ys = item.getData()
        assert len(xs) < 10_000
        assert max(ys) == 90.0

    def test_smoothing_draws_towards_what_was_before(self, curves: Curves) -> None:
        assert smoothed([1.0, 3.0, math.nan, 5.0], 0.5)[:2] == [1.0, 2.0]
        assert smoothed([1.0, 3.0, math.nan, 5.0], 0.5)[3] == 5.0
        curves.show_history([(float(n), Progress("Learn", n, 9, loss=float(n % 2))) for n in range(9)], final=True)
        assert curves._smoothed["Learn"].getData()[0] is None or not len(curves._smoothed["Learn"].getData()[0])
        curves.smoothing.setValue(90)
        assert len(curves._smoothed["Learn"].getData()[0]) == 9
        assert curves.table().splitlines()[2] == "Learn,1.000,1,1,0.1,"
        curves.log.click()
        assert curves.loss.getPlotItem().getAxis("left").logMode

    def test_the_table_holds_what_the_picture_does_not(self, curves: Curves) -> None:
        every = [(float(n), Progress("Learn", n, 99, loss=1.0)) for n in range(99)]
        curves.show_history(every[::10], final=True)
        curves.keep_table_in(lambda: every)
        assert len(curves.table().splitlines()) == 100
        curves.clear()
        assert len(curves.table().splitlines()) == 1


def test_curves_survive_another_page_being_looked_at(
    window: MainWindow, page: TrainingPage, qtbot: QtBot, settle: Settle
) -> None:
    train(window, page, qtbot, settle)
    before = page.curves.table()
    window.show_page("facts")
    settle(window)
    window.show_page("training")
    settle(window)
    assert page.curves.table() == before


def test_what_differs_is_the_editors_own_but_for_how_the_model_is_asked(page: TrainingPage) -> None:
    form = page.settings
    dialog = form.show_advanced()
    dialog.rows["guards"].field.setText("1")
    ok(dialog).click()
    form.layer.setValue(2)
    form.chat.setCurrentIndex(form.chat.findData(False))
    form.editor.setCurrentIndex(form.editor.findData("retrieval"))
    assert form.settings() == MegSettings(chat=False)
    form.editor.setCurrentIndex(form.editor.findData("meg"))
    assert form.settings() == MegSettings(chat=False)
