"""The figures of a gate, on scores that are known."""

from __future__ import annotations

import pytest

from engine.edits import EditSet, ProbeKind
from engine.evaluation import gate as gates
from engine.evaluation.gate import report_gates
from engine.evaluation.separation import auroc
from engine.language_model import LanguageModel
from engine.meg.fusion import THRESHOLD
from engine.meg.pack import MegPack
from engine.runs import Cancel, Cancelled


def test_both_gates_are_judged(model: LanguageModel, pack: MegPack, edits: EditSet, monkeypatch) -> None:
    reports = report_gates(model, pack.gate, edits)
    assert set(reports) == {"fused", "entropy"}
    assert reports["fused"].threshold == THRESHOLD
    assert reports["entropy"].threshold == 1 - pack.gate.fusion.entropy_threshold
    edited = pack.attach(model)
    routings = edited.route(
        [probe.prompt for edit in edits.edits for probe in edit.probes if probe.kind is ProbeKind.NEIGHBOUR]
    )
    asked = edited.route([query for edit in edits.edits for query in edit.paraphrases])
    edited.detach()
    neighbours = reports["fused"].separation["neighbour"]
    assert neighbours.probes == len(routings)
    assert neighbours.let_through == pytest.approx(sum(routing.routed for routing in routings) / len(routings))
    assert neighbours.auroc == pytest.approx(
        auroc([routing.familiarity for routing in asked], [routing.familiarity for routing in routings])
    )
    assert reports["entropy"].separation["neighbour"].auroc == pytest.approx(
        auroc([-routing.entropy for routing in asked], [-routing.entropy for routing in routings])
    )
    monkeypatch.setattr(gates, "MOST", 5)
    assert report_gates(model, pack.gate, edits)["fused"].separation["neighbour"].probes == 5


def test_it_can_be_stopped(model: LanguageModel, pack: MegPack, edits: EditSet) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        report_gates(model, pack.gate, edits, cancel=cancel)
