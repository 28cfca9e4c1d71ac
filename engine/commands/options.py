"""The options that several commands take, worded once."""

from __future__ import annotations

from typing import Annotated

import typer

ModelOption = Annotated[str, typer.Option("--model", help="“embedded”, a folder, or a cached Hugging Face name.")]
TrainedModelOption = Annotated[
    str | None, typer.Option("--model", help="Another place of the model it was trained on.")
]
ThresholdOption = Annotated[
    float | None, typer.Option(help="Familiarity from which a question is answered as edited (default: calibrated).")
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
DtypeOption = Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
