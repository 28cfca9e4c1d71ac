from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from engine import cli
from engine.benchmark import shape_cost
from engine.benchmark.draw import draw_edits
from engine.benchmark.shape_cost import measure_shape
from engine.benchmark.shapes import choose_shape
from engine.meg import gate_training
from engine.meg.training import STAGES
from engine.runs import Cancel, Cancelled, ProgressBoard
from tests.engine.quick_meg import QuickSettings

SCALE = 0.02


@pytest.fixture(autouse=True)
def small_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_training, "EPISODE", 24)


def test_every_step_of_every_stage_is_timed(encoder: Path) -> None:
    settings = QuickSettings(encoder=str(encoder))
    board = ProgressBoard()
    cost = measure_shape(
        choose_shape("phi-2", SCALE),
        draw_edits(6, 0),
        scale=SCALE,
        device=torch.device("cpu"),
        number=torch.bfloat16,
        board=board,
        cancel=Cancel(),
        settings=settings,
    )
    assert tuple(cost.stages) == STAGES == tuple(dict.fromkeys(now.stage for _, now in board.history()))
    assert cost.stages["Encoder"].steps == settings.tuning.steps
    assert cost.stages["Collection"].steps == settings.collection.steps  # no neuron leaves early or is tried again
    assert cost.stages["Generator"].steps == settings.generator.steps
    assert cost.stages["Check"].seconds_a_step is None
    for stage in STAGES[:4]:
        each = cost.stages[stage].seconds_a_step
        assert each is not None
        assert 0 < each * (cost.stages[stage].steps - 1) < cost.stages[stage].seconds
    assert (cost.number, cost.device, cost.edits, cost.memory_peak_cuda) == ("bfloat16", "cpu", 6, None)

    told = json.loads(json.dumps(cost.as_json()))
    assert told["seconds"]["collection and generator"] == pytest.approx(cost.bought)
    assert told["extrapolated"] == []
    assert told["shape"]["name"] == "phi-2"
    table = cost.table()
    for said in (*STAGES, "scaled by 0.02", f"{cost.parameters:,} random weights in bfloat16 on cpu", "6 edits"):
        assert said in table


def test_the_command_writes_what_it_tells(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shape_cost, "MegSettings", partial(QuickSettings, encoder=str(encoder)))
    file = tmp_path / "cost.json"
    words = ["bench", "--shape", "gpt-j", "--scale", SCALE, "--edits", 4, "--device", "cpu", "--json", file]
    monkeypatch.setattr(sys, "argv", ["meg", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("gpt-j, scaled by 0.02: ")
    told = json.loads(file.read_text())
    assert told["command"] == {"edits": 4, "shape": "gpt-j", "scale": SCALE}
    assert told["machine"]["model"] == "random gpt-j"
    assert tuple(told["trials"][0]["stages"]) == STAGES


def test_a_whole_shape_without_a_gpu_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["meg", "bench", "--shape", "phi-2", "--edits", "4", "--device", "cpu"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.MENDABLE
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "GiB" in told.err


def test_it_stops_when_asked(encoder: Path) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        measure_shape(
            choose_shape("phi-2", SCALE),
            draw_edits(4, 0),
            scale=SCALE,
            device=torch.device("cpu"),
            number=torch.float32,
            board=ProgressBoard(),
            cancel=cancel,
            settings=QuickSettings(encoder=str(encoder)),
        )
