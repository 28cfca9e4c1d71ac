"""`meg bench`: recipes compared on edits of known facts, or one training timed on random weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.commands.console import progress, say, stop_at_interrupt
from engine.commands.options import DeviceOption, DtypeOption, ModelOption, refuse
from engine.formats.source import FormatError

if TYPE_CHECKING:
    from engine.benchmark.shape_cost import ShapeCost
    from engine.edits import EditSet

OF_RECIPES = ("--seeds", "--recipes", "--model", "--paper-minutes", "--counterfact", "--zsre")  # none for one training


def bench(
    ctx: typer.Context,
    edits: Annotated[int, typer.Option(help="How many edits are drawn.", min=2)] = 1_024,
    seeds: Annotated[int, typer.Option(help="How often everything is drawn and trained anew.", min=1)] = 3,
    recipes: Annotated[
        str, typer.Option(help="What is compared, between commas, in the order in which it is trained.")
    ] = "meg,paper,mlp,stored,retrieval",
    counterfact: Annotated[Path | None, typer.Option(help="Draw from this file of CounterFact records.")] = None,
    zsre: Annotated[Path | None, typer.Option(help="Draw from this file of zsRE records.")] = None,
    shape: Annotated[
        str | None, typer.Option(help="Only time a training on random weights: phi-2, gpt-j, llama-3-8b or qwen2.5-7b.")
    ] = None,
    scale: Annotated[float, typer.Option(help="With --shape: layers, heads and vocabulary times this.")] = 1.0,
    paper_minutes: Annotated[
        float | None,
        typer.Option(help="How long the paper's generator trains (default: as long as “meg” took before it).", min=0.1),
    ] = None,
    model: ModelOption = "embedded",
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything measured to this file.")] = None,
) -> None:
    """Train and measure on edits of facts that the embedded model knows, and compare recipes."""
    if shape is not None:
        refuse(ctx, OF_RECIPES, "with --shape one training is timed, on facts drawn with seed 0: leave it out.")
    else:
        refuse(ctx, ["--scale"], "only what is given with --shape can be scaled: add that, or leave this out.")
    from engine.benchmark.recipes import choose_recipes

    compared = choose_recipes(recipes)
    if "paper" not in compared:
        refuse(ctx, ["--paper-minutes"], "the recipe “paper” is not among those compared: add it, or leave this out.")
    if counterfact is not None:
        refuse(ctx, ["--zsre"], "edits are drawn from one file, and --counterfact is given: leave one of them out.")
    from engine.benchmark import bench as benchmark
    from engine.benchmark.draw import draw_edits
    from engine.benchmark.machine import machine
    from engine.benchmark.report import Trial, summarise, write_json
    from engine.evaluation.askable import askable
    from engine.language_model import load

    if json_file is not None and not json_file.parent.is_dir():
        raise FormatError(f"{json_file} cannot be written: there is no folder {json_file.parent}.")
    if shape is not None:
        cost = _shape_cost(shape, scale, draw_edits(edits, 0), device, dtype)
        if json_file is not None:
            write_json(json_file, {"edits": edits, "shape": shape, "scale": scale}, cost.machine, [cost])
        print(cost.table())
        return
    plan = benchmark.Plan(edits, seeds, compared, counterfact, zsre, paper_minutes)
    edit_sets = plan.edit_sets()  # what is amiss with the edits is said before anything is loaded
    language_model = load(model, device=device, dtype=dtype)
    asked = language_model.asked(chat=plan.settings.chat)
    edit_sets = [askable(asked, edit_set, say) for edit_set in edit_sets]
    trials: list[Trial] = []
    with stop_at_interrupt() as cancel:
        for trial in benchmark.bench(language_model, plan, edit_sets, watch=progress, cancel=cancel):
            trials.append(trial)
            say(f"Recipe “{trial.recipe}”, seed {trial.seed}: Score {100 * (trial.report.score() or 0):.2f}.")
            if json_file is not None:  # after each: a benchmark that is stopped keeps what it has
                write_json(json_file, plan.as_json(), machine(language_model), trials)
    print(summarise(trials))


def _shape_cost(shape: str, scale: float, edit_set: EditSet, device: str, dtype: str) -> ShapeCost:
    """What one training costs on a random model of `shape`."""
    from engine.benchmark.shape_cost import measure_shape
    from engine.benchmark.shapes import check_room, choose_shape
    from engine.device import choose_device, choose_dtype
    from engine.meg.training import STAGES

    chosen, target = choose_shape(shape, scale), choose_device(device)
    number = choose_dtype(target, dtype)
    check_room(chosen, target, number)
    with progress(STAGES) as board, stop_at_interrupt() as cancel:
        return measure_shape(chosen, edit_set, scale=scale, device=target, number=number, board=board, cancel=cancel)
