"""One training of MeG, from edits to pack: encoder, collection, gate and generator in their order."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine import processes
from engine.checkpoints import Checkpoints, fingerprint_of
from engine.device import hand_back
from engine.editors.registry import SWEEP
from engine.edits import Edit, EditSet
from engine.language_model import LanguageModel
from engine.layer_choice import choose_layer
from engine.meg.collection import Collected, Lesson, LessonGroup, collect, group_size
from engine.meg.completed import completed
from engine.meg.curriculum import Curriculum
from engine.meg.edited_model import MegEditedModel
from engine.meg.encoder import QueryEncoder
from engine.meg.final_check import FinalCheck, Question
from engine.meg.gate import Gate
from engine.meg.gate_training import Asked, GateTraining
from engine.meg.generator import Generator, train_generator
from engine.meg.layer_sweep import SAMPLE, LayerFigure, best_layer, sweep_layers
from engine.meg.neuron_source import NeuronSource
from engine.meg.pack import MegPack
from engine.meg.settings import MegSettings
from engine.meg.stored import StoredNeurons
from engine.neuron import NeuronSlot, attached
from engine.packs import check_base_model
from engine.processes import Message
from engine.runs import Cancel, ProgressBoard, seeded
from engine.training_state import flatten, unflatten

STAGES = ("Encoder", "Collection", "Gate", "Generator", "Check")
LESSON_ASKS = 3  # queries with which each neuron is taught, its edit's prompt among them
TRAINED_QUERIES = 4_096  # that gate and generator learn from; each edit has as many as a lesson at least
HELD = 0.75  # share of new neurons that a known generator's latent must hold for it to be gone on from
CHECKED_EDITS = 384  # edits and paraphrases that the generator is checked on


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a generator is trained with."""

    layer: int
    swept: tuple[LayerFigure, ...]  # empty where the layer was given
    gate: Gate
    collected: Collected
    asked: Asked


class Training:
    """One training from edits to pack."""

    def __init__(
        self,
        settings: MegSettings,
        model: LanguageModel,
        edit_set: EditSet,
        progress: ProgressBoard,
        cancel: Cancel,
        seed: int,
        run: Path | None,
        start: MegPack | None = None,
    ) -> None:
        """`start` is a pack whose edits need not be learnt again; its settings hold then, and its layer."""
        if start is not None:
            check_base_model(model, start.model_name, start.fingerprint)
            start.to(model.device)
            settings = dataclasses.replace(start.settings, layer=start.layer, watched=settings.watched)
        self.model, self.edit_set, self.start = model.asked(chat=settings.chat), edit_set, start
        self.settings = dataclasses.replace(settings, chat=self.model.chat)  # the pack tells how it has to be asked
        self.progress, self.cancel, self.seed = progress, cancel, seed
        self.edits = edit_set.enabled()
        self.layer = choose_layer(self.model, None if settings.layer == "auto" else settings.layer)
        self.swept: tuple[LayerFigure, ...] = ()
        self.kept_rows = {} if start is None else start.rows_of(self.edits)
        self.new_rows = [row for row in range(len(self.edits)) if row not in self.kept_rows]
        told = dataclasses.asdict(dataclasses.replace(self.settings, watched=()))
        if start is not None:
            told["start"] = start.mark()
        mark = fingerprint_of(settings=told, edits=edit_set, seed=seed, model=model.fingerprint())
        self.checkpoints = None if run is None else Checkpoints(run / "checkpoints", mark)
        self.curriculum = Curriculum(edit_set, seed)
        self.device = model.device
        self.known: NeuronSource | None = None  # a generator to go on from
        self._asked_of_edits: Asked | None = None  # encoded once, for gate and generator

    def run(self, prepared: Prepared | None = None) -> MegPack:
        """Every stage in order, each resumed from its checkpoint where there is one.

        `prepared` is what a training that differs in its generator alone has prepared: those stages are left out.
        """
        prepared = prepared or self.prepare()
        self.layer, self.swept = prepared.layer, prepared.swept
        gate, collected = prepared.gate, prepared.collected
        generator = self._generator(prepared)
        figures, kept = self._check(gate, generator, collected) if processes.is_main() else ({}, [])
        return MegPack(
            settings=self.settings,
            layer=self.layer,
            model_name=self.model.name,
            fingerprint=self.model.fingerprint(),
            seed=self.seed,
            edit_set=self.edit_set,
            gate=gate,
            generator=generator,
            collected=collected,
            kept=kept,
            figures=figures,
        )

    def prepare(self) -> Prepared:
        """The stages before the generator."""
        encoder = self._encoder()
        if self.settings.layer == "auto":
            self.swept = self._sweep()
            self.layer = best_layer(self.swept)
        collected = self._collection()
        self.known = self._known_generator(collected)
        hand_back(self.model.device)
        gate = self._gate(encoder)
        hand_back(self.model.device)
        return Prepared(self.layer, self.swept, gate, collected, self._asked(encoder))

    def gate_alone(self) -> Gate:
        """The encoder and the gate, for an editor that has no neurons."""
        encoder = self._encoder()
        hand_back(self.model.device)
        return self._gate(encoder)

    def _kept(self, stage: str) -> Message | None:
        """The newest checkpoint of `stage`, in every process: the main process reads it for all."""

        def newest() -> Message:
            found = None if self.checkpoints is None else self.checkpoints.newest(stage)
            return Message() if found is None else Message(found.tensors, found.meta)

        found = processes.told(newest)
        return None if found.meta is None else found

    def _keep(
        self, stage: str, tensors: Mapping[str, Tensor], meta: Mapping[str, Any] | None = None, step: int = 0
    ) -> None:
        if self.checkpoints is not None:
            self.progress.mark(stage, step)
            self.checkpoints.save(stage, step, tensors, meta)

    def _encoder(self) -> QueryEncoder:
        if self.start is not None:
            return self.start.gate.index.encoder
        encoder = QueryEncoder.load(self.settings.encoder, self.device)
        done = self._kept("encoder")
        if done is not None:
            encoder.restore(done.tensors)
            return encoder
        steps = self.settings.tuning.steps
        self.progress.report("Encoder", 0, steps)
        with seeded(self.seed, "encoder"):
            encoder.tune(
                self.curriculum.facts,
                self.curriculum.phrasings.trained,
                self.settings.tuning,
                seed=self.seed,
                cancel=self.cancel,
                report=lambda step, loss: self.progress.report("Encoder", step, steps, loss=loss),
            )
        self._keep("encoder", encoder.tuned())
        return encoder

    def _sweep(self) -> tuple[LayerFigure, ...]:
        """What neurons of a sample of the edits are worth at each layer."""
        done = self._kept("layers")
        if done is not None:
            return tuple(LayerFigure(**figure) for figure in done.meta["figures"])
        self.progress.report(SWEEP, 0, 0)
        draw = random.Random(f"layers {self.seed}")
        # A curriculum of its own: what is drawn here makes no difference to what is drawn later.
        curriculum = Curriculum(self.edit_set, self.seed)
        edits = draw.sample(self.edits, min(SAMPLE, len(self.edits)))
        lessons = self._lessons(edits, curriculum)
        held_back = [draw.choice(curriculum.calibration_asks(edit) or (edit.prompt,)) for edit in edits]

        def swept() -> Message:
            with seeded(self.seed, "layers"):
                figures = sweep_layers(
                    self.model,
                    lessons,
                    held_back,
                    self.settings.collection,
                    cancel=self.cancel,
                    report=lambda step, of: self.progress.report(SWEEP, step, of),
                )
            return Message(meta=[dataclasses.asdict(figure) for figure in figures])

        told = processes.told(swept).meta  # processes on unlike machines would not all choose the same layer
        self._keep("layers", {}, {"figures": told})
        return tuple(LayerFigure(**figure) for figure in told)

    def _collection(self) -> Collected:
        """The edits' neurons, a group of like length at a time."""
        self.progress.report("Collection", 0, len(self.edits))
        lessons = self._lessons([self.edits[row] for row in self.new_rows], self.curriculum)
        # Every process takes a share of each group.
        fit = group_size(self.model, self.layer, lessons, self.settings.collection)
        size = processes.count() * processes.least(fit)
        order = sorted(range(len(lessons)), key=lambda number: max(len(ask) for ask in lessons[number].asks))
        count, numbers = len(self.edits), self.settings.collection.neurons * (2 * self.model.d_model + 1)
        found = Collected.blank(count, numbers)
        if self.start is not None:
            found.put(list(self.kept_rows), self.start.collected.rows(list(self.kept_rows.values())))
        before = len(self.kept_rows)
        done = self._kept("collection")
        first = 0
        if done is not None:
            first = int(done.meta["lessons"])
            found = Collected.restored(done.tensors)
            size = int(done.meta["group"])  # other groups would find other neurons
        for start in range(first, len(lessons), size):
            hand_back(self.model.device)
            group_of = order[start : start + size]
            mine = processes.share(group_of)

            def report(learnt: int, loss: float, done: int = before + start, of: int = len(group_of)) -> None:
                everywhere = min(of, learnt * processes.count())
                share = (int(found.answered.sum()) + everywhere) / count
                self.progress.report("Collection", done + everywhere, count, loss=loss, answered=share)

            some = [lessons[number] for number in mine]
            group = Collected.blank(0, numbers)
            if some:
                with seeded(self.seed, f"collection {start}"):
                    group = collect(
                        self.model, self.layer, some, self.settings.collection, cancel=self.cancel, report=report
                    )
            own = {"rows": torch.tensor([self.new_rows[number] for number in mine]).long(), **group.tensors()}
            for part in processes.gathered(Message(own)):
                found.put(part.tensors["rows"].tolist(), Collected.restored(part.tensors))
            self._keep(
                "collection",
                found.tensors(),
                {"lessons": start + len(group_of), "group": size},
                step=start + len(group_of),
            )
        share = float(found.answered.float().mean())
        self.progress.report("Collection", count, count, answered=share)
        return found

    def _lessons(self, edits: Sequence[Edit], curriculum: Curriculum) -> list[Lesson]:
        """For each edit its prompt, two more phrasings, and guards with the original model's answers to them.

        A prompt of which no other phrasing is known is taught in other guises.
        """
        draw = random.Random(f"lessons {self.seed}")
        phrasings = curriculum.phrasings.trained
        asks, guards = [], []
        for edit in edits:
            said = _few(self._asks(edit), LESSON_ASKS, draw)
            if len(said) == 1 and not self.settings.prompt_alone:
                said += tuple(text for text in curriculum.guises(edit) if self.model.takes(text, edit.new_object))
            asks.append(said)
            made = [curriculum.neighbour(edit, phrasings), curriculum.same_subject(edit, phrasings)]
            guards.append([query for query in made if query is not None][: self.settings.guards])
        queries = list(dict.fromkeys(query for made in guards for query in made))
        mine = processes.share(queries)
        answered = list(zip(mine, self.model.answer(mine, cancel=self.cancel), strict=True))
        answers = dict(pair for part in processes.gathered(Message(meta=answered)) for pair in part.meta)
        return [
            Lesson(ask, edit.new_object, tuple((query, answers[query]) for query in made if answers[query]))
            for edit, ask, made in zip(edits, asks, guards, strict=True)
        ]

    def _gate(self, encoder: QueryEncoder) -> Gate:
        """A gate learnt anew, or the one that is gone on from."""
        done = self._kept("gate")
        training = GateTraining(
            self.settings,
            self.model,
            self.edits,
            self.curriculum,
            encoder,
            self.seed,
            ask=partial(self._encoded, encoder),
            cancel=self.cancel,
            report=lambda step, of, loss: self.progress.report("Gate", step, of, loss=loss),
        )
        if self.start is None:
            gate = training.learnt(self._asked(encoder), done)
        else:
            asked = self._asked(encoder) if self.new_rows else None
            gate = training.renewed(self.start.gate, self.kept_rows, asked, done)
        if done is None:
            self._keep("gate", dict(gate.network.state_dict()), dataclasses.asdict(gate.fusion))
        return gate

    def _asked(self, encoder: QueryEncoder) -> Asked:
        if self._asked_of_edits is not None:
            return self._asked_of_edits
        if self.start is None or self.known is None:
            self._asked_of_edits = self._encoded(encoder, self.edits)
        else:
            # What is known already is gone over by its prompts alone, and what is new makes half of what is learnt.
            kept = list(self.kept_rows)
            prompts = self.start.gate.index.prompts[list(self.kept_rows.values())]
            fresh = self._encoded(encoder, [self.edits[row] for row in self.new_rows])
            times = max(1, len(kept) // max(1, len(fresh.z)))
            owners = torch.tensor(self.new_rows, device=self.device).long()[fresh.owners]
            self._asked_of_edits = Asked(
                torch.cat([prompts, fresh.z.repeat(times, 1)]),
                torch.cat([torch.tensor(kept, device=self.device).long(), owners.repeat(times)]),
            )
        return self._asked_of_edits

    def _encoded(self, encoder: QueryEncoder, edits: Sequence[Edit]) -> Asked:
        draw = random.Random(f"asked {self.seed}")
        each = max(LESSON_ASKS, TRAINED_QUERIES // max(1, len(edits)))
        return Asked.of([_few(self._asks(edit), each, draw) for edit in edits], encoder, self.cancel)

    def _asks(self, edit: Edit) -> tuple[str, ...]:
        return (edit.prompt,) if self.settings.prompt_alone else self.curriculum.asks(edit)

    def _generator(self, prepared: Prepared) -> NeuronSource:
        settings = self.settings.generator
        gate, collected, asked = prepared.gate, prepared.collected, prepared.asked
        encoder, known = gate.index.encoder, self.known
        steps = settings.steps_for(len(self.edits), None if known is None else len(self.new_rows))
        self.progress.report("Generator", 0, steps)
        done = self._kept("generator")
        if done is not None:
            return Generator.restored(done.tensors, done.meta, encoder.width, settings, self.device)
        if settings.kind == "stored":
            self.progress.report("Generator", 1, 1)
            return StoredNeurons(gate.index.prompts, collected.neurons.to(self.device))
        if known is not None and not self.new_rows:
            return known
        half = self._kept("generator training")

        def keep(step: int, state: Mapping[str, Any]) -> None:
            tensors, skeleton = flatten(state)
            self._keep("generator training", tensors, {"skeleton": skeleton}, step=step)

        def report(step: int, loss: float, answered: float | None) -> None:
            self.progress.report("Generator", step, steps, loss=loss, answered=answered)

        with attached(self.model.blocks[self.layer]) as slot:
            check = self._checker(encoder, gate, collected, slot)
            with seeded(self.seed, "generator"):
                generator = train_generator(
                    asked.z,
                    gate.index.prompts,
                    asked.owners,
                    collected.neurons,
                    settings,
                    steps=steps,
                    check=check,
                    cancel=self.cancel,
                    report=report,
                    known=known if isinstance(known, Generator) else None,
                    state=None if half is None else unflatten(half.tensors, half.meta["skeleton"]),
                    keep=None if self.checkpoints is None else keep,
                )
        tensors, meta = generator.state()
        self._keep("generator", tensors, meta)
        return generator

    def _known_generator(self, collected: Collected) -> NeuronSource | None:
        """The generator that is gone on from, where it has room for the new neurons: few edits leave little."""
        if self.start is None:
            return None
        known, fresh = self.start.generator, collected.neurons[self.new_rows]
        if isinstance(known, Generator) and self.new_rows and known.latent.held(fresh.to(self.device)) < HELD:
            return None
        return known

    def _checker(
        self, encoder: QueryEncoder, gate: Gate, collected: Collected, slot: NeuronSlot
    ) -> Callable[[NeuronSource], Sequence[float]]:
        """(share of edits answered, share of held-back paraphrases answered) of a generator, on a fixed sample.

        Of 1 are those that the collected neurons themselves answer: a generator cannot do better than what it learns.
        """
        draw = random.Random(f"check {self.seed}")
        kept = list(self.kept_rows)
        fresh = CHECKED_EDITS // 2 if kept else CHECKED_EDITS
        rows = draw.sample(self.new_rows, min(fresh, len(self.new_rows)))
        rows += draw.sample(kept, min(CHECKED_EDITS - len(rows), len(kept)))
        edits = [self.edits[row] for row in rows]
        held_back = [draw.choice(self.curriculum.calibration_asks(edit) or (edit.prompt,)) for edit in edits]
        lessons = [Lesson((edit.prompt, text), edit.new_object) for edit, text in zip(edits, held_back, strict=True)]
        group = LessonGroup(self.model, self.layer, lessons, slot)
        anchors = gate.index.prompts[rows]
        z = (anchors, encoder.encode(held_back))  # an anchor is the z of its edit's prompt
        stored = collected.neurons[rows].to(self.device)
        possible = [group.score(turn, stored)[1] for turn in (0, 1)]

        def check(generator: NeuronSource) -> Message:
            shares = []
            for turn in (0, 1):
                right = group.score(turn, generator.generate(z[turn], anchors))[1]
                # Of paraphrases that no neuron answers nothing is left to learn; of prompts, nothing is learnt.
                none = 0.0 if turn == 0 else 1.0
                shares.append(float(right[possible[turn]].float().mean()) if bool(possible[turn].any()) else none)
            self._show_watched(gate, generator, slot)
            return Message(meta=shares)

        return lambda generator: processes.told(partial(check, generator)).meta

    def _show_watched(self, gate: Gate, generator: NeuronSource, slot: NeuronSlot) -> None:
        """Let the window see how the watched questions are answered now."""
        if not self.settings.watched:
            return
        edited = MegEditedModel(self.model, gate, generator, slot)
        answers = {answer.query: answer.edited for answer in edited.answer(self.settings.watched, cancel=self.cancel)}
        now = self.progress.latest()
        self.progress.report(now.stage, now.step, now.of, answers=answers)

    def _check(self, gate: Gate, generator: NeuronSource, collected: Collected) -> tuple[dict[str, Any], list[str]]:
        """Ask the edited model every edit: figures, and the edits that are to keep their neurons."""
        count = len(self.edits)
        keep_missed = isinstance(generator, Generator) and self.settings.generator.keep_missed

        def report(done: int, of: int, answered: float) -> None:
            self.progress.report("Check", done, of, answered=answered)

        held_back = self._held_back() if keep_missed else []
        self.progress.report("Check", 0, count + len(held_back))
        with attached(self.model.blocks[self.layer]) as slot:
            check = FinalCheck(self.model, slot, gate, self.edits, self.cancel, report)
            checked = check.run(generator, collected, held_back, keep_missed=keep_missed)
            self._show_watched(gate, completed(generator, gate.index.prompts, collected, checked.kept), slot)
        unlearnt = [
            {"id": edit.id, "loss": round(float(loss), 4)}
            for edit, loss, learnt in zip(self.edits, collected.losses, collected.answered, strict=True)
            if not learnt
        ]
        names = [self.edits[row].id for row in checked.kept]
        figures = {
            "edits": count,
            "answered": 1 - len(checked.unanswered) / count,
            "kept": len(names),
            "enlarged": sum(row in collected.larger for row in checked.kept),
            "not answered": [self.edits[row].id for row in checked.unanswered],
            "not learnt": unlearnt,
            "threshold": gate.threshold,
            "layer": self.layer,
            **({"layers": [dataclasses.asdict(figure) for figure in self.swept]} if self.swept else {}),
        }
        return figures, names

    def _held_back(self) -> list[Question]:
        """Of each edit that has one, its row and a phrasing that nothing was trained on."""
        draw = random.Random(f"held back {self.seed}")
        known = [(row, self.curriculum.calibration_asks(edit)) for row, edit in enumerate(self.edits)]
        return [(row, draw.choice(queries)) for row, queries in known if queries]


def _few(asks: Sequence[str], count: int, draw: random.Random) -> tuple[str, ...]:
    """The first of `asks`, an edit's prompt, and some of the others: `count` in all, at most."""
    return (asks[0], *draw.sample(asks[1:], min(count, len(asks)) - 1))
