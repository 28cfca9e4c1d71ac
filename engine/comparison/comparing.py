"""Comparing: the same edits, queries, seeds and protocols for every contender, one after the other."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.atomic import sha256
from engine.benchmark.draw import draw_edits, draw_from
from engine.comparison.contenders import Contender
from engine.comparison.forgetting import forget
from engine.comparison.measure import Asking, Watch, as_plain, measure, weights_hash
from engine.comparison.record import Curve, Outcome, Record, Records, Undo, record_name
from engine.edits import EditSet
from engine.evaluation.askable import askable
from engine.evaluation.regime import Schedule
from engine.formats import jsonl
from engine.language_model import LanguageModel
from engine.runs import Cancel

_DIED = (
    "The process ended twice while it was at work, most likely for want of memory: delete {name}.begun and {name}.json "
    "among the records to try it again."
)
Told = Callable[[str], None]
"""Takes a sentence for the person who waits."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared, and on what."""

    contenders: tuple[Contender, ...]
    sizes: tuple[int, ...]  # numbers of edits
    seeds: int  # how often everything is drawn and trained anew
    edits: EditSet | None = None  # drawn from; None: facts that the embedded model knows
    source: str = ""  # what `edits` is called
    asking: Asking = field(default_factory=Asking)
    minutes: float | None = None  # of a training, and of a curve, at most
    forgetting: int | None = None  # edits that are learnt one batch after the other; None: no curves
    batch: int | None = None  # edits a batch of those; None: as many as all before it

    def as_json(self) -> dict[str, Any]:
        """What was asked for."""
        told: dict[str, Any] = {
            "editors": [contender.name for contender in self.contenders],
            "edits": list(self.sizes),
            "seeds": self.seeds,
        }
        optional = {
            "file": self.source or None,
            "queries of each kind": self.asking.most,
            "protocols": list(self.asking.protocols) or None,
            "minutes": self.minutes,
            "forgetting": self.forgetting,
            "batch": self.batch,
        }
        return told | {name: value for name, value in optional.items() if value is not None}

    def edit_sets(self) -> dict[tuple[int, int], EditSet]:
        """The edits of every size and seed, the smallest sizes first. Raises EditError where there are too few."""
        return {
            (size, seed): draw_edits(size, seed)
            if self.edits is None
            else draw_from(self.edits, self.source, size, seed)
            for size in sorted({*self.sizes, *((self.forgetting,) if self.forgetting else ())})
            for seed in range(self.seeds)
        }


class Comparing:
    """Goes through a plan and keeps every record; what is kept already is not measured again."""

    def __init__(
        self,
        plan: Plan,
        edit_sets: Mapping[tuple[int, int], EditSet],
        records: Records,
        load: Callable[[], LanguageModel],
        *,
        watch: Watch,
        cancel: Cancel,
        say: Told,
    ) -> None:
        """`load` gives the model as it is on disk: it is called again after an editor failed on it."""
        self._plan, self._edit_sets, self._records, self._load = plan, edit_sets, records, load
        self._watch, self._cancel, self._say = watch, cancel, say
        self._model: LanguageModel | None = None
        self._weights = ""
        self.failed = False  # whether an editor failed by a fault of the program

    @property
    def model(self) -> LanguageModel:
        """The original model, loaded where it is not."""
        if self._model is None:
            self._model = self._load()
            self._weights = self._weights or weights_hash(self._model)
        return self._model

    def records(self) -> Iterator[Record]:
        """Every record, the smallest sizes first, each as soon as it is there. Raises Cancelled when asked to stop."""
        for (size, seed), edit_set in self._edit_sets.items():
            if size in self._plan.sizes:
                asked = askable(self.model, edit_set, self._say)
                for contender in self._plan.contenders:
                    self._cancel.check()
                    yield self._record(contender, asked, size, seed)

    def curves(self) -> Iterator[Curve]:
        """Every curve of forgetting, each as soon as it is there. Raises Cancelled when asked to stop."""
        if self._plan.forgetting is None:
            return
        for seed in range(self._plan.seeds):
            asked = askable(self.model, self._edit_sets[self._plan.forgetting, seed], self._say)
            for contender in self._plan.contenders:
                self._cancel.check()
                yield self._curve(contender, asked, seed)

    def _record(self, contender: Contender, edit_set: EditSet, size: int, seed: int) -> Record:
        name = record_name(contender.name, size, seed, self._depends_on(contender, edit_set))
        known = self._records.known(name, Record)
        if known is not None:
            return known
        if not self._records.begin(name):
            record = self._without(contender, size, seed, "out of memory", _DIED.format(name=name))
            self._records.keep(name, record)
            return record
        try:
            record, asked, fault = measure(
                self.model,
                contender,
                edit_set,
                seed,
                weights=self._weights,
                asking=self._plan.asking,
                minutes=self._plan.minutes,
                watch=self._watch,
                cancel=self._cancel,
            )
        finally:
            self._records.end(name)
        if fault is None:
            self._records.keep(name, record, asked)
        else:
            self._tell(fault)
        if record.outcome != "measured" or (record.undo is not None and record.undo.exact is False):
            self._forget_model()
        return record

    def _curve(self, contender: Contender, edit_set: EditSet, seed: int) -> Curve:
        depends_on = {**self._depends_on(contender, edit_set), "batch": self._plan.batch}
        name = record_name(f"forgetting-{contender.name}", len(edit_set.enabled()), seed, depends_on)
        known = self._records.known(name, Curve)
        if known is not None:
            return known
        empty = Curve(
            contender=contender.name,
            title=contender.title,
            editor=contender.kind.name,
            preset=contender.preset,
            seed=seed,
            edits=len(edit_set.enabled()),
            anew=not contender.kind.grows,
            outcome="out of memory",
            sentence=_DIED.format(name=name),
        )
        if not self._records.begin(name):
            self._records.keep(name, empty)
            return empty
        try:
            curve, fault = forget(
                self.model,
                contender,
                edit_set,
                Schedule("sequential", batch=self._plan.batch, most=self._plan.asking.most, seed=seed),
                self._records.folder / name,
                minutes=self._plan.minutes,
                watch=self._watch,
                cancel=self._cancel,
                further=lambda: self._records.further(name),
            )
        finally:
            self._records.end(name)
        if fault is None:
            self._records.keep(name, curve)
        else:
            self._tell(fault)
        if curve.outcome != "measured":
            self._forget_model()
        return curve

    def _tell(self, fault: Exception) -> None:
        """Tell of a fault of the program; the record that it ended is not kept, so that it is tried again."""
        self.failed = True
        self._say("".join(traceback.format_exception(fault)))

    def _depends_on(self, contender: Contender, edit_set: EditSet) -> dict[str, Any]:
        """Everything that figures depend on."""
        model = self.model
        return {
            "model": model.fingerprint(),
            "device": model.device.type,
            "dtype": str(model.model.dtype),
            "edits": sha256(b"".join(jsonl.lines(edit_set))),
            "settings": as_plain(contender.settings),
            "most": self._plan.asking.most,
            "protocols": list(self._plan.asking.protocols),
            "minutes": self._plan.minutes,
        }

    def _without(self, contender: Contender, size: int, seed: int, outcome: Outcome, sentence: str) -> Record:
        """The record of a contender of which nothing was measured."""
        return Record(
            contender=contender.name,
            title=contender.title,
            editor=contender.kind.name,
            preset=contender.preset,
            gated=contender.kind.gated,
            edits=size,
            seed=seed,
            outcome=outcome,
            sentence=sentence,
            undo=Undo(one=contender.kind.undoes_one),
            settings=as_plain(contender.settings),
        )

    def _forget_model(self) -> None:
        """Let go of a model that an editor may have left changed."""
        self._model = None
        gc.collect()
