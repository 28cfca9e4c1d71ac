"""`meg fit`: train an editor on an edit set. Until the pack is written the run lies beside it, so that it can go on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine import processes
from engine.commands.console import progress, say, stop_at_interrupt
from engine.commands.inputs import read_edit_set
from engine.commands.options import DeviceOption, DtypeOption, ModelOption, refuse
from engine.editors.registry import EditorKind, editor_kind, make_editor
from engine.edits import EditSet, find_conflicts, find_near_duplicates
from engine.meg.settings import CollectionSettings, GateKind, GeneratorSettings, MegSettings
from engine.packs import PackError, check_base_model, check_place, load_pack, pack_hash, read_manifest
from engine.run_folder import RunError, RunFolder, RunState
from engine.runs import ProgressBoard
from engine.setting_fields import help_of, with_values

if TYPE_CHECKING:
    from engine.editor import Pack
    from engine.language_model import LanguageModel

AUTOMATIC = "auto"
AS_PRESET = "as the preset"
NEURONS = "collection.neurons"
NEAR_DUPLICATES = 20  # pairs named, at most
PRESET_HELP = "A start for the settings: `meg editors NAME` lists an editor's presets."
PATHS: Mapping[str, str] = {
    "--layer": "layer",
    "--encoder": "encoder",
    "--gate": "gate",
    "--generator": "generator.kind",
    "--neurons": "collection.neurons",
    "--chat": "chat",
}
"""Options for settings that are often given, and where in the settings they are."""
OF_THE_START = ("--preset", *PATHS)  # a pack's own settings
STARTED = "the settings of the pack given with --start hold: leave it out."
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
    editor: Annotated[str, typer.Option(help="The method: `meg editors` lists them.")] = "meg",
    preset: Annotated[str, typer.Option(help=PRESET_HELP)] = "balanced",
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Any setting of the editor: `meg editors NAME` lists them. Repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pack.")] = 0,
    layer: Annotated[
        int | None,
        typer.Option(parser=_layer, metavar="N|auto", help=help_of(MegSettings, "layer")),
    ] = None,
    encoder: Annotated[str | None, typer.Option(help=help_of(MegSettings, "encoder"), show_default=AS_PRESET)] = None,
    gate: Annotated[GateKind | None, typer.Option(help=help_of(MegSettings, "gate"), show_default=AS_PRESET)] = None,
    generator: Annotated[
        Literal["transformer", "mlp", "stored"] | None,
        typer.Option(help=help_of(GeneratorSettings, "kind"), show_default=AS_PRESET),
    ] = None,
    chat: Annotated[
        bool | None,
        typer.Option("--chat/--no-chat", help=help_of(MegSettings, "chat")),
    ] = None,
    neurons: Annotated[
        int | None,
        typer.Option(min=1, max=16, help=help_of(CollectionSettings, "neurons"), show_default=AS_PRESET),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="A pack to go on from: what is new or has changed is learnt, with that pack's settings."),
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Train an editor on an edit set and write a pack. A run that was stopped goes on where it stopped."""
    check_place(out)
    kind = editor_kind(editor)
    given = {
        path: value
        for path, value in zip(PATHS.values(), (layer, encoder, gate, generator, neurons, chat), strict=True)
        if value is not None
    }
    if start is not None:
        if not kind.grows:
            refuse(ctx, ["--start"], f"the editor “{editor}” cannot go on from a pack: train it from the start.")
        refuse(ctx, OF_THE_START, STARTED)
        if values:
            raise typer.BadParameter(STARTED, ctx=ctx, param_hint="--set")
        _check_start(start, out, kind)
    settings = _settings(ctx, kind, preset, given, values or ())
    edit_set = read_edit_set(edits)
    _name_conflicts(edit_set)
    from engine.editors.learnable import memory_stated
    from engine.language_model import load
    from engine.model_check import check_model
    from engine.model_files import ModelError

    neurons_each = settings.collection.neurons if NEURONS in kind.described(settings) else 1
    target = processes.take_device(device)
    check = check_model(
        model, device=target, dtype=dtype, edits=len(edit_set.enabled()), neurons=neurons_each, runs=out
    )
    if check.obstacle:
        raise ModelError(check.obstacle)
    language_model = load(model, device=target, dtype=dtype)
    _name_long_objects(edit_set, language_model)
    say(f"{len(edit_set.enabled()):,} edits on “{model}”, {language_model.device}, {language_model.model.dtype}.")
    method: Any = make_editor(editor, settings)  # of those that grow, `fit` takes a start too
    known = {} if start is None else {"start": _known_pack(start, language_model)}
    if not processes.is_main():
        with stop_at_interrupt() as cancel:
            method.fit(language_model, edit_set, progress=ProgressBoard(), cancel=cancel, seed=seed, **known)
        return
    told = json.loads(json.dumps(dataclasses.asdict(settings))) | ({} if start is None else {"start": pack_hash(start)})
    run = _resumed_run(out, edit_set, told, editor, model, language_model.fingerprint(), seed)
    need = memory_stated(method, language_model, edit_set.enabled())
    if need is not None:
        say(f"{kind.title} takes at most {need / 2**20:,.0f} MiB beside the model.")
    with progress(method.stages()) as board, stop_at_interrupt() as cancel, run.training():
        pack = method.fit(language_model, edit_set, progress=board, cancel=cancel, seed=seed, run=run.folder, **known)
        pack.save(out)
    shutil.rmtree(run.folder.parent)
    figures: dict[str, Any] = dict(read_manifest(out).figures)
    for line in _sweep_table(figures.get("layers", ())):
        say(line)
    print(json.dumps({"pack": str(out), **figures}, ensure_ascii=False))


def _settings(
    ctx: typer.Context, kind: EditorKind, preset: str, given: Mapping[str, Any], values: Sequence[str]
) -> Any:
    """The settings of `kind`: those of the preset, what options gave by path, and what `--set` did.

    Raises SettingError for a value that is refused; words that mean nothing to this editor end the command.
    """
    if preset != "balanced" and preset not in kind.presets:
        told = f"the editor “{kind.name}” has the presets {', '.join(kind.presets)}, and no “{preset}”."
        raise typer.BadParameter(told, ctx=ctx, param_hint="--preset")
    settings = kind.presets.get(preset, kind.usual())[1]()
    known = kind.described(settings)
    changes: dict[str, Any] = {}
    for option, path in PATHS.items():
        if path in given and path not in known and not (path == "layer" and kind.layered):
            told = f"the editor “{kind.name}” has no such setting: leave it out."
            raise typer.BadParameter(told, ctx=ctx, param_hint=option)
        if path in given:
            changes[path] = given[path]
    for pair in values:
        path, equals, text = pair.partition("=")
        path = path.strip()
        if not equals or path not in known:
            told = f"“{pair}” names no setting of the editor “{kind.name}”: `meg editors {kind.name}` lists them."
            raise typer.BadParameter(told, ctx=ctx, param_hint="--set")
        if path in changes:
            raise typer.BadParameter(f"“{path}” is given twice: leave one of them out.", ctx=ctx, param_hint="--set")
        changes[path] = known[path].read(text)
    return with_values(settings, changes)


def _name_conflicts(edit_set: EditSet) -> None:
    """Say which edits contradict or repeat one another, and which may be about one subject spelt in two ways."""
    for conflict in find_conflicts(edit_set.edits):
        told = "contradict one another: one of them will be answered" if conflict.contradiction else "say the same"
        say(f"The edits {', '.join(conflict.edit_ids)} {told}.")
    subjects = {edit.id: edit.subject for edit in edit_set.edits}
    for pair in find_near_duplicates(edit_set.edits)[:NEAR_DUPLICATES]:
        one, other = pair.edit_ids
        say(f"The edits {one} and {other} may be about one subject: “{subjects[one]}”, “{subjects[other]}”.")


def _name_long_objects(edit_set: EditSet, model: LanguageModel) -> None:
    """Say which new objects are longer than any that was learnt here."""
    for edit in edit_set.enabled():
        tokens = model.tokens_of(edit.new_object)
        if tokens > LONG_OBJECT:
            say(
                f"The new object of {edit.id} is {tokens:,} tokens long, longer than anything learnt here: "
                "shorten it if it is not learnt."
            )


def _check_start(start: Path, out: Path, kind: EditorKind) -> None:
    """Raise PackError where `kind` cannot go on from the pack `start`, or where that would be overwritten."""
    made_by = read_manifest(start).editor
    if made_by != kind.name:
        raise PackError(
            f"The pack {start} was made by the editor “{made_by}”, and “{kind.name}” cannot go on from it: give a pack "
            "of the same editor."
        )
    if out.resolve() == start.resolve():
        raise PackError(f"{out} is the pack to go on from: choose another folder for --out, so that both are kept.")


def _known_pack(start: Path, model: LanguageModel) -> Pack:
    """The pack to go on from, on the model's device; raises PackError where it was trained on another model."""

    identity = read_manifest(start).model
    check_base_model(model, identity.name, identity.fingerprint)
    return load_pack(start, model.device)


def _resumed_run(
    out: Path, edit_set: EditSet, told: dict[str, Any], editor: str, model: str, fingerprint: str, seed: int
) -> RunFolder:
    """The interrupted run of the same training beside `out`, or a new one in its place."""
    place = out.parent / f".{out.name}.training"
    if place.is_dir():
        for folder in place.iterdir():
            run = RunFolder.open(folder)
            config = run.config
            same = (config.editor, config.settings, config.model_fingerprint, config.seed) == (
                editor,
                told,
                fingerprint,
                seed,
            )
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
        editor=editor,
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
