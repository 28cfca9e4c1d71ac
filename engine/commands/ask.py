"""`meg ask`: what the original and the edited model answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.commands.inputs import attach_pack
from engine.commands.options import DeviceOption, DtypeOption, JsonOption, ThresholdOption, TrainedModelOption

if TYPE_CHECKING:
    from engine.editor import Answer


def ask(
    pack: Annotated[Path, typer.Argument(help="A pack that `meg fit` or the studio wrote.")],
    queries: Annotated[list[str], typer.Argument(help="The questions.")],
    model: TrainedModelOption = None,
    threshold: ThresholdOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Ask the original and the edited model."""
    edited, _ = attach_pack(pack, model, device, dtype, threshold)
    for answer in edited.answer(queries):
        if as_json:
            print(json.dumps(_as_json(answer), ensure_ascii=False))
        else:
            routing = answer.routing
            decision = f"about edit {routing.nearest_edit}" if routing.routed else "about no edit"
            print(f"{answer.query}\n  original: {answer.original}\n  edited:   {answer.edited}")
            print(f"  familiarity {routing.familiarity:.3f}, {decision}")


def _as_json(answer: Answer) -> dict[str, Any]:
    routing = answer.routing
    return {
        "query": answer.query,
        "original": answer.original,
        "edited": answer.edited,
        "familiarity": round(routing.familiarity, 6),
        "routed": routing.routed,
        "nearest_edit": routing.nearest_edit,
        "similarity": round(routing.similarity, 6),
        "entropy": round(routing.entropy, 6),
        "threshold": round(routing.threshold, 6),
    }
