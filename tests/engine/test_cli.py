"""Every command of `meg`, with its exit codes and what goes to which stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from engine import cli
from engine.benchmark import bench
from engine.benchmark.recipes import settings_of
from engine.commands import fit as fit_command
from engine.commands import inputs
from engine.editors.registry import EDITORS
from engine.edits import Edit, EditSet
from engine.formats import jsonl
from engine.formats.registry import read_edits
from engine.language_model import LanguageModel
from engine.meg import gate_training, settings
from engine.meg.pack import MegPack
from engine.pack_archive import write_archive
from engine.packs import ModelIdentity, read_manifest, write_pack
from engine.run_folder import RunFolder, RunState
from engine.runs import Cancelled
from tests.engine.editors.nearest import kept
from tests.engine.quick import sample_edits
from tests.engine.quick_meg import QuickSettings
from tests.tiny_models import tiny_model

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    def sentence(self) -> str:
        """The one line that went to standard error, nothing having gone to standard output."""
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        return self.err.strip()


Meg = Callable[..., Said]


@pytest.fixture
def meg(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Meg:
    """`meg` in this process, with quick trainings."""
    monkeypatch.setitem(settings.PRESETS, "balanced", ("", QuickSettings))  # type: ignore[arg-type]
    monkeypatch.setenv("COLUMNS", "120")

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["meg", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capfd.readouterr()
        return Said(int(ended.value.code or 0), told.out, told.err)

    return run


@pytest.fixture(scope="module")
def edits_file(edits: EditSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("edits") / "edits.jsonl"
    jsonl.write(edits, path)
    return path


@pytest.fixture(scope="module")
def saved(pack: MegPack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good pack on disk."""
    folder = tmp_path_factory.mktemp("packs") / "pack"
    pack.save(folder)
    return folder


@pytest.fixture(scope="module")
def made(model: LanguageModel, edits: EditSet, encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pack of each editor that changes the question."""
    folder = tmp_path_factory.mktemp("others")
    for name in ("plain-retrieval", "ike", "memprompt"):
        kept(name, model, edits, encoder).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def fitted(
    edits_file: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A pack that `meg fit` wrote without being disturbed, and what it said."""
    out = tmp_path_factory.mktemp("fitted") / "pack"
    return out, process("fit", edits_file, "--out", out, "--encoder", encoder, "--seed", 3)


def process(*words: object, stop: str | None = None) -> subprocess.CompletedProcess[str]:
    """`meg` in a process of its own, with quick trainings."""
    return subprocess.run(
        [sys.executable, "-m", "tests.engine.quick_meg", *map(str, words)],
        capture_output=True,
        check=False,
        text=True,
        cwd=ROOT,
        timeout=300,
        env=os.environ | ({} if stop is None else {"QUICK_MEG_STOP": stop}),
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestFit:
    def test_a_pack_is_written_and_its_figures_told(
        self, fitted: tuple[Path, subprocess.CompletedProcess[str]], edits: EditSet, encoder: Path
    ) -> None:
        out, told = fitted
        assert told.returncode == 0, told.stderr
        (line,) = told.stdout.splitlines()
        figures = json.loads(line)
        assert figures["pack"] == str(out)
        assert figures["edits"] == len(edits.edits)
        assert 0 <= figures["answered"] <= 1
        for said in (
            "12 edits on “embedded”, cpu, torch.float32.",
            "Encoder",
            "Collection",
            "Gate",
            "Generator",
            "Check",
        ):
            assert said in told.stderr
        manifest = read_manifest(out)
        assert (manifest.seed, manifest.model.name, manifest.settings["encoder"]) == (3, "embedded", str(encoder))
        assert os.listdir(out.parent) == ["pack"]  # no run is left behind

    def test_stopped_and_killed_it_goes_on_to_the_same_bytes(
        self,
        fitted: tuple[Path, subprocess.CompletedProcess[str]],
        edits_file: Path,
        encoder: Path,
        tmp_path: Path,
    ) -> None:
        out = tmp_path / "pack"
        words = ("fit", edits_file, "--out", out, "--encoder", encoder, "--seed", 3)
        killed = process(*words, stop="kill collection 8")
        assert killed.returncode not in (0, cli.INTERRUPTED, cli.MENDABLE)
        assert killed.stdout == ""
        (run,) = (tmp_path / ".pack.training").iterdir()
        assert RunFolder.open(run).state()[0] is RunState.INTERRUPTED

        stopped = process(*words, stop="interrupt collection 12")
        assert stopped.returncode == cli.INTERRUPTED, stopped.stderr
        assert stopped.stdout == ""
        assert stopped.stderr.count("Going on with the run that was stopped.") == 1
        assert stopped.stderr.splitlines()[-1] == "Stopped."
        assert "Traceback" not in stopped.stderr
        assert not out.exists()

        killed = process(*words, stop="kill generator training 20")
        assert killed.returncode not in (0, cli.INTERRUPTED, cli.MENDABLE)
        finished = process(*words)
        assert finished.returncode == 0, finished.stderr
        assert "Going on with the run that was stopped." in finished.stderr
        assert files(out) == files(fitted[0])
        assert os.listdir(tmp_path) == ["pack"]

    def test_another_training_does_not_go_on_with_it(
        self, meg: Meg, edits_file: Path, edits: EditSet, encoder: Path, model: LanguageModel, tmp_path: Path
    ) -> None:
        place = tmp_path / ".pack.training"
        left = RunFolder.create(
            place, edits, name="pack", editor="meg", model="embedded", model_fingerprint="0" * 64, seed=3, settings={}
        )
        assert left.folder.is_dir()
        few = tmp_path / "few.jsonl"
        jsonl.write(EditSet("few", edits.edits[:2], edits.relations), few)
        told = meg("fit", few, "--out", tmp_path / "pack", "--encoder", encoder)
        assert told.code == 0
        assert "Going on" not in told.err
        assert not place.exists()
        assert json.loads(told.out)["edits"] == 2

    def test_a_training_that_is_under_way_is_left_alone(
        self, meg: Meg, edits_file: Path, edits: EditSet, encoder: Path, tmp_path: Path
    ) -> None:
        place = tmp_path / ".pack.training"
        busy = RunFolder.create(
            place, edits, name="pack", editor="meg", model="embedded", model_fingerprint="0" * 64, seed=3, settings={}
        )
        with busy.training():
            told = meg("fit", edits_file, "--out", tmp_path / "pack", "--encoder", encoder)
        assert told.code == cli.MENDABLE
        assert "right now" in told.err.splitlines()[-1]
        assert busy.folder.is_dir()

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("", "is empty"),
            ("{not json", "edits.jsonl"),
            ('{"format": "meg-edits", "version": 99}\n', "version 99"),
            ("\x00\x01\x02", "edits.jsonl"),
        ],
    )
    def test_a_bad_file_is_one_sentence(self, meg: Meg, tmp_path: Path, content: str, words: str) -> None:
        path = tmp_path / "edits.jsonl"
        path.write_text(content)
        told = meg("fit", path, "--out", tmp_path / "pack")
        assert told.code == cli.MENDABLE
        assert words in told.sentence()
        assert not (tmp_path / "pack").exists()

    def test_edits_that_contradict_or_resemble_one_another_are_named(
        self, meg: Meg, edits: EditSet, tmp_path: Path
    ) -> None:
        few = [
            Edit("one", "Oslo lies in", "Kenya", subject="Oslo", relation="P17"),
            Edit("two", "Oslo is a city in", "Peru", subject="Oslo", relation="P17"),
            Edit("three", "Johannesburg lies in", "Peru", subject="Johannesburg", relation="P17"),
            Edit("four", "Johannesborg lies in", "Peru", subject="Johannesborg", relation="P17"),
        ]
        jsonl.write(EditSet("few", tuple(few), edits.relations), tmp_path / "few.jsonl")
        told = meg("fit", tmp_path / "few.jsonl", "--out", tmp_path / "pack", "--model", tmp_path / "none")
        assert told.code == cli.MENDABLE  # there is no such model: what is said before it is loaded is enough here
        assert "The edits one, two contradict one another" in told.err
        assert "three and four may be about one subject" in told.err
        assert told.err.count("The edits") == 2

    def test_a_file_that_is_not_there(self, meg: Meg, tmp_path: Path) -> None:
        told = meg("fit", tmp_path / "none.jsonl", "--out", tmp_path / "pack")
        assert told.code == cli.MENDABLE
        assert "none.jsonl" in told.sentence()

    def test_rows_that_are_wrong_are_named_and_without_any_right_one_nothing_is_done(
        self, meg: Meg, tmp_path: Path
    ) -> None:
        path = tmp_path / "edits.csv"
        path.write_text("prompt,new_object\nOslo lies in,\n,Peru\n")
        told = meg("fit", path, "--out", tmp_path / "pack")
        assert told.code == cli.MENDABLE
        assert told.out == ""
        assert "There is no edit to work with." in told.err.splitlines()[-1]
        assert len(told.err.splitlines()) >= 3

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (("--model", "nobody/nothing"), "neither “embedded”, nor a folder"),
            (("--device", "tpu"), "no device “tpu” here: choose one of"),
            (("--dtype", "int3"), "no number format of ours"),
        ],
    )
    def test_what_can_be_mended_is_one_sentence(
        self, meg: Meg, edits_file: Path, tmp_path: Path, words: tuple[str, str], sentence: str
    ) -> None:
        told = meg("fit", edits_file, "--out", tmp_path / "pack", *words)
        assert told.code == cli.MENDABLE
        assert sentence in told.sentence()

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [(("--layer", "99"), "Layer 99 does not exist"), (("--encoder", "nobody/none"), "nor a folder, nor in the")],
    )
    def test_what_shows_after_the_model_is_loaded_too(
        self, meg: Meg, edits_file: Path, tmp_path: Path, words: tuple[str, str], sentence: str
    ) -> None:
        told = meg("fit", edits_file, "--out", tmp_path / "pack", *words)
        assert told.code == cli.MENDABLE
        assert told.out == ""
        assert sentence in told.err.splitlines()[-1]
        assert "Traceback" not in told.err

    def test_a_folder_of_something_else_is_refused_before_anything_is_trained(
        self, meg: Meg, edits_file: Path, tmp_path: Path
    ) -> None:
        photos = tmp_path / "photos"
        photos.mkdir()
        (photos / "one.jpg").write_bytes(b"")
        told = meg("fit", edits_file, "--out", photos)
        assert told.code == cli.MENDABLE
        assert "holds something else than a pack" in told.sentence()
        assert os.listdir(tmp_path) == ["photos"]


class TestStart:
    """`meg fit --start`: what is refused before anything is trained."""

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("--layer", "auto"),
            ("--encoder", "embedded"),  # given is given, whatever the default
            ("--gate", "entropy"),
            ("--generator", "stored"),
            ("--neurons", "4"),
            ("--no-chat", None),
        ],
    )
    def test_the_packs_own_settings_cannot_be_changed(
        self, meg: Meg, saved: Path, edits_file: Path, tmp_path: Path, option: str, value: str | None
    ) -> None:
        words = [option] if value is None else [option, value]
        told = meg("fit", edits_file, "--out", tmp_path / "pack", "--start", saved, *words)
        assert told.code == 2
        assert told.out == ""
        assert f"Invalid value for {option.replace('no-', '')}: the settings of the pack" in told.err

    def test_it_is_not_overwritten(self, meg: Meg, saved: Path, edits_file: Path) -> None:
        before = files(saved)
        told = meg("fit", edits_file, "--out", saved.parent / "." / saved.name, "--start", saved)
        assert told.code == cli.MENDABLE
        assert "choose another folder for --out" in told.sentence()
        assert files(saved) == before

    def test_another_editors_pack_is_refused_before_a_model_is_loaded(
        self, meg: Meg, edits_file: Path, edits: EditSet, tmp_path: Path
    ) -> None:
        other = tmp_path / "other"
        whose = ModelIdentity(name="embedded", fingerprint="0" * 64)
        write_pack(
            other, editor="retrieval", model=whose, seed=0, settings={}, state={}, figures={}, tensors={}, edits=edits
        )
        told = meg("fit", edits_file, "--out", tmp_path / "pack", "--start", other, "--model", tmp_path / "none")
        assert told.code == cli.MENDABLE
        assert "was made by the editor “retrieval”, and “meg” cannot go on from it" in told.sentence()

    def test_with_another_model_the_run_that_was_stopped_stays(
        self, meg: Meg, saved: Path, edits_file: Path, edits: EditSet, tmp_path: Path
    ) -> None:
        stopped = RunFolder.create(
            tmp_path / ".pack.training",
            edits,
            name="pack",
            editor="meg",
            model="embedded",
            model_fingerprint="0" * 64,
            seed=0,
            settings={},
        )
        other = tiny_model()
        for part in (other.model, other.tokenizer):
            part.save_pretrained(tmp_path / "model")
        told = meg("fit", edits_file, "--out", tmp_path / "pack", "--start", saved, "--model", tmp_path / "model")
        assert told.code == cli.MENDABLE
        assert "has other weights: load the model it was trained on." in told.err.splitlines()[-1]
        assert stopped.folder.is_dir()


def test_long_new_objects_are_named(model: LanguageModel, capsys: pytest.CaptureFixture[str]) -> None:
    short, long = Edit("short", "Oslo lies in", "Peru"), Edit("long", "Oslo lies in", "Peru and Kenya " * 60)
    fit_command._name_long_objects(EditSet("two", (short, long)), model)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("The new object of long is ")


class TestOtherEditors:
    """`meg fit --editor`, and the commands that take a pack, with editors that are not MeG."""

    def test_a_pack_is_written_with_the_settings_that_were_set(
        self, meg: Meg, edits_file: Path, edits: EditSet, encoder: Path, tmp_path: Path
    ) -> None:
        words = ("--editor", "ike", "--encoder", encoder, "--set", "copy=0", "--set", "update=1", "--set", "retain=2")
        told = meg("fit", edits_file, "--out", tmp_path / "pack", "--seed", 5, *words)
        assert told.code == 0, told.err
        assert json.loads(told.out) == {"pack": str(tmp_path / "pack"), "edits": 12, "pool": 12}
        assert "Demonstrations" in told.err
        manifest = read_manifest(tmp_path / "pack")
        assert (manifest.editor, manifest.seed) == ("ike", 5)
        assert manifest.settings == {"encoder": str(encoder), "copy": 0, "update": 1, "retain": 2, "chat": False}
        assert os.listdir(tmp_path) == ["pack"]

    def test_a_preset_of_the_editors_own(self, meg: Meg, edits_file: Path, tmp_path: Path) -> None:
        words = ("--editor", "memprompt", "--preset", "letters", "--set", "distance=3")
        assert meg("fit", edits_file, "--out", tmp_path / "pack", *words).code == 0
        settings = read_manifest(tmp_path / "pack").settings
        assert (settings["lookup"], settings["distance"]) == ("letters", 3)

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (("--editor", "ike", "--layer", "3"), "for --layer: the editor “ike” has no such setting"),
            (("--editor", "ike", "--gate", "fused"), "for --gate: the editor “ike” has no such setting"),
            (("--editor", "retrieval", "--neurons", "2"), "for --neurons: the editor “retrieval” has no such"),
            (("--editor", "retrieval", "--layer", "3"), "for --layer: the editor “retrieval” has no such"),
            (("--editor", "memprompt", "--preset", "paper"), "for --preset: the editor “memprompt” has the presets"),
            (("--editor", "ike", "--set", "steps=3"), "for --set: “steps=3” names no setting of the editor “ike”"),
            (("--set", "copy=3"), "“copy=3” names no setting of the editor “meg”: `meg editors meg` lists them"),
            (("--editor", "ike", "--set", "copy"), "“copy” names no setting"),
            (("--neurons", "2", "--set", "collection.neurons=3"), "“collection.neurons” is given twice"),
            (("--editor", "retrieval", "--start", "pack"), "for --start: the editor “retrieval” cannot go on"),
        ],
    )
    def test_words_that_mean_nothing_to_the_editor_are_refused(
        self, meg: Meg, edits_file: Path, tmp_path: Path, words: tuple[str, ...], sentence: str
    ) -> None:
        told = meg("fit", edits_file, "--out", tmp_path / "pack", *words)
        assert told.code == 2
        assert told.out == ""
        assert sentence in " ".join(told.err.replace("│", " ").split())

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (("--editor", "nonesuch"), "There is no editor “nonesuch”: choose among meg,"),
            (("--editor", "ike", "--set", "copy=many"), "“copy demonstrations” takes a whole number."),
            (("--editor", "ike", "--set", "copy=-1"), "“copy demonstrations” is 0 to 256: -1 is too little."),
            (("--editor", "memprompt", "--set", "lookup=eye"), "“lookup” is “meaning” or “letters”: “eye” is none"),
            (("--set", "prompt_alone=perhaps"), "“prompt alone” takes yes or no."),
        ],
    )
    def test_values_that_are_refused_are_refused_in_a_sentence(
        self, meg: Meg, edits_file: Path, tmp_path: Path, words: tuple[str, ...], sentence: str
    ) -> None:
        told = meg("fit", edits_file, "--out", tmp_path / "pack", *words)
        assert told.code == cli.MENDABLE
        assert sentence in told.sentence()

    def test_going_on_from_a_pack(self, meg: Meg, made: Path, edits_file: Path, tmp_path: Path) -> None:
        words = ("fit", edits_file, "--out", tmp_path / "pack", "--editor", "memprompt", "--start")
        told = meg(*words, made / "memprompt")
        assert told.code == 0, told.err
        assert read_manifest(tmp_path / "pack").settings == read_manifest(made / "memprompt").settings
        refused = meg(*words, made / "ike")
        assert refused.code == cli.MENDABLE
        assert "was made by the editor “ike”" in refused.sentence()
        assert "--set: the settings of the pack" in meg(*words, made / "memprompt", "--set", "similarity=1").err

    def test_a_question_without_a_gate_has_no_familiarity(self, meg: Meg, made: Path, edits: EditSet) -> None:
        told = meg("ask", made / "ike", edits.edits[0].prompt)
        assert told.out.splitlines()[-1] == "  familiarity –, every question meets the edits"
        row = json.loads(meg("ask", made / "ike", edits.edits[0].prompt, "--json").out)
        names = ("familiarity", "routed", "nearest_edit", "similarity", "entropy", "threshold")
        assert [row[name] for name in names] == [None] * 6
        gated = json.loads(meg("ask", made / "plain-retrieval", edits.edits[0].prompt, "--json").out)
        assert gated["nearest_edit"] == edits.edits[0].id

    def test_a_threshold_is_moved_only_where_there_is_a_gate(self, meg: Meg, made: Path) -> None:
        told = meg("ask", made / "plain-retrieval", "Once upon a time", "--threshold", "0.99")
        assert told.out.splitlines()[-1].endswith("about no edit")
        refused = meg("ask", made / "ike", "Once upon a time", "--threshold", "0.5")
        assert refused.code == cli.MENDABLE
        assert "“ike” has no gate" in refused.err.splitlines()[-1]

    def test_an_evaluation_without_a_gate(self, meg: Meg, made: Path, edits: EditSet, tmp_path: Path) -> None:
        few = tmp_path / "few.jsonl"
        jsonl.write(EditSet("few", edits.edits[:2], edits.relations), few)
        told = meg("evaluate", made / "ike", few, "--report", tmp_path / "report.html")
        assert told.code == 0, told.err
        rows = {line[:24].strip(): line[24:].split() for line in told.out.splitlines()}
        assert rows["Reliability"][2:] == ["–", "2"]
        page = (tmp_path / "report.html").read_text("utf-8")
        assert "<h2>Gate</h2>" not in page
        assert '<td dir="auto">ike</td>' in page


class TestEditors:
    def test_each_is_listed_with_what_it_requires_and_how_it_is_undone(self, meg: Meg) -> None:
        told = meg("editors", "--json")
        assert told.code == 0
        rows = {row["name"]: row for row in map(json.loads, told.out.splitlines())}
        assert list(rows) == list(EDITORS)
        assert all(row["requires"] and row["undo"] and row["presets"] for row in rows.values())
        assert rows["ike"]["gate"] is False
        listed = meg("editors").out
        assert all(f"{name}: {kind.title}." in listed for name, kind in EDITORS.items())

    def test_one_is_listed_with_its_settings_as_fit_takes_them(self, meg: Meg) -> None:
        told = meg("editors", "meg").out
        assert "--set generator.kind=transformer (“transformer” or “mlp” or “stored”)" in told
        assert "--set prompt_alone=no " in told
        assert "--layer N|auto" in told
        assert "--set generator.minutes= (0 to 100,000)" in told
        unknown = meg("editors", "paint")
        assert unknown.code == cli.MENDABLE
        assert "There is no editor “paint”" in unknown.sentence()


class TestAsk:
    def test_both_answers_are_told(self, meg: Meg, saved: Path, edits: EditSet) -> None:
        edit = edits.edits[0]
        told = meg("ask", saved, edit.prompt, "Once upon a time there was a")
        assert told.code == 0
        lines = told.out.splitlines()
        assert lines[0] == edit.prompt
        assert lines[2] == f"  edited:   {edit.new_object}"
        assert lines[3].endswith(f", about edit {edit.id}")
        assert lines[4] == "Once upon a time there was a"
        assert lines[5].removeprefix("  original: ") == lines[6].removeprefix("  edited:   ")
        assert lines[7].endswith(", about no edit")
        assert len(lines) == 8

    def test_json_is_one_object_a_query(self, meg: Meg, saved: Path, edits: EditSet, model: LanguageModel) -> None:
        queries = [edit.prompt for edit in edits.edits[:3]]
        told = meg("ask", saved, *queries, "--json")
        assert told.code == 0
        rows = [json.loads(line) for line in told.out.splitlines()]
        assert [row["query"] for row in rows] == queries
        assert [row["original"] for row in rows] == model.answer(queries)
        assert [row["edited"] for row in rows] == [edit.new_object for edit in edits.edits[:3]]
        assert [row["nearest_edit"] for row in rows] == [edit.id for edit in edits.edits[:3]]
        assert set(rows[0]) == {
            "query",
            "original",
            "edited",
            "familiarity",
            "routed",
            "nearest_edit",
            "similarity",
            "entropy",
            "threshold",
            "decoding",
        }
        assert rows[0]["decoding"] == {"temperature": 0.0, "max_new_tokens": 0, "first_sentence": True}
        assert all(row["routed"] is (row["familiarity"] >= row["threshold"]) for row in rows)

    def test_answers_are_drawn_when_asked_for(self, meg: Meg, saved: Path) -> None:
        words = ("ask", saved, "Once upon a time", "--json", "--temperature", "1.5", "--top-k", "50", "--seed", "3")
        told = meg(*words, "--max-new-tokens", "8", "--to-the-end")
        assert told.code == 0
        row = json.loads(told.out)
        assert row["decoding"]["seed"] == 3
        assert row["original"] == row["edited"]
        assert told.out == meg(*words, "--max-new-tokens", "8", "--to-the-end").out
        refused = meg("ask", saved, "x", "--temperature", "-1")
        assert refused.code == cli.MENDABLE
        assert "The temperature -1.0 is out of range" in refused.sentence()

    def test_a_damaged_or_missing_pack(self, meg: Meg, saved: Path, tmp_path: Path) -> None:
        told = meg("ask", tmp_path / "none", "x")
        assert told.code == cli.MENDABLE
        assert "There is no pack" in told.sentence()
        (tmp_path / "pack").mkdir()
        (tmp_path / "pack" / "manifest.json").write_bytes((saved / "manifest.json").read_bytes()[:-9])
        told = meg("ask", tmp_path / "pack", "x")
        assert told.code == cli.MENDABLE
        assert "damaged" in told.sentence()

    def test_another_model(self, meg: Meg, saved: Path, tmp_path: Path) -> None:
        other = tiny_model()
        other.model.save_pretrained(tmp_path)
        other.tokenizer.save_pretrained(tmp_path)
        told = meg("ask", saved, "x", "--model", tmp_path)
        assert told.code == cli.MENDABLE
        assert told.out == ""
        assert "has other weights: load the model it was trained on." in told.err.splitlines()[-1]

    def test_a_question_that_cannot_be_asked(self, meg: Meg, saved: Path) -> None:
        told = meg("ask", saved, "  ")
        assert told.code == cli.MENDABLE
        assert told.out == ""
        assert "The question is empty" in told.err.splitlines()[-1]


class TestEvaluate:
    def test_a_table_of_the_packs_own_edits(self, meg: Meg, saved: Path, tmp_path: Path) -> None:
        told = meg("evaluate", saved, "--wrong", tmp_path / "wrong.jsonl")
        assert told.code == 0
        rows = {line[:24].strip(): line[24:].split() for line in told.out.splitlines()}
        assert rows["per cent"] == ["AG", "TF", "routed", "asked"]
        assert rows["Reliability"] == ["100.00", "100.00", "100.00", "12"]
        assert {"Generality", "Locality, neighbour", "Locality, same-subject", "Locality, mean", "Score"} < set(rows)
        wrong = [json.loads(line) for line in (tmp_path / "wrong.jsonl").read_text("utf-8").splitlines()]
        assert all({"edit", "query", "wanted", "given", "familiarity", "kind"} < set(row) for row in wrong)

    def test_json_on_edits_of_ones_own(self, meg: Meg, saved: Path, tmp_path: Path, edits: EditSet) -> None:
        one = tmp_path / "one.csv"
        one.write_text(f"prompt,new_object\n{edits.edits[0].prompt},{edits.edits[0].new_object}\n")
        told = meg("evaluate", saved, one, "--json")
        assert told.code == 0
        (line,) = told.out.splitlines()
        figures = json.loads(line)
        assert figures["reliability"] == {"ag": 1.0, "tf": 1.0, "routed": 1.0, "asked": 1}
        assert figures["generality"]["ag"] is None
        assert figures["locality"]["mean"] == {"ag": None, "tf": None}
        assert figures["score"] == 1.0

    def test_protocols_stand_in_blocks_of_their_own(
        self, meg: Meg, saved: Path, edits: EditSet, tmp_path: Path
    ) -> None:
        plainly = meg("evaluate", saved)
        named = "counterfact, fluency,portability,perplexity,ability"
        text = tmp_path / "story.txt"
        text.write_text("Once upon a time there was a king.\n")
        told = meg("evaluate", saved, "--protocols", named, "--most", 4, "--text", text)
        assert told.code == 0, told.err
        assert told.out.startswith(plainly.out)
        rows = {line[:28].strip(): line[28:].split() for line in told.out.removeprefix(plainly.out).splitlines()}
        assert {"CounterFact", "Fluency", "Portability", "Perplexity", "Ability"} < set(rows)
        assert rows["ES"] == ["0.00", "%", "100.00", "%", "4"]
        assert rows["Unedited facts"][:2] == ["100.00", "%"]
        assert rows["Alias"] == ["not", "measured"]
        assert rows["story.txt"][2] == "1"

    def test_protocols_in_json_have_their_rows(self, meg: Meg, saved: Path) -> None:
        told = meg("evaluate", saved, "--protocols", "counterfact", "--most", 2, "--json")
        (line,) = told.out.splitlines()
        figures = json.loads(line)
        assert figures["score"] > 0
        (name,) = figures["protocols"]
        assert name == "counterfact"
        rows = figures["protocols"]["counterfact"]["rows"]
        assert len([row for row in rows if row["figure"] == "ES"]) == 2

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--protocols", "chess"), "There is no protocol “chess”: choose among counterfact"),
            (("--text", "a.txt"), "--text is for the protocol perplexity"),
            (("--protocols", "ability", "--task", "nq=missing.jsonl"), "missing.jsonl cannot be read"),
            (("--protocols", "ability", "--task", "chess=a"), "There is no task “chess”"),
            (("--protocols", "perplexity", "--text", "missing.txt"), "missing.txt cannot be read"),
            (("--protocols", "ability", "--harness", "samsum"), "no data for SAMSum"),
        ],
    )
    def test_what_a_protocol_cannot_use_is_told_before_anything_is_asked(
        self, meg: Meg, saved: Path, words: tuple[str, ...], said: str
    ) -> None:
        told = meg("evaluate", saved, *words)
        assert told.code == cli.MENDABLE
        assert said in told.sentence()

    def test_a_report_of_a_pack_that_came_as_a_zip(self, meg: Meg, saved: Path, tmp_path: Path) -> None:
        write_archive(saved, tmp_path / "sent.zip")
        told = meg("evaluate", tmp_path / "sent.zip", "--json", "--report", tmp_path / "report.html")
        assert told.code == 0
        assert "report.html" in told.err
        page = (tmp_path / "report.html").read_text("utf-8")
        assert page.startswith("<!DOCTYPE html>")
        assert "12 of 12" in page
        content = json.loads((tmp_path / "report.json").read_text("utf-8"))
        assert content["reliability"] == json.loads(told.out)["reliability"]
        assert all(row["original"] is not None for row in content["queries"])
        assert meg("ask", tmp_path / "sent.zip", "x").code == 0

    def test_a_report_without_a_place_is_refused_before_anything_is_asked(
        self, meg: Meg, saved: Path, tmp_path: Path
    ) -> None:
        for name in ("report.json", "missing/report.html"):
            told = meg("evaluate", saved, "--report", tmp_path / name)
            assert told.code == cli.MENDABLE
            assert "report" in told.sentence()

    def test_a_file_that_cannot_be_written_is_one_sentence(
        self, meg: Meg, saved: Path, edits_file: Path, tmp_path: Path
    ) -> None:
        told = meg("evaluate", saved, edits_file, "--wrong", tmp_path / "missing" / "wrong.jsonl")
        assert told.code == cli.MENDABLE
        assert "wrong.jsonl" in told.err.splitlines()[-1]
        assert "Traceback" not in told.err


class TestConvert:
    def test_into_another_format_and_back(self, meg: Meg, edits_file: Path, edits: EditSet, tmp_path: Path) -> None:
        told = meg("convert", edits_file, tmp_path / "edits.csv")
        assert told.code == 0
        assert json.loads(told.out) == {
            "rows": 12,
            "accepted": 12,
            "rejected": 0,
            "written": 12,
            "file": str(tmp_path / "edits.csv"),
        }
        assert meg("convert", tmp_path / "edits.csv", tmp_path / "again.jsonl").code == 0
        again = read_edits(tmp_path / "again.jsonl", relations=edits.relations).edit_set
        assert [(edit.prompt, edit.new_object) for edit in again.edits] == [
            (edit.prompt, edit.new_object) for edit in edits.edits
        ]

    def test_rejected_rows_are_named_and_may_stop_it(self, meg: Meg, tmp_path: Path) -> None:
        source = tmp_path / "edits.csv"
        source.write_text("prompt,new_object\nOslo lies in,Peru\nRome lies in,\n")
        told = meg("convert", source, tmp_path / "some.jsonl")
        assert told.code == 0
        assert json.loads(told.out)["rejected"] == 1
        assert "3" in told.err
        told = meg("convert", source, tmp_path / "none.jsonl", "--all-or-nothing")
        assert told.code == cli.MENDABLE
        assert told.out == ""
        assert not (tmp_path / "none.jsonl").exists()

    def test_what_a_table_does_not_say_of_itself_is_said(self, meg: Meg, tmp_path: Path) -> None:
        source = tmp_path / "made elsewhere.txt"
        source.write_bytes("My facts\nLand|Stadt|Notiz\nPérou lies in|Cusco|x\nChile|=1|y|z\n".encode("cp1252"))
        options = ["--encoding", "cp1252", "--delimiter", "bar", "--skip-rows", 1, "--rejects", tmp_path / "bad.csv"]
        columns = ["--column", "Land=prompt", "--column", "Stadt=new object", "--column", "Notiz="]
        told = meg("convert", source, tmp_path / "out.jsonl", *options, *columns)
        assert told.code == 0
        assert [edit.prompt for edit in read_edits(tmp_path / "out.jsonl").edit_set.edits] == ["Pérou lies in"]
        assert "line 4: it has 4 cells and the header has 3" in told.err
        assert f"The rejected rows are in {tmp_path / 'bad.csv'}." in told.err
        again = read_edits(tmp_path / "bad.csv")
        assert (again.accepted, again.edit_set.edits[0].new_object) == (1, "=1")
        told = meg("convert", source, tmp_path / "out.jsonl", "--column", "Land")
        assert told.code == 2
        assert "“Land” names no column" in told.err

    def test_a_dry_run_says_what_would_be_lost_and_writes_nothing(
        self, meg: Meg, edits_file: Path, tmp_path: Path
    ) -> None:
        told = meg("convert", edits_file, tmp_path / "out.json", "--to", "zsre", "--dry-run")
        assert told.code == 0
        account = json.loads(told.out)
        assert (account["written"], account["would_write"] <= account["accepted"]) == (0, True)
        assert "A relation's name and phrasings have no place" in told.err
        assert not (tmp_path / "out.json").exists()

    def test_a_data_set_folder_and_back(self, meg: Meg, edits_file: Path, edits: EditSet, tmp_path: Path) -> None:
        assert meg("convert", edits_file, tmp_path / "set", "--to", "huggingface").code == 0
        assert meg("convert", tmp_path / "set", tmp_path / "back.jsonl").code == 0
        assert read_edits(tmp_path / "back.jsonl").edit_set == read_edits(edits_file).edit_set
        told = meg("convert", edits_file, tmp_path, "--to", "huggingface")
        assert told.code == cli.MENDABLE
        assert "something in this folder already" in told.sentence()

    @pytest.mark.parametrize("target", ["edits.xyz", "missing/edits.csv"])
    def test_what_cannot_be_written(self, meg: Meg, edits_file: Path, tmp_path: Path, target: str) -> None:
        told = meg("convert", edits_file, tmp_path / target)
        assert told.code == cli.MENDABLE
        assert Path(target).name in told.sentence()

    def test_it_needs_no_torch(self, edits_file: Path, tmp_path: Path) -> None:
        told = blocked(["torch", "transformers"], "convert", edits_file, tmp_path / "edits.csv")
        assert told.returncode == 0, told.stderr
        assert (tmp_path / "edits.csv").is_file()


class TestCompare:
    @pytest.fixture
    def quick(self, monkeypatch: pytest.MonkeyPatch, encoder: Path) -> None:
        """MeG in small, with stored neurons."""
        monkeypatch.setattr(gate_training, "EPISODE", 12)
        monkeypatch.setattr(gate_training, "CALIBRATION_EDITS", 12)
        small = QuickSettings(encoder=str(encoder))
        small = replace(small, generator=replace(small.generator, kind="stored"))
        monkeypatch.setitem(settings.PRESETS, "balanced", ("", lambda: small))

    def test_a_table_a_page_and_a_file_and_nothing_twice(
        self, meg: Meg, quick: None, edits_file: Path, tmp_path: Path
    ) -> None:
        words = ("--editors", "meg", "--file", edits_file, "--queries", 3, "--protocols", "counterfact")
        page = tmp_path / "editors.html"
        told = meg("compare", *words, "--edits", 2, "--report", page)
        assert told.code == 0, told.err
        assert told.out.startswith("2 edits, in per cent:")
        (record,) = (path for path in (tmp_path / "editors.records").glob("meg-2-0-*.json"))
        before = record.read_bytes()
        records = ("--records", tmp_path / "editors.records")
        told = meg("compare", *words, "--edits", "2,3", "--report", page, "--json", tmp_path / "kept.json", *records)
        assert told.code == 0, told.err
        assert "3 edits, in per cent:" in told.out
        kept = json.loads((tmp_path / "kept.json").read_text("utf-8"))
        assert [one["edits"] for one in kept["records"]] == [2, 3]
        assert kept["records"][0]["protocols"]["counterfact"]["title"] == "CounterFact"
        assert kept["command"]["file"] == edits_file.name
        assert kept["machine"]["device"] == "cpu"
        assert json.loads(page.with_suffix(".json").read_text("utf-8")) == kept
        assert record.read_bytes() == before
        assert len(list((tmp_path / "editors.records").glob("meg-*.json"))) == 2
        assert "<svg" in page.read_text("utf-8")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--editors", "nobody"), "There is no editor “nobody”"),
            (("--editors", "meg:best"), "MeG has no preset “best”"),
            (("--edits", "50000"), "the embedded model knows"),
            (("--file", "missing.json"), "There is no file missing.json"),
            (("--json", "missing/kept.json"), "cannot be written"),
            (("--report", "missing/page.html"), "its folder is not there"),
            (("--report", "page.txt"), "let it end in .html"),
            (("--protocols", "guessing"), "There is no protocol “guessing”"),
        ],
    )
    def test_what_can_be_mended_is_said_before_anything_is_trained(
        self, meg: Meg, words: tuple[object, ...], said: str
    ) -> None:
        told = meg("compare", *words)
        assert told.code == cli.MENDABLE
        assert said in told.sentence()

    @pytest.mark.parametrize("words", [("--edits", "ten"), ("--edits", "10,0"), ("--edits", ""), ("--batch", 5)])
    def test_words_that_are_off(self, meg: Meg, words: tuple[object, ...]) -> None:
        assert meg("compare", *words).code == 2


class TestBench:
    @pytest.fixture
    def quick(self, monkeypatch: pytest.MonkeyPatch, encoder: Path) -> None:
        """The recipes and the gate in small."""
        monkeypatch.setattr(gate_training, "EPISODE", 24)
        monkeypatch.setattr(gate_training, "CALIBRATION_EDITS", 24)
        small = QuickSettings(encoder=str(encoder))
        small = replace(small, generator=replace(small.generator, steps=30))
        monkeypatch.setattr(bench, "settings_of", lambda recipe, _, minutes: settings_of(recipe, small, minutes))

    def test_a_table_and_a_file(self, meg: Meg, quick: None, tmp_path: Path) -> None:
        told = meg("bench", "--edits", 6, "--seeds", 1, "--recipes", "meg,stored", "--json", tmp_path / "bench.json")
        assert told.code == 0, told.err
        head, *lines = told.out.splitlines()
        rows = {line[:38].strip(): line[38:].split() for line in lines}
        assert head.split() == ["meg", "stored"]
        assert len(rows["Score, %"]) == 2
        for name in ("Locality far TF, %", "entropy gate, same-subject: AUROC", "Peak memory, MB", "Gate, ms a query"):
            assert name in rows
        figures = json.loads((tmp_path / "bench.json").read_text("utf-8"))
        assert figures["command"] == {"edits": 6, "seeds": 1, "recipes": ["meg", "stored"]}
        assert figures["machine"]["device"] == "cpu"
        assert {"torch", "python"} < set(figures["machine"]["versions"])
        assert [(trial["recipe"], trial["seed"]) for trial in figures["trials"]] == [
            ("meg", 0),
            ("stored", 0),
        ]
        ours, stored = figures["trials"][:2]
        assert stored["shared stages"] == ["Encoder", "Collection", "Gate"]
        assert stored["seconds"]["Collection"] == ours["seconds"]["Collection"] > 0
        assert set(ours["seconds"]) == {"Encoder", "Collection", "Gate", "Generator", "Check", "all"}
        assert stored["gates"] == ours["gates"]
        assert ours["milliseconds a query"]["gate"] > 0

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--recipes", "rome"), "There is no recipe “rome”"),
            (("--edits", 50_000), "the embedded model knows"),
            (("--counterfact", "missing.json"), "There is no file missing.json"),
            (("--zsre", "missing.json"), "There is no file missing.json"),
            (("--edits", 4, "--json", "missing/bench.json"), "cannot be written"),
        ],
    )
    def test_what_can_be_mended_is_said_before_anything_is_trained(
        self, meg: Meg, words: tuple[object, ...], said: str
    ) -> None:
        told = meg("bench", *words)
        assert told.code == cli.MENDABLE
        assert said in told.sentence()

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--paper-minutes", 0), "--paper-minutes"),
            (("--paper-minutes", -3), "--paper-minutes"),
            (("--counterfact", "one.json", "--zsre", "two.json"), "for --zsre: edits are drawn from one file"),
            (("--recipes", "meg", "--paper-minutes", 2), "for --paper-minutes: the recipe “paper” is not among"),
            (("--scale", 0.5), "for --scale: only what is given with --shape"),
            *(
                (("--shape", "phi-2", option, value), f"for {option}: with --shape one training is timed")
                for option, value in (
                    ("--seeds", 3),
                    ("--recipes", "meg"),
                    ("--model", "embedded"),
                    ("--paper-minutes", 2),
                    ("--counterfact", "one.json"),
                    ("--zsre", "one.json"),
                )
            ),
        ],
    )
    def test_words_that_would_do_nothing_are_refused(self, meg: Meg, words: tuple[object, ...], said: str) -> None:
        told = meg("bench", *words)
        assert told.code == 2
        assert told.out == ""
        assert said in told.err

    def test_the_edits_of_a_seed_are_drawn_once(
        self, meg: Meg, monkeypatch: pytest.MonkeyPatch, model: LanguageModel
    ) -> None:
        drawn: list[int] = []
        trained: list[EditSet] = []

        def draw(count: int, seed: int) -> EditSet:
            drawn.append(seed)
            return sample_edits(count)

        def trial(*given: object) -> None:
            trained.append(cast("EditSet", given[3]))
            raise Cancelled

        monkeypatch.setattr(bench, "draw_edits", draw)
        monkeypatch.setattr(bench, "_trial", trial)
        told = meg("bench", "--edits", 4, "--seeds", 2, "--recipes", "stored")
        assert told.code == cli.INTERRUPTED
        assert drawn == [0, 1]
        assert [edit_set.edits for edit_set in trained] == [sample_edits(4).edits]


class TestModels:
    def test_models_and_devices_are_listed(self, meg: Meg) -> None:
        told = meg("models")
        assert told.code == 0
        assert told.err == ""
        rows = [line.split("\t") for line in told.out.splitlines()]
        assert rows[0][:2] == ["embedded", "fits"]
        assert Path(rows[0][2], "config.json").is_file()
        assert rows[-1][0] == "devices"
        assert "cpu" in rows[-1][1]


class TestWords:
    @pytest.mark.parametrize(
        "words",
        [
            ("paint",),
            ("fit",),
            ("fit", "edits.jsonl"),
            ("ask",),
            ("ask", "pack"),
            ("fit", "edits.jsonl", "--out", "x", "--gate", "open"),
            ("fit", "edits.jsonl", "--out", "x", "--seed", "many"),
            ("convert", "one"),
        ],
    )
    def test_words_that_are_off_are_exit_code_2(self, meg: Meg, words: tuple[str, ...]) -> None:
        told = meg(*words)
        assert told.code == 2
        assert told.out == ""
        assert "Usage" in told.err

    def test_help_names_every_command(self, meg: Meg) -> None:
        told = meg("--help")
        assert told.code == 0
        for name in ("fit", "ask", "evaluate", "bench", "convert", "models", "editors"):
            assert name in told.out
            assert meg(name, "--help").code == 0

    def test_a_fault_of_the_program_is_exit_code_1(self, edits_file: Path, tmp_path: Path) -> None:
        program = (
            "import sys; from engine import cli; from engine.commands import inputs\n"
            "def broken(*_, **__): raise ZeroDivisionError('a fault')\n"
            "inputs.read_edits = broken\n"
            "sys.argv = ['meg', *sys.argv[1:]]; cli.main()\n"
        )
        told = subprocess.run(
            [sys.executable, "-c", program, "fit", str(edits_file), "--out", str(tmp_path / "pack")],
            capture_output=True,
            check=False,
            text=True,
            cwd=ROOT,
        )
        assert told.returncode == 1
        assert "ZeroDivisionError: a fault" in told.stderr

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (MemoryError(), "The machine's memory is full"),
            (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "The GPU's memory is full"),
        ],
    )
    def test_memory_that_ran_out_is_a_sentence(
        self, meg: Meg, monkeypatch: pytest.MonkeyPatch, edits_file: Path, tmp_path: Path, error: Exception, said: str
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(inputs, "read_edits", full)
        told = meg("fit", edits_file, "--out", tmp_path / "pack")
        assert told.code == cli.MENDABLE
        assert said in told.err
        assert "Traceback" not in told.err

    def test_ctrl_c_before_and_after_training_is_130(
        self, meg: Meg, monkeypatch: pytest.MonkeyPatch, edits_file: Path, tmp_path: Path
    ) -> None:
        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(inputs, "read_edits", interrupted)
        told = meg("fit", edits_file, "--out", tmp_path / "pack")
        assert told.code == cli.INTERRUPTED
        assert "Traceback" not in told.err


def blocked(packages: list[str], *words: object) -> subprocess.CompletedProcess[str]:
    """`meg` in a process in which `packages` cannot be imported."""
    program = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name.partition('.')[0] in {packages!r}: raise ImportError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "from engine.cli import main\n"
        "main()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        capture_output=True,
        check=False,
        text=True,
        cwd=ROOT,
        timeout=300,
    )


def test_no_window_and_no_database_are_needed(saved: Path, edits: EditSet) -> None:
    windows = ["PySide6", "shiboken6", "pyqtgraph", "sqlalchemy", "studio"]
    helped = blocked(windows, "--help")
    assert helped.returncode == 0, helped.stderr
    assert "evaluate" in helped.stdout
    asked = blocked(windows, "ask", saved, edits.edits[0].prompt, "--json", "--device", "cpu")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["edited"] == edits.edits[0].new_object
    assert asked.stderr == ""
