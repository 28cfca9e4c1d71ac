"""The edits as queries are compared with them: prompts, subjects, relations and the frozen model's states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.edits import Edit, fill, fold
from engine.language_model import Reading
from engine.meg.encoder import MASK, QueryEncoder
from engine.meg.evidence import Candidate, Evidence, Thought, agreement, features, lead
from engine.meg.familiarity import FamiliarityNetwork
from engine.meg.relation_readout import RelationReadout
from engine.meg.subjects import SubjectIndex
from engine.runs import Cancel

CANDIDATES = 4  # nearest edits looked at beside those that are named
NAMED = 24  # most edits of named subjects looked at
_OF_EDITS = ("prompts", "states", "first_tokens", "masked_prompts")  # tensors with a row for each edit


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
        agreements = agreement(reading.chances.cpu().numpy())
        result = []
        for row, (candidates, disorder) in enumerate(zip(look.candidates, look.entropy.tolist(), strict=True)):
            found = []
            for candidate in candidates:
                edit = candidate.edit
                thought = Thought(
                    asked=lead(read[row], self._read_relations[edit]),
                    state=float(states[row, edit]),
                    agreement=float(agreements[row, self._token_places[edit]]),
                )
                found.append(Evidence(edit, candidate.similarity, features(candidate, disorder, thought)))
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


def _masked(phrasings: Mapping[str, Sequence[str]]) -> list[str]:
    return [fill(text, MASK) for templates in phrasings.values() for text in templates]


def _described(
    edits: Sequence[Edit], encoder: QueryEncoder, reading: Reading, state_centre: Tensor, cancel: Cancel | None
) -> dict[str, Tensor]:
    """What an index keeps of each edit, with the frozen model's `reading` of their prompts: see `_OF_EDITS`."""
    return {
        "prompts": encoder.encode([edit.prompt for edit in edits], cancel=cancel),
        "states": F.normalize(reading.states - state_centre, dim=-1),
        "first_tokens": reading.likeliest,
        "masked_prompts": encoder.encode([_masked_prompt(edit) for edit in edits], cancel=cancel),
    }


def _masked_prompt(edit: Edit) -> str:
    spans = list(SubjectIndex([edit]).named(edit.prompt).values())
    return edit.prompt[: spans[0][0]] + MASK + edit.prompt[spans[0][1] :] if spans else edit.prompt
