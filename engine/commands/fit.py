"""`meg fit`: train MeG on an edit set. The run lies beside the pack until that is written, so that it can go on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from engine import processes
from engine.commands.console import progress, say, stop_at_interrupt
from engine.commands.inputs import read_edit_set
from engine.commands.options import DeviceOption, DtypeOption, ModelOption, refuse
from engine.edits import EditSet, find_conflicts, find_near_duplicates
from engine.meg.settings import (
    EMBEDDED,
    PRESETS,
    CollectionSettings,
    GateKind,
    GeneratorSettings,
    MegSettings,
    Preset,
)
from engine.packs import PackError, check_place, load_pack, read_manifest
from engine.run_folder import RunError, RunFolder, RunState
from engine.runs import ProgressBoard
from engine.setting_fields import help_of

if TYPE_CHECKING:
    from engine.language_model import LanguageModel
    from engine.meg.pack import MegPack

AUTOMATIC = "auto"
NEAR_DUPLICATES = 20  # pairs named, at most
PRESET_HELP = " ".join(f"{name}: {told}" for name, (told, _) in PRESETS.items())
OF_THE_START = (
    "--preset",
    "--layer",
    "--encoder",
    "--gate",
    "--generator",
    "--neurons",
    "--chat",
)  # a pack's own settings
LONG_OBJECT = 100  # tokens: longer than anything that was learnt here


def _layer(text: str) -> int | str:
    if text != AUTOMATIC and not text.isdecimal():
        raise typer.BadParameter(f"“{text}” is neither the number of a layer nor “{AUTOMATIC}”.")
    return text if text == AUTOMATIC else int(text)


@processes.joined()
def fit(
    ctx: typer.Context,
    edits: Annotated[Path, typer.Argument(help="An edit set in any known format.")],
    out: Annotated[Path, typer.Option("--out", help="Where the pack goes.")],
    model: ModelOption = "embedded",
    preset: Annotated[Preset, typer.Option(help=PRESET_HELP)] = "balanced",
    seed: Annotated[int, typer.Option(help="The same seed gives the same pack.")] = 0,
    layer: Annotated[
        int | None,
        typer.Option(parser=_layer, metavar="N|auto", help=help_of(MegSettings, "layer")),
    ] = None,
    encoder: Annotated[str, typer.Option(help=help_of(MegSettings, "encoder"))] = EMBEDDED,
    gate: Annotated[
        GateKind | None, typer.Option(help=help_of(MegSettings, "gate"), show_default="as the preset")
    ] = None,
    generator: Annotated[
        Literal["transformer", "mlp", "stored"], typer.Option(help=help_of(GeneratorSettings, "kind"))
    ] = "transformer",
    chat: Annotated[
        bool | None,
        typer.Option("--chat/--no-chat", help=help_of(MegSettings, "chat")),
    ] = None,
    neurons: Annotated[int, typer.Option(min=1, max=16, help=help_of(CollectionSettings, "neurons"))] = 1,
    start: Annotated[
        Path | None,
        typer.Option(help="A pack to go on from: what is new or has changed is learnt, with that pack's settings."),
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Train MeG on an edit set and write a pack. A run that was stopped goes on where it stopped."""
    check_place(out)
    if start is not None:
        refuse(ctx, OF_THE_START, "the settings of the pack given with --start hold: leave it out.")
        _check_start(start, out)
    edit_set = read_edit_set(edits)
    _name_conflicts(edit_set)
    from engine.language_model import load
    from engine.meg.editor import MegEditor
    from engine.model_check import check_model
    from engine.model_files import ModelError

    settings = PRESETS[preset][1]()
    settings = dataclasses.replace(
        settings,
        layer=layer,
        encoder=encoder,
        gate=gate or settings.gate,
        chat=chat,
        collection=dataclasses.replace(settings.collection, neurons=neurons),
        generator=dataclasses.replace(settings.generator, kind=generator),
    )
    target = processes.take_device(device)
    check = check_model(model, device=target, dtype=dtype, edits=len(edit_set.enabled()), neurons=neurons, runs=out)
    if check.obstacle:
        raise ModelError(check.obstacle)
    language_model = load(model, device=target, dtype=dtype)
    _name_long_objects(edit_set, language_model, more_neurons=start is None and neurons == 1)
    say(f"{len(edit_set.enabled()):,} edits on “{model}”, {language_model.device}, {language_model.model.dtype}.")
    editor = MegEditor(settings)
    known = None if start is None else _known_pack(start, language_model)
    if not processes.is_main():
        with stop_at_interrupt() as cancel:
            editor.fit(language_model, edit_set, progress=ProgressBoard(), cancel=cancel, seed=seed, start=known)
        return
    told = json.loads(json.dumps(dataclasses.asdict(settings))) | ({} if known is None else {"start": known.mark()})
    run = _resumed_run(out, edit_set, told, model, language_model.fingerprint(), seed)
    with progress(editor.stages()) as board, stop_at_interrupt() as cancel, run.training():
        pack = editor.fit(
            language_model, edit_set, progress=board, cancel=cancel, seed=seed, run=run.folder, start=known
        )
        pack.save(out)
    shutil.rmtree(run.folder.parent)
    for line in _sweep_table(pack.figures.get("layers", ())):
        say(line)
    print(json.dumps({"pack": str(out), **pack.figures}, ensure_ascii=False))


def _name_conflicts(edit_set: EditSet) -> None:
    """Say which edits contradict or repeat one another, and which may be about one subject spelt in two ways."""
    for conflict in find_conflicts(edit_set.edits):
        told = "contradict one another: one of them will be answered" if conflict.contradiction else "say the same"
        say(f"The edits {', '.join(conflict.edit_ids)} {told}.")
    subjects = {edit.id: edit.subject for edit in edit_set.edits}
    for pair in find_near_duplicates(edit_set.edits)[:NEAR_DUPLICATES]:
        one, other = pair.edit_ids
        say(f"The edits {one} and {other} may be about one subject: “{subjects[one]}”, “{subjects[other]}”.")


def _name_long_objects(edit_set: EditSet, model: LanguageModel, *, more_neurons: bool) -> None:
    """Say which new objects are longer than any that was learnt here, and where it may help, to try `more_neurons`."""
    advice = "try --neurons 4, or shorten it" if more_neurons else "shorten it if it is not learnt"
    for edit in edit_set.enabled():
        tokens = model.tokens_of(edit.new_object)
        if tokens > LONG_OBJECT:
            say(f"The new object of {edit.id} is {tokens:,} tokens long, longer than anything learnt here: {advice}.")


def _check_start(start: Path, out: Path) -> None:
    """Raise PackError where nothing can go on from the pack `start`, or where that would be overwritten."""
    if read_manifest(start).editor != "meg":
        raise PackError(f"The pack {start} holds no neurons to go on from: give one that `meg fit` wrote.")
    if out.resolve() == start.resolve():
        raise PackError(f"{out} is the pack to go on from: choose another folder for --out, so that both are kept.")


def _known_pack(start: Path, model: LanguageModel) -> MegPack:
    """The pack to go on from, on the model's device; raises PackError where it was trained on another model."""
    from engine.meg.pack import check_model

    pack = cast("MegPack", load_pack(start, model.device))
    check_model(model, pack.model_name, pack.fingerprint)
    return pack


def _resumed_run(
    out: Path, edit_set: EditSet, told: dict[str, Any], model: str, fingerprint: str, seed: int
) -> RunFolder:
    """The interrupted run of the same training beside `out`, or a new one in its place."""
    place = out.parent / f".{out.name}.training"
    if place.is_dir():
        for folder in place.iterdir():
            run = RunFolder.open(folder)
            same = (run.config.settings, run.config.model_fingerprint, run.config.seed) == (told, fingerprint, seed)
            if same and run.edits() == edit_set:
                say("Going on with the run that was stopped.")
                return run
            if run.state()[0] is RunState.RUNNING:
                raise RunError(f"Another training writes to {out} right now: let it end, or choose another --out.")
        shutil.rmtree(place)
    return RunFolder.create(
        place,
        edit_set,
        name=out.name,
        editor="meg",
        model=model,
        model_fingerprint=fingerprint,
        seed=seed,
        settings=told,
    )


def _sweep_table(layers: Sequence[Mapping[str, float]]) -> list[str]:
    """What a sweep over the layers found, a line a layer; nothing without a sweep."""
    if not layers:
        return []
    names = ("answered", "paraphrased", "kept")
    lines = [f"{'layer':>5}" + "".join(f"{name + ', %':>16}" for name in names) + f"{'norm':>8}"]
    for figure in layers:
        shares = "".join(f"{100 * figure[name]:16.1f}" for name in names)
        lines.append(f"{figure['layer']:5}{shares}{figure['norm']:8.2f}")
    return lines
