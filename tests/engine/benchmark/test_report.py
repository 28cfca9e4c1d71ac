"""The table and the JSON of a benchmark."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.benchmark.costs import QueryCost
from engine.benchmark.recipes import PAPER_OURS
from engine.benchmark.report import Trial, summarise, write_json
from engine.evaluation.gate import GateReport, Separation
from engine.evaluation.report import Measured, Report
from engine.formats.source import FormatError

NOTHING = Measured(None, None, None, 0)
GATE = GateReport(0.5, 0.9, 1.0, {"neighbour": Separation(0.99, 0.02, 0.01, 10)})


def trial(recipe: str, seed: int, reliability: float) -> Trial:
    report = Report(
        Measured(reliability, 1.0, 1.0, 10),
        Measured(0.5, 0.75, 1.0, 20),
        {"neighbour": Measured(1.0, 1.0, 0.0, 5), "same-subject": NOTHING, "far": NOTHING},
    )
    return Trial(
        recipe=recipe,
        seed=seed,
        edits=10,
        report=report,
        gates={"fused": GATE, "entropy": GATE},
        gate="fused",
        stages={"Encoder": 3.0, "Generator": 2.0},
        shared=("Encoder",),
        memory_baseline=10,
        memory_peak=20_000_000,
        memory_peak_cuda=None,
        pack=5_000_000,
        query=QueryCost(2.0, None, 8.0, None, 50),
        evaluation_seconds=1.0,
        settings={"gate": "fused"},
        figures={},
    )


TRIALS = [trial("meg", 0, 0.9), trial("meg", 1, 0.8), trial("stored", 0, 1.0)]


def test_mean_and_spread_in_a_column_a_recipe() -> None:
    head, *lines = summarise(TRIALS).splitlines()
    rows = {line[:38].strip(): line[38:] for line in lines}
    assert head.split() == ["meg", "stored"]
    assert rows["Reliability AG, %"].split() == ["85.00", "±", "7.07", "100.00"]
    assert rows["Seconds in all"].split() == ["5.0", "±", "0.0", "5.0"]
    assert rows["Pack, MB"].split() == ["5.00", "±", "0.00", "5.00"]
    assert rows["fused gate, neighbour: AUROC"].split()[0] == "0.9900"
    assert "Locality far AG, %" not in rows
    assert "Gate and generator, ms a query" not in rows
    assert "Peak CUDA memory, MB" not in rows


def test_the_clock_and_what_is_shared_are_told() -> None:
    paper = replace(TRIALS[0], recipe="paper", shared=(), settings={"generator": {"minutes": 7.5}})
    told = summarise([TRIALS[0], paper]).splitlines()
    assert told[-3:] == [
        "meg: Encoder trained once, and counted here too.",
        f"paper: ours in it, and not the authors': {PAPER_OURS}.",
        "paper, seed 0: the generator was ended after 7.5 minutes at most.",
    ]


def test_a_recipe_that_lacks_a_figure_has_a_dash() -> None:
    other = replace(TRIALS[2], query=QueryCost(2.0, 3.0, 8.0, 0.375, 50))
    rows = {line[:38].strip(): line[38:] for line in summarise([TRIALS[0], other]).splitlines()}
    assert rows["Gate and generator, ms a query"].split() == ["–", "3.0"]


def test_the_json_holds_everything(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    write_json(path, {"edits": 10}, {"threads": 2}, TRIALS)
    told = json.loads(path.read_text("utf-8"))
    assert (told["command"], told["machine"]) == ({"edits": 10}, {"threads": 2})
    first = told["trials"][0]
    assert first["score"] == pytest.approx(TRIALS[0].report.score())
    assert first["seconds"] == {"Encoder": 3.0, "Generator": 2.0, "all": 5.0}
    assert first["edits a second"] == 2.0
    assert first["gates"]["entropy"]["separation"]["neighbour"]["false_routings"] == 0.02
    assert first["locality"]["mean"] == {"ag": 1.0, "tf": 1.0}
    with pytest.raises(FormatError, match="cannot be written"):
        write_json(tmp_path / "missing" / "bench.json", {}, {}, TRIALS)
