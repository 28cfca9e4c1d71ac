"""A benchmark: every recipe trained and measured with every seed, one after the other in one process."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.benchmark.costs import (
    Memory,
    far_queries,
    pack_bytes,
    queries_about_edits,
    query_cost,
    stage_seconds,
    watched_memory,
)
from engine.benchmark.draw import draw_edits, draw_records
from engine.benchmark.recipes import Recipe, settings_of
from engine.benchmark.report import Trial
from engine.editors.retrieval import RetrievalEditor, RetrievalPack
from engine.edits import EditSet
from engine.evaluation.gate import GateReport, report_gates
from engine.evaluation.report import evaluate
from engine.language_model import LanguageModel
from engine.meg.pack import MegPack
from engine.meg.settings import GeneratorSettings, MegSettings
from engine.meg.training import STAGES, Prepared, Training
from engine.runs import Cancel, ProgressBoard

PAPER_MINUTES = 8.0
EVALUATION = "Evaluation"
AFTERWARDS = ("Generator", "Check")
PREPARING = tuple(stage for stage in STAGES if stage not in AFTERWARDS)  # what recipes with other generators share

Watch = Callable[[Sequence[str]], AbstractContextManager[ProgressBoard]]
"""Makes a board for so many stages and shows it while the block runs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    edits: int
    seeds: int
    recipes: tuple[Recipe, ...]
    counterfact: Path | None = None
    zsre: Path | None = None
    paper_minutes: float | None = None  # None: as long as `meg` took before it, else PAPER_MINUTES
    settings: MegSettings = field(default_factory=MegSettings)  # what every recipe starts from

    def as_json(self) -> dict[str, Any]:
        """What was asked for."""
        told: dict[str, Any] = {"edits": self.edits, "seeds": self.seeds, "recipes": list(self.recipes)}
        files = {"counterfact": self.counterfact, "zsre": self.zsre}
        told |= {name: path.name for name, path in files.items() if path is not None}
        return told if self.paper_minutes is None else told | {"paper minutes": self.paper_minutes}

    def edit_sets(self) -> list[EditSet]:
        """The edits of every seed. Raises FormatError or EditError where they cannot be had."""
        return [self._edit_set(seed) for seed in range(self.seeds)]

    def _edit_set(self, seed: int) -> EditSet:
        if self.counterfact is not None:
            return draw_records(self.counterfact, "counterfact", self.edits, seed)
        if self.zsre is not None:
            return draw_records(self.zsre, "zsre", self.edits, seed)
        return draw_edits(self.edits, seed)


@dataclass(frozen=True, slots=True)
class _Preparation:
    """The stages that recipes of one seed share, and what they cost."""

    prepared: Prepared
    stages: dict[str, float]
    memory: Memory
    gates: dict[str, GateReport]


def bench(
    model: LanguageModel, plan: Plan, edit_sets: Sequence[EditSet], *, watch: Watch, cancel: Cancel
) -> Iterator[Trial]:
    """Every recipe of `plan` with every seed and its edits, each trial as soon as it is measured.

    Raises Cancelled when asked to stop.
    """
    for seed, edit_set in enumerate(edit_sets):
        preparations: dict[MegSettings, _Preparation] = {}
        minutes = PAPER_MINUTES if plan.paper_minutes is None else plan.paper_minutes
        for recipe in plan.recipes:
            settings = settings_of(recipe, plan.settings, minutes)
            trial = _trial(model, recipe, settings, edit_set, seed, preparations, watch, cancel)
            if recipe == "meg" and plan.paper_minutes is None:
                minutes = trial.seconds / 60
            yield trial


def _trial(
    model: LanguageModel,
    recipe: Recipe,
    settings: MegSettings,
    edit_set: EditSet,
    seed: int,
    preparations: dict[MegSettings, _Preparation],
    watch: Watch,
    cancel: Cancel,
) -> Trial:
    # Recipes that differ in their generator alone share everything before it.
    key = dataclasses.replace(settings, generator=GeneratorSettings())
    shared = key in preparations
    if not shared:
        preparations[key] = _prepare(model, settings, edit_set, seed, watch, cancel)
    preparation = preparations[key]
    with watch((*AFTERWARDS, EVALUATION)) as board:
        began = time.monotonic()
        pack: MegPack | RetrievalPack
        with watched_memory(model.device) as memory:
            if recipe == "retrieval":
                name, mark = model.name, model.fingerprint()
                pack = RetrievalPack(settings, name, mark, seed, edit_set, preparation.prepared.gate)
            else:
                training = Training(settings, model, edit_set, board, cancel, seed, None)
                pack = training.run(preparation.prepared)
        # What was made ready before the generator's first report is counted with the preparation.
        stages = {**preparation.stages, **stage_seconds(board, time.monotonic() - began, lead=False)}
        if recipe == "retrieval":
            stages = {stage: stages[stage] for stage in RetrievalEditor().stages()}
        began = time.monotonic()
        edited = pack.attach(model)
        try:
            report = evaluate(
                edited, edit_set, cancel=cancel, report=lambda step, of: board.report(EVALUATION, step, of)
            )
            evaluation = time.monotonic() - began
            cost = query_cost(edited, queries_about_edits(edited, edit_set), far_queries(edit_set))
        finally:
            edited.detach()
    with tempfile.TemporaryDirectory(prefix="meg-bench-") as place:
        size = pack_bytes(pack, Path(place) / "pack")
    return Trial(
        recipe=recipe,
        seed=seed,
        edits=len(edit_set.enabled()),
        report=report,
        gates=preparation.gates,
        gate=settings.gate,
        stages=stages,
        shared=tuple(stage for stage in PREPARING if shared and stage in stages),
        memory_baseline=preparation.memory.baseline,
        memory_peak=max(memory.peak, preparation.memory.peak),
        memory_peak_cuda=max((part.peak_cuda for part in (memory, preparation.memory) if part.peak_cuda), default=None),
        pack=size,
        query=cost,
        evaluation_seconds=evaluation,
        settings=dataclasses.asdict(settings),
        figures=pack.figures,
    )


def _prepare(
    model: LanguageModel, settings: MegSettings, edit_set: EditSet, seed: int, watch: Watch, cancel: Cancel
) -> _Preparation:
    """Everything before the generator, trained and measured."""
    with watch(PREPARING) as board:
        began = time.monotonic()
        with watched_memory(model.device) as memory:
            prepared = Training(settings, model, edit_set, board, cancel, seed, None).prepare()
        stages = stage_seconds(board, time.monotonic() - began)
        gates = report_gates(model.asked(chat=settings.chat), prepared.gate, edit_set, seed=seed, cancel=cancel)
    return _Preparation(prepared, stages, memory, gates)
