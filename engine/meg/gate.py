"""The gate: is this query about an edit at all, and about which one?

Several kinds of evidence about a query and a candidate edit are fused into one calibrated probability, the
*familiarity*: the familiarity network's entropy, nearness in the tuned space, whether the query names the edit's
subject, whether it asks the edit's relation rather than another one, by its words with the subject masked and by the
frozen model's own state, whether that state is the one after the edit's prompt, and whether the model is about to give
the same answer. The fusion is a logistic regression, learnt on phrasings that nothing else was trained on and on
negatives made of the edit set itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from engine.language_model import Reading
from engine.meg.edit_index import EditIndex, Look
from engine.meg.evidence import EXTREMES, Candidate, features
from engine.meg.familiarity import FamiliarityNetwork
from engine.meg.fusion import THRESHOLD, Fusion
from engine.meg.sentences import last_sentence
from engine.meg.settings import GateKind
from engine.prepacking import swift
from engine.side_by_side import beside, pays

SLACK = 0.02  # how far below the threshold the most that a familiarity could be has to stay


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's word on one query."""

    familiarity: float
    edit: int
    similarity: float
    entropy: float


@dataclass(frozen=True, slots=True)
class Weight:
    """One candidate edit and what it came to."""

    edit: int
    similarity: float
    familiarity: float | None = None  # None where nothing was weighed
    row: tuple[float, ...] = ()  # its evidence, in the order of FEATURES; empty where none decided


@dataclass(frozen=True, slots=True)
class Weighed:
    """One query with every candidate edit, the likeliest first."""

    verdict: Verdict
    z: Tensor  # [1, z]
    candidates: tuple[Weight, ...]
    verbatim: bool  # the query is the first one's prompt, word for word


class Gate:
    """An index of edits, a familiarity network and a fusion: query → verdict."""

    def __init__(self, index: EditIndex, network: FamiliarityNetwork, fusion: Fusion, kind: GateKind = "fused") -> None:
        self.index = index
        self.network = network
        self._judge = swift(network, index.prompts.device)
        self.fusion = fusion
        self.kind: GateKind = kind
        self.calibrated = THRESHOLD if kind == "fused" else 1 - fusion.entropy_threshold
        self.threshold = self.calibrated

    def to(self, device: torch.device) -> Gate:
        """The same on `device`; encoder and network move there for good."""
        self.index.encoder.to(device)
        tensors = {key: value.to(device) for key, value in self.index.tensors.items()}
        readout = self.index.readout.to(device)
        index = EditIndex(self.index.edits, self.index.phrasings, self.index.encoder, readout, tensors)
        return Gate(index, self.network.to(device), self.fusion, self.kind)

    def examine(
        self,
        queries: Sequence[str],
        read: Callable[[Sequence[str]], Reading],
        *,
        thorough: bool = False,
        light: bool = False,
    ) -> tuple[list[Verdict], Tensor]:
        """The verdict on each query, and z [queries, z]; `read` is asked for the model's reading of some of them.

        A `light` model is one whose reading of a query is work for one thread.

        The model is asked only where its word can decide: for a query that stays below the threshold whatever the
        model may think, familiarity is the most that it could be. With `thorough` it is asked about every query.

        Who asks an edit's own prompt asks about that edit, whatever else speaks for or against it: a prompt without a
        subject has less to show than the fusion was calibrated on. What is asked after other sentences is judged
        without them too, and the more familiar of the two counts: the fusion knows single sentences. With the entropy
        gate of the paper, familiarity is one minus the entropy, and the model is never asked.
        """
        ends = {row: end for row, query in enumerate(queries) if (end := self._end(query)) is not None}
        verdicts, z = self._judged([*queries, *ends.values()], read, thorough=thorough, light=light)
        for place, row in enumerate(ends, len(queries)):
            if verdicts[place].familiarity > verdicts[row].familiarity:
                verdicts[row], z[row] = replace(verdicts[place], entropy=verdicts[row].entropy), z[place]
        return verdicts[: len(queries)], z[: len(queries)]

    def weigh(self, query: str, read: Callable[[Sequence[str]], Reading], *, light: bool = False) -> Weighed:
        """One query examined thoroughly, as in `examine`, with what every candidate came to."""
        end = self._end(query)
        found = [self._weighed(text, read, light=light) for text in ((query,) if end is None else (query, end))]
        return max(found, key=lambda weighed: weighed.verdict.familiarity)

    def _end(self, query: str) -> str | None:
        """What `query` asks after other sentences, where that may be about an edit by itself."""
        end = None if self.kind == "entropy" else last_sentence(query)
        alone = end is not None and (self.index.verbatim(end) is not None or bool(self.index.subjects.named(end)))
        return end if alone else None

    def _judged(
        self, queries: Sequence[str], read: Callable[[Sequence[str]], Reading], *, thorough: bool, light: bool
    ) -> tuple[list[Verdict], Tensor]:
        """The verdict on each query as a whole, and z [queries, z]."""
        look, reading = self._look(queries, read, thorough=thorough, light=light)
        verdicts: dict[int, Verdict] = {}
        for row, (query, disorder) in enumerate(zip(queries, look.entropy.tolist(), strict=True)):
            known = thorough or reading is not None
            found = self._without_the_model(query, look.candidates[row], disorder, look.z[row], thorough=known)
            if found is not None:
                verdicts[row] = found
        open_rows = [row for row in range(len(queries)) if row not in verdicts]
        if open_rows:
            left = look.rows(open_rows)
            evidence = self.index.evidence(left, reading or read([queries[row] for row in open_rows]))
            for row, candidates, disorder in zip(open_rows, evidence, left.entropy.tolist(), strict=True):
                judged = self.fusion.familiarity([candidate.row for candidate in candidates])
                best = candidates[int(judged.argmax())]
                verdicts[row] = Verdict(float(judged.max()), best.edit, best.similarity, disorder)
        return [verdicts[row] for row in range(len(queries))], look.z

    def _weighed(self, query: str, read: Callable[[Sequence[str]], Reading], *, light: bool) -> Weighed:
        """One query as a whole."""
        look, reading = self._look([query], read, thorough=True, light=light)
        disorder, candidates = float(look.entropy[0]), look.candidates[0]
        decided = self._without_the_model(query, candidates, disorder, look.z[0], thorough=True)
        if decided is not None:
            first = Weight(decided.edit, decided.similarity, decided.familiarity)
            others = [Weight(each.edit, each.similarity) for each in candidates if each.edit != decided.edit]
            others.sort(key=lambda weight: -weight.similarity)
            verbatim = self.kind == "fused"
            return Weighed(decided, look.z, (first, *others), verbatim)
        (evidence,) = self.index.evidence(look, reading or read([query]))
        weights = [
            Weight(each.edit, each.similarity, float(self.fusion.familiarity(each.row)), each.row) for each in evidence
        ]
        weights.sort(key=lambda weight: -(weight.familiarity or 0.0))
        best = weights[0]
        verdict = Verdict(best.familiarity or 0.0, best.edit, best.similarity, disorder)
        return Weighed(verdict, look.z, tuple(weights), verbatim=False)

    def _look(
        self, queries: Sequence[str], read: Callable[[Sequence[str]], Reading], *, thorough: bool, light: bool
    ) -> tuple[Look, Reading | None]:
        """What `queries` show; of one query alone that the model is likely to be asked about, the reading too.

        There a light model reads while the encoder does.
        """
        alone = light and len(queries) == 1 and pays(self.index.prompts.device)
        if alone and self._likely_read(queries[0], thorough=thorough):
            with beside(partial(read, queries)) as reading:
                look = self.index.look(queries, self._judge)
            return look, reading.result()
        return self.index.look(queries, self._judge), None

    def _likely_read(self, query: str, *, thorough: bool) -> bool:
        """Whether the model is asked about `query`, as far as its words tell."""
        if self.kind == "entropy" or self.index.verbatim(query) is not None:
            return False
        return thorough or bool(self.index.subjects.named(query))

    def _without_the_model(
        self, query: str, candidates: Sequence[Candidate], disorder: float, z: Tensor, *, thorough: bool
    ) -> Verdict | None:
        """The verdict where the model's word is not needed."""
        if self.kind == "entropy":
            best = max(candidates, key=lambda candidate: candidate.similarity)
            return Verdict(1 - disorder, best.edit, best.similarity, disorder)
        asked = self.index.verbatim(query)
        if asked is not None:
            return Verdict(1.0, asked, float(z @ self.index.prompts[asked]), disorder)
        if thorough:
            return None
        rows = [[features(candidate, disorder, thought) for thought in EXTREMES] for candidate in candidates]
        judged = self.fusion.familiarity(rows).max(1)
        most, best = float(judged.max()), candidates[int(judged.argmax())]
        return Verdict(most, best.edit, best.similarity, disorder) if most < self.threshold - SLACK else None
