"""How quick imports, exports and pastes are.

Files of so many made-up edits are written in every format, read, and imported into a new project, undo included; then
rows are pasted as the clipboard brings them. Each figure is the median of some rounds: seconds on the clock, and those
of the processor, which other work on the machine leaves alone.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import psutil

from engine.edits import Edit, EditSet, Probe, ProbeKind, Relation, fill
from engine.formats.registry import FORMATS, ReadOptions, read_edits, write_edits
from studio.benchmark import _record
from studio.pages.facts import clipboard
from studio.pages.facts.columns import Column
from studio.store.cells import update_edits
from studio.store.edits import add_edits
from studio.store.importing import WhenThere, import_edit_set
from studio.store.listing import edit_ids, rows
from studio.store.project import Project
from studio.store.undo import redo, undo

EDITS = 100_000
PASTED = 5_000
ROUNDS = 3
SYLLABLES = ("ba", "ko", "ri", "ta", "ne", "mo", "sil", "dra", "pon", "ver", "ül", "ça", "名")
RELATIONS = {f"r{n}": Relation(f"r{n}", f"relation {n}", (f"The relation {n} of {{}} is",)) for n in range(40)}

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long a deed took."""

    clock: float
    processor: float

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.clock + other.clock, self.processor + other.processor)

    @classmethod
    def middle(cls, rounds: Sequence[Seconds]) -> Seconds:
        """The median of each."""
        return cls(statistics.median(each.clock for each in rounds), statistics.median(e.processor for e in rounds))


Figures = dict[str, Seconds]


def main(arguments: Sequence[str]) -> int:
    """Measure, tell, and write the figures where they were asked for."""
    parser = argparse.ArgumentParser(prog="python -m studio.benchmark imports", description=__doc__)
    parser.add_argument("--edits", type=int, default=EDITS, metavar="N", help=f"edits of each file ({EDITS})")
    parser.add_argument("--pasted", type=int, default=PASTED, metavar="N", help=f"rows that are pasted ({PASTED})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"how often each is done ({ROUNDS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures in FILE")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="meg-studio-benchmark-") as folder:
        figures = measure(Path(folder), options.edits, options.pasted, options.rounds)
    _record.write(
        options.json,
        "imports",
        arguments,
        {
            "edits": options.edits,
            "pasted": options.pasted,
            "peak_memory_mb": round(_peak_memory() / 2**20),
            "seconds": {name: {k: round(v, 3) for k, v in asdict(value).items()} for name, value in figures.items()},
        },
    )
    return 0


def measure(folder: Path, edits: int, pasted: int, rounds: int) -> Figures:
    """Seconds of each deed, by name; the deed's own result is checked, so that no figure is of an empty one."""
    edit_set = made_up(edits)
    figures: Figures = {}
    for name, format in FORMATS.items():
        path = folder / f"facts-{name}{format.suffixes[0]}"
        figures[f"export {name}"], written = _timed(rounds, lambda p=path, n=name: write_edits(edit_set, p, n))  # type: ignore[misc]
        options = ReadOptions(zsre_target="alt")
        figures[f"read {name}"], imported = _timed(
            rounds,
            lambda p=path, o=options: read_edits(p, relations=RELATIONS, options=o),  # type: ignore[misc]
        )
        _expect(imported.accepted, written.rows)
    imported = read_edits(folder / "facts-csv.csv", relations=RELATIONS)
    project = Project.create(folder / "project", "Benchmark", RELATIONS)
    try:
        taken = []
        for number in range(rounds):
            if number:
                undo(project)
            spent, changes = _spent(lambda: import_edit_set(project, imported.edit_set))
            taken.append(spent)
            _expect(len(changes.added), edits)
        figures["import into an empty project, one step of undo"] = Seconds.middle(taken)
        figures["read csv and import it"] = figures["read csv"] + Seconds.middle(taken)
        figures["undo the import"], _ = _timed(1, lambda: undo(project))
        figures["redo the import"], _ = _timed(1, lambda: redo(project))
        figures["import once more: all there already"], changes = _timed(
            rounds, lambda: import_edit_set(project, imported.edit_set)
        )
        _expect(changes.skipped, edits)
        other = EditSet("Other", tuple(_renamed(edit) for edit in imported.edit_set.edits))
        figures["import once more: all updated"], changes = _timed(
            1, lambda: import_edit_set(project, other, WhenThere.UPDATE)
        )
        _expect(len(changes.updated), edits)
        figures |= _pastes(project, pasted, rounds)
    finally:
        project.close()
    return figures


def made_up(number: int) -> EditSet:
    """So many edits of forty relations, each with two paraphrases and two probes."""
    draw = random.Random(1)

    def word() -> str:
        return "".join(draw.choices(SYLLABLES, k=draw.randint(2, 4))).title()

    edits = []
    for place in range(number):
        relation = RELATIONS[f"r{place % len(RELATIONS)}"]
        subject = f"{word()} {word()} {place}"
        edits.append(
            Edit(
                id=str(place),
                prompt=fill(relation.phrasings[0], subject),
                new_object=word(),
                subject=subject,
                relation=relation.id,
                original_answer=word(),
                paraphrases=(f"Of {subject}, the {relation.name} is", f"{subject} has as its {relation.name}"),
                probes=(
                    Probe(ProbeKind.NEIGHBOUR, fill(relation.phrasings[0], word())),
                    Probe(ProbeKind.SAME_SUBJECT, f"The age of {subject} is"),
                ),
            )
        )
    return EditSet("Made up", tuple(edits), RELATIONS)


def _renamed(edit: Edit) -> Edit:
    return Edit(f"x{edit.id}", edit.prompt, f"{edit.new_object} II", edit.subject, edit.relation)


def _pastes(project: Project, number: int, rounds: int) -> Figures:
    """Rows pasted as new edits, and a column pasted over those that are there."""
    ids = edit_ids(project)[:number]
    new_rows = "\n".join(
        f"New land {place}\trelation {place % len(RELATIONS)}\tTown {place}" for place in range(number)
    )
    column = "\n".join(f'"Town ""{place}"""' for place in range(number))

    def paste() -> int:
        pasted = clipboard.from_tsv(new_rows, RELATIONS)
        return len(add_edits(project, pasted.drafts).added)

    def paste_over() -> int:
        cells = clipboard.read_cells(column)
        plan = clipboard.over(cells, rows(project, ids), Column.NEW_OBJECT, RELATIONS)
        return len(update_edits(project, plan.fields).updated)

    figures: Figures = {}
    for name, deed in (
        (f"paste {number:,} rows, one step of undo", paste),
        (f"paste a column over {number:,} edits, one step of undo", paste_over),
    ):
        taken = []
        for _ in range(rounds):
            spent, done = _spent(deed)
            taken.append(spent)
            _expect(done, number)
            undo(project)
        figures[name] = Seconds.middle(taken)
    figures[f"copy {number:,} rows"], text = _timed(rounds, lambda: clipboard.to_tsv(rows(project, ids)))
    _expect(text.count("\n"), number + 1)
    return figures


def _timed(rounds: int, deed: Callable[[], Result]) -> tuple[Seconds, Result]:
    """How long `deed` takes, and what it gave at last."""
    taken = []
    for _ in range(rounds):
        spent, result = _spent(deed)
        taken.append(spent)
    return Seconds.middle(taken), result


def _spent(deed: Callable[[], Result]) -> tuple[Seconds, Result]:
    clock, processor = time.perf_counter(), time.process_time()
    result = deed()
    return Seconds(time.perf_counter() - clock, time.process_time() - processor), result


def _expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise RuntimeError(f"The benchmark measured nothing of worth: {found:,} instead of {wanted:,}.")


def _peak_memory() -> int:
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
