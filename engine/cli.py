"""`meg`: the engine from the command line, for servers and scripts.

Results go to standard output, progress and sentences to standard error. Exit codes: 0 done · 1 a fault of the program
· 2 the command's words are off · 3 something that you can mend, said in one sentence · 130 stopped by Ctrl+C (the
same `meg fit` goes on where it stopped).
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine import processes
from engine.edits import EditError, EditSet, find_conflicts, find_near_duplicates
from engine.formats.registry import ReadOptions, read_edits
from engine.formats.registry import convert as convert_file
from engine.formats.source import FormatError
from engine.packs import PackError, check_place, load_pack, read_manifest
from engine.run_folder import RunError, RunFolder, RunState
from engine.runs import Cancel, Cancelled, ProgressBoard

if TYPE_CHECKING:
    from engine.benchmark.shape_cost import ShapeCost
    from engine.editor import Answer, EditedModel
    from engine.evaluation.report import Report
    from engine.language_model import LanguageModel
    from engine.meg.pack import MegPack
    from engine.meg.settings import MegSettings

MENDABLE = 3
INTERRUPTED = 130
AUTOMATIC = "auto"
NEAR_DUPLICATES = 20  # pairs named, at most

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=(__doc__ or "").partition("\n")[0]
)

ModelOption = Annotated[str, typer.Option("--model", help="“embedded”, a folder, or a cached Hugging Face name.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
DtypeOption = Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def main() -> None:
    """Run `meg`; what the user can mend is one sentence and exit code 3."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # a bar for every file loaded, before `meg` has its own
    # Spinning while threads wait for each other makes a training several times as slow on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except Cancelled:
        _say("Stopped.")
        sys.exit(INTERRUPTED)
    except _mendable() as error:
        print(error, file=sys.stderr)  # of several processes, it may be this one alone that cannot go on
        sys.exit(MENDABLE)


def _mendable() -> tuple[type[Exception], ...]:
    """The errors whose message is a sentence for the user; torch is loaded only once something went wrong."""
    from assets.catalogue import CatalogueError
    from engine.checkpoints import CheckpointError

    plain: tuple[type[Exception], ...] = (EditError, FormatError, PackError, RunError, CheckpointError, CatalogueError)
    if "torch" not in sys.modules:
        return plain
    from engine.device import DeviceError
    from engine.language_model import ModelError, QueryError
    from engine.meg.encoder import EncoderError

    return (*plain, DeviceError, ModelError, QueryError, EncoderError)


def _layer(text: str) -> int | str:
    if text != AUTOMATIC and not text.isdecimal():
        raise typer.BadParameter(f"“{text}” is neither the number of a layer nor “{AUTOMATIC}”.")
    return text if text == AUTOMATIC else int(text)


@app.command()
@processes.joined()
def fit(
    edits: Annotated[Path, typer.Argument(help="An edit set in any known format.")],
    out: Annotated[Path, typer.Option("--out", help="Where the pack goes.")],
    model: ModelOption = "embedded",
    seed: Annotated[int, typer.Option(help="The same seed gives the same pack.")] = 0,
    layer: Annotated[
        int | None,
        typer.Option(
            parser=_layer, metavar="N|auto", help="The FFN block to edit, or a sweep (default: the one in the middle)."
        ),
    ] = None,
    encoder: Annotated[str, typer.Option(help="“embedded”, a folder, or a cached name.")] = "embedded",
    gate: Annotated[Literal["fused", "entropy"], typer.Option(help="The calibrated gate, or the paper's.")] = "fused",
    generator: Annotated[
        Literal["transformer", "mlp", "stored"], typer.Option(help="What makes the neurons, or keeps them.")
    ] = "transformer",
    chat: Annotated[
        bool | None,
        typer.Option("--chat/--no-chat", help="Ask through the model's chat template (default: where it has one)."),
    ] = None,
    neurons: Annotated[int, typer.Option(min=1, max=16, help="Neurons an edit; more for long new objects.")] = 1,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Train MeG on an edit set and write a pack. A run that was stopped goes on where it stopped."""
    check_place(out)
    edit_set = _read(edits)
    _name_conflicts(edit_set)
    from engine.language_model import load
    from engine.meg.editor import MegEditor
    from engine.meg.settings import MegSettings

    settings = MegSettings(layer=layer, encoder=encoder, gate=gate, chat=chat)
    settings = dataclasses.replace(
        settings,
        collection=dataclasses.replace(settings.collection, neurons=neurons),
        generator=dataclasses.replace(settings.generator, kind=generator),
    )
    language_model = load(model, device=processes.take_device(device), dtype=dtype)
    _name_long_objects(edit_set, language_model)
    _say(f"{len(edit_set.enabled()):,} edits on “{model}”, {language_model.device}, {language_model.model.dtype}.")
    editor = MegEditor(settings)
    if not processes.is_main():
        with _stop_at_interrupt() as cancel:
            editor.fit(language_model, edit_set, progress=ProgressBoard(), cancel=cancel, seed=seed)
        return
    run = _resumed_run(out, edit_set, settings, model, language_model.fingerprint(), seed)
    with _progress(editor.stages()) as board, _stop_at_interrupt() as cancel, run.training():
        pack = editor.fit(language_model, edit_set, progress=board, cancel=cancel, seed=seed, run=run.folder)
        pack.save(out)
    shutil.rmtree(run.folder.parent)
    for line in _sweep_table(pack.figures.get("layers", ())):
        _say(line)
    print(json.dumps({"pack": str(out), **pack.figures}, ensure_ascii=False))


@app.command()
def ask(
    pack: Annotated[Path, typer.Argument(help="A pack that `meg fit` or the studio wrote.")],
    queries: Annotated[list[str], typer.Argument(help="The questions.")],
    model: Annotated[str | None, typer.Option("--model", help="Another place of the model it was trained on.")] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Ask the original and the edited model."""
    edited, _ = _attached(pack, model, device, dtype)
    for answer in edited.answer(queries):
        if as_json:
            print(json.dumps(_as_json(answer), ensure_ascii=False))
        else:
            routing = answer.routing
            decision = f"about edit {routing.nearest_edit}" if routing.routed else "about no edit"
            print(f"{answer.query}\n  original: {answer.original}\n  edited:   {answer.edited}")
            print(f"  familiarity {routing.familiarity:.3f}, {decision}")


@app.command()
def evaluate(
    pack: Annotated[Path, typer.Argument(help="A pack.")],
    edits: Annotated[Path | None, typer.Argument(help="Edits to measure on (default: the pack's own).")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Another place of the model it was trained on.")] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
    wrong: Annotated[Path | None, typer.Option(help="Write what was answered wrongly to this JSONL file.")] = None,
) -> None:
    """Measure Reliability, Generality, Locality and Score of a pack."""
    edited, stored = _attached(pack, model, device, dtype)
    from engine.evaluation.report import evaluate as measure

    edit_set = stored.edit_set if edits is None else _read(edits)
    with _progress(("Evaluation",)) as board, _stop_at_interrupt() as cancel:
        report = measure(edited, edit_set, cancel=cancel, report=lambda step, of: board.report("Evaluation", step, of))
    if wrong is not None:
        lines = [json.dumps(dataclasses.asdict(query), ensure_ascii=False) + "\n" for query in report.wrong]
        try:
            wrong.write_text("".join(lines), encoding="utf-8")
        except OSError as error:
            raise FormatError(f"{wrong} cannot be written: {error.strerror}.") from error
    print(json.dumps(_figures(report)) if as_json else _table(report))


@app.command()
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
    _account(done.imported.rejections, done.imported.notes)
    _account(done.written.left_out, done.written.notes)
    counts = {"rows": done.imported.rows, "accepted": done.imported.accepted, "rejected": done.imported.rejected}
    print(json.dumps({**counts, "written": done.written.rows, "file": str(target)}))


@app.command()
def bench(
    edits: Annotated[int, typer.Option(help="How many edits are drawn.", min=2)] = 1_024,
    seeds: Annotated[int, typer.Option(help="How often everything is drawn and trained anew.", min=1)] = 3,
    recipes: Annotated[str, typer.Option(help="What is compared, between commas.")] = "meg,paper,mlp,stored,retrieval",
    counterfact: Annotated[Path | None, typer.Option(help="Draw from this file of CounterFact records.")] = None,
    zsre: Annotated[Path | None, typer.Option(help="Draw from this file of zsRE records.")] = None,
    shape: Annotated[
        str | None, typer.Option(help="Only time a training on random weights: phi-2, gpt-j, llama-3-8b or qwen2.5-7b.")
    ] = None,
    scale: Annotated[float, typer.Option(help="With --shape: layers, heads and vocabulary times this.")] = 1.0,
    paper_minutes: Annotated[
        float | None, typer.Option(help="How long the paper's generator trains (default: as long as “meg” takes).")
    ] = None,
    model: ModelOption = "embedded",
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything measured to this file.")] = None,
) -> None:
    """Train and measure on edits of facts that the embedded model knows, and compare recipes."""
    from engine.benchmark import bench as benchmark
    from engine.benchmark.recipes import choose_recipes
    from engine.benchmark.report import Trial, summarise, write_json
    from engine.language_model import load

    plan = benchmark.Plan(edits, seeds, choose_recipes(recipes), counterfact, zsre, paper_minutes)
    if json_file is not None and not json_file.parent.is_dir():
        raise FormatError(f"{json_file} cannot be written: there is no folder {json_file.parent}.")
    edit_set = plan.edit_set(0)  # what is amiss with the edits is said before anything is loaded
    if shape is not None:
        cost = _shape_cost(shape, scale, edit_set, device, dtype)
        if json_file is not None:
            write_json(json_file, {**plan.as_json(), "shape": shape, "scale": scale}, cost.machine, [cost])
        print(cost.table())
        return
    language_model = load(model, device=device, dtype=dtype)
    trials: list[Trial] = []
    with _stop_at_interrupt() as cancel:
        for trial in benchmark.bench(language_model, plan, watch=_progress, cancel=cancel):
            trials.append(trial)
            _say(f"Recipe “{trial.recipe}”, seed {trial.seed}: Score {100 * (trial.report.score() or 0):.2f}.")
            if json_file is not None:  # after each: a benchmark that is stopped keeps what it has
                write_json(json_file, plan.as_json(), benchmark.machine(language_model), trials)
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
    with _progress(STAGES) as board, _stop_at_interrupt() as cancel:
        return measure_shape(chosen, edit_set, scale=scale, device=target, number=number, board=board, cancel=cancel)


@app.command()
def models() -> None:
    """List the models and devices at hand."""
    from engine.device import available_devices
    from engine.language_model import available

    for choice in available():
        print(f"{choice.name}\t{'complete' if choice.complete else 'incomplete'}\t{choice.path}")
    print(f"devices\t{', '.join(available_devices())}")


def _read(path: Path) -> EditSet:
    """The edits of a file; rejected rows are named on standard error and the rest is used."""
    from assets import catalogue

    imported = read_edits(path, relations=catalogue.relations())
    _account(imported.rejections, imported.notes)
    if imported.rejections:
        _say(imported.summary())
    if not imported.edit_set.edits:
        raise FormatError(f"{imported.summary()} There is no edit to work with.")
    return imported.edit_set


def _name_conflicts(edit_set: EditSet) -> None:
    """Say which edits contradict or repeat one another, and which may be about one subject spelt in two ways."""
    for conflict in find_conflicts(edit_set.edits):
        told = "contradict one another: one of them will be answered" if conflict.contradiction else "say the same"
        _say(f"The edits {', '.join(conflict.edit_ids)} {told}.")
    subjects = {edit.id: edit.subject for edit in edit_set.edits}
    for pair in find_near_duplicates(edit_set.edits)[:NEAR_DUPLICATES]:
        one, other = pair.edit_ids
        _say(f"The edits {one} and {other} may be about one subject: “{subjects[one]}”, “{subjects[other]}”.")


def _name_long_objects(edit_set: EditSet, model: LanguageModel) -> None:
    """Say which edits one neuron will hardly hold."""
    from engine.language_model import LONG_OBJECT

    for edit in edit_set.enabled():
        tokens = model.tokens_of(edit.new_object)
        if tokens > LONG_OBJECT:
            _say(
                f"The new object of {edit.id} is {tokens:,} tokens long: one neuron seldom learns more than "
                f"{LONG_OBJECT}; try --neurons 4, or shorten it."
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


def _resumed_run(
    out: Path, edit_set: EditSet, settings: MegSettings, model: str, fingerprint: str, seed: int
) -> RunFolder:
    """The interrupted run of the same training beside `out`, or a new one in its place."""
    place = out.parent / f".{out.name}.training"
    told = json.loads(json.dumps(dataclasses.asdict(settings)))
    if place.is_dir():
        for folder in place.iterdir():
            run = RunFolder.open(folder)
            same = (run.config.settings, run.config.model_fingerprint, run.config.seed) == (told, fingerprint, seed)
            if same and run.edits() == edit_set:
                _say("Going on with the run that was stopped.")
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


def _attached(folder: Path, model: str | None, device: str, dtype: str) -> tuple[EditedModel, MegPack]:
    """The edited model of a pack, and the pack."""
    from engine.language_model import load

    language_model = load(model or read_manifest(folder).model.name, device=device, dtype=dtype)
    pack: Any = load_pack(folder, language_model.device)
    return pack.attach(language_model), pack


def _as_json(answer: Answer) -> dict[str, Any]:
    routing = answer.routing
    return {
        "query": answer.query,
        "original": answer.original,
        "edited": answer.edited,
        "familiarity": round(routing.familiarity, 6),
        "routed": routing.routed,
        "nearest_edit": routing.nearest_edit,
        "similarity": round(routing.similarity, 6),
        "entropy": round(routing.entropy, 6),
        "threshold": round(routing.threshold, 6),
    }


def _figures(report: Report) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "reliability": dataclasses.asdict(report.reliability),
        "generality": dataclasses.asdict(report.generality),
        "locality": {kind: dataclasses.asdict(measured) for kind, measured in report.locality.items()},
    }
    figures["locality"]["mean"] = dict(zip(("ag", "tf"), report.mean_locality(), strict=True))
    return {**figures, "score": report.score()}


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


def _account(rejections: Sequence[object], notes: Sequence[str]) -> None:
    for sentence in (*map(str, rejections), *notes):
        _say(sentence)


def _say(sentence: str) -> None:
    if processes.is_main():
        print(sentence, file=sys.stderr)


@contextmanager
def _stop_at_interrupt() -> Iterator[Cancel]:
    """A Cancel that Ctrl+C sets; a second Ctrl+C ends the program at once."""
    cancel = Cancel()

    def stop(*_: object) -> None:
        _say("Stopping after this step …")
        cancel.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield cancel
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress(stages: Sequence[str]) -> Iterator[ProgressBoard]:
    """A board whose progress is drawn on standard error, a bar a stage."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    board, done = ProgressBoard(), threading.Event()
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console) as bars:
        tasks = {stage: bars.add_task(stage, total=1, figures="") for stage in stages}

        def draw() -> None:
            now = board.latest()
            if now.stage in tasks:
                loss = "" if now.loss is None else f"loss {now.loss:.3f}  "
                answered = "" if now.answered is None else f"answered {100 * now.answered:.1f} %"
                bars.update(tasks[now.stage], completed=now.step, total=max(now.of, 1), figures=loss + answered)

        def watch() -> None:
            while not done.wait(0.2):
                draw()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield board
        finally:
            done.set()
            watcher.join()
            draw()


if __name__ == "__main__":
    main()
