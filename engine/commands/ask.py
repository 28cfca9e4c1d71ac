"""`meg ask`: what the original and the edited model answer."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.commands.inputs import attach_pack
from engine.commands.options import DeviceOption, DtypeOption, JsonOption, ThresholdOption, TrainedModelOption
from engine.decoding import Decoding

if TYPE_CHECKING:
    from engine.editor import Answer, Routing

_HELP = {each.name: str(each.metadata["help"]) for each in fields(Decoding)}


def ask(
    pack: Annotated[Path, typer.Argument(help="A pack that `meg fit` or the studio wrote.")],
    queries: Annotated[list[str], typer.Argument(help="The questions.")],
    model: TrainedModelOption = None,
    threshold: ThresholdOption = None,
    temperature: Annotated[float, typer.Option(help=_HELP["temperature"])] = 0.0,
    top_p: Annotated[float, typer.Option(help=_HELP["top_p"])] = 1.0,
    top_k: Annotated[int, typer.Option(help=_HELP["top_k"])] = 0,
    seed: Annotated[int, typer.Option(help=_HELP["seed"])] = 0,
    max_new_tokens: Annotated[int, typer.Option(help=_HELP["max_new_tokens"])] = 0,
    first_sentence: Annotated[bool, typer.Option("--first-sentence/--to-the-end", help=_HELP["first_sentence"])] = True,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Ask the original and the edited model."""
    decoding = Decoding(temperature, top_p, top_k, seed, max_new_tokens, first_sentence)
    edited = attach_pack(pack, model, device, dtype, threshold).edited
    for answer in edited.answer(queries, decoding=decoding):
        if as_json:
            told = _as_json(answer, gated=edited.gated)
            print(json.dumps({**told, "decoding": decoding.as_json()}, ensure_ascii=False))
        else:
            print(f"{answer.query}\n  original: {answer.original}\n  edited:   {answer.edited}")
            print(f"  familiarity {_word(answer.routing) if edited.gated else '–, every question meets the edits'}")


def _word(routing: Routing) -> str:
    """The gate's word on a query."""
    decision = f"about edit {routing.nearest_edit}" if routing.routed else "about no edit"
    return f"{routing.familiarity:.3f}, {decision}"


def _as_json(answer: Answer, *, gated: bool) -> dict[str, Any]:
    """An answer; what a gate says is null where there is none."""
    routing = answer.routing
    word = {
        "familiarity": round(routing.familiarity, 6),
        "routed": routing.routed,
        "nearest_edit": routing.nearest_edit,
        "similarity": round(routing.similarity, 6),
        "entropy": round(routing.entropy, 6),
        "threshold": round(routing.threshold, 6),
    }
    answers = {"query": answer.query, "original": answer.original, "edited": answer.edited}
    return answers | (word if gated else dict.fromkeys(word))
