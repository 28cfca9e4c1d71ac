"""`meg evaluate`: the figures of a pack, as a table, as JSON or as a report to keep."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.commands.console import progress, say, stop_at_interrupt
from engine.commands.inputs import attach_pack, read_edit_set
from engine.commands.options import DeviceOption, DtypeOption, JsonOption, ThresholdOption, TrainedModelOption
from engine.commands.protocols import (
    PROTOCOLS_HELP,
    block,
    check_data,
    check_options,
    chosen_harness,
    chosen_protocols,
    chosen_tasks,
    measure_protocols,
)
from engine.evaluation.protocol import Options
from engine.formats.source import FormatError

if TYPE_CHECKING:
    from engine.evaluation.report import Report


def evaluate(
    pack: Annotated[Path, typer.Argument(help="A pack.")],
    edits: Annotated[Path | None, typer.Argument(help="Edits to measure on (default: the pack's own).")] = None,
    model: TrainedModelOption = None,
    threshold: ThresholdOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
    wrong: Annotated[Path | None, typer.Option(help="Write what was answered wrongly to this JSONL file.")] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write a report to this HTML file, and every question to the JSON file beside it."),
    ] = None,
    protocols: Annotated[str | None, typer.Option(help=PROTOCOLS_HELP)] = None,
    most: Annotated[
        int | None, typer.Option(min=1, help="Questions of each of the protocols' figures, at most (default: all).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="What the protocols draw by.")] = 0,
    texts: Annotated[
        list[Path] | None, typer.Option("--text", help="Plain text for the perplexity; may be given again.")
    ] = None,
    tasks: Annotated[
        list[str] | None, typer.Option("--task", metavar="NAME=FILE", help="A task's data file; may be given again.")
    ] = None,
    harness: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=FILE]",
            help="A task that lm-eval runs, where it is installed, on its own data or a file's; may be given again.",
        ),
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared-neighbours", help="Neighbours share their edit's answer, as CounterFact's do.")
    ] = False,
) -> None:
    """Measure Reliability, Generality, Locality and Score of a pack, and what else the field reports."""
    from engine.evaluation.document import Subject, check_report_name, figures_as_json, write_report

    named = chosen_protocols(protocols)
    given = {"--text": (texts, "perplexity"), "--task": (tasks, "ability"), "--harness": (harness, "ability")}
    check_options(named, {**given, "--shared-neighbours": (shared, "counterfact")})
    options = Options(
        seed=seed,
        most=most,
        shared=shared,
        texts=tuple(texts or ()),
        tasks=chosen_tasks(tasks or ()),
        harness=chosen_harness(harness or ()),
    )
    check_data(options)
    if report is not None:
        check_report_name(report)
    attached = attach_pack(pack, model, device, dtype, threshold)
    from engine.evaluation.askable import askable
    from engine.evaluation.report import evaluate as measure

    with attached.edited.original() as original:
        edit_set = askable(original, attached.edits if edits is None else read_edit_set(edits), say)
    with progress(("Evaluation",)) as board, stop_at_interrupt() as cancel:
        measured = measure(
            attached.edited,
            edit_set,
            cancel=cancel,
            report=lambda step, of: board.report("Evaluation", step, of),
            thorough=report is not None,
        )
    if wrong is not None:
        lines = [json.dumps(dataclasses.asdict(query), ensure_ascii=False) + "\n" for query in measured.wrong]
        try:
            wrong.write_text("".join(lines), encoding="utf-8")
        except OSError as error:
            raise FormatError(f"{wrong} cannot be written: {error.strerror}.") from error
    if report is not None:
        about = {
            "pack": pack.resolve().name,
            "edits": "the pack's own" if edits is None else edits.name,
            "editor": attached.manifest.editor,
            "model": attached.manifest.model.name,
            "seed": str(attached.manifest.seed),
        }
        names = {key: relation.name for key, relation in edit_set.relations.items()}
        threshold = attached.edited.threshold if attached.edited.gated else None
        subject = Subject(f"Evaluation of {pack.resolve().name}", threshold, about, names)
        page, beside = write_report(report, subject, measured.asked)
        say(f"The report is in {page}, every question in {beside}.")
    more = measure_protocols(named, attached.edited, edit_set, options)
    if as_json:
        told = figures_as_json(measured)
        if more:
            told["protocols"] = {one.protocol: one.as_json() for one in more}
        print(json.dumps(told))
    else:
        print("\n".join([_table(measured), *map(block, more)]))


def _table(report: Report) -> str:
    """The report as lines of text, shares in per cent."""

    def row(name: str, *values: float | None, asked: int | None = None) -> str:
        cells = "".join("       –" if value is None else f"{100 * value:8.2f}" for value in values)
        return f"{name:<24}{cells}" + ("" if asked is None else f"{asked:8,}")

    lines = [f"{'per cent':<24}{'AG':>8}{'TF':>8}{'routed':>8}{'asked':>8}"]
    named = [("Reliability", report.reliability), ("Generality", report.generality)]
    named += [(f"Locality, {kind}", measured) for kind, measured in report.locality.items()]
    lines += [row(name, value.ag, value.tf, value.routed, asked=value.asked) for name, value in named]
    return "\n".join([*lines, row("Locality, mean", *report.mean_locality()), row("Score", report.score())])
