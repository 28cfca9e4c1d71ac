"""What was measured of one contender on so many edits with one seed, and the folder in which that is kept.

A record is written once, whole or not at all, and sealed. Its file is named after the contender, the number of edits,
the seed and a mark of everything that the figures depend on: a comparison that was stopped finds again what it has,
and one of other edits, of another model or with other settings never takes it for its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from engine import atomic
from engine.evaluation.protocol import ProtocolReport
from engine.evaluation.record import EvaluationError
from engine.evaluation.report import Asked, Measured, Report
from engine.sealed import SealError, seal, unseal
from engine.strict_json import canonical, dump

FORMAT = "meg-comparison-record"
VERSION = 1
MARK = 12  # characters of a mark in a file's name
DEATHS = 2  # times that a process may end while it measures one contender

Outcome = Literal["measured", "refused", "out of memory", "out of time", "failed", "not measured"]
"""How it ended; “failed” is a fault of the program, “not measured” a run that nobody evaluated yet."""


V = TypeVar("V", bound="Value")


class Value(BaseModel):
    """A plain value that JSON holds."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Shares(Value):
    """One figure under both protocols, from 0 to 1; None where nothing was asked."""

    ag: float | None
    tf: float | None
    routed: float | None  # share of the queries that the gate let by; None without a gate
    asked: int

    @classmethod
    def of(cls, measured: Measured, *, gated: bool) -> Shares:
        """`measured` as a plain value."""
        return cls(ag=measured.ag, tf=measured.tf, routed=measured.routed if gated else None, asked=measured.asked)


class Figures(Value):
    """The figures of an evaluation."""

    reliability: Shares
    generality: Shares
    locality: Shares  # the mean of the kinds of probe that were asked
    kinds: dict[str, Shares]  # locality by kind of probe
    score: float | None

    @classmethod
    def of(cls, report: Report, *, gated: bool) -> Figures:
        """The figures of `report`; those of the gate only where it is `gated`."""
        ag, tf = report.mean_locality()
        kinds = {kind: Shares.of(measured, gated=gated) for kind, measured in report.locality.items()}
        asked = [one for one in kinds.values() if one.asked]
        routed = [one.routed for one in asked if one.routed is not None]
        return cls(
            reliability=Shares.of(report.reliability, gated=gated),
            generality=Shares.of(report.generality, gated=gated),
            locality=Shares(
                ag=ag,
                tf=tf,
                routed=sum(routed) / len(routed) if routed else None,
                asked=sum(one.asked for one in asked),
            ),
            kinds=kinds,
            score=report.score(),
        )


class Cost(Value):
    """What the training and the answers cost; None where it was not measured."""

    stages: dict[str, float] = {}  # seconds of each stage
    seconds: float | None = None  # the whole training
    memory_stated: int | None = None  # bytes beside the model that the editor said it would take at most
    memory_before: int | None = None  # bytes resident before the training
    memory_peak: int | None = None  # bytes
    memory_peak_cuda: int | None = None  # bytes; None without CUDA
    pack: int | None = None  # bytes on disk
    answer: float | None = None  # milliseconds of one query about an edit, everything included
    gate: float | None = None  # milliseconds of it in the gate; None without one
    evaluation: float | None = None  # seconds


class ProtocolFigure(Value):
    """One figure of a protocol of `engine.evaluation.protocol`, of the original and of the edited model."""

    name: str
    about: str
    original: float | None
    edited: float | None
    asked: int
    unit: str


class ProtocolFigures(Value):
    """What one protocol found; its figures never enter those of another."""

    title: str
    about: str
    figures: list[ProtocolFigure] = []
    notes: list[str] = []  # what was left out, or why nothing was measured

    @classmethod
    def of(cls, report: ProtocolReport) -> ProtocolFigures:
        """The figures of `report` as plain values."""
        figures = [ProtocolFigure(**asdict(figure)) for figure in report.figures]
        return cls(title=report.title, about=report.about, figures=figures, notes=list(report.notes))


class Undo(Value):
    """How an edit can be taken back, and whether it was when that was tried."""

    one: bool  # whether the method can take one edit back without training again
    tried: int = 0  # edits that were taken back, one at a time
    gone: int = 0  # of these, how many were answered otherwise than before
    original: int = 0  # of these, how many were answered by the original answer again
    back: int = 0  # of these, how many were answered as before once they were switched on again
    exact: bool | None = None  # whether `detach` gave the weights back bit for bit; None where it was not looked at


class Record(Value):
    """One contender on one edit set with one seed."""

    contender: str  # see `Contender.name`
    title: str
    editor: str
    preset: str
    gated: bool
    edits: int
    seed: int
    outcome: Outcome
    sentence: str = ""  # why not everything was measured
    figures: Figures | None = None
    cost: Cost = Field(default_factory=Cost)
    undo: Undo | None = None
    protocols: dict[str, ProtocolFigures] = {}  # by the protocol's name
    settings: dict[str, JsonValue] = {}
    pack_figures: dict[str, JsonValue] = {}  # what the editor itself says of its pack

    @property
    def edits_a_second(self) -> float | None:
        """Edits learnt a second."""
        return self.edits / self.cost.seconds if self.cost.seconds else None

    @property
    def memory_taken(self) -> int | None:
        """Bytes that the training took beyond what was there before it."""
        if self.cost.memory_peak is None or self.cost.memory_before is None:
            return None
        return max(0, self.cost.memory_peak - self.cost.memory_before)


class CurvePoint(Value):
    """What is left after so many edits, learnt one batch after the other."""

    edits: int
    at_edit: float | None  # share of them that was answered when it was just learnt (AG)
    kept: float | None  # share of them that is answered now (AG)
    generality: float | None  # share of their paraphrases that is answered now (AG)
    unrelated: float | None  # share of unrelated questions that is answered as the original model does (AG)
    perplexity: float | None  # of plain text, by the edited model
    original_perplexity: float | None
    seconds: float  # of all trainings up to here


class Curve(Value):
    """One contender's forgetting with one seed."""

    contender: str
    title: str
    editor: str
    preset: str
    seed: int
    edits: int  # wanted; fewer were learnt where it ended sooner
    anew: bool  # trained anew on all edits so far for each batch, for it cannot go on from its pack
    outcome: Outcome
    sentence: str = ""
    points: list[CurvePoint] = []


class Records:
    """The folder of a comparison's records."""

    def __init__(self, folder: Path) -> None:
        """Raises EvaluationError where the folder cannot be made."""
        self.folder = folder
        try:
            atomic.make_folder(folder.resolve())
            atomic.clear_temporaries(folder)
        except OSError as error:
            raise EvaluationError(f"The records cannot be kept in {folder}: {error.strerror}.") from error

    def known(self, name: str, kind: type[V]) -> V | None:
        """The record `name` as a `kind`, None where there is none, or where it is damaged or of another version."""
        try:
            content = unseal((self.folder / f"{name}.json").read_bytes())
        except (OSError, SealError):
            return None
        if content.pop("format", None) != FORMAT or content.pop("version", None) != VERSION:
            return None
        try:
            return kind.model_validate(content)
        except ValidationError:
            return None

    def keep(self, name: str, record: Value, asked: Sequence[Asked] = ()) -> None:
        """Keep a record, and every query with what the model wrote in a file beside it. Raises EvaluationError."""
        content = {"format": FORMAT, "version": VERSION, **record.model_dump()}
        try:
            if asked:
                lines = [dump(_told(row)).encode(errors="replace") + b"\n" for row in asked]
                atomic.write_file(self.folder / f"{name}.queries.jsonl", lines)
            atomic.write_file(self.folder / f"{name}.json", [seal(content)])
        except OSError as error:
            raise EvaluationError(f"The record cannot be written to {self.folder}: {error.strerror}.") from error

    def begin(self, name: str) -> bool:
        """Note that `name` is about to be measured; False where that has ended the process DEATHS times already."""
        path = self._begun(name)
        try:
            before = len(path.read_bytes()) if path.exists() else 0
            if before >= DEATHS:
                return False
            atomic.write_file(path, [b"." * (before + 1)])
        except OSError as error:
            raise EvaluationError(f"The record cannot be written to {self.folder}: {error.strerror}.") from error
        return True

    def further(self, name: str) -> None:
        """Note that the measuring of `name` got further: what ends the process from now on counts anew."""
        try:
            atomic.write_file(self._begun(name), [b"."])
        except OSError as error:
            raise EvaluationError(f"The record cannot be written to {self.folder}: {error.strerror}.") from error

    def end(self, name: str) -> None:
        """Note that the process outlived the measuring of `name`."""
        self._begun(name).unlink(missing_ok=True)

    def _begun(self, name: str) -> Path:
        return self.folder / f"{name}.begun"


def record_name(contender: str, edits: int, seed: int, depends_on: Mapping[str, Any]) -> str:
    """The name of a record: readable, and different wherever anything of `depends_on` is."""
    mark = atomic.sha256(canonical(depends_on))[:MARK]
    return f"{contender.replace(':', '-')}-{edits}-{seed}-{mark}"


def _told(row: Asked) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("edit", "kind", "query", "wanted", "given", "right", "share")}
