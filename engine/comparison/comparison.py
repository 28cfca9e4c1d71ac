"""What a comparison found, as one file: everything that its tables and charts are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Literal

from pydantic import Field, JsonValue, ValidationError

from engine import atomic
from engine.comparison.record import Curve, Record, Value
from engine.evaluation.record import EvaluationError
from engine.strict_json import JsonFault, dump, parse

MAX_BYTES = 64 * 2**20


class Comparison(Value):
    """Records and curves, with what was asked for and what it was measured on."""

    format: Literal["meg-comparison"] = "meg-comparison"
    version: Literal[1] = 1
    title: str
    command: dict[str, JsonValue] = Field(default_factory=dict)
    machine: dict[str, JsonValue] = Field(default_factory=dict)
    records: list[Record] = Field(default_factory=list)
    curves: list[Curve] = Field(default_factory=list)

    def sizes(self) -> list[int]:
        """The numbers of edits that were compared, the smallest first."""
        return sorted({record.edits for record in self.records})

    def titles(self) -> dict[str, str]:
        """What each contender is called, in the order in which they were compared."""
        records = {record.contender: record.title for record in self.records}
        return records | {curve.contender: curve.title for curve in self.curves}

    def of_size(self, edits: int) -> dict[str, list[Record]]:
        """The records of one number of edits, those of all seeds together, by contender."""
        found: dict[str, list[Record]] = {}
        for record in self.records:
            if record.edits == edits:
                found.setdefault(record.contender, []).append(record)
        return found

    def scores(self) -> dict[str, list[tuple[int, float]]]:
        """By contender the mean Score of each number of edits."""
        found: dict[str, list[tuple[int, float]]] = {}
        for edits in self.sizes():
            for contender, records in self.of_size(edits).items():
                known = [one.figures.score for one in records if one.figures and one.figures.score is not None]
                if known:
                    found.setdefault(contender, []).append((edits, mean(known)))
        return found

    def forgetting(self, figure: str) -> dict[str, list[tuple[int, float]]]:
        """By contender the mean of one `figure` of CurvePoint after each number of edits."""
        by_place: dict[str, dict[int, list[float]]] = {}
        for curve in self.curves:
            for point in curve.points:
                value = getattr(point, figure)
                if value is not None:
                    by_place.setdefault(curve.contender, {}).setdefault(point.edits, []).append(value)
        return {
            contender: [(edits, mean(values)) for edits, values in sorted(places.items())]
            for contender, places in by_place.items()
        }


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write it, replacing the file in one step. Raises EvaluationError where the disk refuses."""
    try:
        atomic.write_file(path, [dump(comparison.model_dump(), indent=1).encode(errors="replace"), b"\n"])
    except OSError as error:
        raise EvaluationError(f"The comparison cannot be written to {path}: {error.strerror}.") from error


def read_comparison(path: Path) -> Comparison:
    """The comparison that `write_comparison` wrote. Raises EvaluationError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise EvaluationError(f"{path} is no comparison: it is larger than any of its kind.")
        content = parse(path.read_bytes().decode())
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise EvaluationError(f"{path} is no comparison: it is no text.") from None
    except JsonFault as error:
        raise EvaluationError(f"{path} is no comparison: {error}.") from None
    if not isinstance(content, Mapping) or content.get("format") != "meg-comparison":
        raise EvaluationError(f"{path} is no comparison: `meg compare --json` writes them.")
    if content.get("version") != 1:
        raise EvaluationError(f"{path} is a comparison of another version of MeG Studio: compare again.")
    try:
        return Comparison.model_validate(content)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise EvaluationError(f"{path} is damaged: “{place}” is not as it should be.") from None


def spread_of(values: Sequence[float | None]) -> tuple[float, float | None] | None:
    """The mean of what is known and, of several, the standard deviation; None of nothing."""
    known = [value for value in values if value is not None]
    return (mean(known), stdev(known) if len(known) > 1 else None) if known else None
