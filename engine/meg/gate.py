"""The gate: is this query about an edit at all, and about which one?

Several kinds of evidence about a query and a candidate edit are fused into one calibrated probability, the
*familiarity*: the familiarity network's entropy, nearness in the tuned space, whether the query names the edit's
subject, whether it asks the edit's relation rather than another one, by its words with the subject masked and by the
frozen model's own state, whether that state is the one after the edit's prompt, and whether the model is about to give
the same answer. The fusion is a logistic regression, learnt on phrasings that nothing else was trained on and on
negatives made of the edit set itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from engine.edits import Edit, fill, fold
from engine.language_model import Reading
from engine.meg.encoder import MASK, QueryEncoder
from engine.meg.familiarity import FamiliarityNetwork
from engine.meg.relation_readout import RelationReadout
from engine.meg.subjects import SubjectIndex
from engine.runs import Cancel

GateKind = Literal["fused", "entropy"]
FEATURES = (
    "similarity",
    "names the subject",
    "relation similarity",
    "relation margin",
    "relation readout",
    "state similarity",
    "answer agreement",
    "familiarity network",
    "named and relation margin",
    "named and relation readout",
    "named and state",
    "named and agreement",
    "named, agreement and relation margin",
)
READOUT_BOUND = 4.0  # log-odds beyond which one relation is as good as certain
CANDIDATES = 4  # nearest edits looked at beside those that are named
NAMED = 24  # most edits of named subjects looked at


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for one candidate edit: one row of numbers in the order of FEATURES."""

    edit: int
    similarity: float
    row: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's word on one query."""

    familiarity: float
    edit: int
    similarity: float
    entropy: float


class EditIndex:
    """Everything the gate compares a query with: prompts, subjects, relations and the frozen model's states."""

    def __init__(
        self,
        edits: Sequence[Edit],
        phrasings: Mapping[str, Sequence[str]],
        encoder: QueryEncoder,
        readout: RelationReadout,
        tensors: Mapping[str, Tensor],
    ) -> None:
        self.edits = tuple(edits)
        self.encoder = encoder
        self.readout = readout
        self.phrasings = {key: tuple(templates) for key, templates in phrasings.items()}
        self.tensors = dict(tensors)
        self.prompts = tensors["prompts"]  # [edits, z], unit rows
        self.states = tensors["states"]  # [edits, d_model], centred unit rows: the model's state after each prompt
        self.state_centre = tensors["state_centre"]  # [d_model]
        self.first_tokens = tensors["first_tokens"]  # [edits]: what the model is likeliest to say after each prompt
        self.bank = tensors["bank"]  # [phrasings, z]: every phrasing with the subject masked
        self.masked_prompts = tensors["masked_prompts"]  # [edits, z]
        self.subjects = SubjectIndex(edits)
        # Many edits share a first token: a model is asked for the chance of each only once.
        self.tokens, places = self.first_tokens.unique(return_inverse=True)
        self._token_places = places.cpu().numpy()
        self._verbatim = {fold(edit.prompt): row for row, edit in reversed(list(enumerate(self.edits)))}
        by_bank = {key: number for number, key in enumerate(self.phrasings)}
        self._bank_relations = torch.tensor(
            [by_bank[key] for key, templates in self.phrasings.items() for _ in templates],
            dtype=torch.long,
            device=self.bank.device,
        )
        self._relations = [by_bank.get(edit.relation) for edit in self.edits]
        by_readout = {key: number for number, key in enumerate(readout.relations)}
        self._read_relations = [by_readout.get(edit.relation) for edit in self.edits]
        # A free prompt may ask what some relation asks too: that relation does not speak against it.
        free = [row for row, number in enumerate(self._relations) if number is None]
        alike = self._by_relation(self.masked_prompts[free]) > 0.8
        self._alike = {row: np.flatnonzero(found) for row, found in zip(free, alike, strict=True)}

    @classmethod
    def build(
        cls,
        edits: Sequence[Edit],
        phrasings: Mapping[str, Sequence[str]],
        encoder: QueryEncoder,
        readout: RelationReadout,
        reading: Reading,
        state_centre: Tensor,
        *,
        cancel: Cancel | None = None,
    ) -> EditIndex:
        """The index of `edits`, with the frozen model's `reading` of their prompts.

        States are compared after `state_centre` [d_model] is taken off; it has to be the one of the calibration.
        """
        subjects = SubjectIndex(edits)
        tensors = {
            "prompts": encoder.encode([edit.prompt for edit in edits], cancel=cancel),
            "states": F.normalize(reading.states - state_centre, dim=-1),
            "state_centre": state_centre,
            "first_tokens": reading.likeliest,
            "bank": encoder.encode(_masked(phrasings), cancel=cancel),
            "masked_prompts": encoder.encode([_masked_prompt(edit, subjects) for edit in edits], cancel=cancel),
        }
        return cls(edits, phrasings, encoder, readout, tensors)

    def with_phrasings(self, phrasings: Mapping[str, Sequence[str]], *, cancel: Cancel | None = None) -> EditIndex:
        """The same edits beside other phrasings."""
        tensors = {**self.tensors, "bank": self.encoder.encode(_masked(phrasings), cancel=cancel)}
        return EditIndex(self.edits, phrasings, self.encoder, self.readout, tensors)

    def verbatim(self, query: str) -> int | None:
        """The first edit whose prompt `query` is, word for word."""
        return self._verbatim.get(fold(query))

    def evidence(
        self,
        queries: Sequence[str],
        reading: Reading,
        network: FamiliarityNetwork,
        *,
        cancel: Cancel | None = None,
    ) -> tuple[list[list[Evidence]], Tensor, Tensor]:
        """For each query its candidates' evidence; the entropies [queries]; and z [queries, z].

        `reading` is the frozen model's of the queries, with the chances of this index's `tokens`.
        """
        named = [self.subjects.named(query) for query in queries]
        texts = list(queries)
        places: list[dict[tuple[int, int], int]] = []
        for query, found in zip(queries, named, strict=True):
            spans = {}
            for span in sorted(set(found.values())):
                spans[span] = len(texts)
                texts.append(query[: span[0]] + MASK + query[span[1] :])
            places.append(spans)
        encoded = self.encoder.encode(texts, cancel=cancel)
        z = encoded[: len(queries)]
        entropy = network.entropy(z)
        nearness = z @ self.prompts.T
        nearest = nearness.topk(min(CANDIDATES, len(self.edits)), dim=1).indices.tolist()
        by_relation, read = self._by_relation(encoded), self.readout.scores(reading.middles).cpu().numpy()
        states = (F.normalize(reading.states - self.state_centre, dim=-1) @ self.states.T).cpu().numpy()
        near, chances, disorder = nearness.cpu().numpy(), reading.chances.cpu().numpy(), entropy.tolist()
        masked = encoded.cpu().numpy()
        result = []
        for row, about in enumerate(named):
            known = list(about)
            if len(known) > NAMED:
                known = sorted(known, key=lambda edit: -near[row, edit])[:NAMED]
            found_evidence = []
            for edit in dict.fromkeys([*known, *nearest[row]]):
                is_named = edit in about
                place = places[row][about[edit]] if is_named else row
                own, margin = self._relation_evidence(edit, masked[place], by_relation[place])
                asked = _lead(read[row], self._read_relations[edit])
                similarity, state = float(near[row, edit]), float(states[row, edit])
                agreement = float(chances[row, self._token_places[edit]])
                numbers = (
                    similarity,
                    float(is_named),
                    own,
                    margin,
                    asked,
                    state,
                    agreement,
                    1 - disorder[row],
                    is_named * margin,
                    is_named * asked,
                    is_named * state,
                    is_named * agreement,
                    is_named * agreement * margin,
                )
                found_evidence.append(Evidence(edit, similarity, numbers))
            result.append(found_evidence)
        return result, entropy, z

    def _by_relation(self, z: Tensor) -> np.ndarray:
        """The greatest similarity of masked queries to any phrasing of each relation: [queries, relations]."""
        best = torch.full((len(z), len(self.phrasings)), -1.0, device=z.device)
        best.scatter_reduce_(1, self._bank_relations.expand(len(z), -1), z @ self.bank.T, "amax")
        return best.cpu().numpy()

    def _relation_evidence(self, edit: int, z: np.ndarray, by_relation: np.ndarray) -> tuple[float, float]:
        """(similarity to the edit's own relation, its lead over the best other relation)."""
        number = self._relations[edit]
        if number is not None:
            own, excepted = float(by_relation[number]), np.array([number])
        else:
            own, excepted = float(self.masked_prompts[edit].cpu().numpy() @ z), self._alike[edit]
        others = np.delete(by_relation, excepted)
        return own, own - (float(others.max()) if len(others) else 0.0)


def _lead(scores: np.ndarray, number: int | None) -> float:
    """By how much a relation's score is above the best other one, bounded; 0 where the readout does not know it."""
    if number is None:
        return 0.0
    return float(np.clip(scores[number] - np.delete(scores, number).max(), -READOUT_BOUND, READOUT_BOUND))


def _masked(phrasings: Mapping[str, Sequence[str]]) -> list[str]:
    return [fill(text, MASK) for templates in phrasings.values() for text in templates]


def _masked_prompt(edit: Edit, subjects: SubjectIndex) -> str:
    spans = list(subjects.named(edit.prompt).values())
    return edit.prompt[: spans[0][0]] + MASK + edit.prompt[spans[0][1] :] if spans else edit.prompt


@dataclass(frozen=True, slots=True)
class Fusion:
    """The logistic regression over FEATURES: weights of the standardised features, and the threshold."""

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    threshold: float
    entropy_threshold: float

    @classmethod
    def restored(cls, values: Mapping[str, Any]) -> Fusion:
        """The fusion of `dataclasses.asdict`, also after it went through JSON."""
        parts: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**parts)

    def familiarity(self, evidence: Sequence[float]) -> float:
        """The probability that the query is about the candidate."""
        drive = self.bias + sum(
            weight * (value - centre) / scale
            for value, centre, scale, weight in zip(evidence, self.centre, self.scale, self.weights, strict=True)
        )
        return float(1 / (1 + np.exp(-np.clip(drive, -40, 40))))


@dataclass(frozen=True, slots=True)
class Example:
    """One query of the calibration: its evidence, the edit it is about or None, and its entropy."""

    evidence: Sequence[Evidence]
    about: int | None
    entropy: float


def learn_fusion(examples: Sequence[Example], false_routing: float) -> Fusion:
    """Learn the fusion from queries that are about their edit and queries that are about none.

    The threshold lets through a share `false_routing` of the queries about none, each judged by a regression that
    was fitted without it, within the bounds 0.1 and 0.9. The entropy gate's own threshold is the one that tells
    most queries rightly.
    """
    rows, right, owner = [], [], []
    for number, example in enumerate(examples):
        for candidate in example.evidence:
            rows.append(candidate.row)
            right.append(candidate.edit == example.about)
            owner.append(number)
    features, wanted, owners = np.array(rows), np.array(right), np.array(owner)
    centre, scale = features.mean(0), features.std(0)
    scale = np.where(scale < 1e-6, 1.0, scale)
    features = (features - centre) / scale

    def fitted(chosen: np.ndarray) -> LogisticRegression:
        regression = LogisticRegression(C=1.0, class_weight="balanced", max_iter=2_000)
        return regression.fit(features[chosen], wanted[chosen])

    judged = np.zeros(len(examples))
    for half in (0, 1):
        inside = owners % 2 == half
        chances = fitted(~inside).predict_proba(features[inside])[:, 1]
        np.maximum.at(judged, owners[inside], chances)
    about = np.array([example.about is not None for example in examples])
    threshold = float(np.clip(np.quantile(judged[~about], 1 - false_routing), 0.1, 0.9))
    regression = fitted(np.ones(len(features), dtype=bool))
    entropies = np.array([example.entropy for example in examples])
    grid = np.linspace(0.02, 0.98, 49)
    rightly = [(entropies[about] < level).mean() + (entropies[~about] >= level).mean() for level in grid]
    return Fusion(
        tuple(centre.tolist()),
        tuple(scale.tolist()),
        tuple(regression.coef_[0].tolist()),
        float(regression.intercept_[0]),
        threshold,
        float(grid[int(np.argmax(rightly))]),
    )


class Gate:
    """An index of edits, a familiarity network and a fusion: query → verdict."""

    def __init__(self, index: EditIndex, network: FamiliarityNetwork, fusion: Fusion, kind: GateKind = "fused") -> None:
        self.index = index
        self.network = network
        self.fusion = fusion
        self.kind: GateKind = kind
        self.threshold = fusion.threshold if kind == "fused" else 1 - fusion.entropy_threshold

    def examine(self, queries: Sequence[str], reading: Reading) -> tuple[list[Verdict], Tensor]:
        """The verdict on each query, and z [queries, z]; `reading` is the model's (see EditIndex.evidence).

        Who asks an edit's own prompt asks about that edit, whatever else speaks for or against it: a prompt without a
        subject has less to show than the fusion was calibrated on. With the entropy gate of the paper, familiarity is
        one minus the entropy.
        """
        evidence, entropy, z = self.index.evidence(queries, reading, self.network)
        verdicts = []
        for query, candidates, disorder, place in zip(queries, evidence, entropy.tolist(), z, strict=True):
            asked = self.index.verbatim(query)
            if asked is not None and self.kind == "fused":
                verdicts.append(Verdict(1.0, asked, float(place @ self.index.prompts[asked]), disorder))
                continue
            judged = [(self.fusion.familiarity(candidate.row), candidate) for candidate in candidates]
            familiarity, best = max(judged, key=lambda pair: pair[0])
            if self.kind == "entropy":
                familiarity = 1 - disorder
                best = max(candidates, key=lambda candidate: candidate.similarity)
            verdicts.append(Verdict(familiarity, best.edit, best.similarity, disorder))
        return verdicts, z
