"""The result of a benchmark: a trial for each recipe and seed, as JSON with everything, and as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Protocol

from engine import atomic
from engine.benchmark.costs import QueryCost
from engine.benchmark.recipes import PAPER_OURS
from engine.edits import ProbeKind
from engine.evaluation.gate import GateReport
from engine.evaluation.report import Report
from engine.formats.source import FormatError


class Measured(Protocol):
    """What a benchmark found out."""

    def as_json(self) -> dict[str, Any]:
        """Everything."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One recipe trained and measured with one seed. Shares from 0 to 1, seconds, bytes, milliseconds."""

    recipe: str
    seed: int
    edits: int
    report: Report
    gates: Mapping[str, GateReport]  # by the gate's name; both are judged, whichever routes
    gate: str  # the one that routes
    stages: Mapping[str, float]  # seconds of each stage, those shared with another recipe included
    shared: tuple[str, ...]  # stages that were trained once, for this recipe and another
    memory_baseline: int  # bytes resident before the training
    memory_peak: int
    memory_peak_cuda: int | None  # None without CUDA
    pack: int  # bytes on disk
    query: QueryCost
    evaluation_seconds: float
    settings: Mapping[str, Any]
    figures: Mapping[str, Any]  # the pack's own

    @property
    def seconds(self) -> float:
        """The whole training, from edits to pack."""
        return sum(self.stages.values())

    def as_json(self) -> dict[str, Any]:
        """Everything but the wrong answers one by one."""
        locality = {kind: asdict(measured) for kind, measured in self.report.locality.items()}
        ag, tf = self.report.mean_locality()
        return {
            "recipe": self.recipe,
            "seed": self.seed,
            "edits": self.edits,
            "reliability": asdict(self.report.reliability),
            "generality": asdict(self.report.generality),
            "locality": {**locality, "mean": {"ag": ag, "tf": tf}},
            "score": self.report.score(),
            "gate": self.gate,
            "gates": {name: asdict(report) for name, report in self.gates.items()},
            "seconds": {**self.stages, "all": self.seconds},
            "shared stages": list(self.shared),
            "edits a second": self.edits / self.seconds,
            "memory": {"baseline": self.memory_baseline, "peak": self.memory_peak, "peak cuda": self.memory_peak_cuda},
            "pack bytes": self.pack,
            "milliseconds a query": asdict(self.query),
            "evaluation seconds": self.evaluation_seconds,
            "settings": dict(self.settings),
            "figures": dict(self.figures),
        }


Row = tuple[str, tuple[str, ...], float, int]  # name, way through Trial.as_json, factor, digits


def _rows() -> list[Row]:
    """The lines of the table."""
    rows: list[Row] = []
    for name in ("reliability", "generality"):
        rows += [(f"{name.capitalize()} {way.upper()}, %", (name, way), 100, 2) for way in ("ag", "tf")]
    for kind in (*ProbeKind, "mean"):
        rows += [(f"Locality {kind} {way.upper()}, %", ("locality", str(kind), way), 100, 2) for way in ("ag", "tf")]
    rows.append(("Score, %", ("score",), 100, 2))
    for gate in ("fused", "entropy"):
        for kind in ProbeKind:
            way = ("gates", gate, "separation", kind.value)
            rows.append((f"{gate} gate, {kind}: AUROC", (*way, "auroc"), 1, 4))
            rows.append(("  false routings at 95 % recall, %", (*way, "false_routings"), 100, 2))
            rows.append(("  false routings at its threshold, %", (*way, "let_through"), 100, 2))
        rows.append((f"{gate} gate: recall at its threshold, %", ("gates", gate, "recall"), 100, 2))
    rows += [
        ("Seconds in all", ("seconds", "all"), 1, 1),
        *((f"  {stage}", ("seconds", stage), 1.0, 1) for stage in ("Encoder", "Collection", "Gate", "Generator")),
        ("  Check", ("seconds", "Check"), 1, 1),
        ("Edits a second", ("edits a second",), 1, 2),
        ("Peak memory, MB", ("memory", "peak"), 1e-6, 0),
        ("Peak CUDA memory, MB", ("memory", "peak cuda"), 1e-6, 0),
        ("Pack, MB", ("pack bytes",), 1e-6, 2),
        ("Gate, ms a query", ("milliseconds a query", "gate"), 1, 1),
        ("  where no edit's subject is named", ("milliseconds a query", "gate_elsewhere"), 1, 1),
        ("Gate and generator, ms a query", ("milliseconds a query", "gate_and_generator"), 1, 1),
        ("  share of the whole answer, %", ("milliseconds a query", "share"), 100, 1),
    ]
    return rows


def summarise(trials: Sequence[Trial]) -> str:
    """A table with a column a recipe: the mean over the seeds and, of several, ± the standard deviation."""
    columns: dict[str, list[dict[str, Any]]] = {}
    for trial in trials:
        columns.setdefault(trial.recipe, []).append(trial.as_json())
    lines = [" " * 38 + "".join(f"{name:>18}" for name in columns)]
    for name, way, factor, digits in _rows():
        cells = [_cell([factor * value for value in _values(column, way)], digits) for column in columns.values()]
        if any(cells):
            lines.append(f"{name:<38}" + "".join(f"{cell or '–':>18}" for cell in cells))
    return "\n".join([*lines, *_notes(trials)])


def _notes(trials: Sequence[Trial]) -> list[str]:
    """What a reader has to know of how the recipes were trained."""
    notes = {}
    for trial in trials:
        if trial.shared:
            stages = ", ".join(trial.shared)
            notes[f"{trial.recipe} shares"] = f"{trial.recipe}: {stages} trained once, and counted here too."
        if trial.recipe == "paper":
            notes["paper"] = f"paper: ours in it, and not the authors': {PAPER_OURS}."
        minutes = trial.settings.get("generator", {}).get("minutes")
        if minutes is not None:
            notes[f"{trial.recipe} {trial.seed}"] = (
                f"{trial.recipe}, seed {trial.seed}: the generator was ended after {minutes:.1f} minutes at most."
            )
    return ["", *notes.values()] if notes else []


def _values(column: Sequence[Mapping[str, Any]], way: Sequence[str]) -> list[float]:
    """What stands at the end of `way` in each trial, where there is something."""
    found = []
    for trial in column:
        value: Any = trial
        for key in way:
            value = None if value is None else value.get(key)
        if value is not None:
            found.append(float(value))
    return found


def _cell(values: Sequence[float], digits: int) -> str:
    if not values:
        return ""
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"


def write_json(path: Path, command: Mapping[str, Any], machine: Mapping[str, Any], trials: Sequence[Measured]) -> None:
    """Write everything, replacing the file in one step. Raises FormatError where the disk refuses."""
    content = {"command": dict(command), "machine": dict(machine), "trials": [trial.as_json() for trial in trials]}
    try:
        atomic.write_file(path, [json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"])
    except OSError as error:
        raise FormatError(f"{path} cannot be written: {error.strerror}.") from error
