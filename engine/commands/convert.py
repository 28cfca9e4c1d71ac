"""`meg convert`: an edit set from one format into another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from engine.commands.console import give_account
from engine.formats.registry import ReadOptions
from engine.formats.registry import convert as convert_file


def convert(
    source: Annotated[Path, typer.Argument(help="An edit set in any known format.")],
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    source_format: Annotated[str | None, typer.Option("--from", help="Its format (default: by its content).")] = None,
    target_format: Annotated[str | None, typer.Option("--to", help="Its format (default: by its ending).")] = None,
    zsre_target: Annotated[
        Literal["alt", "answers"] | None, typer.Option(help="Which key of zsRE holds the new object.")
    ] = None,
    all_or_nothing: Annotated[bool, typer.Option(help="Write nothing where a row is rejected.")] = False,
    spreadsheet_safe: Annotated[bool, typer.Option(help="Keep spreadsheets from running CSV cells.")] = False,
) -> None:
    """Turn an edit set from one format into another."""
    from assets import catalogue

    done = convert_file(
        source,
        target,
        source_format=source_format,
        target_format=target_format,
        relations=catalogue.relations(),
        options=ReadOptions(zsre_target=zsre_target),
        all_or_nothing=all_or_nothing,
        spreadsheet_safe=spreadsheet_safe,
    )
    give_account(done.imported.rejections, done.imported.notes)
    give_account(done.written.left_out, done.written.notes)
    counts = {"rows": done.imported.rows, "accepted": done.imported.accepted, "rejected": done.imported.rejected}
    print(json.dumps({**counts, "written": done.written.rows, "file": str(target)}))
