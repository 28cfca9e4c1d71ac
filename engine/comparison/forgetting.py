"""How a contender forgets: edits learnt one batch after the other, and what is left of them and of all else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

from engine.comparison.contenders import Contender
from engine.comparison.measure import Deadline, Watch, as_plain, failure
from engine.comparison.record import Curve, CurvePoint, Outcome
from engine.editors.registry import make_editor
from engine.edits import EditSet
from engine.evaluation import regime
from engine.evaluation.regime import Schedule, Step, run_regime
from engine.language_model import LanguageModel
from engine.runs import Cancel, Cancelled


def forget(
    model: LanguageModel,
    contender: Contender,
    edit_set: EditSet,
    schedule: Schedule,
    folder: Path,
    *,
    minutes: float | None,
    watch: Watch,
    cancel: Cancel,
    further: Callable[[], None],
) -> tuple[Curve, Exception | None]:
    """The curve of `contender` under `schedule`; what is learnt and asked meanwhile lies in `folder`, until the end.

    A curve that takes more than `minutes` ends there, as one that the editor, the memory or a fault of the program
    ends does, with the points that it has. `further` is called after each step that was not known before. Returns the
    fault too, if there was one. Raises Cancelled when asked to stop.
    """
    steps: list[Step] = []
    outcome: Outcome = "measured"
    sentence, fault = "", None
    deadline = Deadline(cancel, minutes and 60 * minutes)
    try:
        editor = make_editor(contender.kind.name, contender.settings)
        with watch((*editor.stages(), regime.STAGE)) as board:
            known = len(regime.read_regime(folder))
            for step in run_regime(
                contender.kind.name,
                editor,
                model,
                edit_set,
                folder,
                schedule,
                settings=as_plain(contender.settings),
                grows=contender.kind.grows,
                progress=board,
                cancel=deadline,
            ):
                steps.append(step)
                if len(steps) > known:
                    further()
    except Cancelled:
        if cancel.requested:
            raise
        outcome = "out of time"
        sentence = f"It was ended after {minutes:g} minutes: what came after its last point was not measured."
    except Exception as error:  # noqa: BLE001  # told in its row, and the others go on
        outcome, sentence = failure(error)
        fault = error if outcome == "failed" else None
    steps = list(regime.read_regime(folder)) or steps
    shutil.rmtree(folder, ignore_errors=True)
    curve = Curve(
        contender=contender.name,
        title=contender.title,
        editor=contender.kind.name,
        preset=contender.preset,
        seed=schedule.seed,
        edits=len(edit_set.enabled()),
        anew=not contender.kind.grows,
        outcome=outcome,
        sentence=sentence,
        points=points_of(steps),
    )
    return curve, fault


def points_of(steps: Sequence[Step]) -> list[CurvePoint]:
    """The points of a curve as plain values."""
    seconds = dict(zip((step.edits for step in steps), accumulate(step.seconds for step in steps), strict=True))
    return [
        CurvePoint(
            edits=point.edits,
            at_edit=point.at_edit.reliability.ag,
            kept=point.so_far.reliability.ag,
            generality=point.so_far.generality.ag,
            unrelated=point.unrelated.ag,
            perplexity=point.perplexity[1],
            original_perplexity=point.perplexity[0],
            seconds=seconds[point.edits],
        )
        for point in regime.curve(steps)
    ]
