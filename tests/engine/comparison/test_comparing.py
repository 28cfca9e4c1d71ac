"""A comparison from edits to records: what is measured, what fails, what is kept and gone on with."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.comparison import comparing
from engine.comparison import measure as measuring
from engine.comparison.comparing import Comparing, Plan
from engine.comparison.contenders import Contender, choose_contenders
from engine.comparison.measure import Asking, Deadline, try_undo, weights_hash
from engine.comparison.record import Record, Records, Undo
from engine.editor import Answer, ungated
from engine.editors.registry import EDITORS, EditorKind
from engine.editors.retrieval import RetrievalEditor
from engine.edits import Edit, EditError, EditSet
from engine.evaluation import perplexity, regime
from engine.language_model import LanguageModel, load
from engine.meg import gate_training
from engine.meg.editor import MegEditor
from engine.meg.settings import FamiliaritySettings, GeneratorSettings, MegSettings, TuningSettings
from engine.runs import Cancel, Cancelled, ProgressBoard
from tests.engine.quick import quick_settings, sample_edits
from tests.engine.tiny_encoder import save_tiny_encoder

ME = sys.modules[__name__].__name__
SIZE = 4


@contextmanager
def board(_stages: Any) -> Iterator[ProgressBoard]:
    yield ProgressBoard()


class Refusing:
    """An editor that cannot do without something."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def stages(self) -> tuple[str, ...]:
        return ("Learn",)

    def memory(self, model: LanguageModel, edits: Sequence[Edit]) -> int:
        return 8 * len(edits)

    def fit(self, model: LanguageModel, edits: EditSet, *, cancel: Cancel, **_: Any) -> Any:
        raise EditError(f"Edit {edits.edits[0].id} has no subject: give it one.")


class Greedy(Refusing):
    def fit(self, model: LanguageModel, edits: EditSet, *, cancel: Cancel, **_: Any) -> Any:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")


class Endless(Refusing):
    def fit(self, model: LanguageModel, edits: EditSet, *, cancel: Cancel, **_: Any) -> Any:
        while True:
            cancel.check()


class Broken(Refusing):
    """Changes a weight and then has a fault."""

    def fit(self, model: LanguageModel, edits: EditSet, *, cancel: Cancel, **_: Any) -> Any:
        with torch.no_grad():
            next(iter(model.model.parameters())).add_(1.0)
        raise ZeroDivisionError("division by zero")


class Careless(RetrievalEditor):
    """Leaves a weight changed."""

    def fit(self, model: LanguageModel, *args: Any, **kwargs: Any) -> Any:
        with torch.no_grad():
            next(iter(model.model.parameters()))[0, 0] += 1e-3
        return super().fit(model, *args, **kwargs)


@dataclass(frozen=True, slots=True)
class NoSettings:
    steps: int = 3


def contender(made: type, settings: Any = None, **more: Any) -> Contender:
    name = made.__name__.lower()
    usual = {"usual": ("As it is.", NoSettings)}
    kind = EditorKind(name, made.__name__, "For a test.", ME, made.__name__, ("Learn",), (), usual, NoSettings, **more)
    return Contender(kind, "balanced", settings or NoSettings())


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Contender]:
    """Makes an editor of the registry out of a class here."""

    def added(made: type, settings: Any = None, **more: Any) -> Contender:
        one = contender(made, settings, **more)
        monkeypatch.setitem(EDITORS, one.kind.name, one.kind)  # type: ignore[misc]
        return one

    return added


@pytest.fixture(scope="module", autouse=True)
def small_gate() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate_training, "EPISODE", 12)
        patch.setattr(gate_training, "CALIBRATION_EDITS", 12)
        yield


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> MegSettings:
    encoder = save_tiny_encoder(tmp_path_factory.mktemp("encoder"))
    return dataclasses.replace(
        quick_settings(encoder),
        tuning=TuningSettings(steps=4, facts=4),
        familiarity=FamiliaritySettings(steps=20, batch=32, blocks=1, heads=8),
        generator=GeneratorSettings(kind="stored"),
    )


@pytest.fixture(scope="module")
def meg(settings: MegSettings) -> Contender:
    return Contender(EDITORS["meg"], "balanced", settings)


def plan(*contenders: Contender, **more: Any) -> Plan:
    return Plan(contenders, (SIZE,), 1, sample_edits(8), "sample", **more)


def compared(wanted: Plan, folder: Path, cancel: Cancel | None = None) -> tuple[list[Record], Comparing]:
    made = Comparing(
        wanted,
        wanted.edit_sets(),
        Records(folder),
        lambda: load("embedded", device="cpu"),
        watch=board,
        cancel=cancel or Cancel(),
        say=lambda _: None,
    )
    return list(made.records()), made


@pytest.fixture(scope="module")
def measured(meg: Contender, tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Path]:
    folder = tmp_path_factory.mktemp("records")
    (record,), _ = compared(plan(meg, asking=Asking(protocols=("counterfact",))), folder)
    return record, folder


def test_everything_that_is_promised_is_measured(measured: tuple[Record, Path]) -> None:
    record, _ = measured
    assert (record.outcome, record.contender, record.edits, record.seed) == ("measured", "meg", SIZE, 0)
    assert record.figures is not None
    assert record.figures.reliability.asked == SIZE
    assert record.figures.reliability.ag == 1.0
    assert record.figures.locality.asked == sum(one.asked for one in record.figures.kinds.values())
    assert record.figures.score is not None
    assert record.figures.reliability.routed is not None
    cost = record.cost
    assert cost.seconds is not None
    assert cost.seconds == pytest.approx(sum(cost.stages.values()), rel=0.2)
    assert min(cost.stages.values()) >= 0
    assert record.edits_a_second == pytest.approx(SIZE / cost.seconds)
    for value in (cost.pack, cost.memory_peak, cost.answer, cost.gate, cost.evaluation):
        assert value
    assert record.undo is not None
    assert (record.undo.one, record.undo.exact, record.undo.tried) == (True, True, SIZE)
    assert record.undo.gone == record.undo.original == record.undo.back == SIZE
    assert [figure.name for figure in record.protocols["counterfact"].figures][:1] == ["ES"]
    assert record.settings["generator"]["kind"] == "stored"  # type: ignore[index,call-overload]


def test_what_the_model_wrote_is_kept(measured: tuple[Record, Path]) -> None:
    (path,) = measured[1].glob("*.queries.jsonl")
    lines = path.read_text("utf-8").splitlines()
    assert sum('"kind": "reliability"' in line for line in lines) == SIZE
    assert all('"given"' in line for line in lines)


def test_what_is_kept_is_not_measured_again(
    measured: tuple[Record, Path], meg: Contender, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, folder = measured

    def measure(*_: Any, **__: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(comparing, "measure", measure)
    asking = Asking(protocols=("counterfact",))
    assert compared(plan(meg, asking=asking), folder)[0] == [record]
    for other in (plan(meg), plan(meg, asking=asking, minutes=3.0)):
        with pytest.raises(AssertionError):  # other queries, or a clock: another record
            compared(other, folder)


def test_a_fault_keeps_what_was_measured_until_then(
    add: Callable[..., Contender], settings: MegSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr(measuring, "try_undo", fails)
    (record,), made = compared(plan(Contender(EDITORS["retrieval"], "balanced", settings)), tmp_path)
    assert (record.outcome, made.failed) == ("failed", True)
    assert record.figures is not None
    assert record.cost.seconds
    assert not list(tmp_path.glob("*.json"))


def test_a_damaged_record_is_measured_again(measured: tuple[Record, Path], meg: Contender, tmp_path: Path) -> None:
    (path,) = (one for one in measured[1].glob("*.json"))
    records = Records(tmp_path)
    (tmp_path / path.name).write_bytes(path.read_bytes())
    assert records.known(path.stem, Record) == measured[0]
    (tmp_path / path.name).write_bytes(path.read_bytes().replace(b'"tried": 4', b'"tried": 3'))
    assert records.known(path.stem, Record) is None
    assert records.known("missing", Record) is None


def test_a_failure_is_a_row_and_the_rest_goes_on(add: Callable[..., Contender], tmp_path: Path) -> None:
    every = [add(Refusing), add(Greedy), add(Endless, undoes_one=False), add(Broken), add(Refusing, gated=False)]
    records, made = compared(plan(*every[:4], minutes=0.001), tmp_path)
    told = {record.title: (record.outcome, record.sentence) for record in records}
    assert told["Refusing"] == (
        "refused",
        "Edit " + made._edit_sets[SIZE, 0].edits[0].id + " has no subject: give it one.",
    )
    assert told["Greedy"][0] == "out of memory"
    assert told["Endless"] == (
        "out of time",
        "It was ended after 0.001 minutes of training, and had not learnt the edits.",
    )
    assert told["Broken"] == ("failed", "A fault of the program: ZeroDivisionError: division by zero")
    assert all(record.figures is None and record.cost.seconds is None for record in records)
    assert made.failed
    kept = sorted(path.name.partition("-")[0] for path in tmp_path.glob("*.json"))
    assert kept == ["endless", "greedy", "refusing"]  # a fault is tried again
    assert not list(tmp_path.glob("*.begun"))
    assert weights_hash(made.model) == weights_hash(load("embedded", device="cpu"))  # what Broken changed is gone


def test_weights_that_do_not_come_back_are_told(
    add: Callable[..., Contender], settings: MegSettings, tmp_path: Path
) -> None:
    (record,), made = compared(plan(add(Careless, settings)), tmp_path)
    assert record.outcome == "measured"
    assert record.undo is not None
    assert record.undo.exact is False
    assert weights_hash(made.model) == weights_hash(load("embedded", device="cpu"))


def test_an_editor_that_ended_the_process_twice_is_a_row(add: Callable[..., Contender], tmp_path: Path) -> None:
    (first,), _ = compared(plan(add(Refusing)), tmp_path)
    (path,) = tmp_path.glob("*.json")
    path.unlink()
    (tmp_path / f"{path.stem}.begun").write_bytes(b".")  # as a killed process leaves it
    (again,), _ = compared(plan(add(Refusing)), tmp_path)
    assert (again.outcome, again.sentence) == (first.outcome, first.sentence)
    path.unlink()
    (tmp_path / f"{path.stem}.begun").write_bytes(b"..")
    (dead,), _ = compared(plan(add(Refusing)), tmp_path)
    assert dead.outcome == "out of memory"
    assert f"{path.stem}.begun" in dead.sentence


def test_what_got_further_may_end_the_process_again(tmp_path: Path) -> None:
    records = Records(tmp_path)
    assert records.begin("one")
    assert records.begin("one")
    records.further("one")
    assert records.begin("one")
    assert not records.begin("one")


def test_a_stop_is_a_stop(add: Callable[..., Contender], tmp_path: Path) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        compared(plan(add(Refusing)), tmp_path, cancel)
    assert not list(tmp_path.iterdir())


def test_a_deadline_passes_a_stop_on_and_has_one_of_its_own() -> None:
    outer = Cancel()
    Deadline(outer, None).check()
    Deadline(outer, 60).check()
    with pytest.raises(Cancelled):
        Deadline(outer, 0).check()
    assert not outer.requested
    outer.set()
    late = Deadline(outer, None)
    assert late.requested
    with pytest.raises(Cancelled):
        late.check()


class Stubborn:
    """Says that it answers anew, and takes nothing back."""

    def answer(self, queries: Sequence[str], **_: Any) -> list[Any]:
        return [Answer(query, "old", "new", ungated(query)) for query in queries]

    def disable(self, _: Any) -> None:
        raise EditError("Not one by one.")


def test_what_an_editor_cannot_take_back_is_no_undo(edits: EditSet) -> None:
    stubborn: Any = Stubborn()
    for one in (False, True):
        assert try_undo(stubborn, edits, one=one, cancel=Cancel()) == Undo(one=False)


def test_forgetting_is_a_curve_that_is_kept(
    meg: Contender, add: Callable[..., Contender], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regime, "UNRELATED", 8)
    monkeypatch.setattr(perplexity, "FACTS", 8)
    wanted = plan(meg, add(Refusing), asking=Asking(most=4), forgetting=3, batch=2)

    def curves() -> list[Any]:
        return list(
            Comparing(
                wanted,
                wanted.edit_sets(),
                Records(tmp_path),
                lambda: load("embedded", device="cpu"),
                watch=board,
                cancel=Cancel(),
                say=lambda _: None,
            ).curves()
        )

    found, refused = curves()
    assert (found.contender, found.outcome, found.anew, found.edits) == ("meg", "measured", False, 3)
    assert [point.edits for point in found.points] == [2, 3]
    last = found.points[-1]
    assert last.kept is not None
    assert last.unrelated is not None
    assert last.original_perplexity is not None
    assert last.seconds > found.points[0].seconds > 0
    assert (refused.outcome, refused.points, refused.anew) == ("refused", [], True)
    assert "no subject" in refused.sentence
    assert not any(path.is_dir() for path in tmp_path.iterdir())
    monkeypatch.setattr(comparing, "forget", lambda *_, **__: pytest.fail("learnt again"))
    assert curves() == [found, refused]


def test_contenders_are_chosen_by_name() -> None:
    assert [one.name for one in choose_contenders("all")] == list(EDITORS)
    (ours, paper) = choose_contenders("meg, meg:paper,meg")
    assert (ours.name, ours.title) == ("meg", "MeG")
    assert (paper.name, paper.title) == ("meg:paper", "MeG (paper)")
    assert paper.settings != ours.settings
    assert MegEditor(ours.settings).stages() == ours.kind.stages
    for text, why in (
        ("nobody", "no editor “nobody”"),
        ("meg:best", "no preset “best”"),
        (" , ", "No editor is named"),
    ):
        with pytest.raises(EditError, match=why):
            choose_contenders(text)


def test_more_edits_than_there_are_is_one_sentence() -> None:
    with pytest.raises(EditError, match="cannot be drawn"):
        dataclasses.replace(plan(), sizes=(9,)).edit_sets()
    known = Plan((), (5, 5), 2).edit_sets()
    assert list(known) == [(5, 0), (5, 1)]
