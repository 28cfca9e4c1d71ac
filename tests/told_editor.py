"""The smallest editor that there is: no gate, no layer, no weights; it puts its facts before every question."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.decoding import GREEDY, Decoding
from engine.editor import Answer, Explanation, NextTokens, Routing, ungated
from engine.editors.registry import EditorKind, Group
from engine.edits import Edit, EditError, EditSet
from engine.language_model import LanguageModel
from engine.packs import ModelIdentity, StoredPack, write_pack
from engine.runs import Cancel, ProgressBoard
from engine.setting_fields import check, setting
from engine.stopping import Extent

STAGES = ("Read", "Join")
NEEDS = ("prompt", "new object", "subject")


@dataclass(frozen=True, slots=True)
class ToldSettings:
    """How many facts are told."""

    most: int = setting(8, "Facts that are put before a question.", title="facts at most", least=1, most=100)

    def __post_init__(self) -> None:
        check(self)


class ToldEditor:
    """Joins the edits to a text."""

    def __init__(self, settings: ToldSettings) -> None:
        self.settings = settings

    def stages(self) -> tuple[str, ...]:
        return STAGES

    def requirements(self) -> tuple[str, ...]:
        return NEEDS

    def memory(self, model: LanguageModel, edits: Sequence[Edit]) -> int:
        return 1_000 * len(edits)

    def fit(
        self,
        model: LanguageModel,
        edits: EditSet,
        *,
        progress: ProgressBoard,
        cancel: Cancel,
        seed: int = 0,
        run: Path | None = None,
    ) -> ToldPack:
        of = len(edits.enabled())
        for stage in STAGES:
            for step, edit in enumerate(edits.enabled(), start=1):
                cancel.check()
                if not edit.subject:
                    raise EditError(f"The edit {edit.id}, “{edit.prompt}”, has no subject: give it one.")
                progress.report(stage, step, of, loss=1 / step, answered=step / of)
        return ToldPack(self.settings, ModelIdentity(name=model.name, fingerprint=model.fingerprint()), seed, edits)


class ToldPack:
    """The edits themselves."""

    def __init__(self, settings: ToldSettings, model: ModelIdentity, seed: int, edit_set: EditSet) -> None:
        self.settings, self.model, self.seed, self.edit_set = settings, model, seed, edit_set

    def save(self, folder: Path) -> None:
        write_pack(
            folder,
            editor="told",
            model=self.model,
            seed=self.seed,
            settings=dataclasses.asdict(self.settings),
            state={},
            figures={"layers": [1, 2]},
            tensors={},
            edits=self.edit_set,
        )

    @classmethod
    def from_stored(cls, stored: StoredPack, _device: torch.device | str = "cpu") -> ToldPack:
        manifest = stored.manifest
        return cls(restored(manifest.settings), manifest.model, manifest.seed, stored.edits)

    def attach(self, model: LanguageModel) -> ToldEditedModel:
        facts = [f"{edit.prompt} {edit.new_object}." for edit in self.edit_set.enabled()[: self.settings.most]]
        return ToldEditedModel(model, " ".join(facts))


class ToldEditedModel:
    """A model that is told every fact before every question."""

    gated = False
    threshold = 0.0

    def __init__(self, model: LanguageModel, told: str) -> None:
        self._model, self._told = model, told

    def route(self, queries: Sequence[str]) -> list[Routing]:
        return [ungated(query) for query in queries]

    def explain(self, query: str) -> Explanation:
        raise AssertionError(f"there is no gate to ask about {query!r}")

    def answer(
        self,
        queries: Sequence[str],
        *,
        cancel: Cancel | None = None,
        originals: bool = True,
        decoding: Decoding = GREEDY,
    ) -> list[Answer]:
        extents = [Extent().under(decoding) for _ in queries]
        edited = self._model.answer(self._all(queries), extents=extents, decoding=decoding, cancel=cancel)
        original = self._model.answer(queries, decoding=decoding, cancel=cancel) if originals else [""] * len(queries)
        return [
            Answer(query, before, after, ungated(query), 0.1, 0.1)
            for query, before, after in zip(queries, original, edited, strict=True)
        ]

    def teacher_forced(self, queries: Sequence[str], targets: Sequence[str]) -> list[float]:
        return self._model.teacher_forced(self._all(queries), targets)

    def next_tokens(self, query: str, k: int = 8) -> NextTokens:
        (told,) = self._all([query])
        return NextTokens(self._model.next_tokens(query, k), self._model.next_tokens(told, k))

    @contextmanager
    def original(self) -> Iterator[LanguageModel]:
        yield self._model

    def disable(self, edit_ids: Iterable[str]) -> None:
        if list(edit_ids):
            raise EditError("This method cannot take back one edit: train again without it.")

    def enable(self, edit_ids: Iterable[str]) -> None:
        self.disable(edit_ids)

    def detach(self) -> None:
        pass

    def _all(self, queries: Sequence[str]) -> list[str]:
        return [f"{self._told} {query}" for query in queries]


def restored(values: Mapping[str, Any]) -> ToldSettings:
    return ToldSettings(**values)


KIND = EditorKind(
    "told",
    "Told",
    "Every fact is put before every question.",
    "tests.told_editor",
    "ToldEditor",
    STAGES,
    (Group("Facts", names=("most",)),),
    {"balanced": ("Eight facts.", ToldSettings), "all": ("A hundred facts.", lambda: ToldSettings(100))},
    restored,
    gated=False,
    undoes_one=False,
    requires=NEEDS,
)
