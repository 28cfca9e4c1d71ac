"""The gate's training: what it compares queries with, what it memorises, and its calibration.

The familiarity network memorises the trained queries of the edits. The fusion of all evidence is calibrated on
phrasings that neither encoder nor network has seen, and on queries about no edit that are made of the edit set itself.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from assets import catalogue
from engine.edits import Edit, EditError
from engine.language_model import LanguageModel, Reading
from engine.meg.curriculum import Curriculum
from engine.meg.edit_index import EditIndex
from engine.meg.encoder import QueryEncoder, encoder_bytes, tuning_bytes
from engine.meg.familiarity import FamiliarityNetwork, random_labels, train_familiarity
from engine.meg.fusion import Example, Fusion, learn_fusion
from engine.meg.gate import Gate
from engine.meg.relation_readout import RelationReadout
from engine.meg.settings import MegSettings
from engine.processes import Message
from engine.runs import Cancel, seeded

CALIBRATION_EDITS = 1_024  # edits whose queries calibrate the gate, at most
STRANGERS = 3  # queries of each kind that are about no edit, for each edit that calibrates the gate, at most; one …
STRANGERS_FOR = 256  # … for so many edits
# Subjects with which each phrasing is shown to the relation readout, and half as many of other relations: the more
# edits, the likelier is a question that only a good readout tells from theirs.
READOUT_SUBJECTS = (8, 64)
READOUT_SUBJECT_FOR = 16  # edits
AT_ONCE = 2_048  # calibrating queries that are compared with every edit at once
EDIT_BYTES = 64 * 2**10  # what a gate and the questions that train it know of an edit, about
STRANGE_EDITS = 400  # edits about whose look-alikes the familiarity network learns
FEW_EDITS = 200  # below this many, facts that are not edited stand in while the gate is calibrated, …
EPISODE = 256  # … until there are this many


@dataclass(frozen=True, slots=True)
class Asked:
    """The trained queries of a list of edits."""

    z: Tensor  # [queries, z]
    owners: Tensor  # [queries]: the row of the edit that each is about

    @classmethod
    def of(cls, asks: Sequence[Sequence[str]], encoder: QueryEncoder, cancel: Cancel) -> Asked:
        """The queries `asks` of each edit."""
        z = encoder.encode([text for texts in asks for text in texts], cancel=cancel)
        owners = torch.tensor([row for row, texts in enumerate(asks) for _ in texts], device=z.device)
        return cls(z, owners.long())


def tuning_memory(settings: MegSettings, edits: Sequence[Edit]) -> int:
    """About how many bytes the stage before the gate takes: its encoder is tuned."""
    relations = catalogue.relations().keys() | {edit.relation for edit in edits}
    # Three texts for each fact of a step, and two for each relation.
    return tuning_bytes(settings.encoder, 3 * settings.tuning.facts + 2 * len(relations))


def gate_memory(settings: MegSettings, edits: Sequence[Edit]) -> int:
    """About how many bytes the encoder and a gate of `edits` take."""
    return encoder_bytes(settings.encoder) + EDIT_BYTES * len(edits)


class GateTraining:
    """One training of the gate of `edits`."""

    def __init__(
        self,
        settings: MegSettings,
        model: LanguageModel,
        edits: Sequence[Edit],
        curriculum: Curriculum,
        encoder: QueryEncoder,
        seed: int,
        *,
        ask: Callable[[Sequence[Edit]], Asked],
        cancel: Cancel,
        report: Callable[[int, int, float | None], None],
    ) -> None:
        """`ask` gives the trained queries of any edits; `report` is told the step, of how many, and the loss."""
        self._settings, self._model, self._edits, self._curriculum = settings, model, tuple(edits), curriculum
        self._encoder, self._seed, self._ask, self._cancel, self._report = encoder, seed, ask, cancel, report

    def learnt(self, asked: Asked, done: Message | None) -> Gate:
        """A gate that has memorised `asked`; `done` is what was learnt before an interruption.

        Raises EditError where nothing can calibrate it.
        """
        phrasings, encoder = self._curriculum.phrasings, self._encoder
        calibrating = sum(bool(self._curriculum.calibration_asks(edit)) for edit in self._edits)
        few = calibrating < FEW_EDITS
        steps = self._settings.familiarity.steps_for(len(self._edits))
        of = steps * (2 if few else 1)
        self._report(0, of, None)
        stand_ins = self._curriculum.pseudo_edits(EPISODE - calibrating) if few else ()
        episode = (*self._edits, *stand_ins)
        reading = self._read(episode)
        # A few edits may be alike: the centre has to be that of prompts in general.
        centre = reading.states.mean(0)
        own = reading.first(len(self._edits))
        readout = self._readout()
        index = EditIndex.build(self._edits, phrasings.known(), encoder, readout, own, centre, cancel=self._cancel)
        if done is not None:
            network = FamiliarityNetwork(encoder.width, self._settings.familiarity).to(index.prompts.device)
            network.load_state_dict(done.tensors)
            fusion = Fusion.restored(done.meta)
            return Gate(index, network.eval().requires_grad_(False), fusion, self._settings.gate)
        with seeded(self._seed, "gate"):
            network = self._memorised(self._edits, asked, range(steps), of)
            if few:
                stood_in = self._memorised(episode, self._ask(episode), range(steps, of), of)
                taught = EditIndex.build(
                    episode, phrasings.trained, encoder, readout, reading, centre, cancel=self._cancel
                )
                fusion = self._calibrated(taught, stood_in)
            else:
                fusion = self._calibrated(index.with_phrasings(phrasings.trained, cancel=self._cancel), network)
        return Gate(index, network, fusion, self._settings.gate)

    def renewed(self, gate: Gate, kept: Mapping[int, int], asked: Asked | None, done: Message | None) -> Gate:
        """The gate of a pack that is gone on from: as it is calibrated, with the edits as they are now.

        `kept` gives the rows of the edits that it has already; `asked` is memorised, None where nothing is new.
        """
        steps = self._settings.familiarity.steps_for(len(self._edits), len(self._edits) - len(kept))
        readout, relations = gate.index.readout, {edit.relation for edit in self._edits}
        if relations & self._curriculum.phrasings.trained.keys() - set(readout.relations):
            readout = self._readout()  # a relation that it has not learnt to read
        self._report(0, steps, None)
        known = self._curriculum.phrasings.known()
        index = gate.index.renewed(self._edits, kept, known, readout, self._read, cancel=self._cancel)
        network = copy.deepcopy(gate.network)
        if done is not None:
            network.load_state_dict(done.tensors)
        elif asked is not None:
            with seeded(self._seed, "gate"):
                network = self._memorised(self._edits, asked, range(steps), steps, network)
        return Gate(index, network, gate.fusion, self._settings.gate)

    def _read(self, edits: Sequence[Edit]) -> Reading:
        return self._model.read([edit.prompt for edit in edits], cancel=self._cancel)

    def _readout(self) -> RelationReadout:
        """The relations in the frozen model's states."""
        least, most = READOUT_SUBJECTS
        examples = self._curriculum.relation_examples(min(max(least, len(self._edits) // READOUT_SUBJECT_FOR), most))
        states = self._model.read([query for query, _ in examples], cancel=self._cancel).depths
        return RelationReadout.learn(states, [relation for _, relation in examples])

    def _memorised(
        self,
        edits: Sequence[Edit],
        asked: Asked,
        steps: range,
        of: int,
        network: FamiliarityNetwork | None = None,
    ) -> FamiliarityNetwork:
        """A familiarity network, or `network`, that has memorised `edits` in the `steps` of the stage's `of`."""
        settings = self._settings.familiarity
        strangers = self._curriculum.strangers(edits[:STRANGE_EDITS], self._curriculum.phrasings.trained)
        return train_familiarity(
            asked.z,
            random_labels([edit.id for edit in edits], settings).to(asked.z.device)[asked.owners],
            self._encoder.encode([stranger.query for stranger in strangers], cancel=self._cancel),
            settings,
            steps=len(steps),
            cancel=self._cancel,
            report=lambda step, loss: self._report(steps.start + step, of, loss),
            network=network,
        )

    def _calibrated(self, index: EditIndex, network: FamiliarityNetwork) -> Fusion:
        """The fusion learnt on phrasings that neither encoder nor network has seen."""
        phrasings, episode = self._curriculum.phrasings, index.edits
        draw = random.Random(f"calibration {self._seed}")
        rows = draw.sample(range(len(episode)), min(CALIBRATION_EDITS, len(episode)))
        queries: list[str] = []
        about: list[int | None] = []
        for row in rows:
            asks = self._curriculum.calibration_asks(episode[row])
            queries.extend(asks)
            about.extend([row] * len(asks))
        # The threshold hangs on the few of them that are most like an edit: many are drawn.
        others = [
            stranger
            for _ in range(min(STRANGERS, max(1, len(rows) // STRANGERS_FOR)))
            for stranger in self._curriculum.strangers([episode[row] for row in rows], phrasings.calibration)
        ]
        queries.extend(stranger.query for stranger in others)
        about.extend([None] * len(others))
        order = draw.sample(range(len(queries)), len(queries))
        examples = [
            example
            for start in range(0, len(order), AT_ONCE)
            for example in self._examples(index, network, queries, about, order[start : start + AT_ONCE])
        ]
        if not any(example.about is not None for example in examples):
            raise EditError("The gate has nothing to be calibrated with: give the edits a subject and a relation.")
        return learn_fusion(examples, self._settings.false_routing)

    def _examples(
        self,
        index: EditIndex,
        network: FamiliarityNetwork,
        queries: Sequence[str],
        about: Sequence[int | None],
        places: Sequence[int],
    ) -> list[Example]:
        """The queries at `places`, as the calibration sees them."""
        asked = [queries[place] for place in places]
        reading = self._model.read(asked, index.tokens, cancel=self._cancel)
        look = index.look(asked, network, cancel=self._cancel)
        return [
            Example(found, about[place], disorder)
            for place, found, disorder in zip(places, index.evidence(look, reading), look.entropy.tolist(), strict=True)
        ]
