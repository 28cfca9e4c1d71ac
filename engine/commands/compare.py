"""`meg compare`: editors side by side on the same edits, with the same queries and seeds."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.commands.console import progress, say, stop_at_interrupt
from engine.commands.inputs import read_edit_set
from engine.commands.options import DeviceOption, DtypeOption, ModelOption, refuse
from engine.commands.protocols import chosen_protocols
from engine.formats.source import FormatError

if TYPE_CHECKING:
    from engine.comparison.comparing import Comparing, Plan
    from engine.comparison.record import Curve, Record

RECORDS = ".records"


def _sizes(text: str) -> tuple[int, ...]:
    parts = [part.strip().replace("_", "") for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter(f"“{text}” is no list of numbers of edits: write 1,10,100.")
    return tuple(int(part) for part in parts)


def compare(
    ctx: typer.Context,
    editors: Annotated[
        str, typer.Option(help="“all”, or names between commas; NAME:PRESET for another preset than the usual one.")
    ] = "all",
    edits: Annotated[str, typer.Option(help="How many edits, or several numbers between commas.")] = "100",
    seeds: Annotated[int, typer.Option(help="How often everything is drawn and trained anew.", min=1)] = 1,
    file: Annotated[Path | None, typer.Option(help="Draw from this edit set, in any known format.")] = None,
    protocols: Annotated[
        str, typer.Option(help="What the field reports besides, between commas; “none” for nothing.")
    ] = "counterfact",
    forgetting: Annotated[
        int | None,
        typer.Option(help="Also learn so many edits one batch after the other, and see what is left.", min=2),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="With --forgetting: edits a batch (default: as many as all before it).", min=1)
    ] = None,
    queries: Annotated[
        int | None, typer.Option(help="Queries of each kind at most, evenly spread (default: all).", min=1)
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Minutes that one training, or one curve of forgetting, may take.", min=0.01)
    ] = None,
    model: ModelOption = "embedded",
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything measured to this file.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write tables and charts to this HTML file, and the JSON file beside it.")
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(help="Keep each record here: a comparison that was stopped goes on (default: beside the JSON)."),
    ] = None,
) -> None:
    """Train editors on the same edits and set them side by side: figures, cost, undo. One that fails is a row."""
    if forgetting is None:
        refuse(ctx, ["--batch"], "it is for what is learnt with --forgetting: add that, or leave this out.")
    from engine.comparison.contenders import choose_contenders
    from engine.evaluation.document import check_report_name

    sizes, contenders = _sizes(edits), choose_contenders(editors)
    edit_set = None if file is None else read_edit_set(file)
    if report is not None:
        check_report_name(report)
    if json_file is not None and not json_file.resolve().parent.is_dir():
        raise FormatError(f"{json_file} cannot be written: there is no folder {json_file.parent}.")
    from engine.comparison.comparing import Comparing, Plan
    from engine.comparison.measure import Asking
    from engine.comparison.record import Records
    from engine.language_model import load

    asking = Asking(queries, () if protocols == "none" else chosen_protocols(protocols))
    source = "" if file is None else file.name
    plan = Plan(contenders, sizes, seeds, edit_set, source, asking, minutes, forgetting, batch)
    edit_sets = plan.edit_sets()  # what is amiss with the edits is said before anything is loaded
    with ExitStack() as stack:
        kept = Records(records or _beside(json_file or report) or Path(stack.enter_context(_scratch())))
        cancel = stack.enter_context(stop_at_interrupt())
        comparing = Comparing(
            plan,
            edit_sets,
            kept,
            lambda: load(model, device=device, dtype=dtype),
            watch=progress,
            cancel=cancel,
            say=say,
        )
        _go_through(comparing, plan, json_file, report)
    if comparing.failed:
        raise typer.Exit(1)


def _go_through(comparing: Comparing, plan: Plan, json_file: Path | None, report: Path | None) -> None:
    """Compare, and write what there is after each record: a comparison that is stopped has its files."""
    from engine.benchmark.machine import machine
    from engine.comparison.comparison import Comparison, write_comparison
    from engine.comparison.document import summarise, write_comparison_report

    records: list[Record] = []
    curves: list[Curve] = []
    on = machine(comparing.model)

    def so_far() -> Comparison:
        many = len(plan.contenders)
        title = f"{many:,} editors side by side" if many > 1 else f"{plan.contenders[0].title} by itself"
        return Comparison(title=title, command=plan.as_json(), machine=on, records=records, curves=curves)

    def keep() -> None:
        if json_file is not None:
            write_comparison(json_file, so_far())
        if report is not None:
            write_comparison_report(report, so_far())

    for record in comparing.records():
        records.append(record)
        score = record.figures.score if record.figures else None
        told = record.sentence or ("no Score." if score is None else f"Score {100 * score:.2f}.")
        say(f"{record.title}, {record.edits:,} edits, seed {record.seed}: {told}")
        keep()
    for curve in comparing.curves():
        curves.append(curve)
        kept = curve.points[-1].kept if curve.points else None
        told = curve.sentence or ("" if kept is None else f"{100 * kept:.2f} % of the edits kept.")
        say(f"{curve.title}, forgetting, seed {curve.seed}: {told}")
        keep()
    print(summarise(so_far()))
    if report is not None:
        say(f"The report is in {report}, everything that it is drawn from in {report.with_suffix('.json')}.")


def _beside(file: Path | None) -> Path | None:
    return None if file is None else file.with_name(f"{file.stem}{RECORDS}")


def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="meg-compare-records-")
