"""The gate: is this query about an edit at all, and about which one?

Several kinds of evidence about a query and a candidate edit are fused into one calibrated probability, the
*familiarity*: the familiarity network's entropy, nearness in the tuned space, whether the query names the edit's
subject, whether it asks the edit's relation rather than another one, by its words with the subject masked and by the
frozen model's own state, whether that state is the one after the edit's prompt, and whether the model is about to give
the same answer. The fusion is a logistic regression, learnt on phrasings that nothing else was trained on and on
negatives made of the edit set itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from engine.edits import Edit, fill, fold
from engine.language_model import Reading
from engine.meg.encoder import MASK, QueryEncoder
from engine.meg.familiarity import FamiliarityNetwork
from engine.meg.relation_readout import RelationReadout
from engine.meg.sentences import last_sentence
from engine.meg.settings import GateKind
from engine.meg.subjects import SubjectIndex
from engine.prepacking import swift
from engine.runs import Cancel
from engine.side_by_side import beside, pays

# The state after a paraphrase is very near that after the prompt, and not so near after another question about the same
# subject: what lies above these similarities counts apart.
STATE_LEVELS = (0.8, 0.9, 0.96)
AGREEMENT_LEVEL = 0.5  # where the answer's first token is as likely as not: what lies above counts apart too
SIGNS = (
    "similarity",
    "names the subject",
    "relation similarity",
    "relation margin",
    "relation readout",
    "state similarity",
    "answer agreement",
    "familiarity network",
)
"""What is found out about a query and a candidate: the first of the FEATURES, of which the others are made."""
FEATURES = (
    *SIGNS,
    "named and relation margin",
    "named and relation readout",
    "named and state",
    "named and agreement",
    "named, agreement and relation margin",
    *(f"named and state above {level}" for level in STATE_LEVELS),
    f"named and agreement above {AGREEMENT_LEVEL}",
)
LEAST_CHANCE = 1e-3  # of an answer's first token, and its counterpart: what lies beyond tells no more
READOUT_BOUND = 8.0  # log-odds beyond which one relation is as good as certain
THRESHOLD = 0.5  # familiarity from which queries are routed, unless it is moved
BOUNDS = (0.01, 0.9)  # of what becomes it: few queries about no edit tell little of the regression's tails
CANDIDATES = 4  # nearest edits looked at beside those that are named
NAMED = 24  # most edits of named subjects looked at
_OF_EDITS = ("prompts", "states", "first_tokens", "masked_prompts")  # tensors with a row for each edit


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


@dataclass(frozen=True, slots=True)
class Candidate:
    """An edit that a query may be about, and what the query's words say of it."""

    edit: int
    similarity: float
    named: bool
    own: float  # similarity to the edit's relation, the subject masked
    margin: float  # its lead over the best other relation


@dataclass(frozen=True, slots=True)
class Look:
    """What queries show before the model is asked."""

    z: Tensor  # [queries, z]
    entropy: Tensor  # [queries]: of the familiarity network
    candidates: tuple[tuple[Candidate, ...], ...]

    def rows(self, index: Sequence[int]) -> Look:
        """The queries that `index` names."""
        chosen = list(index)
        return Look(self.z[chosen], self.entropy[chosen], tuple(self.candidates[row] for row in chosen))


@dataclass(frozen=True, slots=True)
class Thought:
    """What the frozen model makes of a query, as far as one candidate goes."""

    asked: float  # lead of the edit's relation in the readout
    state: float  # similarity of the state to that after the edit's prompt
    agreement: float  # log-odds of the answer's first token, from 0 (never) to 1 (surely)


# No thought can speak louder for a candidate than one of these: familiarity is a sigmoid of what is linear in the
# three, between one level and the next.
EXTREMES = tuple(
    Thought(asked, state, agreement)
    for asked in (-READOUT_BOUND, READOUT_BOUND)
    for state in (-1.0, *STATE_LEVELS, 1.0)
    for agreement in (0.0, AGREEMENT_LEVEL, 1.0)
)


def _features(candidate: Candidate, disorder: float, thought: Thought) -> tuple[float, ...]:
    """One row in the order of FEATURES."""
    return features_of(
        (
            candidate.similarity,
            float(candidate.named),
            candidate.own,
            candidate.margin,
            thought.asked,
            thought.state,
            thought.agreement,
            1 - disorder,
        )
    )


def features_of(signs: Sequence[float]) -> tuple[float, ...]:
    """One row in the order of FEATURES, of the SIGNS in theirs."""
    _, named, _, margin, asked, state, agreement, _ = signs
    return (
        *signs,
        named * margin,
        named * asked,
        named * state,
        named * agreement,
        named * agreement * margin,
        *(named * max(state - level, 0.0) for level in STATE_LEVELS),
        named * max(agreement - AGREEMENT_LEVEL, 0.0),
    )


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
        tensors = {
            **_described(edits, encoder, reading, state_centre, cancel),
            "state_centre": state_centre,
            "bank": encoder.encode(_masked(phrasings), cancel=cancel),
        }
        return cls(edits, phrasings, encoder, readout, tensors)

    def renewed(
        self,
        edits: Sequence[Edit],
        kept: Mapping[int, int],
        phrasings: Mapping[str, Sequence[str]],
        readout: RelationReadout,
        read: Callable[[Sequence[Edit]], Reading],
        *,
        cancel: Cancel | None = None,
    ) -> EditIndex:
        """The index of `edits`, of which `kept` gives the rows that stand here already: only the others are read."""
        new = [row for row in range(len(edits)) if row not in kept]
        tensors = dict(self.with_phrasings(phrasings, cancel=cancel).tensors)
        fresh = {}
        if new:
            others = [edits[row] for row in new]
            fresh = _described(others, self.encoder, read(others), self.state_centre, cancel)
        for name in _OF_EDITS:
            here = tensors[name]
            tensors[name] = here.new_empty(len(edits), *here.shape[1:])
            tensors[name][list(kept)] = here[list(kept.values())]
            if new:
                tensors[name][new] = fresh[name]
        return EditIndex(edits, phrasings, self.encoder, readout, tensors)

    def with_phrasings(self, phrasings: Mapping[str, Sequence[str]], *, cancel: Cancel | None = None) -> EditIndex:
        """The same edits beside other phrasings."""
        tensors = {**self.tensors, "bank": self.encoder.encode(_masked(phrasings), cancel=cancel)}
        return EditIndex(self.edits, phrasings, self.encoder, self.readout, tensors)

    def verbatim(self, query: str) -> int | None:
        """The first edit whose prompt `query` is, word for word."""
        return self._verbatim.get(fold(query))

    def look(self, queries: Sequence[str], network: FamiliarityNetwork, *, cancel: Cancel | None = None) -> Look:
        """What queries show before the model is asked."""
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
        nearness = z @ self.prompts.T
        nearest = nearness.topk(min(CANDIDATES, len(self.edits)), dim=1).indices.tolist()
        by_relation, near, masked = self._by_relation(encoded), nearness.cpu().numpy(), encoded.cpu().numpy()
        candidates = []
        for row, about in enumerate(named):
            known = list(about)
            if len(known) > NAMED:
                known = sorted(known, key=lambda edit: -near[row, edit])[:NAMED]
            found_candidates = []
            for edit in dict.fromkeys([*known, *nearest[row]]):
                place = places[row][about[edit]] if edit in about else row
                own, margin = self._relation_evidence(edit, masked[place], by_relation[place])
                found_candidates.append(Candidate(edit, float(near[row, edit]), edit in about, own, margin))
            candidates.append(tuple(found_candidates))
        return Look(z, network.entropy(z), tuple(candidates))

    def evidence(self, look: Look, reading: Reading) -> list[list[Evidence]]:
        """For each query its candidates' evidence.

        `reading` is the frozen model's of the same queries, with the chances of this index's `tokens`.
        """
        read = self.readout.scores(reading.depths).cpu().numpy()
        states = (F.normalize(reading.states - self.state_centre, dim=-1) @ self.states.T).cpu().numpy()
        agreements = _agreement(reading.chances.cpu().numpy())
        result = []
        for row, (candidates, disorder) in enumerate(zip(look.candidates, look.entropy.tolist(), strict=True)):
            found = []
            for candidate in candidates:
                edit = candidate.edit
                thought = Thought(
                    asked=_lead(read[row], self._read_relations[edit]),
                    state=float(states[row, edit]),
                    agreement=float(agreements[row, self._token_places[edit]]),
                )
                found.append(Evidence(edit, candidate.similarity, _features(candidate, disorder, thought)))
            result.append(found)
        return result

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


def _agreement(chances: np.ndarray) -> np.ndarray:
    """The log-odds of `chances`, bounded and brought to 0 to 1: of two near certainties one may be ten times surer."""
    odds = np.log((chances + LEAST_CHANCE) / (1 - chances + LEAST_CHANCE))
    return np.asarray(np.clip((odds / np.log(1 / LEAST_CHANCE) + 1) / 2, 0.0, 1.0))


def _lead(scores: np.ndarray, number: int | None) -> float:
    """By how much a relation's score is above the best other one, bounded; 0 where the readout does not know it."""
    if number is None:
        return 0.0
    return float(np.clip(scores[number] - np.delete(scores, number).max(), -READOUT_BOUND, READOUT_BOUND))


def _masked(phrasings: Mapping[str, Sequence[str]]) -> list[str]:
    return [fill(text, MASK) for templates in phrasings.values() for text in templates]


def _described(
    edits: Sequence[Edit], encoder: QueryEncoder, reading: Reading, state_centre: Tensor, cancel: Cancel | None
) -> dict[str, Tensor]:
    """What an index keeps of each edit, with the frozen model's `reading` of their prompts: see `_OF_EDITS`."""
    subjects = SubjectIndex(edits)
    return {
        "prompts": encoder.encode([edit.prompt for edit in edits], cancel=cancel),
        "states": F.normalize(reading.states - state_centre, dim=-1),
        "first_tokens": reading.likeliest,
        "masked_prompts": encoder.encode([_masked_prompt(edit, subjects) for edit in edits], cancel=cancel),
    }


def _masked_prompt(edit: Edit, subjects: SubjectIndex) -> str:
    spans = list(subjects.named(edit.prompt).values())
    return edit.prompt[: spans[0][0]] + MASK + edit.prompt[spans[0][1] :] if spans else edit.prompt


@dataclass(frozen=True, slots=True)
class Fusion:
    """The logistic regression over FEATURES: weights of the standardised features; THRESHOLD is where it routes."""

    least: tuple[float, ...]  # of each feature in the calibration; …
    most: tuple[float, ...]  # … what lies beyond tells no more than these: a weight is known within them alone
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    entropy_threshold: float

    @classmethod
    def restored(cls, values: Mapping[str, Any]) -> Fusion:
        """The fusion of `dataclasses.asdict`, also after it went through JSON."""
        parts: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**parts)

    def familiarity(self, evidence: ArrayLike) -> np.ndarray:
        """The probability that the query is about the candidate: `evidence` […, features] → […]."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.log_odds(evidence), -40, 40))))

    def log_odds(self, evidence: ArrayLike) -> np.ndarray:
        """The logarithm of the odds that the query is about the candidate: `evidence` […, features] → […]."""
        within = np.clip(np.asarray(evidence, dtype=float), self.least, self.most)
        return np.asarray((within - self.centre) / self.scale @ np.array(self.weights) + self.bias)


@dataclass(frozen=True, slots=True)
class Example:
    """One query of the calibration: its evidence, the edit it is about or None, and its entropy."""

    evidence: Sequence[Evidence]
    about: int | None
    entropy: float


def learn_fusion(examples: Sequence[Example], false_routing: float) -> Fusion:
    """Learn the fusion from queries that are about their edit and queries that are about none.

    The threshold lets through a share `false_routing` of the queries about none, each judged by a regression that
    was fitted without it. It becomes the familiarity THRESHOLD: the regression knows nothing of how seldom a query is
    about an edit, nor of what a false routing costs, and that rate says both. The entropy gate's own threshold is the
    one that tells most queries rightly.
    """
    rows, right, owner = [], [], []
    for number, example in enumerate(examples):
        for candidate in example.evidence:
            rows.append(candidate.row)
            right.append(candidate.edit == example.about)
            owner.append(number)
    features, wanted, owners = np.array(rows), np.array(right), np.array(owner)
    least, most = features.min(0), features.max(0)
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
    let_through = float(np.clip(np.quantile(judged[~about], 1 - false_routing), *BOUNDS))
    regression = fitted(np.ones(len(features), dtype=bool))
    entropies = np.array([example.entropy for example in examples])
    grid = np.linspace(0.02, 0.98, 49)
    rightly = [(entropies[about] < level).mean() + (entropies[~about] >= level).mean() for level in grid]
    return Fusion(
        tuple(least.tolist()),
        tuple(most.tolist()),
        tuple(centre.tolist()),
        tuple(scale.tolist()),
        tuple(regression.coef_[0].tolist()),
        float(regression.intercept_[0] - np.log(let_through / (1 - let_through))),
        float(grid[int(np.argmax(rightly))]),
    )


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
        rows = [[_features(candidate, disorder, thought) for thought in EXTREMES] for candidate in candidates]
        judged = self.fusion.familiarity(rows).max(1)
        most, best = float(judged.max()), candidates[int(judged.argmax())]
        return Verdict(most, best.edit, best.similarity, disorder) if most < self.threshold else None
