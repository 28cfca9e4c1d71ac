"""`meg convert`: an edit set from one format into another."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from engine.commands.console import give_account, progress, say, stop_at_interrupt
from engine.formats.csv import Delimiter
from engine.formats.registry import ReadOptions
from engine.formats.registry import convert as convert_file
from engine.formats.watch import Watch
from engine.runs import ProgressBoard

_DELIMITERS: dict[str, Delimiter] = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}


def convert(
    source: Annotated[Path, typer.Argument(help="An edit set in any known format.")],
    target: Annotated[Path, typer.Argument(help="The file (or, of a Hugging Face data set, the folder) to write.")],
    source_format: Annotated[str | None, typer.Option("--from", help="Its format (default: by its content).")] = None,
    target_format: Annotated[str | None, typer.Option("--to", help="Its format (default: by its ending).")] = None,
    zsre_target: Annotated[
        Literal["alt", "answers"] | None, typer.Option(help="Which key of zsRE holds the new object.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="The text encoding of the source: utf-8, utf-16, cp1252, …")] = "utf-8",
    delimiter: Annotated[
        Literal["comma", "semicolon", "tab", "bar"] | None,
        typer.Option(help="Between the cells of a table (default: by its header)."),
    ] = None,
    skip_rows: Annotated[int, typer.Option(min=0, help="Lines above a table's header.")] = 0,
    column: Annotated[
        list[str] | None,
        typer.Option(help="What a column or key holds, as in “Land=subject”; nothing after the = leaves it out."),
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Write rejected rows here, each with why, to be mended and read again.")
    ] = None,
    all_or_nothing: Annotated[bool, typer.Option(help="Write nothing where a row is rejected.")] = False,
    spreadsheet_safe: Annotated[bool, typer.Option(help="Keep spreadsheets from running CSV cells.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be read, lost and written; write nothing.")] = False,
) -> None:
    """Turn an edit set from one format into another."""
    from assets import catalogue

    options = ReadOptions(
        zsre_target=zsre_target,
        encoding=encoding,
        delimiter=_DELIMITERS[delimiter] if delimiter else None,
        columns=_columns(column or ()),
        skip_rows=skip_rows,
    )
    # Bars are for a person who watches; a conversion by a script says its account alone.
    shown = progress(("Reading", "Checking")) if sys.stderr.isatty() else nullcontext(ProgressBoard())
    with stop_at_interrupt() as cancel, shown as board:
        done = convert_file(
            source,
            target,
            source_format=source_format,
            target_format=target_format,
            relations=catalogue.relations(),
            options=options,
            all_or_nothing=all_or_nothing,
            spreadsheet_safe=spreadsheet_safe,
            rejects=rejects,
            dry_run=dry_run,
            watch=Watch(board, cancel),
        )
    give_account(done.imported.rejections, done.imported.notes)
    give_account(done.written.left_out, done.written.notes)
    if rejects is not None and done.imported.rejected_rows and not dry_run:
        say(f"The rejected rows are in {rejects}.")
    counts = {"rows": done.imported.rows, "accepted": done.imported.accepted, "rejected": done.imported.rejected}
    written = {"written": 0 if dry_run else done.written.rows, "file": str(target)}
    print(json.dumps({**counts, **({"would_write": done.written.rows} if dry_run else {}), **written}))


def _columns(pairs: Sequence[str]) -> dict[str, str] | None:
    columns = {}
    for pair in pairs:
        name, equals, holds = pair.rpartition("=")
        if not equals:
            raise typer.BadParameter(f"“{pair}” names no column: write it as in “Land=subject”.", param_hint="--column")
        columns[name] = holds.strip()
    return columns or None
