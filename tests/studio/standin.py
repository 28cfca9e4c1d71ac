"""A stand-in for model, editor and pack: quick, deterministic, and as strict about its protocol as the real ones."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from engine.decoding import GREEDY, Decoding
from engine.edits import EditSet
from engine.packs import ModelIdentity, write_pack
from engine.runs import Cancel, ProgressBoard
from studio.model_jobs import Machine, ModelSource, TrainingOrder

STAGES = ("Collect", "Learn")
MOST_WORDS = 60  # of a question


@dataclass
class World:
    """What the stand-ins do, and what was done to them."""

    steps: int = 20
    pause: float = 0.0  # seconds a step
    fail_with: BaseException | None = None
    burn: Callable[[], object] | None = None  # what keeps the processor busy at each step
    loads: list[ModelSource] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    decodings: list[Decoding] = field(default_factory=list)
    attached: int = 0
    detached: int = 0
    resumed_from: int | None = None
    slow_answers: float = 0.0
    stop_before: str = ""  # the question before which the models wait
    fail_at: str = ""  # the question that there is no memory for
    unlearnable: tuple[str, ...] = ()  # new objects that no training gets the model to answer
    go_on: threading.Event = field(default_factory=threading.Event)  # set: nothing waits

    def __post_init__(self) -> None:
        self.go_on.set()


class Model:
    """Answers every prompt with a word about it."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name

    @property
    def device(self) -> object:
        return SimpleNamespace(type="cpu")

    def answer(self, prompts: Sequence[str], *, cancel: Cancel | None = None, decoding: Decoding = GREEDY) -> list[str]:
        self.world.decodings.append(decoding)
        for prompt in prompts:
            if cancel is not None:
                cancel.check()
            if prompt == self.world.stop_before:
                self.world.go_on.clear()
            if prompt == self.world.fail_at:
                raise MemoryError
            self.world.go_on.wait(10)
            time.sleep(self.world.slow_answers)
            self.world.asked.append(prompt)
        return [original(prompt) for prompt in prompts]

    def next_tokens(self, prompt: str, k: int = 8) -> tuple[object, ...]:
        return chances(original(prompt))

    def token_ids(self, prompt: str) -> list[int]:
        from engine.language_model import QueryError

        words = prompt.split()
        if len(words) > MOST_WORDS:
            raise QueryError(f"The question “{prompt[:40]}…” is {len(words)} tokens long.")
        return list(range(len(words)))


def original(prompt: str) -> str:
    """What the stand-in model believes."""
    return f"old {prompt.split()[-1]}"


def chances(text: str) -> tuple[object, ...]:
    from engine.language_model import TokenChance

    return (TokenChance(f" {text.split()[0]}", 0.7), TokenChance(" other", 0.2), TokenChance("\n", 0.1))


class Edited:
    """Knows the edits by prompt and by paraphrase."""

    def __init__(self, world: World, model: Model, edits: EditSet) -> None:
        self.world, self.model, self.threshold, self.gated = world, model, 0.5, True
        self.by_prompt = {text: edit for edit in edits.enabled() for text in (edit.prompt, *edit.paraphrases)}
        self.off: set[str] = set()
        world.attached += 1

    def route(self, queries: Sequence[str]) -> list[object]:
        from engine.editor import Routing

        self.world.go_on.wait(10)
        routings = []
        for query in queries:
            edit = self.by_prompt.get(query)
            nearest = edit or next(iter(self.by_prompt.values()))
            familiarity = 0.9 if edit else min(len(query), 40) / 100
            routed = edit is not None and edit.id not in self.off and familiarity >= self.threshold
            routings.append(
                Routing(query, familiarity, routed, self.threshold, 1 - familiarity, nearest.id, familiarity)
            )
        return routings

    def explain(self, query: str) -> object:
        from engine.editor import Explanation, NearEdit, Reason

        (routing,) = self.route([query])
        others = [edit.id for edit in self.by_prompt.values() if edit.id != routing.nearest_edit]
        near = [NearEdit(routing.nearest_edit, routing.similarity, routing.familiarity)]
        near += [NearEdit(edit, 0.1, 0.01) for edit in dict.fromkeys(others)]
        known = self.by_prompt.get(query)
        verbatim = known is not None and known.prompt == query
        sign = 1 if known else -1
        reasons = (Reason("subject", float(sign > 0), 0.5, sign * 2.5), Reason("entropy", 0.2, 0.5, -0.01))
        return Explanation(routing, tuple(near), () if verbatim else reasons, verbatim, 0.5)

    def answer(
        self,
        queries: Sequence[str],
        *,
        cancel: Cancel | None = None,
        originals: bool = True,
        decoding: Decoding = GREEDY,
    ) -> list[object]:
        from engine.editor import Answer

        answers = []
        for query, text, routing in zip(
            queries, self.model.answer(queries, cancel=cancel, decoding=decoding), self.route(queries), strict=True
        ):
            edited = self.by_prompt[query].new_object if routing.routed else text
            original = text if originals or not routing.routed else ""
            answers.append(Answer(query, original, edited, routing, original_seconds=0.2, edited_seconds=0.25))
        return answers

    def teacher_forced(self, queries: Sequence[str], targets: Sequence[str]) -> list[float]:
        answers = self.answer(queries)
        return [float(answer.edited == target) for answer, target in zip(answers, targets, strict=True)]  # type: ignore[attr-defined]

    def next_tokens(self, query: str, k: int = 8) -> object:
        from engine.editor import NextTokens

        edit = self.by_prompt.get(query)
        return NextTokens(chances(original(query)), chances(edit.new_object if edit else original(query)))

    @contextmanager
    def original(self) -> Iterator[Model]:
        yield self.model

    def disable(self, edit_ids: Iterable[str]) -> None:
        self.off.update(edit_ids)

    def enable(self, edit_ids: Iterable[str]) -> None:
        self.off.difference_update(edit_ids)

    def detach(self) -> None:
        self.world.detached += 1


class StandInPack:
    """Edits in a folder."""

    def __init__(self, world: World, edits: EditSet) -> None:
        self.world, self.edits = world, edits

    def save(self, folder: Path) -> None:
        write_pack(
            folder,
            editor="meg",
            model=ModelIdentity(name="embedded", fingerprint="0" * 64),
            seed=0,
            settings={"layer": 1, "gate": {"kind": "fused"}},
            state={},
            figures=self.figures(),
            tensors={},
            edits=self.edits,
        )

    def figures(self) -> dict[str, object]:
        enabled = self.edits.enabled()
        failing = [edit.id for edit in enabled if edit.new_object in self.world.unlearnable]
        return {
            "answered": 1 - len(failing) / len(enabled),
            "not answered": failing,
            "not learnt": [{"id": key, "loss": 2.5} for key in failing],
            "threshold": 0.5,
        }

    def attach(self, model: Model) -> Edited:
        return Edited(self.world, model, self.edits)


STATED = 96 << 20
"""Bytes that the stand-in editor states."""


class StandInEditor:
    """Two stages of steps, a checkpoint after each step, watched questions answered as they flip."""

    def __init__(self, world: World, order: TrainingOrder) -> None:
        self.world, self.order = world, order

    def stages(self) -> tuple[str, ...]:
        return STAGES

    def requirements(self) -> tuple[str, ...]:
        return ()

    def fit(
        self,
        model: Model,
        edits: EditSet,
        *,
        progress: ProgressBoard,
        cancel: Cancel,
        seed: int = 0,
        run: Path | None = None,
    ) -> StandInPack:
        assert run is not None
        world, kept = self.world, run / "checkpoint.json"
        first = json.loads(kept.read_text()) if kept.exists() else 0
        world.resumed_from = first
        known = {edit.prompt: edit.new_object for edit in edits.enabled()}
        for step in range(first, world.steps):
            cancel.check()
            world.go_on.wait(10)
            if world.burn is not None:
                world.burn()
            time.sleep(world.pause)
            share = (step + 1) / world.steps
            stage = STAGES[0] if share <= 0.5 else STAGES[1]
            answers = {
                question: known.get(question, original(question)) if share > 0.5 else original(question)
                for question in self.order.watched
            }
            progress.report(stage, step + 1, world.steps, loss=1 / (step + 1), answered=share, answers=answers)
            kept.write_text(json.dumps(step + 1))
            if world.fail_with is not None and share > 0.5:
                raise world.fail_with
        return StandInPack(world, edits)


def machine(_folders: Sequence[Path] = ()) -> Machine:
    from engine.model_files import ModelChoice

    return Machine(
        (
            ModelChoice("embedded", "Embedded model", Path("model")),
            ModelChoice("big/half", "big/half (incomplete)", Path("half"), "“big/half” is not complete."),
        ),
        ("cpu",),
    )


def check(source: ModelSource, edits: int, neurons: int, runs: Path) -> object:
    """A model that fits."""
    from engine.model_check import ModelCheck

    return ModelCheck(source.name, "model", "tiny", 1_000, 4, 32, "cpu", 10, 100, edits * neurons, 100, "")
