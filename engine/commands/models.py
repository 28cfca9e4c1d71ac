"""`meg models`: the models and devices at hand, and whether each model can be edited here."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from engine.commands.options import DeviceOption, DtypeOption, JsonOption


def models(
    names: Annotated[list[str] | None, typer.Argument(help="Models to look at (default: all at hand).")] = None,
    folder: Annotated[
        list[Path] | None, typer.Option("--in", help="A folder to search for models, with all folders in it.")
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """List the models and devices at hand and say of each model in a sentence whether it can be edited here."""
    from engine.device import available_devices
    from engine.model_check import check_model
    from engine.model_files import available

    for name in names or [choice.name for choice in available(folder or ())]:
        found = check_model(name, device=device, dtype=dtype)
        if as_json:
            print(json.dumps(asdict(found) | {"sentence": found.sentence}, ensure_ascii=False))
        else:
            print(f"{name}\t{'no' if found.obstacle else 'fits'}\t{found.folder}\t{found.sentence}")
    if not as_json:
        print(f"devices\t{', '.join(available_devices())}")
