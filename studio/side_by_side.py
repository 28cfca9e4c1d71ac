"""Runs of a project side by side, as the engine compares editors: nothing here touches a widget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.comparison.comparison import Comparison
from engine.comparison.record import Cost, Figures, Record, Shares, Undo
from engine.editors.registry import EDITORS
from engine.strict_json import dump, parse
from studio.model_jobs import PACK, SECONDS
from studio.store.runs import RunRow
from studio.widgets.figures import figure
from studio.widgets.run_words import called, editor_name, model_name
from studio.words import tr

PARTS = ("reliability", "generality", "locality")


def is_evaluated(run: RunRow) -> bool:
    """Whether everything was asked of the run that its Score is made of."""
    return figure(run.figures, "score") is not None


def titles_of(runs: Sequence[RunRow]) -> dict[int, str]:
    """What each run is called beside the others, by its id: its editor, and as much more as tells it from them."""
    titles: dict[int, str] = {}
    for called_by in (
        editor_name,
        lambda run: tr("{editor} · {run}", editor=editor_name(run), run=called(run)),
        lambda run: tr("{editor} · {run}", editor=editor_name(run), run=run.folder.name),
    ):
        left = [run for run in runs if run.id not in titles]
        names = Counter(called_by(run) for run in runs)
        titles |= {run.id: called_by(run) for run in left if names[called_by(run)] == 1}
    return titles


def comparison_of(runs: Sequence[RunRow], title: str) -> Comparison:
    """`runs`, which were trained on the same edits, each as one contender; looks into their folders."""
    names = titles_of(runs)
    models = dict.fromkeys(model_name(run.model) for run in runs)
    return Comparison(
        title=title,
        command={tr("model"): ", ".join(models), tr("edits"): runs[0].edits if runs else 0},
        records=[_record(run, names[run.id]) for run in runs],
    )


def asked_alike(runs: Sequence[RunRow]) -> bool:
    """Whether the evaluations of `runs` asked equally many queries of each kind."""
    return len({tuple(_asked(run, part) for part in PARTS) for run in runs if is_evaluated(run)}) <= 1


def _record(run: RunRow, title: str) -> Record:
    kind = EDITORS.get(run.editor)
    evaluated = is_evaluated(run)
    return Record(
        contender=f"run-{run.id}",
        title=title,
        editor=run.editor,
        preset=str(run.settings.get("preset", "")) or "–",
        gated=kind is not None and kind.gated,
        edits=run.edits,
        seed=run.seed,
        outcome="measured" if evaluated else "not measured",
        sentence="" if evaluated else tr("This run is not evaluated yet."),
        figures=_figures(run) if evaluated else None,
        cost=Cost(seconds=figure(run.figures, SECONDS), pack=_size(run.folder / PACK)),
        undo=Undo(one=kind.undoes_one) if kind is not None else None,
        settings=_plain(run.settings),
        pack_figures=_plain({name: run.figures[name] for name in ("layer",) if name in run.figures}),
    )


def _figures(run: RunRow) -> Figures:
    reliability, generality, locality = (
        Shares(ag=figure(run.figures, part), tf=figure(run.figures, f"{part} TF"), routed=None, asked=_asked(run, part))
        for part in PARTS
    )
    return Figures(
        reliability=reliability,
        generality=generality,
        locality=locality,
        kinds={},
        score=figure(run.figures, "score"),
    )


def _asked(run: RunRow, part: str) -> int:
    return int(figure(run.figures, f"{part} queries") or 0)


def _size(folder: Path) -> int | None:
    """Bytes of the files in a run's pack."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) if folder.is_dir() else None


def _plain(settings: Mapping[str, object]) -> dict[str, Any]:
    plain: dict[str, Any] = parse(dump(dict(settings)))
    return plain
