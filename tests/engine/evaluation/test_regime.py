"""Instance, single, batch and sequential editing, with an editor of which everything is known, and with MeG."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import packs
from engine.edits import EditError
from engine.evaluation import regime
from engine.evaluation.record import EvaluationError
from engine.evaluation.regime import FILE, Schedule, Step, curve, read_regime, run_regime
from engine.language_model import LanguageModel
from engine.meg import gate_training
from engine.meg.editor import MegEditor
from engine.runs import Cancel, Cancelled, ProgressBoard
from tests.engine.evaluation.known import KnownEditor
from tests.engine.quick import quick_settings, sample_edits

QUESTIONS = ("The opposite of left is", "Q: What is the capital of France? A:")
TEXTS = ("Once upon a time there was a king who had three daughters.", "Two and two are four")
SHORT = {"unrelated": QUESTIONS, "texts": TEXTS, "most": 8}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packs.EDITORS, "known", ("tests.engine.evaluation.known", "KnownPack"))


def begin(
    editor: KnownEditor,
    model: LanguageModel,
    folder: Path,
    schedule: Schedule,
    *,
    edits: int = 8,
    grows: bool = True,
    cancel: Cancel | None = None,
    settings: dict[str, Any] | None = None,
) -> Iterator[Step]:
    return run_regime(
        "known",
        editor,  # type: ignore[arg-type]
        model,
        sample_edits(edits),
        folder,
        schedule,
        settings=settings or {},
        grows=grows,
        progress=ProgressBoard(),
        cancel=cancel or Cancel(),
    )


def run(*given: Any, **more: Any) -> list[Step]:
    return list(begin(*given, **more))


def untimed(steps: list[Step] | tuple[Step, ...]) -> list[Step]:
    return [replace(step, seconds=0.0) for step in steps]


def test_each_regime_has_its_own_batches():
    assert Schedule("instance").batches(3) == [range(1), range(1, 2), range(2, 3)]
    assert Schedule("single").batches(2) == [range(1), range(1, 2)]
    assert Schedule("batch").batches(6) == [range(1), range(2), range(4), range(6)]
    assert Schedule("sequential").batches(9) == [range(1), range(1, 2), range(2, 4), range(4, 8), range(8, 9)]
    assert Schedule("sequential", batch=4).batches(9) == [range(4), range(4, 8), range(8, 9)]
    assert [batch.stop for batch in Schedule("batch").batches(1024)] == [2**power for power in range(11)]


def test_the_curve_has_a_point_where_each_size_is_reached_and_at_the_end():
    assert Schedule("single").points(9) == {0, 1, 3, 7, 8}
    assert Schedule("sequential", batch=100).points(1000) == {0, 1, 2, 5, 9}
    assert Schedule("sequential").points(5) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"batch": 0}, "A batch of 0"),
        ({"regime": "single", "batch": 3}, "sequential editing alone"),
        ({"sizes": ()}, "sizes of 1 or more"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(given: dict[str, Any], said: str):
    with pytest.raises(EditError, match=said):
        Schedule(**given)


def test_what_is_forgotten_is_the_curve_between_at_edit_and_now(model: LanguageModel, tmp_path: Path):
    editor = KnownEditor(keeps=4)
    steps = run(editor, model, tmp_path / "run", Schedule(**SHORT))
    assert editor.fits == [(1, False), (2, True), (4, True), (8, True)]
    assert editor.attached == ["attached", "detached"] * 4
    assert [step.batch for step in steps] == [1, 1, 2, 4]
    assert not any(step.anew for step in steps)
    assert [step.at_edit.reliability.ag for step in steps] == [1.0] * 4
    points = curve(steps)
    assert [point.edits for point in points] == [1, 2, 4, 8]
    assert [point.so_far.reliability.ag for point in points] == [1.0, 1.0, 1.0, 0.5]
    assert [point.at_edit.reliability.ag for point in points] == [1.0] * 4
    assert [point.forgotten for point in points] == [0.0, 0.0, 0.0, 0.5]
    told = json.loads(json.dumps(points[-1].as_json()))
    assert (told["edits"], told["forgotten"], told["so_far"]["reliability"]["ag"]) == (8, 0.5, 0.5)
    assert all(point.unrelated.ag == 1.0 and point.unrelated.asked == len(QUESTIONS) for point in points)
    assert all(point.perplexity[0] == point.perplexity[1] > 1 for point in points)


def test_nothing_is_forgotten_where_only_some_of_the_questions_are_asked_again(model: LanguageModel, tmp_path: Path):
    # Half of the edits are never learnt, and none is forgotten.
    deaf = frozenset(edit.id for edit in sample_edits(16).edits[1::2])
    points = curve(run(KnownEditor(deaf=deaf), model, tmp_path / "run", Schedule(**{**SHORT, "most": 3}), edits=16))
    assert [point.so_far.reliability.asked for point in points] == [1, 2, 3, 3, 3]
    assert [point.at_edit.reliability.asked for point in points] == [1, 2, 3, 3, 3]
    assert [point.forgotten for point in points] == [0.0] * 5


def test_every_figure_has_its_rows_with_what_was_written(model: LanguageModel, tmp_path: Path):
    edits = sample_edits(2).edits
    *_, last = run(KnownEditor(), model, tmp_path / "run", Schedule(unrelated=QUESTIONS, texts=TEXTS), edits=2)
    assert last.so_far is not None
    own = {(row.edit, row.query, row.given) for row in last.so_far.asked if row.kind == "reliability"}
    assert own == {(edit.id, edit.prompt, edit.new_object) for edit in edits}
    assert {row.edit for row in last.at_edit.asked} == {edits[1].id}
    assert [row.query for row in last.rows] == list(QUESTIONS)
    assert [row.given for row in last.rows] == model.answer(QUESTIONS)
    assert [f"{row.query} {row.wanted}" for row in last.texts] == [text.removesuffix(".") for text in TEXTS]


def test_plain_text_is_as_much_however_many_edits_there_are(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    every = {"far": [f"Number {one} comes after all before it" for one in range(90)], "facts": ["A king had a son"] * 9}
    monkeypatch.setattr(regime, "default_texts", lambda *_: every)
    monkeypatch.setattr(regime, "TEXTS", 11)
    steps = run(KnownEditor(), model, tmp_path / "run", Schedule(unrelated=QUESTIONS, most=2), edits=2)
    queries = [[row.query for row in step.texts] for step in steps]
    assert len(queries[0]) == 11
    assert queries[0] == queries[1]
    assert queries[0][-1] == "A king"
    assert all(point.perplexity[0] == point.perplexity[1] for point in curve(steps))


def test_an_editor_that_cannot_go_on_is_trained_anew_and_says_so(model: LanguageModel, tmp_path: Path):
    editor = KnownEditor()
    steps = run(editor, model, tmp_path / "run", Schedule(batch=3, **SHORT), grows=False)
    assert editor.fits == [(3, False), (6, False), (8, False)]
    assert [step.anew for step in steps] == [False, True, True]
    assert [step.batch for step in steps] == [3, 3, 2]
    assert not list((tmp_path / "run").glob("pack-*"))


def test_a_batch_is_learnt_from_the_original_model_at_every_size(model: LanguageModel, tmp_path: Path):
    editor = KnownEditor(keeps=4)
    steps = run(editor, model, tmp_path / "run", Schedule("batch", **SHORT), edits=6)
    assert editor.fits == [(1, False), (2, False), (4, False), (6, False)]
    points = curve(steps)
    assert [point.so_far.reliability.asked for point in points] == [1, 2, 4, 6]
    assert points[-1].so_far.reliability.ag == points[-1].at_edit.reliability.ag == pytest.approx(4 / 6)
    assert points[-1].forgotten == 0.0


def test_instances_are_each_alone_on_the_original_model(model: LanguageModel, tmp_path: Path):
    editor = KnownEditor(keeps=1)
    steps = run(editor, model, tmp_path / "run", Schedule("instance", **SHORT), edits=3)
    assert editor.fits == [(1, False)] * 3
    last = curve(steps)[-1]
    assert (last.edits, last.so_far.reliability.ag, last.so_far.reliability.asked) == (3, 1.0, 3)
    single = run(KnownEditor(keeps=1), model, tmp_path / "single", Schedule("single", **SHORT), edits=3)
    assert curve(single)[-1].so_far.reliability.ag == pytest.approx(1 / 3)


def test_one_that_was_stopped_goes_on_where_it_was(model: LanguageModel, tmp_path: Path):
    whole = run(KnownEditor(keeps=4), model, tmp_path / "whole", Schedule(**SHORT))
    cancel, done = Cancel(), []
    begun = begin(KnownEditor(keeps=4), model, tmp_path / "run", Schedule(**SHORT), cancel=cancel)
    done += [next(begun), next(begun)]
    cancel.set()
    with pytest.raises(Cancelled):
        next(begun)
    assert read_regime(tmp_path / "run") == tuple(done)
    again = KnownEditor(keeps=4)
    assert untimed(run(again, model, tmp_path / "run", Schedule(**SHORT))) == untimed(whole)
    assert again.fits == [(4, True), (8, True)]
    assert untimed(read_regime(tmp_path / "run")) == untimed(whole)
    assert [folder.name for folder in (tmp_path / "run").glob("pack-*")] == ["pack-0004"]


def test_one_that_was_killed_while_it_measured_trains_nothing_twice(model: LanguageModel, tmp_path: Path):
    folder = tmp_path / "run"

    class Stopping(KnownEditor):
        def fit(self, *args: Any, **more: Any) -> Any:
            pack = super().fit(*args, **more)
            if len(self.fits) == 4:
                shutil.copytree(folder / "pack-0003", tmp_path / "kept")
            return pack

    whole = run(Stopping(keeps=4), model, folder, Schedule(**SHORT))
    shutil.move(tmp_path / "kept", folder / "pack-0003")
    lines = (folder / FILE).read_bytes().splitlines(keepends=True)
    rows = [place for place, line in enumerate(lines) if json.loads(line).get("step") == 4]
    cut = rows[len(rows) // 2]
    (folder / FILE).write_bytes(b"".join(lines[:cut]) + lines[cut][:40])
    assert len(read_regime(folder)) == 3
    editor = KnownEditor(keeps=4)
    assert run(editor, model, folder, Schedule(**SHORT)) == whole
    assert editor.fits == []
    assert len((folder / FILE).read_bytes().splitlines()) == len(lines)


def test_a_training_that_was_killed_costs_what_it_took_up_to_its_checkpoint_too(model: LanguageModel, tmp_path: Path):
    class Clock(ProgressBoard):
        now = 100.0

        def seconds(self) -> float:
            return self.now

    class Slow(KnownEditor):
        killed = False

        def fit(self, *given: Any, progress: ProgressBoard, **more: Any) -> Any:
            if not self.killed and len(self.fits) == 2:
                self.killed = True
                for seconds in (4, 6):
                    board.now += seconds
                    progress.mark("work", 1)
                board.now += 50
                raise Cancelled
            board.now += 3
            return super().fit(*given, progress=progress, **more)

    editor, steps = Slow(), []
    for _ in range(2):
        board = Clock()
        try:
            steps = list(
                run_regime(
                    "known", editor, model, sample_edits(4), tmp_path / "run", Schedule(**SHORT), settings={},
                    grows=True, progress=board, cancel=Cancel(),
                )  # type: ignore[arg-type]
            )  # fmt: skip
        except Cancelled:
            assert len(read_regime(tmp_path / "run")) == 2
    assert [step.seconds for step in steps] == [3.0, 3.0, 13.0]
    assert untimed(steps) == untimed(read_regime(tmp_path / "run"))


def test_another_editor_or_schedule_begins_anew(model: LanguageModel, tmp_path: Path):
    for settings, schedule in (
        ({}, Schedule(**SHORT)),
        ({"steps": 3}, Schedule(**SHORT)),
        ({"steps": 3}, Schedule(**{**SHORT, "seed": 1})),
    ):
        editor = KnownEditor()
        run(editor, model, tmp_path / "run", schedule, edits=2, settings=settings)
        assert len(editor.fits) == 2


def test_what_cannot_be_begun_is_refused_in_a_sentence(model: LanguageModel, tmp_path: Path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(EvaluationError, match="something else"):
        run(KnownEditor(), model, tmp_path, Schedule(**SHORT))
    with pytest.raises(EditError, match="no edit to train"):
        run(KnownEditor(), model, tmp_path / "run", Schedule(), edits=0)


def test_meg_goes_on_from_its_pack(
    model: LanguageModel, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gate_training, "EPISODE", 16)
    steps = list(
        run_regime(
            "meg",
            MegEditor(quick_settings(encoder)),
            model,
            sample_edits(3),
            tmp_path / "run",
            Schedule(batch=2, unrelated=QUESTIONS, texts=TEXTS, most=4),
            settings={},
            grows=True,
            progress=ProgressBoard(),
            cancel=Cancel(),
        )
    )
    assert [(step.edits, step.batch, step.anew) for step in steps] == [(2, 2, False), (3, 1, False)]
    assert steps[0].at_edit.reliability.ag == 1.0
    assert [point.edits for point in curve(steps)] == [2, 3]
    assert steps[1].so_far is not None
    assert steps[1].so_far.reliability.asked == 3
