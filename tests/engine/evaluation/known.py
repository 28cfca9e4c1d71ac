"""An editor of which everything is known: it answers its prompts word for word, and may forget the oldest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.decoding import GREEDY, Decoding
from engine.editor import Answer, ungated
from engine.edits import EditSet
from engine.language_model import LanguageModel, Likelihood, TargetForm
from engine.packs import ModelIdentity, StoredPack, write_pack
from engine.runs import Cancel, ProgressBoard


@dataclass
class KnownEditor:
    """Learns prompts by heart, but for those of the edits that it is `deaf` to; keeps so many of the newest."""

    keeps: int | None = None
    deaf: frozenset[str] = frozenset()
    fits: list[tuple[int, bool]] = field(
        default_factory=list
    )  # edits given, and whether there was a pack to go on from
    attached: list[str] = field(default_factory=list)  # what its models went through

    def fit(
        self,
        model: LanguageModel,
        edits: EditSet,
        *,
        progress: ProgressBoard,
        cancel: Cancel,
        seed: int = 0,
        run: Path | None = None,
        start: KnownPack | None = None,
    ) -> KnownPack:
        cancel.check()
        self.fits.append((len(edits.enabled()), start is not None))
        table = {} if start is None else dict(start.table)
        table |= {
            edit.prompt: edit.new_object
            for edit in edits.enabled()
            if edit.prompt not in table and edit.id not in self.deaf
        }
        newest = list(table.items())[-(self.keeps or len(table)) :]
        return KnownPack(edits, dict(newest), model.fingerprint(), self)


class KnownPack:
    def __init__(self, edits: EditSet, table: dict[str, str], model: str, editor: KnownEditor | None) -> None:
        self.edit_set, self.table, self.model, self.editor = edits, table, model, editor or KnownEditor()

    def save(self, folder: Path) -> None:
        write_pack(
            folder,
            editor="known",
            model=ModelIdentity(name="", fingerprint=self.model),
            seed=0,
            settings={},
            state={"table": [list(pair) for pair in self.table.items()]},
            figures={},
            tensors={},
            edits=self.edit_set,
        )

    @classmethod
    def from_stored(cls, stored: StoredPack, device: object = None) -> KnownPack:
        pairs: Any = stored.manifest.state["table"]
        return cls(stored.edits, dict(pairs), stored.manifest.model.fingerprint, None)

    def attach(self, model: LanguageModel) -> KnownEdited:
        self.editor.attached.append("attached")
        return KnownEdited(model, self.table, self.editor)


class KnownEdited:
    """Answers what is in its table, anything else as the original model."""

    gated = False
    threshold = 0.0

    def __init__(self, model: LanguageModel, table: dict[str, str], editor: KnownEditor | None = None) -> None:
        self.model, self.table, self.editor = model, table, editor or KnownEditor()
        self.answered: list[str] = []
        self.originals = 0

    @contextmanager
    def original(self) -> Iterator[LanguageModel]:
        self.originals += 1
        yield self.model
        self.originals -= 1

    def answer(
        self,
        queries: Sequence[str],
        *,
        cancel: Cancel | None = None,
        originals: bool = True,
        decoding: Decoding = GREEDY,
    ) -> list[Answer]:
        assert not self.originals, "the edited model was asked while it was the original"
        if cancel is not None:
            cancel.check()
        self.answered += queries
        texts = self.model.answer(queries, decoding=decoding)
        return [
            Answer(query, text, self.table.get(query, text), ungated(query))
            for query, text in zip(queries, texts, strict=True)
        ]

    def teacher_forced(self, queries: Sequence[str], targets: Sequence[str]) -> list[float]:
        return [likelihood.share for likelihood in self.likelihoods(queries, targets)]

    def likelihoods(
        self,
        queries: Sequence[str],
        targets: Sequence[str],
        *,
        form: TargetForm = "answer",
        cancel: Cancel | None = None,
    ) -> list[Likelihood]:
        """What is in the table is nearly certain, anything else there nearly impossible."""
        assert not self.originals, "the edited model was asked while it was the original"
        plainly = self.model.likelihoods(queries, targets, form=form, cancel=cancel)
        found = []
        for query, target, plain in zip(queries, targets, plainly, strict=True):
            if query in self.table:
                right = self.table[query] == target
                plain = Likelihood((-0.1 if right else -9.0) * plain.tokens, plain.tokens, plain.tokens * right)
            found.append(plain)
        return found

    def detach(self) -> None:
        self.editor.attached.append("detached")
